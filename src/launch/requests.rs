//! Requests by hand: `tidemill retrain` and `tidemill models promote`, `rollback`, `pin`, `unpin` leave files in the
//! run's outputs, and the run takes them at the next boundary.

use crate::deploy::Wish;
use crate::flow::ingest::Requests;
use crate::flow::items::Asked;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The file that asks for a training; several requests before a boundary are one.
fn training(out: &Path) -> PathBuf {
    out.join("retrain.request")
}

/// The file of wishes, one a line: the model's name and what is wished.
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
    let line = serde_json::to_string(&(model, wish))? + "\n";
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
        let wish = |line: &str| {
            let wish = serde_json::from_str(line);
            wish.map_err(|error| tracing::warn!(%error, line, "not a request of tidemill models")).ok()
        };
        Asked { trainings, wishes: text.lines().filter_map(wish).collect() }
    })
}
