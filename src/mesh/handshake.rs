//! The handshake of two processes of one run, on a socket on which nothing else was sent yet.
//!
//! The one that dials says who it is and whom it wants; both send a number that was never used before; both prove that
//! they know the run's key by a keyed hash over all of that; last, the dialled one says that it has let the other in. A
//! proof is of no use on another connection, and says nothing of the key. What follows on the socket is neither
//! encrypted nor signed: the network between the processes is trusted to carry it, strangers are not.
//!
//! In and out: a stream that gives up on its own after some time. Errors: [`Refusal`]; nothing is changed by one.
//! Source: mutual challenge and response with a keyed hash, ISO/IEC 9798-4; BLAKE3's keyed mode.

use std::io::{Read, Write};

/// First on every connection; the last byte is the version of the protocol.
const MAGIC: &[u8; 8] = b"tidemsh\x01";

/// Bytes of a greeting: magic, from, to, a fresh number.
const GREETING: usize = 8 + 4 + 4 + 32;

/// Why a connection is not one between two processes of this run.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It said something else, or not all of it in time.
    #[error("it does not speak as a process of a run does: {0}")]
    Broken(std::io::Error),
    /// It is no process of a tidemill run, or one of another version.
    #[error("it does not speak this protocol")]
    Stranger,
    /// It does not know the key.
    #[error("it does not know the secret, or was started with other hosts, processes or threads")]
    Unproved,
    /// It wants another process, or says that it is one that cannot dial this one.
    #[error("process {from} wants process {to} here")]
    Misplaced {
        /// Who it says that it is.
        from: u32,
        /// Whom it wants.
        to: u32,
    },
    /// That process is connected already.
    #[error("process {0} is connected already")]
    Twice(u32),
}

impl From<std::io::Error> for Refusal {
    fn from(cause: std::io::Error) -> Refusal {
        Refusal::Broken(cause)
    }
}

/// What all processes of one start share, and nobody else knows.
#[derive(Clone)]
pub struct RunKey([u8; 32]);

impl RunKey {
    /// The key of a secret and everything that the processes must agree on.
    pub fn new(secret: &[u8], agreed: &str) -> RunKey {
        let mut material = secret.to_vec();
        material.push(0);
        material.extend_from_slice(agreed.as_bytes());
        RunKey(blake3::derive_key("tidemill mesh, 2026-11, key of one run", &material))
    }

    fn proof(&self, role: &[u8], greetings: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(role);
        hasher.update(greetings);
        hasher.finalize()
    }
}

const DIALLED: &[u8] = b"dialled";
const DIALLING: &[u8] = b"dialling";
const WELCOME: &[u8] = b"welcome";

/// Dials as process `from`: `to` is at the other end when this returns.
///
/// # Errors
/// Whatever is at the other end is not that process, or does not let this one in.
pub fn dial(stream: &mut (impl Read + Write), key: &RunKey, from: u32, to: u32) -> Result<(), Refusal> {
    let mut both = greeting(from, to)?.to_vec();
    stream.write_all(&both)?;
    let mut answer = [0; GREETING];
    stream.read_exact(&mut answer)?;
    let (speaker, wanted) = read_greeting(&answer)?;
    both.extend_from_slice(&answer);
    check(stream, &key.proof(DIALLED, &both))?;
    if (speaker, wanted) != (to, from) {
        return Err(Refusal::Misplaced { from: speaker, to: wanted });
    }
    stream.write_all(key.proof(DIALLING, &both).as_bytes())?;
    check(stream, &key.proof(WELCOME, &both))
}

/// Answers as process `me`; who is at the other end when this returns. `admit` is asked when the other has proved who
/// it is, and is the last that can refuse it.
///
/// # Errors
/// The other is no process that may dial this one.
pub fn answer(
    stream: &mut (impl Read + Write),
    key: &RunKey,
    me: u32,
    admit: impl FnOnce(u32) -> Result<(), Refusal>,
) -> Result<u32, Refusal> {
    let mut both = vec![0; GREETING];
    stream.read_exact(&mut both)?;
    let (from, to) = read_greeting(&both)?;
    let own = greeting(me, from)?;
    stream.write_all(&own)?;
    both.extend_from_slice(&own);
    stream.write_all(key.proof(DIALLED, &both).as_bytes())?;
    check(stream, &key.proof(DIALLING, &both))?;
    if to != me {
        return Err(Refusal::Misplaced { from, to });
    }
    admit(from)?;
    stream.write_all(key.proof(WELCOME, &both).as_bytes())?;
    Ok(from)
}

