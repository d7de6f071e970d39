//! The mesh: the processes of one run, connected pairwise by sockets before the dataflow gets them.
//!
//! In: everybody's address, this process's index, the shared secret. Each process listens on its own address alone, is
//! dialled by those of higher indices, and dials those of lower ones; both prove that they belong to the run
//! ([`handshake`]). Strangers, silent peers, wrong indices and who does not know the secret are refused, told in the
//! log, and change nothing. Out: one connected socket for each other process. Limits: it gives up after a deadline, and
//! names who is missing and why, as far as it knows.

pub mod handshake;

use handshake::{Refusal, RunKey, answer, dial};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// How long one connection may take to prove itself.
const PROOF_WITHIN: Duration = Duration::from_secs(5);
/// How long to wait before somebody who was not there is dialled again.
const AGAIN_AFTER: Duration = Duration::from_millis(50);
/// Connections that may be proving themselves at once; more wait in the system's queue.
const PROVING: usize = 64;

/// What a process must know of its run to join it.
#[derive(Clone, Debug)]
pub struct Mesh {
    /// `host:port` of each process, by index.
    pub addresses: Vec<String>,
    /// This process.
    pub index: usize,
    /// Worker threads of each process: all must have as many.
    pub threads: usize,
    /// What only the processes of this run know.
    pub secret: Vec<u8>,
    /// How long to wait for the others.
    pub within: Duration,
}

/// Why a process could not join its run.
#[derive(Debug, thiserror::Error)]
pub enum MeshError {
    /// An address of the hostfile cannot be used.
    #[error("process {index} cannot be at `{address}`: {cause}; write host:port, with a host of this network")]
    Address {
        /// Whose.
        index: usize,
        /// The address.
        address: String,
        /// What the system said.
        cause: String,
    },
    /// This process's own address is taken, or not its own.
    #[error("process {index} cannot listen at {address}: {cause}")]
    Listen {
        /// This process.
        index: usize,
        /// Its address.
        address: String,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Not everybody came in time.
    #[error("gave up after {} s: {}", .within.as_secs(), .missing.join("; "))]
    Missing {
        /// How long it waited.
        within: Duration,
        /// Who did not come, with the last thing that is known of it.
        missing: Vec<String>,
    },
}

/// Who is connected, and what went wrong with the others last.
#[derive(Default)]
struct Joined {
    sockets: BTreeMap<usize, TcpStream>,
    /// Who has proved who it is, and is about to be told so.
    admitted: BTreeSet<usize>,
    trouble: BTreeMap<usize, String>,
}

impl Mesh {
    /// Connects to all other processes; one socket each by index, none at this process's own.
    ///
    /// # Errors
    /// An address cannot be used, or not everybody came in time.
    pub fn join(&self) -> Result<Vec<Option<TcpStream>>, MeshError> {
        let agreed = format!("{} threads\n{}", self.threads, self.addresses.join("\n"));
        let key = RunKey::new(&self.secret, &agreed);
        let until = Instant::now() + self.within;
        let joined: Arc<Mutex<Joined>> = Arc::default();
        let (changed, changes) = mpsc::channel();
        // The last one too, though nobody dials it: an address that is not its own is found out at once.
        let listener = self.listen()?;
        for other in 0..self.index {
            let places = self.places(other)?;
            let (key, me, joined, changed) = (key.clone(), self.index, joined.clone(), changed.clone());
            std::thread::spawn(move || dial_until(until, &places, (&key, me, other), &joined, &changed));
        }
        let answering = (key, self.index, self.addresses.len(), joined.clone());
        std::thread::spawn(move || answer_until(until, &listener, &answering, &changed));
        loop {
            if locked(&joined).sockets.len() + 1 == self.addresses.len() {
                let mut sockets = std::mem::take(&mut locked(&joined).sockets);
                return Ok((0..self.addresses.len()).map(|index| sockets.remove(&index)).collect());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || changes.recv_timeout(left).is_err() {
                return Err(MeshError::Missing { within: self.within, missing: self.missing(&locked(&joined)) });
            }
        }
    }

    fn places(&self, index: usize) -> Result<Vec<SocketAddr>, MeshError> {
        let address = self.addresses[index].clone();
        match address.to_socket_addrs().map(Iterator::collect::<Vec<_>>) {
            Ok(places) if !places.is_empty() => Ok(places),
            Ok(_) => Err(MeshError::Address { index, address, cause: "the host has no address".to_owned() }),
            Err(cause) => Err(MeshError::Address { index, address, cause: cause.to_string() }),
        }
    }

    fn listen(&self) -> Result<TcpListener, MeshError> {
        let places = self.places(self.index)?;
        TcpListener::bind(&places[..]).and_then(|listener| listener.set_nonblocking(true).map(|()| listener)).map_err(
            |cause| MeshError::Listen { index: self.index, address: self.addresses[self.index].clone(), cause },
        )
    }

    fn missing(&self, joined: &Joined) -> Vec<String> {
        let others = (0..self.addresses.len()).filter(|i| *i != self.index && !joined.sockets.contains_key(i));
        let told = |index: usize| {
            let trouble = joined.trouble.get(&index).map_or(String::new(), |trouble| format!(" ({trouble})"));
            format!("process {index} at {} did not come{trouble}", self.addresses[index])
        };
        others.map(told).collect()
    }
}

fn locked(joined: &Mutex<Joined>) -> std::sync::MutexGuard<'_, Joined> {
    joined.lock().unwrap_or_else(PoisonError::into_inner)
}

fn dial_until(
    until: Instant,
    places: &[SocketAddr],
    (key, me, other): (&RunKey, usize, usize),
    joined: &Mutex<Joined>,
    changed: &mpsc::Sender<()>,
) {
    for place in places.iter().cycle() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        let met = TcpStream::connect_timeout(place, left.min(PROOF_WITHIN)).map_err(Refusal::from).and_then(|mut s| {
            prepare(&s)?;
            dial(&mut s, key, me as u32, other as u32)?;
            release(&s)?;
            Ok(s)
        });
        match met {
            Ok(socket) => {
                locked(joined).sockets.insert(other, socket);
                // Nobody listens only when the others have been given up.
                let _ = changed.send(());
                return;
            }
            Err(refusal) => {
                let told = match refusal {
                    Refusal::Broken(cause) => cause.to_string(),
                    other => other.to_string(),
                };
                locked(joined).trouble.insert(other, told);
            }
        }
        std::thread::sleep(AGAIN_AFTER);
    }
}

