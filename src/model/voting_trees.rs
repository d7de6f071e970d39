//! Trees that vote, fitted elsewhere: a decision tree, a random forest, AdaBoost. Predicts only.
//!
//! In: feature vectors of a fixed width. Out: the leaves' votes, weighed by tree and added up: for *true* of a binary
//! task, for each class of several, or a value. Votes are probabilities, or, where they were calibrated, what
//! [`Platt`] makes of them; of several classes each is calibrated against the rest, and their sum made 1. Keeps: the
//! trees, each a list of nodes in which a parent stands before its children. Cost: one walk a tree. Limits:
//! [`BoostedTrees::MAX_TREES`] trees of at most [`BoostedTrees::MAX_NODES`] nodes.
//!
//! Sources: Breiman, Friedman, Olshen and Stone, Classification and Regression Trees, 1984; Breiman, Random Forests,
//! 2001; Zhu and others, Multi-class AdaBoost, 2009; Platt 1999, "Probabilistic outputs for support vector machines".

use super::artifact::{ArtifactError, finite, length, within};
use super::boosted::BoostedTrees;
use super::logistic::sigmoid;
use crate::feature::Vector;
use crate::task::{Label, Prediction, Task};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// Sums of weighed votes.
///
/// ```
/// use tidemill::feature::Vector;
/// use tidemill::model::{Voter, VotingTrees};
/// use tidemill::task::Task;
/// let leaf = |share: f64| Voter::Leaf([share].into_iter().collect());
/// let trees = vec![vec![Voter::Split(0, 1.5, 1), leaf(0.25), leaf(0.75)], vec![leaf(0.5)]];
/// let model = VotingTrees { task: Task::Binary, trees, weights: vec![0.5, 0.5], calibration: vec![], examples: 10 };
/// let score = |x: f64| model.predict(&Vector { dense: [x].into(), hot: [].into() }).score();
/// assert_eq!((score(1.5), score(1.6)), (0.375, 0.625));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VotingTrees {
    /// What it was fitted for.
    pub task: Task,
    /// The trees; the root of each is its first node.
    pub trees: Vec<Vec<Voter>>,
    /// What each tree's vote weighs, in [0, 1]; together 1.
    pub weights: Vec<f64>,
    /// What is made of the votes: nothing, or one a binary task, or one a class.
    pub calibration: Vec<Platt>,
    /// The examples it was fitted on.
    pub examples: u64,
}

/// A node of a tree that votes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Voter {
    /// Slot, limit and child: a slot of at most the limit goes to the child, a greater one to the node behind it.
    Split(u32, f64, u32),
    /// The votes: for *true*, for each class, or a value.
    Leaf(SmallVec<[f64; 1]>),
}

/// From a vote to a probability: the logistic function of a line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Platt {
    /// What the vote is multiplied by.
    pub slope: f64,
    /// What is added.
    pub intercept: f64,
}

impl Platt {
    /// The probability of a vote.
    pub fn probability(&self, vote: f64) -> f64 {
        sigmoid(self.slope * vote + self.intercept)
    }
}

impl VotingTrees {
    /// The votes, before they are calibrated.
    pub fn votes(&self, x: &Vector) -> SmallVec<[f64; 1]> {
        let mut votes = SmallVec::from_elem(0.0, outputs(self.task));
        for (tree, weight) in self.trees.iter().zip(&self.weights) {
            votes.iter_mut().zip(leaf(tree, x)).for_each(|(sum, vote)| *sum += weight * vote);
        }
        votes
    }

    /// What it says of a vector.
    pub fn predict(&self, x: &Vector) -> Prediction {
        let mut votes = self.votes(x);
        if self.task == Task::Regression {
            return Prediction::Number(votes[0].clamp(-Label::LIMIT, Label::LIMIT));
        }
        votes.iter_mut().zip(&self.calibration).for_each(|(vote, platt)| *vote = platt.probability(*vote));
        if let [vote] = votes[..] {
            return Prediction::Number(vote.clamp(0.0, 1.0));
        }
        let sum: f64 = votes.iter().sum();
        if sum > 0.0 {
            votes.iter_mut().for_each(|vote| *vote /= sum);
            return Prediction::of_classes(&votes);
        }
        Prediction::unknown(self.task)
    }

    /// The examples it was fitted on.
    pub fn updates(&self) -> u64 {
        self.examples
    }

