//! Requests by hand: `tidemill retrain`, `tidemill forget`, and `tidemill models promote`, `rollback`, `pin`, `unpin`,
//! `push` leave files in the run's outputs, and the run takes them at the next boundary.

use crate::deploy::Wish;
use crate::flow::ingest::Requests;
use crate::flow::items::{Asked, Forget, Pushed};
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
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

/// What stands in a file of requests, which is gone then. What is appended from here on goes to another file.
fn take(file: &Path) -> String {
    let taken = file.with_extension("request.taken");
    let text = fs::rename(file, &taken).and_then(|()| fs::read_to_string(&taken)).unwrap_or_default();
    let _ = fs::remove_file(&taken);
    text
}

/// What a run takes: what was asked for since it last looked.
pub fn requests(out: &Path) -> Requests {
    let (training, wishes, forgets) = (training(out), wishes(out), forgets(out));
    Box::new(move || {
        let trainings = u32::from(fs::remove_file(&training).is_ok());
        let mut asked = Asked { trainings, ..Asked::default() };
        for line in take(&forgets).lines() {
            match serde_json::from_str::<Forget>(line) {
                Ok(forget) if asked.forget.iter().any(|known| known.id == forget.id) => {}
                Ok(forget) => asked.forget.push(forget),
                Err(error) => tracing::warn!(%error, line, "not a request of tidemill forget"),
            }
        }
        for line in take(&wishes).lines() {
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
    })
}