type Answering = (RunKey, usize, usize, Arc<Mutex<Joined>>);

/// Lets in those above this process, until the deadline or until all are there.
fn answer_until(until: Instant, listener: &TcpListener, answering: &Answering, changed: &mpsc::Sender<()>) {
    let (_, me, processes, joined) = answering;
    let complete = || (me + 1..*processes).all(|other| locked(joined).sockets.contains_key(&other));
    let proving = Arc::new(());
    while Instant::now() < until && !complete() {
        if Arc::strong_count(&proving) > PROVING {
            std::thread::sleep(AGAIN_AFTER);
            continue;
        }
        match listener.accept() {
            Ok((stream, from)) => {
                let (answering, changed, proving) = (answering.clone(), changed.clone(), proving.clone());
                std::thread::spawn(move || {
                    let_in(stream, from, &answering, &changed);
                    drop(proving);
                });
            }
            // Nobody is there, or the one who was has gone again.
            Err(_) => std::thread::sleep(AGAIN_AFTER),
        }
    }
}

fn let_in(mut stream: TcpStream, from: SocketAddr, answering: &Answering, changed: &mpsc::Sender<()>) {
    let (key, me, processes, joined) = answering;
    let mut admitted = None;
    let met = prepare(&stream).map_err(Refusal::from).and_then(|()| {
        let other = answer(&mut stream, key, *me as u32, |other| {
            let index = other as usize;
            if index <= *me || index >= *processes {
                return Err(Refusal::Misplaced { from: other, to: *me as u32 });
            }
            if !locked(joined).admitted.insert(index) {
                return Err(Refusal::Twice(other));
            }
            admitted = Some(index);
            Ok(())
        })?;
        release(&stream)?;
        Ok(other as usize)
    });
    match met {
        Ok(other) => {
            locked(joined).sockets.insert(other, stream);
            let _ = changed.send(());
        }
        Err(refusal) => {
            // It may come again.
            admitted.into_iter().for_each(|index| {
                locked(joined).admitted.remove(&index);
            });
            tracing::warn!(%from, %refusal, "refused a connection");
        }
    }
}

fn prepare(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PROOF_WITHIN))?;
    stream.set_write_timeout(Some(PROOF_WITHIN))
}