    pub(super) fn check(&self, width: usize) -> Result<(), ArtifactError> {
        let outputs = outputs(self.task);
        let limit = if self.task == Task::Regression { Label::LIMIT } else { 1.0 };
        let trees = self.trees.len();
        within("number of trees", trees as f64, "1 to 10000", (1..=BoostedTrees::MAX_TREES).contains(&trees))?;
        length("weights", self.weights.len(), trees)?;
        finite("weights", &self.weights)?;
        self.weights.iter().try_for_each(|w| within("weight", *w, "0 to 1", (0.0..=1.0).contains(w)))?;
        if !self.calibration.is_empty() {
            let sums = if self.task == Task::Regression { 0 } else { outputs };
            length("calibrations", self.calibration.len(), sums)?;
        }
        for Platt { slope, intercept } in &self.calibration {
            within("slope", *slope, "small enough", slope.abs() <= 1e6)?;
            within("intercept", *intercept, "small enough", intercept.abs() <= 1e6)?;
        }
        for tree in &self.trees {
            let nodes = tree.len();
            within("number of nodes", nodes as f64, "1 to 4095", (1..=BoostedTrees::MAX_NODES).contains(&nodes))?;
            for (at, node) in tree.iter().enumerate() {
                match node {
                    Voter::Leaf(votes) => {
                        length("votes", votes.len(), outputs)?;
                        let least = if self.task == Task::Regression { -limit } else { 0.0 };
                        votes.iter().try_for_each(|vote| {
                            within("vote", *vote, "a probability, or a value", (least..=limit).contains(vote))
                        })?;
                    }
                    Voter::Split(slot, limit, child) => {
                        within("slot", f64::from(*slot), "below the width", (*slot as usize) < width)?;
                        within("limit", *limit, "finite", true)?;
                        // So a walk always goes forward, and ends.
                        let (child, last) = (*child as usize, nodes - 1);
                        within("child", child as f64, "behind its parent, with one more behind it", {
                            child > at && child < last
                        })?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The votes of a leaf: one a class, of a binary task that for *true*, of a regression a value.
fn outputs(task: Task) -> usize {
    if let Task::Multiclass(classes) = task { usize::from(classes) } else { 1 }
}

/// What a checked tree says of a vector.
fn leaf<'a>(tree: &'a [Voter], x: &Vector) -> &'a [f64] {
    let mut at = 0;
    loop {
        match &tree[at] {
            Voter::Leaf(votes) => return votes,
            Voter::Split(slot, limit, child) => at = *child as usize + usize::from(x.slot(*slot) > *limit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(votes: &[f64]) -> Voter {
        Voter::Leaf(votes.iter().copied().collect())
    }

    fn model(task: Task, tree: Vec<Voter>) -> VotingTrees {
        VotingTrees { task, trees: vec![tree], weights: vec![1.0], calibration: Vec::new(), examples: 0 }
    }

    #[test]
    fn several_classes_sum_to_one() {
        let mut of = model(Task::Multiclass(3), vec![leaf(&[0.2, 0.8, 0.0])]);
        let x = Vector::default();
        assert_eq!(of.predict(&x), Prediction::classes([0.2, 0.8, 0.0]));
        of.calibration = vec![Platt { slope: 0.0, intercept: 0.0 }; 3];
        assert_eq!(of.predict(&x), Prediction::unknown(of.task), "calibrated, all are alike");
        let silent = model(Task::Multiclass(3), vec![leaf(&[0.0; 3])]);
        assert_eq!(silent.predict(&x), Prediction::unknown(of.task));
    }

    #[test]
    fn what_is_no_such_model_is_refused() {
        let (low, high) = (leaf(&[0.0]), leaf(&[1.0]));
        let refused = |of: VotingTrees| of.check(2).expect_err("it is refused").to_string();
        let binary = |tree| model(Task::Binary, tree);
        for (of, expected) in [
            (binary(vec![]), "number of nodes 0.0, allowed is 1 to 4095"),
            (binary(vec![Voter::Split(0, 0.0, 0), low.clone(), high.clone()]), "child 0.0"),
            (binary(vec![Voter::Split(0, 0.0, u32::MAX), low.clone(), high.clone()]), "child 4294967295.0"),
            (binary(vec![Voter::Split(2, 0.0, 1), low.clone(), high.clone()]), "slot 2.0, allowed is below the width"),
            (binary(vec![Voter::Split(0, f64::NAN, 1), low.clone(), high]), "limit NaN"),
            (binary(vec![leaf(&[1.5])]), "vote 1.5"),
            (binary(vec![leaf(&[f64::NAN])]), "vote NaN"),
            (binary(vec![leaf(&[0.5, 0.5])]), "2 votes for 1 slots"),
            (model(Task::Multiclass(3), vec![low.clone()]), "1 votes for 3 slots"),
            (VotingTrees { weights: vec![], ..binary(vec![low.clone()]) }, "0 weights for 1 slots"),
            (VotingTrees { weights: vec![-0.5], ..binary(vec![low.clone()]) }, "weight -0.5"),
            (VotingTrees { trees: vec![], weights: vec![], ..binary(vec![]) }, "number of trees 0.0"),
            (
                VotingTrees {
                    calibration: vec![Platt { slope: f64::NAN, intercept: 0.0 }],
                    ..binary(vec![low.clone()])
                },
                "slope NaN",
            ),
            (
                VotingTrees {
                    calibration: vec![Platt { slope: 1.0, intercept: 0.0 }],
                    ..model(Task::Regression, vec![low])
                },
                "1 calibrations for 0 slots",
            ),
        ] {
            let found = refused(of);
            assert!(found.contains(expected), "{found} is not {expected}");
        }
    }
}
