//! What flows back to the minter of ticks: the one edge of the walk that is not forward.
//!
//! The room that judges says, for every boundary, that it judged it and whether a training began (with the pipeline
//! time of its effect), and later the training's verdict. The minter holds back records by these words alone, so that
//! which version scores a record never depends on how long a training took.

use super::failure::Failure;
use crate::config::spec::DeploySpec;
use crate::deploy::{Roster, Turn};
use crate::drift::Profile;
use crate::time::Time;
use crate::train::Verdict;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// A word from the judging room to the minter.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Word {
    /// A boundary was judged; for each model of which a training began or roles will change, when that takes effect.
    Judged(Time, Vec<(u16, Time)>),
    /// What was announced is known.
    Verdict(Arc<Resolution>),
}

/// What a decision came to; enters the stream as a record of the internal source `models`, at its effect.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Resolution {
    /// The model, by its place in the pipeline file.
    pub model: u16,
    /// The pipeline time of its effect.
    pub at: Time,
    /// The boundary at which it was decided.
    pub decided: Time,
    /// The tick of that boundary.
    pub tick: u64,
    /// The decision that began it.
    pub decision: String,
    /// What asked for it, for a person.
    pub cause: String,
    /// What it came to.
    pub of: Resolved,
}

/// What a decision came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Resolved {
    /// A training ended.
    Training(Box<Trained>),
    /// Roles change.
    Turn {
        /// How.
        turn: Turn,
        /// The share that a challenger has from then on.
        share: Option<f64>,
    },
}

impl Resolution {
    /// The word used in records.
    pub fn word(&self) -> &'static str {
        match &self.of {
            Resolved::Training(trained) => trained.verdict.word(),
            Resolved::Turn { turn, .. } => turn.word(),
        }
    }

    /// Of a training with a deadline: whether it missed it.
    pub fn missed_deadline(&self) -> Option<bool> {
        match &self.of {
            Resolved::Training(trained) => trained.missed_deadline,
            Resolved::Turn { .. } => None,
        }
    }

    /// Lets a roster follow.
    pub fn tell(&self, roster: &mut Roster, deploy: &DeploySpec) {
        match &self.of {
            Resolved::Training(trained) => {
                if let Verdict::Released { .. } = trained.verdict {
                    roster.release(trained.version, self.at, deploy);
                }
            }
            Resolved::Turn { turn, .. } => roster.turn(*turn, self.at, deploy),
        }
    }
}

/// How a training ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Trained {
    /// How it ended.
    pub verdict: Verdict,
    /// The number of the new version, if there is one.
    pub version: u32,
    /// The champion that it was measured against.
    pub parent: u32,
    /// The feature distributions of the training window, if there is a new version.
    pub profile: Arc<Profile>,
    /// Whether it missed its deadline; none if it has none.
    pub missed_deadline: Option<bool>,
    /// How long the training took, for the summary only.
    pub took: Duration,
}

/// What worker 0's rooms share: the minter reads it, the end of the walk writes it.
#[derive(Debug, Default)]
pub struct Board {
    /// Words not yet read.
    pub words: Vec<Word>,
    /// Ticks below this are written.
    pub written: u64,
    /// Ticks below this are committed, of those that this run has written.
    pub committed: u64,
    /// How many workers take up a checkpoint, and how many have.
    pub restoring: usize,
    /// See `restoring`.
    pub restored: usize,
    /// The output cannot be written any more: stop minting.
    pub broken: bool,
    /// What went wrong, in the order in which it was met.
    pub failures: Vec<Failure>,
}

/// The board, shared on one worker.
pub type SharedBoard = Rc<RefCell<Board>>;
