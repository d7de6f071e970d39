//! The balance: every record ends in exactly one place, every event in exactly one state, and the counts add up.

use serde::{Deserialize, Serialize};
use std::ops::AddAssign;

/// Changes of the counts by one tick, or their sum over all ticks so far.
///
/// Over all ticks `records = used + dead_letters + late + pending` and `events = labelled + expired + unlabelled`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Records read.
    pub records: i64,
    /// Records that did what they were sent for.
    pub used: i64,
    /// Records that could not be used.
    pub dead_letters: i64,
    /// Labels, corrections and withdrawals after the timeout of their event.
    pub late: i64,
    /// Labels that wait for their event.
    pub pending: i64,
    /// Events accepted.
    pub events: i64,
    /// Events with a label now.
    pub labelled: i64,
    /// Events whose timeout passed without a label.
    pub expired: i64,
    /// Events that may still get a label.
    pub unlabelled: i64,
    /// Of the labels used: those that said what was known already.
    pub repeated: i64,
    /// Of the labels used: those that changed a known label.
    pub corrected: i64,
    /// Of the labels used: those that withdrew one.
    pub withdrawn: i64,
}

impl Balance {
    /// Whether the counts add up.
    pub fn holds(&self) -> bool {
        self.records == self.used + self.dead_letters + self.late + self.pending
            && self.events == self.labelled + self.expired + self.unlabelled
    }
}

impl AddAssign for Balance {
    fn add_assign(&mut self, other: Balance) {
        self.records += other.records;
        self.used += other.used;
        self.dead_letters += other.dead_letters;
        self.late += other.late;
        self.pending += other.pending;
        self.events += other.events;
        self.labelled += other.labelled;
        self.expired += other.expired;
        self.unlabelled += other.unlabelled;
        self.repeated += other.repeated;
        self.corrected += other.corrected;
        self.withdrawn += other.withdrawn;
    }
}
