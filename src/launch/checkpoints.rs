//! The checkpoints of a run: where they are, and which one it goes on from.
//!
//! In: the state's folder, what is committed. Out: the newest checkpoint that is whole and of this history. One that is
//! damaged is passed over for an older one, and said; if none is left, all is made again from the beginning, which
//! needs the whole input and takes its time.

use crate::flow::history::History;
use crate::flow::plan::Plan;
use crate::flow::saving::consumed;
use crate::state::Digest;
use crate::state::checkpoint::{CheckpointError, Checkpoints, Name};
use crate::state::disk::RealDisk;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

/// The checkpoints of a run with this folder for its state.
///
/// # Errors
/// The folder cannot be made.
pub(super) fn open(state: &Path) -> Result<Checkpoints, String> {
    Checkpoints::open(Arc::new(RealDisk), &state.join("checkpoints")).map_err(|error| error.to_string())
}

/// Removes all of them: a run starts over.
///
/// # Errors
/// The system refuses.
pub(super) fn forget(state: &Path) -> Result<(), String> {
    let folder = state.join("checkpoints");
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(format!("{}: {error}", folder.display())),
        _ => Ok(()),
    }
}

/// Where a run goes on.
pub(super) struct Resume {
    /// The checkpoint.
    pub(super) name: Name,
    /// The first offset that it had not consumed, by source and partition.
    pub(super) ends: BTreeMap<(u16, u16), u64>,
}

/// The checkpoint that a run goes on from.
///
/// # Errors
/// The folder cannot be read.
pub(super) fn find(
    checkpoints: &Checkpoints,
    plan: &Plan,
    history: &History,
    pipeline: Digest,
) -> Result<Option<Resume>, String> {
    let Some(last) = history.end().checked_sub(1) else { return Ok(None) };
    let found = checkpoints.load(last, |header| {
        if header.pipeline != pipeline {
            return Err("it is of another pipeline".to_owned());
        }
        history.vouches(header.tick, &header.inputs.to_string(), &header.outputs.to_string())
    });
    let found = match found {
        Ok(found) => found,
        Err(error @ CheckpointError::NoneLeft { .. }) => {
            tracing::warn!(%error, "all is made again from the beginning");
            None
        }
        Err(error) => return Err(error.to_string()),
    };
    let Some(found) = found else { return Ok(None) };
    for refused in found.refused() {
        tracing::warn!(%refused, "a checkpoint is passed over");
    }
    Ok(Some(Resume { name: found.name(), ends: consumed(plan, &found)? }))
}
