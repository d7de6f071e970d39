//! Boosted trees, fitted elsewhere: predicts only.
//!
//! In: feature vectors of a fixed width. Out: a base plus one leaf a tree, of one sum (binary: its logistic function;
//! regression: itself) or one a class (their softmax). Keeps: the trees, each a list of nodes in which a parent stands
//! before its children. Cost: one walk a tree, some 5 comparisons each. Limits: [`BoostedTrees::MAX_TREES`] trees of at
//! most [`BoostedTrees::MAX_NODES`] nodes. Source: Friedman, Annals of Statistics 29, 2001.

use super::artifact::{ArtifactError, length, within};
use super::logistic::sigmoid;
use super::softmax::softmax;
use crate::feature::Vector;
use crate::task::{Label, Prediction, Task};
use serde::{Deserialize, Serialize};

/// Sums of trees: of log odds, of the logarithms of likelihoods, or of values.
///
/// ```
/// use tidemill::feature::Vector;
/// use tidemill::model::{BoostedTrees, Node};
/// use tidemill::task::Task;
/// let stump = vec![Node::Split(0, 1.5, 1), Node::Leaf(-2.0), Node::Leaf(2.0)];
/// let model = BoostedTrees { task: Task::Binary, bases: vec![0.0], trees: vec![stump], examples: 10 };
/// let score = |x: f64| model.predict(&Vector { dense: [x].into(), hot: [].into() }).score();
/// assert!(score(1.5) < 0.12 && score(1.6) > 0.88);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoostedTrees {
    /// What it was fitted for.
    pub task: Task,
    /// Each sum before any tree: one, or one a class.
    pub bases: Vec<f64>,
    /// The trees, in turns one a sum; the root of each is its first node.
    pub trees: Vec<Vec<Node>>,
    /// The examples it was fitted on.
    pub examples: u64,
}

/// A node of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Node {
    /// Slot, limit and child: a slot of at most the limit goes to the child, a greater one to the node behind it.
    Split(u32, f64, u32),
    /// What the tree adds to its sum.
    Leaf(f64),
}

impl BoostedTrees {
    /// The most trees.
    pub const MAX_TREES: usize = 10_000;
    /// The most nodes of a tree.
    pub const MAX_NODES: usize = 4095;

    /// What it says of a vector.
    pub fn predict(&self, x: &Vector) -> Prediction {
        if let [base] = self.bases[..] {
            let sum = self.trees.iter().fold(base, |sum, tree| sum + leaf(tree, x));
            let value = sum.clamp(-Label::LIMIT, Label::LIMIT);
            return Prediction::Number(if self.task == Task::Regression { value } else { sigmoid(sum) });
        }
        let mut sums = self.bases.clone();
        for (number, tree) in self.trees.iter().enumerate() {
            sums[number % self.bases.len()] += leaf(tree, x);
        }
        softmax(&mut sums);
        Prediction::of_classes(&sums)
    }

    /// The examples it was fitted on.
    pub fn updates(&self) -> u64 {
        self.examples
    }

    pub(super) fn check(&self, width: usize) -> Result<(), ArtifactError> {
        let limit = if self.task == Task::Regression { 1e12 } else { 1e6 };
        let bounded = |what, x: f64| within(what, x, "small enough for its task", x.abs() <= limit);
        let sums = if let Task::Multiclass(classes) = self.task { usize::from(classes) } else { 1 };
        length("bases", self.bases.len(), sums)?;
        self.bases.iter().try_for_each(|base| bounded("base", *base))?;
        let trees = self.trees.len();
        within("number of trees", trees as f64, "at most 10000", trees <= BoostedTrees::MAX_TREES)?;
        for tree in &self.trees {
            let nodes = tree.len();
            within("number of nodes", nodes as f64, "1 to 4095", (1..=BoostedTrees::MAX_NODES).contains(&nodes))?;
            for (at, node) in tree.iter().enumerate() {
                match *node {
                    Node::Leaf(value) => bounded("leaf", value)?,
                    Node::Split(slot, limit, child) => {
                        within("slot", f64::from(slot), "below the width", (slot as usize) < width)?;
                        within("limit", limit, "finite", true)?;
                        // So a walk always goes forward, and ends.
                        let (child, last) = (child as usize, nodes - 1);
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

/// What a checked tree says of a vector.
fn leaf(tree: &[Node], x: &Vector) -> f64 {
    let mut at = 0;
    loop {
        match tree[at] {
            Node::Leaf(value) => return value,
            Node::Split(slot, limit, child) => at = child as usize + usize::from(x.slot(slot) > limit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_that_do_not_end_are_refused() {
        let (low, high) = (Node::Leaf(-1.0), Node::Leaf(1.0));
        let refused = |tree: Vec<Node>| {
            let model = BoostedTrees { task: Task::Binary, bases: vec![0.0], trees: vec![tree], examples: 0 };
            model.check(2).expect_err("it is refused").to_string()
        };
        for (tree, expected) in [
            (vec![], "number of nodes 0.0, allowed is 1 to 4095"),
            (vec![low; 4096], "number of nodes 4096.0"),
            (vec![Node::Split(0, 0.0, 0), low, high], "child 0.0, allowed is behind its parent"),
            (vec![Node::Split(0, 0.0, 2), low, high], "child 2.0"),
            (vec![Node::Split(0, 0.0, u32::MAX), low, high], "child 4294967295.0"),
            (vec![Node::Split(2, 0.0, 1), low, high], "slot 2.0, allowed is below the width"),
            (vec![Node::Split(0, f64::NAN, 1), low, high], "limit NaN"),
            (vec![Node::Leaf(f64::INFINITY)], "leaf inf"),
        ] {
            let found = refused(tree);
            assert!(found.contains(expected), "{found} is not {expected}");
        }
    }
}
