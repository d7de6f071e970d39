//! Requests by hand: `tidemill retrain`, `tidemill forget`, and `tidemill models promote`, `rollback`, `pin`, `unpin`,
//! `push` leave files in the run's outputs, and the run takes them at the next boundary. What it took stays there until
//! the tick that has it is committed, so that a run which is killed before that takes it once more.

use crate::deploy::Wish;
use crate::flow::ingest::Requests;
use crate::flow::items::{Asked, Forget, Pushed};
use crate::flow::ticks::Tick;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The file that asks for a training of all models; several requests before a boundary are one.
fn training(out: &Path) -> PathBuf {
    out.join("retrain.request")
}

/// What is asked for of a model.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Request {
    /// A change of roles.
    Wish(Wish),
    /// To judge a model that was made elsewhere.
    Push {
        /// The digest of its artifact, which the registry keeps.
        push: String,
    },
    /// To train it.
    Training {
        /// Nothing more is said of it.
        retrain: (),
    },
}

/// The file of requests, one a line: the model's name and what is asked for.
fn wishes(out: &Path) -> PathBuf {
    out.join("models.request")
}

/// The file of events to be forgotten, one a line.
fn forgets(out: &Path) -> PathBuf {
    out.join("forget.request")
}

/// All files of requests.
fn files(out: &Path) -> [PathBuf; 3] {
    [training(out), wishes(out), forgets(out)]
}

/// Asks the run that writes to `out` to forget the labels of events at its next boundary.
///
/// # Errors
/// The folder is not there or cannot be written.
pub fn forget(out: &Path, all: &[Forget]) -> io::Result<()> {
    let lines: Result<Vec<String>, _> = all.iter().map(serde_json::to_string).collect();
    let text = lines?.into_iter().fold(String::new(), |text, line| text + &line + "\n");
    append(&forgets(out), &text)
}

/// Asks the run that writes to `out` for a training at its next boundary, of one model or of all.
///
/// # Errors
/// The folder is not there or cannot be written.
pub fn request(out: &Path, model: Option<&str>) -> io::Result<()> {
    match model {
        None => fs::write(training(out), ""),
        Some(model) => leave(out, model, &Request::Training { retrain: () }),
    }
}

/// Asks the run that writes to `out` for a change of roles at its next boundary.
///
/// # Errors
/// The folder is not there or cannot be written.
pub fn wish(out: &Path, model: &str, wish: Wish) -> io::Result<()> {
    leave(out, model, &Request::Wish(wish))
}

/// Asks the run that writes to `out` to judge an artifact that its registry keeps, at its next boundary.
///
/// # Errors
/// The folder is not there or cannot be written.
pub fn push(out: &Path, model: &str, digest: &str) -> io::Result<()> {
    leave(out, model, &Request::Push { push: digest.to_owned() })
}

fn leave(out: &Path, model: &str, request: &Request) -> io::Result<()> {
    append(&wishes(out), &(serde_json::to_string(&(model, request))? + "\n"))
}

fn append(file: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).open(file)?.write_all(text.as_bytes())
}

/// A file of requests, and what a run has taken of it for ticks that may not be committed yet: files beside it, whose
/// names end in the tick.
struct Inbox {
    file: PathBuf,
    taken: VecDeque<(Tick, PathBuf)>,
}

impl Inbox {
    /// What was taken for ticks from `end` on, which were never committed, is asked for again; the rest is done with.
    fn open(file: PathBuf, end: Tick) -> io::Result<Inbox> {
        let mut taken = taken(&file)?;
        taken.sort_unstable();
        let (mut lost, mut found) = (String::new(), false);
        for (_, path) in taken.iter().filter(|(tick, _)| *tick >= end) {
            lost += &fs::read_to_string(path)?;
            found = true;
        }
        if found {
            // Whole or not at all; a request that is asked for twice meanwhile is better than none.
            let again = file.with_extension("request.again");
            fs::write(&again, lost + &fs::read_to_string(&file).unwrap_or_default())?;
            fs::rename(&again, &file)?;
        }
        taken.iter().try_for_each(|(_, path)| fs::remove_file(path))?;
        Ok(Inbox { file, taken: VecDeque::new() })
    }

    /// What stands in it, if it is there, for the next tick. What is appended from here on goes to another file.
    fn take(&mut self, tick: Tick, committed: Tick) -> Option<String> {
        while let Some((_, path)) = self.taken.pop_front_if(|(taken, _)| *taken < committed) {
            let _ = fs::remove_file(path);
        }
        let path = taken_for(&self.file, tick);
        fs::rename(&self.file, &path).ok()?;
        let text = fs::read_to_string(&path).unwrap_or_default();
        self.taken.push_back((tick, path));
        Some(text)
    }
}

fn taken_for(file: &Path, tick: Tick) -> PathBuf {
    file.with_extension(format!("request.{tick}"))
}

/// What was taken of a file of requests, by tick.
fn taken(file: &Path) -> io::Result<Vec<(Tick, PathBuf)>> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let tick = path.extension().and_then(|tick| tick.to_str()?.parse().ok());
        found.extend(tick.filter(|tick| taken_for(file, *tick) == path).map(|tick| (tick, path)));
    }
    Ok(found)
}

/// A run that has committed all of its ticks needs nothing any more of what it took.
pub fn done(out: &Path) {
    for file in files(out) {
        taken(&file).into_iter().flatten().for_each(|(_, path)| drop(fs::remove_file(path)));
    }
}

/// A run that starts over is not the one that was asked.
pub fn clear(out: &Path) {
    done(out);
    files(out).iter().for_each(|file| drop(fs::remove_file(file)));
}

/// What a run takes: what was asked for since it last looked, and what a run before it took for ticks that it did not
/// commit. `end` is how many it did.
///
/// # Errors
/// The folder cannot be read, or what is left in it cannot be tidied.
pub fn requests(out: &Path, end: Tick) -> io::Result<Requests> {
    let open = |file| Inbox::open(file, end);
    let (mut training, mut wishes, mut forgets) = (open(training(out))?, open(wishes(out))?, open(forgets(out))?);
    Ok(Box::new(move |tick, committed| {
        let trainings = u32::from(training.take(tick, committed).is_some());
        let mut asked = Asked { trainings, ..Asked::default() };
        for line in forgets.take(tick, committed).unwrap_or_default().lines() {
            match serde_json::from_str::<Forget>(line) {
                Ok(forget) if asked.forget.iter().any(|known| known.id == forget.id) => {}
                Ok(forget) => asked.forget.push(forget),
                Err(error) => tracing::warn!(%error, line, "not a request of tidemill forget"),
            }
        }
        for line in wishes.take(tick, committed).unwrap_or_default().lines() {
            match serde_json::from_str::<(CompactString, Request)>(line) {
                Ok((model, Request::Wish(wish))) => asked.wishes.push((model, wish)),
                Ok((model, Request::Push { push })) => {
                    let pushed = Pushed { model, digest: push, body: None };
                    // Asked for twice it is judged once.
                    if !asked.pushed.contains(&pushed) {
                        asked.pushed.push(pushed);
                    }
                }
                Ok((model, Request::Training { .. })) if asked.trainings_of.contains(&model) => {}
                Ok((model, Request::Training { .. })) => asked.trainings_of.push(model),
                Err(error) => tracing::warn!(%error, line, "not a request of tidemill models"),
            }
        }
        asked
    }))
}
