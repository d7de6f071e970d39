//! What flows back to the minter of ticks: the one edge of the walk that is not forward.
//!
//! The room that judges says, for every boundary, that it judged it and whether a training began (with the pipeline time of
//! its effect), and later the training's verdict. The minter holds back records by these words alone, so that which version
//! scores a record never depends on how long a training took.

use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// A word from the judging room to the minter.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Word {
    /// A boundary was judged; if a training began, its effect is at this pipeline time.
    Judged(Time, Option<Time>),
    /// The training that was announced has ended.
    Verdict(Arc<Resolution>),
}

/// How a training ended; enters the stream as a record of the internal source `models`, at its activation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Resolution {
    /// The pipeline time of its effect.
    pub at: Time,
    /// The decision that began it.
    pub decision: String,
    /// How it ended.
    pub ending: Ending,
    /// The report of fit and gate, as JSON.
    pub report: serde_json::Value,
}

/// How a training ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Ending {
    /// A new version.
    Released {
        /// Its number.
        version: u32,
        /// The artifact.
        body: crate::model::Body,
        /// Whether it is the online learner, which goes on learning.
        online: bool,
        /// The feature distributions of its training window.
        profile: Arc<crate::drift::Profile>,
    },
    /// The online learner is champion and was the best.
    Kept,
    /// The gate was not passed.
    Rejected,
    /// No candidate came about, with the reason.
    Failed(String),
}

/// What worker 0's rooms share: the minter reads it, the end of the walk writes it.
#[derive(Debug, Default)]
pub struct Board {
    /// Words not yet read.
    pub words: Vec<Word>,
    /// Ticks below this are written.
    pub written: u64,
    /// The output cannot be written any more: stop minting.
    pub broken: bool,
}

/// The board, shared on one worker.
pub type SharedBoard = Rc<RefCell<Board>>;
