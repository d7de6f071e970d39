//! The tree of a classifier.

use super::leaf::{Features, Leaf};
use super::nodes::Nodes;
use crate::config::spec::TreeSpec;
use crate::feature::Vector;
use crate::model::artifact::ArtifactError;
use serde::{Deserialize, Serialize};
use smallvec::{SmallVec, smallvec};

/// A growing tree; alone, or in an ensemble that weighs labels and draws features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tree {
    nodes: Nodes<Leaf>,
}

impl Tree {
    /// One leaf that knows nothing of so many classes.
    pub fn new(classes: usize) -> Tree {
        Tree { nodes: Nodes::new(Leaf::new(0, smallvec![0.0; classes], &[])) }
    }

    /// The leaves.
    pub fn leaves(&self) -> usize {
        self.nodes.leaves()
    }

    /// The probability of each class; `None` if nothing is known.
    pub fn predict(&self, rules: &TreeSpec, x: &Vector) -> Option<SmallVec<[f64; 2]>> {
        self.nodes.leaf(self.nodes.place(x)).and_then(|leaf| leaf.predict(rules, x))
    }

    /// Learns a class with some weight. A leaf without observers gets those of `features`.
    pub fn learn(&mut self, rules: &TreeSpec, x: &Vector, class: usize, weight: f64, features: Features<'_>) {
        let (place, room) = (self.nodes.place(x), self.leaves() < rules.max_leaves);
        let Some(leaf) = self.nodes.leaf_mut(place) else { return };
        if let Some(growth) = leaf.grow(rules, x, (class, weight), features, room) {
            self.nodes.split(place, growth.feature, growth.at, growth.children);
        }
    }

    pub(in crate::model) fn check(&self, classes: usize) -> Result<(), ArtifactError> {
        self.nodes.check(|leaf| leaf.check(classes))
    }
}
