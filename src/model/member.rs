//! A member of an ensemble with what watches over it: detectors, a model in its background, and dice of its own.
//!
//! In: a member's errors, in [0, 1]. Keeps: two ADWIN detectors of them and, from a warning until the drift, a fresh
//! model in the background, which then takes the other's place.

use super::artifact::{ArtifactError, detector, within};
use super::dice::Dice;
use crate::drift::{Adwin, Detector};
use serde::{Deserialize, Serialize};

/// The confidences of the two detectors of a member.
#[derive(Clone, Copy)]
pub(super) struct Confidences {
    pub(super) warning: f64,
    pub(super) drift: f64,
}

/// A model under watch, with a record of how it did since it began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Member<T, R> {
    pub(super) model: T,
    pub(super) background: Option<T>,
    pub(super) record: R,
    pub(super) dice: Dice,
    warning: Adwin,
    drift: Adwin,
}

impl<T, R: Default> Member<T, R> {
    pub(super) fn new(model: T, dice: Dice, of: Confidences) -> Member<T, R> {
        let (warning, drift) = (Adwin::new(of.warning), Adwin::new(of.drift));
        Member { model, background: None, record: R::default(), dice, warning, drift }
    }

    /// Watches an error. A warning makes a fresh background, and drift puts it in the model's place; without a warning
    /// before it the next model begins from nothing.
    pub(super) fn watch(&mut self, error: f64, of: Confidences, fresh: impl Fn(&mut Dice) -> T) {
        if self.warning.update(error) {
            self.background = Some(fresh(&mut self.dice));
            self.warning = Adwin::new(of.warning);
        }
        if self.drift.update(error) {
            self.model = self.background.take().unwrap_or_else(|| fresh(&mut self.dice));
            (self.warning, self.drift) = (Adwin::new(of.warning), Adwin::new(of.drift));
            self.record = R::default();
        }
    }

    /// Checks the detectors and, by `model`, the model and the one in its background.
    pub(super) fn check(&self, model: impl Fn(&T) -> Result<(), ArtifactError>) -> Result<(), ArtifactError> {
        detector(&self.warning)?;
        detector(&self.drift)?;
        std::iter::once(&self.model).chain(&self.background).try_for_each(model)
    }
}

/// Labels since a member began, and those of which it was right before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Hits {
    pub(super) seen: u64,
    pub(super) right: u64,
}

impl Hits {
    pub(super) fn add(&mut self, right: bool) {
        (self.seen, self.right) = (self.seen + 1, self.right + u64::from(right));
    }

    pub(super) fn check(&self) -> Result<(), ArtifactError> {
        within("right", self.right as f64, "at most those seen", self.right <= self.seen)
    }

    /// The weight of a member's vote: its accuracy; one that was never right has a whole vote, as River's.
    pub(super) fn vote(&self) -> f64 {
        let accuracy = self.right as f64 / self.seen.max(1) as f64;
        if accuracy > 0.0 { accuracy } else { 1.0 }
    }
}
