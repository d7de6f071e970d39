//! What can be wrong with a checkpoint, and with all of them.

use super::Name;
use crate::state::section::SectionError;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a checkpoint cannot be written, or none be read.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The disk refused.
    #[error("{}: {cause}", place.display())]
    System {
        /// The file or folder.
        place: PathBuf,
        /// The disk's answer.
        cause: io::Error,
    },
    /// The parts do not make a checkpoint.
    #[error("checkpoint {name} cannot be committed: {why}")]
    Parts {
        /// Which.
        name: Name,
        /// What is wrong with them.
        why: Damage,
    },
    /// A section of a checkpoint was whole when it was loaded, and no longer is.
    #[error("checkpoint {name} changed since it was checked: {why}")]
    Changed {
        /// Which.
        name: Name,
        /// What is wrong now.
        why: Damage,
    },
    /// There are checkpoints, and none can be used.
    #[error("no checkpoint in {} at or below tick {at_most} can be used: {}", folder.display(), listed(refused))]
    NoneLeft {
        /// Where they are.
        folder: PathBuf,
        /// The tick at or below which one was looked for.
        at_most: u64,
        /// Each with its reason, newest first.
        refused: Vec<Refusal>,
    },
}

/// A checkpoint that was passed over.
#[derive(Debug, Error)]
#[error("{name}: {why}")]
pub struct Refusal {
    /// Which.
    pub name: Name,
    /// Why.
    pub why: Damage,
}

/// Why a checkpoint is not used.
#[derive(Debug, Error)]
pub enum Damage {
    /// It was begun and never committed: nothing is lost by it.
    #[error("it has no manifest, so it was never finished")]
    Unfinished,
    /// The manifest is not as it was written.
    #[error("its manifest is damaged: {0}")]
    Manifest(#[from] SectionError),
    /// The manifest is that of another checkpoint.
    #[error("its manifest is that of {found}")]
    Misplaced {
        /// Whose manifest it is.
        found: Name,
    },
    /// Not what the progress of the run says of that tick.
    #[error("it is not of this run: {0}")]
    Foreign(String),
    /// A file cannot be read.
    #[error("{file} cannot be read: {cause}")]
    Unreadable {
        /// Its name in the checkpoint.
        file: String,
        /// The disk's answer.
        cause: io::Error,
    },
    /// A part is longer or shorter than its sections.
    #[error("{file} has {found} bytes instead of {expected}")]
    Length {
        /// Its name in the checkpoint.
        file: String,
        /// Its bytes.
        found: u64,
        /// The bytes of its sections.
        expected: u64,
    },
    /// A section is not as it was written.
    #[error("section {operator} of shard {shard} in {file} does not match its checksum")]
    Section {
        /// The operator.
        operator: String,
        /// The shard.
        shard: u32,
        /// The part's name in the checkpoint.
        file: String,
    },
    /// Two parts of one writer.
    #[error("two parts are of writer {writer}")]
    WriterTwice {
        /// Its number.
        writer: u32,
    },
    /// Two sections of one operator and shard.
    #[error("there are two sections {operator} of shard {shard}")]
    SectionTwice {
        /// The operator.
        operator: String,
        /// The shard.
        shard: u32,
    },
    /// The lengths of a part's sections are more than any file has.
    #[error("the sections of {file} are longer than a file can be")]
    Endless {
        /// Its name in the checkpoint.
        file: String,
    },
}

/// Says which file the disk's answer is about.
pub(super) fn at<T>(place: &Path, result: io::Result<T>) -> Result<T, CheckpointError> {
    result.map_err(|cause| CheckpointError::System { place: place.to_path_buf(), cause })
}

fn listed(refused: &[Refusal]) -> String {
    refused.iter().map(Refusal::to_string).collect::<Vec<_>>().join("; ")
}
