//! The baseline `no_change`: the last label that came.
//!
//! In: labels as they come, which on a stream with late labels is not the label of the last event; the vector is not
//! looked at. Out: all probability for the class of the last label, or its value; all classes alike, or 0, before the
//! first. Keeps: one label. Exactness: `Replayed`, a correction of an earlier label does not touch it. This is River's
//! `dummy.NoChangeClassifier`, and the persistence forecast of a regression.

use super::{Body, Learner};
use crate::feature::Vector;
use crate::task::{Label, Prediction, Task};
use serde::{Deserialize, Serialize};

/// The last label.
///
/// ```
/// use tidemill::feature::Vector;
/// use tidemill::model::{Learner, NoChange};
/// use tidemill::task::Task;
/// let (x, mut model) = (Vector::default(), NoChange::new(Task::Binary));
/// assert_eq!(model.score(&x), 0.5);
/// model.learn(&x, true.into());
/// assert_eq!(model.score(&x), 1.0);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoChange {
    task: Task,
    last: Option<Label>,
    updates: u64,
}

impl NoChange {
    /// One that knows nothing.
    pub fn new(task: Task) -> NoChange {
        NoChange { task, last: None, updates: 0 }
    }

    pub(super) fn task(&self) -> Task {
        self.task
    }
}

impl Learner for NoChange {
    fn predict(&self, _: &Vector) -> Prediction {
        let Some(last) = self.last else { return Prediction::unknown(self.task) };
        if self.task == Task::Regression {
            return Prediction::Number(last.amount());
        }
        let said: Vec<f64> =
            (0..self.task.classes()).map(|class| f64::from(u8::from(class == last.number()))).collect();
        Prediction::of_classes(&said)
    }

    fn learn(&mut self, _: &Vector, label: Label) {
        self.last = Some(label);
        self.updates += 1;
    }

    fn updates(&self) -> u64 {
        self.updates
    }

    fn save(&self) -> Body {
        Body::NoChange(self.clone())
    }
}
