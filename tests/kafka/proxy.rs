//! What stands between a run and its broker: it passes on all that is said, but for replies to commits, some of which it
//! loses or holds back. The broker has done what it was asked to; the run does not know.
//!
//! Of the protocol it knows that messages begin with their length, requests with their kind, their version and a number,
//! and replies with that number (<https://kafka.apache.org/protocol>).

use super::dice::Dice;
use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// The kind of request that commits a transaction, or takes it back.
const END_TRANSACTION: u16 = 26;

/// What becomes of the replies to commits.
#[derive(Default)]
pub struct Faults {
    dice: Option<Dice>,
    /// How many more are lost or held back.
    left: u32,
    pub lost: u32,
    pub late: u32,
}

enum Fate {
    Told,
    Lost,
    Late(Duration),
}

impl Faults {
    /// At most so many of those to come: the first is lost, the second late, others are by chance.
    pub fn new(dice: Dice, left: u32) -> Faults {
        Faults { dice: Some(dice), left, ..Faults::default() }
    }

    fn next(&mut self) -> Fate {
        let Some(dice) = self.dice.as_mut().filter(|_| self.left > 0) else { return Fate::Told };
        let chance = match (self.lost, self.late) {
            (0, _) => 0,
            (_, 0) => 1,
            _ => dice.below(4),
        };
        self.left -= u32::from(chance < 2);
        match chance {
            0 => {
                self.lost += 1;
                Fate::Lost
            }
            1 => {
                self.late += 1;
                Fate::Late(Duration::from_millis(200 + dice.below(3000)))
            }
            _ => Fate::Told,
        }
    }
}

/// Listens, and stands between whoever comes and the broker, as long as the test runs.
pub fn stand_between(listener: TcpListener, broker: String, faults: Arc<Mutex<Faults>>) {
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(&broker) else { continue };
            let commits = Arc::new(Mutex::new(BTreeSet::new()));
            let (asked, faults) = (commits.clone(), faults.clone());
            let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || ended(requests(from, &to, &asked), &to));
            thread::spawn(move || ended(replies(server, &client, &commits, &faults), &client));
        }
    });
}

/// The other side learns that one is gone.
fn ended(_: io::Result<()>, other: &TcpStream) {
    let _ = other.shutdown(Shutdown::Both);
}

fn message(mut from: &TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut bytes = length.to_vec();
    bytes.resize(4 + u32::from_be_bytes(length) as usize, 0);
    from.read_exact(&mut bytes[4..])?;
    Ok(bytes)
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().expect("four bytes"))
}

fn requests(from: TcpStream, mut to: &TcpStream, commits: &Mutex<BTreeSet<u32>>) -> io::Result<()> {
    loop {
        let bytes = message(&from)?;
        if bytes.len() >= 12 && bytes[4..6] == END_TRANSACTION.to_be_bytes() {
            commits.lock().unwrap().insert(number(&bytes[8..12]));
        }
        to.write_all(&bytes)?;
    }
}

fn replies(
    from: TcpStream,
    mut to: &TcpStream,
    commits: &Mutex<BTreeSet<u32>>,
    faults: &Mutex<Faults>,
) -> io::Result<()> {
    loop {
        let bytes = message(&from)?;
        if bytes.len() >= 8 && commits.lock().unwrap().remove(&number(&bytes[4..8])) {
            let fate = faults.lock().unwrap().next();
            match fate {
                Fate::Told => {}
                Fate::Lost => {
                    let _ = from.shutdown(Shutdown::Both);
                    return Ok(());
                }
                Fate::Late(wait) => thread::sleep(wait),
            }
        }
        to.write_all(&bytes)?;
    }
}
