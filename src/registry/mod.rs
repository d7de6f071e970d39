//! The registry: the versions of each model as files, and the log of what became of them.
//!
//! In: artifacts with their cards, and log entries. Out: the same, checked. Keeps, under `<root>/registry/<model>/`:
//! `v<number>.json`, an artifact, written once and never changed; `v<number>.card.json`, what it was made from;
//! `log.jsonl`, append-only, from which follows which version is active; `pushed/<digest>.json`, artifacts that were
//! made elsewhere and given to the run. Limits: [`Artifact::MAX_BYTES`] an artifact, [`Registry::MAX_CARD_BYTES`] a
//! card, [`Registry::MAX_LOG_BYTES`] a log. One writer a model; readers need nothing.
//!
//! [`Artifact::MAX_BYTES`]: crate::model::Artifact::MAX_BYTES

mod card;
mod files;
mod log;
mod show;
mod store;
#[cfg(test)]
mod tests;

pub use card::{Card, Lineage, Offsets};
pub use log::{Entry, Event};
pub use show::{Listing, list, listing_text, show, shown_text};
pub use store::Registry;

use crate::model::ArtifactError;
use std::path::PathBuf;

/// Why the registry cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// A name that cannot be a folder's.
    #[error("model name {found:?} is not 1 to 100 letters, digits, `_` or `-`")]
    Name {
        /// Its start.
        found: String,
    },
    /// No such model or version.
    #[error("there is no {what} in {place}")]
    Missing {
        /// The model or version asked for.
        what: String,
        /// Where it was looked for.
        place: PathBuf,
    },
    /// The version is there, with other content.
    #[error("{place} is there with other content: a version is never changed")]
    Immutable {
        /// The file.
        place: PathBuf,
    },
    /// A file is longer than its limit.
    #[error("{place} has {found} bytes, allowed are {allowed}")]
    TooLong {
        /// The file.
        place: PathBuf,
        /// Its length.
        found: u64,
        /// The limit.
        allowed: u64,
    },
    /// A card or log line is not of its shape.
    #[error("{place} is malformed: {cause}")]
    Malformed {
        /// The file.
        place: PathBuf,
        /// What is wrong, and where.
        cause: String,
    },
    /// An artifact is not one.
    #[error("{place}: {cause}")]
    Artifact {
        /// The file.
        place: PathBuf,
        /// What is wrong.
        cause: ArtifactError,
    },
    /// An artifact is not the one that its card describes.
    #[error("{place} has digest {found}, its card says {expected}")]
    Digest {
        /// The file.
        place: PathBuf,
        /// The digest of its bytes.
        found: String,
        /// The digest on the card.
        expected: String,
    },
    /// The system refused.
    #[error("{place}: {cause}")]
    System {
        /// The file or folder.
        place: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
}
