//! The baseline `no_change`: the last label that came.
//!
//! In: labels as they come, which on a stream with late labels is not the label of the last event; the vector is not
//! looked at. Out: 1 after a true label, 0 after a false one, 0.5 before the first. Keeps: one label. Exactness:
//! `Replayed`, a correction of an earlier label does not touch it. This is River's `dummy.NoChangeClassifier`.

use super::{Body, Exactness, Learner};
use crate::feature::Vector;
use serde::{Deserialize, Serialize};

/// The last label.
///
/// ```
/// use tidemill::feature::Vector;
/// use tidemill::model::{Learner, NoChange};
/// let (x, mut model) = (Vector::default(), NoChange::default());
/// assert_eq!(model.predict(&x), 0.5);
/// model.learn(&x, true);
/// assert_eq!(model.predict(&x), 1.0);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoChange {
    last: Option<bool>,
    updates: u64,
}

impl Learner for NoChange {
    fn predict(&self, _: &Vector) -> f64 {
        self.last.map_or(0.5, |last| if last { 1.0 } else { 0.0 })
    }

    fn learn(&mut self, _: &Vector, label: bool) {
        self.last = Some(label);
        self.updates += 1;
    }

    fn unlearn(&mut self, _: &Vector, _: bool) -> bool {
        false
    }

    fn updates(&self) -> u64 {
        self.updates
    }

    fn exactness(&self) -> Exactness {
        Exactness::Replayed
    }

    fn save(&self) -> Body {
        Body::NoChange(self.clone())
    }
}
