//! The tree itself: its nodes, the walk, and growth.

use super::leaf::{Leaf, Search};
use super::observer::At;
use crate::config::spec::TreeSpec;
use crate::feature::Vector;
use crate::model::artifact::{ArtifactError, within};
use crate::model::dice::Dice;
use serde::{Deserialize, Serialize};
use smallvec::{SmallVec, smallvec};

/// A growing tree; alone, or in an ensemble that weighs labels and draws features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tree {
    nodes: Vec<Node>,
}

/// A node; the root is the first, and children stand behind their parent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Node {
    /// Number, limit, and the child of those at most that; those above go to the one behind it.
    Number(u32, f64, u32),
    /// Slot, and the child of those in which it is 1; the others go to the one behind it.
    Slot(u32, u32),
    Leaf(Box<Leaf>),
}

impl Tree {
    /// One leaf that knows nothing of so many classes.
    pub fn new(classes: usize) -> Tree {
        Tree { nodes: vec![Node::Leaf(Box::new(Leaf::new(0, smallvec![0.0; classes], &[])))] }
    }

    /// The leaves.
    pub fn leaves(&self) -> usize {
        self.nodes.len().div_ceil(2)
    }

    fn leaf(&self, x: &Vector) -> usize {
        let mut at = 0;
        loop {
            match &self.nodes[at] {
                Node::Number(slot, limit, child) => at = *child as usize + usize::from(x.slot(*slot) > *limit),
                Node::Slot(slot, child) => at = *child as usize + usize::from(!x.hot.contains(slot)),
                Node::Leaf(_) => return at,
            }
        }
    }

    /// The probability of each class; `None` if nothing is known.
    pub fn predict(&self, rules: &TreeSpec, x: &Vector) -> Option<SmallVec<[f64; 2]>> {
        match &self.nodes[self.leaf(x)] {
            Node::Leaf(leaf) => leaf.predict(rules, x),
            _ => None,
        }
    }

    /// Learns a class with some weight. `dice` draw features where `max_features` says how many.
    pub fn learn(&mut self, rules: &TreeSpec, x: &Vector, class: usize, weight: f64, dice: Option<&mut Dice>) {
        let (at, full) = (self.leaf(x), self.leaves() >= rules.max_leaves);
        let Node::Leaf(leaf) = &mut self.nodes[at] else { return };
        leaf.learn(rules, x, class, weight, dice);
        if full {
            return;
        }
        match leaf.search(rules) {
            Search::Wait => {}
            Search::Afresh => leaf.afresh(),
            Search::Split(feature, split) => {
                let child = |weights| Node::Leaf(Box::new(Leaf::new(leaf.depth + 1, weights, leaf.seen())));
                let children = split.branches.map(child);
                let child = self.nodes.len() as u32;
                self.nodes.extend(children);
                self.nodes[at] = match split.at {
                    At::Number(limit) => Node::Number(feature, limit, child),
                    At::Slot(slot) => Node::Slot(slot, child),
                };
            }
        }
    }

    pub(in crate::model) fn check(&self, classes: usize) -> Result<(), ArtifactError> {
        let nodes = self.nodes.len();
        within("number of nodes", nodes as f64, "1 or more", nodes > 0)?;
        for (at, node) in self.nodes.iter().enumerate() {
            let child = match node {
                Node::Leaf(leaf) => {
                    leaf.check(classes)?;
                    continue;
                }
                Node::Number(_, limit, child) => {
                    within("limit", *limit, "finite", true)?;
                    *child as usize
                }
                Node::Slot(_, child) => *child as usize,
            };
            // So a walk always goes forward, and ends.
            within("child", child as f64, "behind its parent, with one more behind it", {
                child > at && child < nodes - 1
            })?;
        }
        Ok(())
    }
}
