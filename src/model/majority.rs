//! The baseline `majority`: the share of true labels so far.
//!
//! In: labels; the vector is not looked at. Out: that share, 0.5 before the first label; so its class is the more
//! frequent one, and its log loss is that of knowing nothing but the prior. Keeps: two counts. Exactness: `Exact`.
//! This is River's `dummy.PriorClassifier` (the majority class, with the probability of the prior).

use super::artifact::ArtifactError;
use super::{Body, Exactness, Learner};
use crate::feature::Vector;
use serde::{Deserialize, Serialize};

/// The share of true labels.
///
/// ```
/// use tidemill::feature::Vector;
/// use tidemill::model::{Learner, Majority};
/// let (x, mut model) = (Vector::default(), Majority::default());
/// for label in [true, false, false, false] {
///     model.learn(&x, label);
/// }
/// assert_eq!(model.predict(&x), 0.25);
/// assert!(model.unlearn(&x, true));
/// assert_eq!(model.predict(&x), 0.0);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Majority {
    positives: u64,
    labels: u64,
}

impl Majority {
    pub(super) fn check(&self) -> Result<(), ArtifactError> {
        if self.positives <= self.labels {
            return Ok(());
        }
        Err(ArtifactError::Range { what: "positives", found: self.positives as f64, allowed: "at most `labels`" })
    }
}

impl Learner for Majority {
    fn predict(&self, _: &Vector) -> f64 {
        if self.labels == 0 { 0.5 } else { self.positives as f64 / self.labels as f64 }
    }

    fn learn(&mut self, _: &Vector, label: bool) {
        self.positives += u64::from(label);
        self.labels += 1;
    }

    fn unlearn(&mut self, _: &Vector, label: bool) -> bool {
        assert!(self.labels > 0 && self.positives >= u64::from(label), "only a learned label is taken back");
        self.positives -= u64::from(label);
        self.labels -= 1;
        true
    }

    fn updates(&self) -> u64 {
        self.labels
    }

    fn exactness(&self) -> Exactness {
        Exactness::Exact
    }

    fn save(&self) -> Body {
        Body::Majority(self.clone())
    }
}
