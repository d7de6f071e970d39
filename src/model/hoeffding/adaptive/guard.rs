//! What watches over a node of an adaptive tree: how often it erred, and whether that changed.
//!
//! In: whether each label that fell to the node was foreseen. Keeps: an ADWIN detector of the errors, and their number
//! since they were last counted anew.

use crate::config::spec::AdaptiveTreeSpec;
use crate::drift::{Adwin, Detector};
use crate::model::artifact::{ArtifactError, within};
use serde::{Deserialize, Serialize};

/// The confidence of the detectors.
const DRIFT: f64 = 0.002;

/// The watch over a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Guard {
    drift: Adwin,
    labels: u64,
    wrong: u64,
}

/// What is to become of a node and of the one on trial beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nobody knows yet.
    Wait,
    /// The one on trial errs less.
    Replace,
    /// The one on trial errs more.
    Dismiss,
}

impl Guard {
    /// Nothing seen yet.
    pub(super) fn new() -> Guard {
        Guard { drift: Adwin::new(DRIFT), labels: 0, wrong: 0 }
    }

    /// One more label, foreseen or not; whether the node drifted for the worse. If it was for the better, errors are
    /// counted anew. Which of the two it was is told by this label alone, as in River.
    pub(super) fn note(&mut self, wrong: bool) -> bool {
        let drifted = self.drift.update(f64::from(u8::from(wrong)));
        let better = drifted && !wrong && self.wrong > 0;
        (self.labels, self.wrong) = (self.labels + 1, self.wrong + u64::from(wrong));
        if better {
            self.anew();
        }
        drifted && !better
    }

    /// Counts errors anew.
    pub(super) fn anew(&mut self) {
        (self.labels, self.wrong) = (0, 0);
    }

    /// The share of labels that were not foreseen.
    fn error(&self) -> f64 {
        self.wrong as f64 / self.labels.max(1) as f64
    }

    /// The weight of a leaf's vote beside others: the inverse square of its error; 1 without errors, as River's.
    pub(super) fn vote(&self) -> f64 {
        if self.wrong > 0 { self.error().powi(-2) } else { 1.0 }
    }

    /// Which errs less, the node or the one on trial, once both have seen enough (Bifet and Gavalda's bound).
    pub(super) fn compare(&self, trial: &Guard, rules: &AdaptiveTreeSpec) -> Verdict {
        if self.labels.min(trial.labels) <= rules.drift_window_threshold {
            return Verdict::Wait;
        }
        let (error, other) = (self.error(), trial.error());
        let lengths = 1.0 / trial.labels as f64 + 1.0 / self.labels as f64;
        let bound = (2.0 * error * (1.0 - error) * (2.0 / rules.switch_significance).ln() * lengths).sqrt();
        if bound < error - other {
            Verdict::Replace
        } else if bound < other - error {
            Verdict::Dismiss
        } else {
            Verdict::Wait
        }
    }

    pub(super) fn check(&self) -> Result<(), ArtifactError> {
        within("errors", self.wrong as f64, "at most the labels", self.wrong <= self.labels)
    }
}
