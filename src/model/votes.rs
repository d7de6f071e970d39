//! The votes of an ensemble: the weighted mean of what its members say.

use crate::task::{Prediction, Task};
use smallvec::{SmallVec, smallvec};

/// Votes under way.
pub(super) struct Votes {
    task: Task,
    sums: SmallVec<[f64; 2]>,
    all: f64,
}

impl Votes {
    /// None yet.
    pub(super) fn new(task: Task) -> Votes {
        Votes { task, sums: smallvec![0.0; task.classes()], all: 0.0 }
    }

    /// A member's probabilities, with its weight.
    pub(super) fn add(&mut self, said: &[f64], weight: f64) {
        self.sums.iter_mut().zip(said).for_each(|(sum, p)| *sum += weight * p);
        self.all += weight;
    }

    /// The mean; without votes all classes are alike.
    pub(super) fn prediction(mut self) -> Prediction {
        if self.all <= 0.0 {
            return Prediction::unknown(self.task);
        }
        self.sums.iter_mut().for_each(|sum| *sum = (*sum / self.all).clamp(0.0, 1.0));
        Prediction::of_classes(&self.sums)
    }
}
