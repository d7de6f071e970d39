//! Checkpoints of the walk: who is asked for its state, where the state goes, and how a run goes on from it.
//!
//! An [`Order`] travels with the mark of a tick, and every room obeys it before it does anything of that tick. So what
//! is saved is the state behind the tick before, in all rooms, without stopping the stream. Each worker's share is
//! written by a thread of its own ([`Archive`]); worker 0 of process 0 decides when ([`Keeper`]), and makes the shares
//! a checkpoint once its tick is committed: there is none that is ahead of the outputs. What is keyed is written by
//! logical shard, so that any number of workers can go on from it; what is written is the same for the rooms of one
//! worker, which are one, and of several.

mod archive;
mod keeper;
mod operators;
mod sections;

pub use super::mint::consumed;
pub use archive::{Archive, Filed, SharedArchive, archiving, heed};
pub use keeper::{Cadence, Keeper, SharedKeeper};
pub use operators::{ModelOperators, Operator, Operators};
pub use sections::{Keeps, Sections, Shares};

use crate::state::Digest;
use crate::state::checkpoint::{Checkpoints, Draft, Name};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a room is to do before a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Write down all that it keeps.
    Save(Draft),
    /// Take up what was written; the room is as new.
    Restore(Name),
}

/// Where a process has the state of the run, which all of them share.
#[derive(Clone)]
pub struct Store {
    /// The checkpoints; none if it neither takes one up nor writes any.
    pub checkpoints: Option<Checkpoints>,
    /// The digest of the pipeline as it was declared.
    pub pipeline: Digest,
    /// Operators that do not take up what they had when the pipeline was another.
    pub dropped: Arc<BTreeSet<String>>,
}

impl Store {
    /// Of a run that has no checkpoints.
    pub fn none() -> Store {
        Store { checkpoints: None, pipeline: Digest::of(b""), dropped: Arc::default() }
    }
}

/// What the rooms of a worker share for it.
#[derive(Clone)]
pub struct Saver {
    /// The worker's own part.
    pub archive: SharedArchive,
    /// Who decides; on worker 0 of process 0, if the run saves.
    pub keeper: SharedKeeper,
    /// Workers of all processes.
    pub peers: usize,
}