/// From now on it may be silent for as long as it likes.
fn release(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(None)?;
    stream.set_write_timeout(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    fn addresses(processes: usize) -> Vec<String> {
        let held: Vec<TcpListener> = (0..processes).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        held.iter().map(|listener| listener.local_addr().unwrap().to_string()).collect()
    }

    fn mesh(addresses: &[String], index: usize, within: u64) -> Mesh {
        let (addresses, secret) = (addresses.to_vec(), b"known to all of us".to_vec());
        Mesh { addresses, index, threads: 1, secret, within: Duration::from_secs(within) }
    }

    type Socket = Option<TcpStream>;

    fn talk(a: &mut Socket, b: &mut Socket) {
        let (a, b) = (a.as_mut().unwrap(), b.as_mut().unwrap());
        a.write_all(b"hello").unwrap();
        let mut heard = [0; 5];
        b.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"hello");
    }

    #[test]
    fn all_are_connected_pairwise_whoever_comes_first() {
        let addresses = addresses(3);
        let joined = std::thread::scope(|scope| {
            let join = |index| {
                let mesh = mesh(&addresses, index, 60);
                scope.spawn(move || mesh.join().unwrap())
            };
            let started: Vec<_> = [2, 0, 1].map(join).into_iter().collect();
            started.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        let [mut two, mut zero, mut one]: [Vec<Socket>; 3] = joined.try_into().unwrap();
        assert!(zero[0].is_none() && one[1].is_none() && two[2].is_none());
        talk(&mut zero[1], &mut one[0]);
        talk(&mut two[0], &mut zero[2]);
        talk(&mut one[2], &mut two[1]);
    }

    #[test]
    fn strangers_and_silent_peers_change_nothing() {
        let addresses = addresses(2);
        let first = mesh(&addresses, 0, 60);
        let joining = std::thread::spawn(move || first.join().unwrap());
        let dial = || loop {
            if let Ok(stream) = TcpStream::connect(&addresses[0]) {
                return stream;
            }
            std::thread::yield_now();
        };
        let silent = dial();
        let mut stranger = dial();
        stranger.write_all(b"GET / HTTP/1.1\r\nHost: somebody\r\nAccept: everything there is\r\n\r\n").unwrap();
        let mut member = dial();
        prepare(&member).unwrap();
        let others = RunKey::new(b"known to others", "1 threads");
        assert!(handshake::dial(&mut member, &others, 1, 0).is_err(), "an earlier start had another secret");
        let mut mine = mesh(&addresses, 1, 60).join().unwrap();
        let mut first = joining.join().unwrap();
        talk(&mut first[1], &mut mine[0]);
        drop(silent);
    }

    #[test]
    fn a_second_process_of_an_index_is_refused() {
        let addresses = addresses(3);
        let first = mesh(&addresses, 0, 60);
        let joining = std::thread::spawn(move || first.join().unwrap());
        let key = RunKey::new(b"known to all of us", &format!("1 threads\n{}", addresses.join("\n")));
        let come = |index: u32| loop {
            let Ok(mut stream) = TcpStream::connect(&addresses[0]) else { continue };
            prepare(&stream).unwrap();
            return (dial(&mut stream, &key, index, 0), stream);
        };
        let (met, one) = come(1);
        assert!(met.is_ok());
        for wrong in [1, 0, 7] {
            assert!(come(wrong).0.is_err(), "{wrong} is taken, or nobody's");
        }
        let (met, two) = come(2);
        assert!(met.is_ok());
        let mut first = joining.join().unwrap();
        talk(&mut first[1], &mut Some(one));
        talk(&mut first[2], &mut Some(two));
    }

    #[test]
    fn who_does_not_come_is_named_at_the_deadline() {
        let addresses = addresses(2);
        let told = mesh(&addresses, 1, 1).join().unwrap_err().to_string();
        let expected = format!("gave up after 1 s: process 0 at {} did not come (", addresses[0]);
        assert!(told.starts_with(&expected), "{told}");
        let told = mesh(&addresses, 0, 0).join().unwrap_err().to_string();
        assert!(told.ends_with(&format!("process 1 at {} did not come", addresses[1])), "{told}");
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let addresses = vec![taken.local_addr().unwrap().to_string(), addresses[1].clone()];
        let told = mesh(&addresses, 0, 1).join().unwrap_err().to_string();
        assert!(told.starts_with(&format!("process 0 cannot listen at {}", addresses[0])), "{told}");
        let told = mesh(&["nowhere".to_owned(), addresses[1].clone()], 0, 1).join().unwrap_err().to_string();
        assert!(told.contains("`nowhere`") && told.contains("write host:port"), "{told}");
    }
}
