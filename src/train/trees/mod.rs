//! A decision tree and a random forest (CART over bins), of all tasks.
//!
//! In: rows. Out: [`VotingTrees`]: a leaf votes by the weighed shares of its rows' classes, or their mean, and a forest
//! says the mean of its trees. Each tree of a forest is grown on as many rows as there are, drawn with repetition, and
//! looks for each split at `max_features` slots drawn anew. Keeps while fitting: a byte a row and dense slot, the ones
//! of the sparse slots, some 30 bytes a row. Cost of a tree: some additions a row, slot looked at and level. Parameters
//! and defaults are scikit-learn's (`DecisionTreeClassifier`, `RandomForestClassifier` and the regressors), but for the
//! bounds of a tree's leaves: an artifact is bounded, and leaves of single rows say 0 or 1. The start is ignored.
//!
//! A forest's `min_samples_leaf` is 2 by default, since of 1, 2, 5, 10, 20 and 50 it is the one that is never far from
//! the best: over thirteen streams its loss was at most 7 % above that of the best for the stream, where 1 came to
//! 16 %, 5 to 27 % and 20 to 96 % (`benches/README.md`). Where alike rows have different labels, as in `flights`, 20 is
//! better by 0.4 to 1.5 %; where classes can be told apart, it is far worse.
//!
//! Ours, and not linfa-trees 0.8: it sums impurities over a randomly seeded `HashMap`, so ties fall otherwise in every
//! process; it sorts the rows of a leaf by every slot; and its leaves say a class, not how sure it is, so a forest of
//! them can only be heard by counting votes.
//!
//! Sources: Breiman, Friedman, Olshen and Stone, Classification and Regression Trees, 1984; Breiman, Random Forests,
//! Machine Learning 45, 2001.

mod adaboost;
mod grow;

pub use adaboost::AdaBoostEstimator;

use super::bins::Binned;
use super::{Estimator, FitError, Rows};
use crate::config::spec::{Cart, RandomForest};
use crate::model::{Body, Dice, Voter, VotingTrees};
use crate::task::{Label, Task};
use grow::{Grower, Slots, Targets};

/// One tree.
#[derive(Clone, Copy, Debug)]
pub struct DecisionTreeEstimator(pub Cart);

/// Many trees of drawn rows and slots.
#[derive(Clone, Copy, Debug)]
pub struct RandomForestEstimator(pub RandomForest);

/// What the rows vote for, in the form that trees take.
pub(super) struct Votes {
    numbers: Vec<f64>,
    classes: Vec<u32>,
    /// The classes; 0 where there are numbers.
    all: usize,
    /// What was taken off the values of a regression, so that their differences are exact.
    mean: f64,
}

impl Votes {
    pub(super) fn of(rows: &Rows) -> Votes {
        let mut votes = Votes { numbers: Vec::new(), classes: Vec::new(), all: 0, mean: 0.0 };
        let amounts = || rows.labels().iter().map(|label| label.amount());
        match rows.task() {
            Task::Multiclass(all) => {
                votes.classes = rows.labels().iter().map(|label| label.number() as u32).collect();
                votes.all = usize::from(all);
            }
            Task::Binary => votes.numbers = amounts().collect(),
            Task::Regression => {
                votes.mean = amounts().sum::<f64>() / rows.len() as f64;
                votes.numbers = amounts().map(|amount| amount - votes.mean).collect();
            }
        }
        votes
    }

    /// The model of some trees.
    fn model(&self, rows: &Rows, mut trees: Vec<Vec<Voter>>, weights: Vec<f64>) -> VotingTrees {
        if rows.task() == Task::Regression {
            for node in trees.iter_mut().flatten() {
                let Voter::Leaf(values) = node else { continue };
                values.iter_mut().for_each(|value| *value = (*value + self.mean).clamp(-Label::LIMIT, Label::LIMIT));
            }
        }
        VotingTrees { task: rows.task(), trees, weights, calibration: Vec::new(), examples: rows.len() as u64 }
    }

    fn targets(&self) -> Targets<'_> {
        if self.all == 0 { Targets::Numbers(&self.numbers) } else { Targets::Classes(&self.classes, self.all) }
    }
}

/// What growing trees keeps: bins, ones, and 32 bytes a row for order, weight and vote.
pub(super) fn bytes(rows: &Rows) -> u64 {
    Binned::bytes(rows) + 32 * rows.len() as u64
}

impl Estimator for DecisionTreeEstimator {
    fn fit(&self, rows: &Rows, _start: Option<&Body>) -> Result<Body, FitError> {
        let (binned, votes) = (Binned::new(rows), Votes::of(rows));
        let tree = Grower::new(self.0, Slots::All, &binned, votes.targets()).grow(&rows.weights(), &mut Dice::new(0));
        Ok(Body::VotingTrees(votes.model(rows, vec![tree], vec![1.0])))
    }

    fn bytes(&self, rows: &Rows) -> u64 {
        bytes(rows)
    }
}

impl Estimator for RandomForestEstimator {
    fn fit(&self, rows: &Rows, _start: Option<&Body>) -> Result<Body, FitError> {
        let (binned, votes, own) = (Binned::new(rows), Votes::of(rows), rows.weights());
        let slots = match self.0.max_features {
            Some(slots) => Slots::Drawn(slots as usize),
            None if rows.task() == Task::Regression => Slots::All,
            None => Slots::Drawn((rows.width() as f64).sqrt() as usize),
        };
        let mut grower = Grower::new(self.0.tree, slots, &binned, votes.targets());
        let mut seeds = Dice::new(self.0.seed);
        let mut trees = Vec::with_capacity(self.0.n_estimators);
        let mut weights = vec![0.0; rows.len()];
        for _ in 0..self.0.n_estimators {
            rows.go_on()?;
            // Each tree has dice of its own, so it does not depend on how often the others threw theirs.
            let mut dice = Dice::new(seeds.word());
            weights.fill(0.0);
            for _ in 0..rows.len() {
                let row = (dice.word() % rows.len() as u64) as usize;
                weights[row] += own[row];
            }
            trees.push(grower.grow(&weights, &mut dice));
        }
        let even = vec![1.0 / trees.len() as f64; trees.len()];
        Ok(Body::VotingTrees(votes.model(rows, trees, even)))
    }

    fn bytes(&self, rows: &Rows) -> u64 {
        // A node of several classes has its votes on the heap.
        let classes = rows.task().classes();
        let node = 40 + if classes > 2 { 8 * classes as u64 } else { 0 };
        bytes(rows) + (self.0.n_estimators * (2 * self.0.tree.max_leaf_nodes)) as u64 * node
    }
}
