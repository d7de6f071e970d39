//! K nearest neighbours over a sliding window of the newest labels.
//!
//! In: feature vectors, labels one by one. Out: the nearest labels' classes, each weighted by the inverse of its
//! distance, or the mean of their values; a neighbour at distance 0 speaks alone. Keeps: the newest `window_size`
//! vectors with their labels. Cost: one distance a vector kept, for predicting alone. Exactness: `Replayed`, since a
//! label that is taken back would have to call back the one that it crowded out.
//!
//! Predictions are those of River 0.26.1's `KNNClassifier` and `KNNRegressor` over `LazySearch`, with its defaults.
//! Of equal distances the older neighbour is nearer.
//!
//! Parameters: `n_neighbors` at least 1 (5), `window_size` at least 1 (50), `weighted` (true). Source: Cover and Hart
//! 1967, "Nearest neighbor pattern classification".

use super::artifact::{ArtifactError, length, within};
use super::{Body, Learner};
use crate::config::spec::NearestSpec;
use crate::feature::Vector;
use crate::task::{Label, Prediction, Task};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// A window of labelled vectors.
///
/// ```
/// use tidemill::config::spec::NearestSpec;
/// use tidemill::feature::Vector;
/// use tidemill::model::{Learner, NearestNeighbors};
/// use tidemill::task::Task;
/// let x = |value: f64| Vector { dense: [value].into(), hot: [].into() };
/// let mut model = NearestNeighbors::new(1, Task::Binary, NearestSpec { n_neighbors: 3, ..NearestSpec::default() });
/// (0..10).for_each(|n| model.learn(&x(f64::from(n)), (n > 4).into()));
/// assert!(model.score(&x(8.2)) > 0.99 && model.score(&x(1.2)) < 0.01);
/// assert_eq!(model.score(&x(5.0)), 1.0, "that very vector");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NearestNeighbors {
    rules: NearestSpec,
    task: Task,
    width: u32,
    updates: u64,
    window: VecDeque<(Vector, Label)>,
}

impl NearestNeighbors {
    /// An empty window.
    pub fn new(width: usize, task: Task, rules: NearestSpec) -> NearestNeighbors {
        NearestNeighbors { rules, task, width: width as u32, updates: 0, window: VecDeque::new() }
    }

    /// The nearest labels with their distances, nearest first.
    fn nearest(&self, x: &Vector) -> Vec<(f64, Label)> {
        let most = self.rules.n_neighbors;
        let mut nearest: Vec<(f64, Label)> = Vec::with_capacity(most + 1);
        for (other, label) in &self.window {
            let distance = distance(x, other);
            if nearest.len() == most && nearest.last().is_some_and(|(last, _)| *last <= distance) {
                continue;
            }
            let place = nearest.partition_point(|(known, _)| *known <= distance);
            nearest.insert(place, (distance, *label));
            nearest.truncate(most);
        }
        nearest
    }

    fn votes(&self, nearest: &[(f64, Label)]) -> Vec<f64> {
        let mut votes = vec![0.0; self.task.classes()];
        if let Some((0.0, label)) = nearest.first() {
            votes[label.number()] = 1.0;
            return votes;
        }
        for (distance, label) in nearest {
            votes[label.number()] += if self.rules.weighted { 1.0 / distance } else { 1.0 };
        }
        let all: f64 = votes.iter().sum();
        // Neighbours infinitely far away say nothing.
        if all > 0.0 {
            votes.iter_mut().for_each(|vote| *vote /= all);
        } else {
            let alike = 1.0 / votes.len() as f64;
            votes.fill(alike);
        }
        votes
    }

    pub(super) fn task(&self) -> Task {
        self.task
    }

    pub(super) fn check(&self, width: usize) -> Result<(), ArtifactError> {
        length("slots", self.width as usize, width)?;
        let (most, size) = (self.rules.n_neighbors, self.rules.window_size);
        within("n_neighbors", most as f64, "1 to 1000", (1..=1000).contains(&most))?;
        within("window_size", size as f64, "1 to 100000", (1..=100_000).contains(&size))?;
        let kept = self.window.len();
        within("window", kept as f64, "at most `window_size`", kept <= size)?;
        self.window.iter().try_for_each(|(x, label)| {
            let slots = x.hot.iter().map(|slot| *slot as usize + 1).max().unwrap_or(0).max(x.dense.len());
            within("slots of a neighbour", slots as f64, "at most the width", slots <= width)?;
            x.dense.iter().try_for_each(|value| within("value of a neighbour", *value, "finite", true))?;
            let good = match self.task {
                Task::Regression => label.amount().abs() <= Label::LIMIT,
                _ => label.number() < self.task.classes(),
            };
            within("label of a neighbour", label.amount(), "of the task", good)
        })
    }
}

/// The Euclidean distance; infinite where it overflows.
fn distance(a: &Vector, b: &Vector) -> f64 {
    let dense: f64 = a.dense.iter().zip(&b.dense).map(|(a, b)| (a - b) * (a - b)).sum();
    // One slot each of ones that the other has not.
    let (mut ours, mut theirs, mut apart) = (a.hot.iter().peekable(), b.hot.iter().peekable(), 0.0);
    while let (Some(our), Some(their)) = (ours.peek(), theirs.peek()) {
        match our.cmp(their) {
            std::cmp::Ordering::Equal => {
                ours.next();
                theirs.next();
                continue;
            }
            std::cmp::Ordering::Less => ours.next(),
            std::cmp::Ordering::Greater => theirs.next(),
        };
        apart += 1.0;
    }
    (dense + apart + (ours.count() + theirs.count()) as f64).sqrt()
}

impl Learner for NearestNeighbors {
    fn predict(&self, x: &Vector) -> Prediction {
        let nearest = self.nearest(x);
        if self.task == Task::Regression {
            return Prediction::Number(match nearest.first() {
                None => 0.0,
                Some((0.0, label)) => label.amount(),
                Some(_) => nearest.iter().map(|(_, label)| label.amount()).sum::<f64>() / nearest.len() as f64,
            });
        }
        match nearest.is_empty() {
            true => Prediction::unknown(self.task),
            false => Prediction::of_classes(&self.votes(&nearest)),
        }
    }

    fn learn(&mut self, x: &Vector, label: Label) {
        self.updates += 1;
        if self.window.len() >= self.rules.window_size {
            self.window.pop_front();
        }
        self.window.push_back((x.clone(), label));
    }

    fn updates(&self) -> u64 {
        self.updates
    }

    fn save(&self) -> Body {
        Body::NearestNeighbors(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::golden::{Golden, golden};

    /// Test-then-train over the golden rows gives River's predictions.
    #[test]
    fn says_what_river_says() {
        for (name, task) in [
            ("nearest_neighbors", Task::Binary),
            ("nearest_neighbors_classes", Task::Multiclass(4)),
            ("nearest_neighbors_regression", Task::Regression),
        ] {
            let golden: Golden<NearestSpec> = golden(name);
            assert_eq!(golden.runs.len(), 2);
            golden.replay(|rules, width, _| Box::new(NearestNeighbors::new(width, task, *rules)));
        }
    }
}
