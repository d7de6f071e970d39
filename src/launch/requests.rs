//! Requests by hand: `tidemill retrain` and `tidemill models promote`, `rollback`, `pin`, `unpin`, `push` leave files
//! in the run's outputs, and the run takes them at the next boundary.

use crate::deploy::Wish;
use crate::flow::ingest::Requests;
use crate::flow::items::{Asked, Pushed};
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The file that asks for a training; several requests before a boundary are one.
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
}

/// The file of requests, one a line: the model's name and what is asked for.
fn wishes(out: &Path) -> PathBuf {
    out.join("models.request")
}

/// Asks the run that writes to `out` for a training at its next boundary.
///
/// # Errors
/// The folder is not there or cannot be written.
pub fn request(out: &Path) -> io::Result<()> {
    fs::write(training(out), "")
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
    let line = serde_json::to_string(&(model, request))? + "\n";
    OpenOptions::new().create(true).append(true).open(wishes(out))?.write_all(line.as_bytes())
}

/// What a run takes: what was asked for since it last looked.
pub fn requests(out: &Path) -> Requests {
    let (training, wishes, taken) = (training(out), wishes(out), out.join("models.request.taken"));
    Box::new(move || {
        let trainings = u32::from(fs::remove_file(&training).is_ok());
        // What is appended from here on goes to another file.
        let text = fs::rename(&wishes, &taken).and_then(|()| fs::read_to_string(&taken)).unwrap_or_default();
        let _ = fs::remove_file(&taken);
        let mut asked = Asked { trainings, ..Asked::default() };
        for line in text.lines() {
            match serde_json::from_str::<(CompactString, Request)>(line) {
                Ok((model, Request::Wish(wish))) => asked.wishes.push((model, wish)),
                Ok((model, Request::Push { push })) => {
                    let pushed = Pushed { model, digest: push, body: None };
                    // Asked for twice it is judged once.
                    if !asked.pushed.contains(&pushed) {
                        asked.pushed.push(pushed);
                    }
                }
                Err(error) => tracing::warn!(%error, line, "not a request of tidemill models"),
            }
        }
        asked
    })
}
