//! `tidemill models push`: a model that was trained elsewhere, on its way through the gate.
//!
//! In: an artifact's file, and the outputs of the run that is to judge it. What is no artifact, or is of another model
//! or other features, is refused here. Out: the artifact in the run's registry, durably and by its digest, and then the
//! request that names it, so that a run which takes the request finds what it names, that day and whenever its ticks
//! are made again.

use super::{Exit, meant, note_if_nobody_runs, requests, usage};
use crate::model::Artifact;
use crate::registry::Registry;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Pushes the artifact in `file` to the run that writes to `out`.
pub(super) fn push(file: &Path, out: &Path, model: Option<&str>) -> Exit {
    match keep(file, out, model) {
        Ok((model, digest)) => {
            println!("pushed {digest} as {model}; it is judged at the run's next boundary");
            note_if_nobody_runs(out);
            Exit::Done
        }
        Err(message) => usage(&message),
    }
}

fn keep(file: &Path, out: &Path, model: Option<&str>) -> Result<(String, String), String> {
    let model = meant(out, model)?;
    let wrong = |cause: String| format!("{}: {cause}", file.display());
    let mut bytes = Vec::new();
    let most = Artifact::MAX_BYTES as u64 + 1;
    let read = File::open(file).and_then(|open| open.take(most).read_to_end(&mut bytes));
    read.map_err(|error| wrong(error.to_string()))?;
    let artifact = Artifact::from_bytes(&bytes).map_err(|error| wrong(error.to_string()))?;
    let registry = Registry::read(out, &model).map_err(|error| error.to_string())?;
    // The features of a model are those that it began with.
    let first = registry.artifact(1).map_err(|error| error.to_string())?;
    artifact.suits((&model, first.body.task()), &first.features, first.width as usize).map_err(wrong)?;
    let digest = registry.keep(&artifact).map_err(|error| error.to_string())?;
    let asked = requests::push(out, &model, &digest);
    asked.map_err(|error| format!("cannot ask the run that writes to {}: {error}", out.display()))?;
    Ok((model, digest))
}
