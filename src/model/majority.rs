//! The baseline `majority`: the share of each class among the labels so far; of a regression `mean`, their mean.
//!
//! In: labels; the vector is not looked at. Out: those shares, all alike before the first label; so its class is the
//! most frequent one, and its log loss is that of knowing nothing but the prior. Of a regression the mean, 0 before the
//! first. Keeps: a count a class, or an exact sum. Exactness: `Exact`. These are River's `dummy.PriorClassifier` and
//! `dummy.StatisticRegressor(stats.Mean())`.

use super::artifact::{ArtifactError, length};
use super::{Body, Exactness, Learner};
use crate::feature::Vector;
use crate::feature::moments::{Sum, fixed};
use crate::task::{Label, Prediction, Task};
use serde::{Deserialize, Serialize};

/// The shares of the classes, or the mean.
///
/// ```
/// use tidemill::feature::Vector;
/// use tidemill::model::{Learner, Majority};
/// use tidemill::task::Task;
/// let (x, mut model) = (Vector::default(), Majority::new(Task::Binary));
/// for label in [true, false, false, false] {
///     model.learn(&x, label.into());
/// }
/// assert_eq!(model.score(&x), 0.25);
/// assert!(model.unlearn(&x, true.into()));
/// assert_eq!(model.score(&x), 0.0);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Majority {
    task: Task,
    /// By class.
    labels: Vec<u64>,
    values: Sum,
}

impl Majority {
    /// One that knows nothing.
    pub fn new(task: Task) -> Majority {
        Majority { task, labels: vec![0; task.classes()], values: Sum::default() }
    }

    pub(super) fn task(&self) -> Task {
        self.task
    }

    pub(super) fn check(&self) -> Result<(), ArtifactError> {
        length("counts", self.labels.len(), self.task.classes())
    }
}

impl Learner for Majority {
    fn predict(&self, _: &Vector) -> Prediction {
        let all = self.updates();
        if all == 0 {
            return Prediction::unknown(self.task);
        }
        if self.task == Task::Regression {
            return Prediction::Number(self.values.mean().unwrap_or(0.0));
        }
        let shares: Vec<f64> = self.labels.iter().map(|labels| *labels as f64 / all as f64).collect();
        Prediction::of_classes(&shares)
    }

    fn learn(&mut self, _: &Vector, label: Label) {
        match self.labels.get_mut(label.number()) {
            Some(labels) if self.task != Task::Regression => *labels += 1,
            _ => fixed(label.amount()).into_iter().for_each(|value| self.values.add(value)),
        }
    }

    fn unlearn(&mut self, _: &Vector, label: Label) -> bool {
        assert!(self.updates() > 0, "only a learned label is taken back");
        match self.labels.get_mut(label.number()) {
            Some(labels) if self.task != Task::Regression => *labels -= 1,
            _ => fixed(label.amount()).into_iter().for_each(|value| self.values.remove(value)),
        }
        true
    }

    fn updates(&self) -> u64 {
        self.labels.iter().sum::<u64>() + self.values.count
    }

    fn exactness(&self) -> Exactness {
        Exactness::Exact
    }

    fn save(&self) -> Body {
        Body::Majority(self.clone())
    }
}
