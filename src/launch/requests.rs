//! Requests by hand: `tidemill retrain --out DIR` leaves a file in the run's outputs, and the run takes it at the next
//! boundary.

use crate::flow::ingest::Requests;
use std::io;
use std::path::{Path, PathBuf};

/// The file that asks for a training; several requests before a boundary are one.
fn file(out: &Path) -> PathBuf {
    out.join("retrain.request")
}

/// Asks the run that writes to `out` for a training at its next boundary.
///
/// # Errors
/// The folder is not there or cannot be written.
pub fn request(out: &Path) -> io::Result<()> {
    std::fs::write(file(out), "")
}

/// The requests that a run takes: how many there are since it last asked.
pub fn requests(out: &Path) -> Requests {
    let file = file(out);
    Box::new(move || u32::from(std::fs::remove_file(&file).is_ok()))
}
