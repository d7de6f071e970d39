//! The log of one model: what became of its versions, a line each, never rewritten.

use crate::model::Role;
use crate::time::Time;
use serde::{Deserialize, Serialize};

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The pipeline time at which it happened, or takes effect.
    #[serde(with = "crate::time::rfc3339")]
    pub at: Time,
    /// What happened.
    pub event: Event,
    /// The version that it concerns, if any.
    pub version: Option<u32>,
    /// The role that the version takes, when it is activated.
    pub role: Option<Role>,
    /// The artifact's digest, when one is released.
    pub digest: Option<String>,
    /// The decision that it follows from, if any.
    pub decision: Option<String>,
    /// Why, for a person.
    pub text: String,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A version was written.
    Released,
    /// A version took a role.
    Activated,
    /// A candidate did not pass its gate.
    Rejected,
    /// The online learner is champion and was the best: it goes on.
    Kept,
    /// A training came to nothing.
    Failed,
    /// An earlier version was made champion again.
    RolledBack,
    /// A version has no role any more.
    Retired,
}

impl Event {
    /// The word used in the log.
    pub fn word(self) -> &'static str {
        match self {
            Event::Released => "released",
            Event::Activated => "activated",
            Event::Rejected => "rejected",
            Event::Kept => "kept",
            Event::Failed => "failed",
            Event::RolledBack => "rolled_back",
            Event::Retired => "retired",
        }
    }
}

/// The champion by a log: the version that became it last.
pub(super) fn champion(log: &[Entry]) -> Option<u32> {
    let made_champion = |entry: &&Entry| match entry.event {
        Event::Activated => entry.role == Some(Role::Champion),
        Event::RolledBack => true,
        Event::Released | Event::Rejected | Event::Kept | Event::Failed | Event::Retired => false,
    };
    log.iter().rfind(made_champion).and_then(|entry| entry.version)
}