fn greeting(from: u32, to: u32) -> Result<[u8; GREETING], Refusal> {
    let mut bytes = [0; GREETING];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&from.to_le_bytes());
    bytes[12..16].copy_from_slice(&to.to_le_bytes());
    getrandom::fill(&mut bytes[16..]).map_err(|error| Refusal::Broken(error.into()))?;
    Ok(bytes)
}

fn read_greeting(bytes: &[u8]) -> Result<(u32, u32), Refusal> {
    let word = |at: usize| bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map(u32::from_le_bytes);
    match (bytes.starts_with(MAGIC), word(8), word(12)) {
        (true, Some(from), Some(to)) => Ok((from, to)),
        _ => Err(Refusal::Stranger),
    }
}

/// Reads a proof; hashes are compared in constant time.
fn check(stream: &mut impl Read, expected: &blake3::Hash) -> Result<(), Refusal> {
    let mut proof = [0; 32];
    stream.read_exact(&mut proof)?;
    if *expected == proof { Ok(()) } else { Err(Refusal::Unproved) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (two, _) = listener.accept().unwrap();
        for stream in [&one, &two] {
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        }
        (one, two)
    }

    fn meet(dialling: (&RunKey, u32, u32), dialled: (&RunKey, u32)) -> (Result<(), Refusal>, Result<u32, Refusal>) {
        let (mut one, mut two) = pair();
        std::thread::scope(|scope| {
            let other = scope.spawn(move || answer(&mut two, dialled.0, dialled.1, |_| Ok(())));
            let met = dial(&mut one, dialling.0, dialling.1, dialling.2);
            drop(one);
            (met, other.join().unwrap())
        })
    }

    #[test]
    fn two_who_know_the_key_meet() {
        let key = RunKey::new(b"a shared secret", "2 processes");
        let (dialling, dialled) = meet((&key, 1, 0), (&key, 0));
        assert!(dialling.is_ok() && matches!(dialled, Ok(1)));
    }

    #[test]
    fn who_does_not_know_the_key_or_is_misplaced_is_refused_by_both() {
        let key = RunKey::new(b"a shared secret", "2 processes");
        for other in [RunKey::new(b"another secret", "2 processes"), RunKey::new(b"a shared secret", "3 processes")] {
            let (dialling, dialled) = meet((&other, 1, 0), (&key, 0));
            assert!(matches!(dialling, Err(Refusal::Unproved)), "{dialling:?}");
            assert!(dialled.is_err());
        }
        let (dialling, dialled) = meet((&key, 2, 1), (&key, 0));
        assert!(matches!(dialling, Err(Refusal::Misplaced { from: 0, to: 2 })), "{dialling:?}");
        assert!(dialled.is_err());
    }

    #[test]
    fn what_was_overheard_is_of_no_use_again() {
        let key = RunKey::new(b"a shared secret", "");
        let (mut one, mut two) = pair();
        // All that a dialling process said, on another connection.
        let (said, met) = std::thread::scope(|scope| {
            let other = scope.spawn(move || answer(&mut two, &key.clone(), 0, |_| Ok(())));
            let mut heard = Heard { stream: &mut one, said: Vec::new() };
            let met = dial(&mut heard, &RunKey::new(b"a shared secret", ""), 1, 0);
            let said = heard.said;
            other.join().unwrap().unwrap();
            (said, met)
        });
        assert!(met.is_ok());
        let (mut again, mut fresh) = pair();
        again.write_all(&said).unwrap();
        let refused = answer(&mut fresh, &RunKey::new(b"a shared secret", ""), 0, |_| panic!("it is not asked"));
        assert!(matches!(refused, Err(Refusal::Unproved)), "{refused:?}");
    }

    struct Heard<'a> {
        stream: &'a mut TcpStream,
        said: Vec<u8>,
    }

    impl Read for Heard<'_> {
        fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
            self.stream.read(bytes)
        }
    }

    impl Write for Heard<'_> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.said.extend_from_slice(bytes);
            self.stream.write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What somebody sends, and nobody hears.
    struct Noise(std::io::Cursor<Vec<u8>>);

    impl Read for Noise {
        fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(bytes)
        }
    }

    impl Write for Noise {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..200), greets: bool) {
            if greets && bytes.len() >= 8 {
                bytes[..8].copy_from_slice(MAGIC);
            }
            let key = RunKey::new(b"a shared secret", "");
            let noise = || Noise(std::io::Cursor::new(bytes.clone()));
            prop_assert!(answer(&mut noise(), &key, 0, |_| Ok(())).is_err());
            prop_assert!(dial(&mut noise(), &key, 1, 0).is_err());
        }
    }
}
