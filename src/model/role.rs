//! What a version does at a pipeline time.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The role of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Its score is *the* prediction.
    Champion,
    /// Answers a share of the events (canary, A/B).
    Challenger,
    /// Scored, not served.
    Shadow,
    /// Warm, for rollback.
    Previous,
}

impl Role {
    /// The word used in records and headers.
    pub fn word(self) -> &'static str {
        match self {
            Role::Champion => "champion",
            Role::Challenger => "challenger",
            Role::Shadow => "shadow",
            Role::Previous => "previous",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
