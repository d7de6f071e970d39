//! The nodes of a tree, the walk through them, and growth.

use super::observer::At;
use crate::feature::Vector;
use crate::model::artifact::{ArtifactError, within};
use serde::{Deserialize, Serialize};

/// Nodes over leaves of some kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Nodes<L>(Vec<Node<L>>);

/// A node; the root is the first, and children stand behind their parent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Node<L> {
    /// Number, limit, and the child of those at most that; those above go to the one behind it.
    Number(u32, f64, u32),
    /// Slot, and the child of those in which it is 1; the others go to the one behind it.
    Slot(u32, u32),
    Leaf(Box<L>),
}

impl<L> Node<L> {
    /// The place of its first child; `None` of a leaf.
    fn child(&self) -> Option<usize> {
        match self {
            Node::Number(_, _, child) | Node::Slot(_, child) => Some(*child as usize),
            Node::Leaf(_) => None,
        }
    }
}

impl<L> Nodes<L> {
    /// One leaf.
    pub(super) fn new(leaf: L) -> Nodes<L> {
        Nodes(vec![Node::Leaf(Box::new(leaf))])
    }

    /// The number of leaves.
    pub(super) fn leaves(&self) -> usize {
        self.0.len().div_ceil(2)
    }

    /// The number of nodes.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// The place to which a vector goes from one; `None` from a leaf.
    fn next(&self, at: usize, x: &Vector) -> Option<usize> {
        match &self.0[at] {
            Node::Number(slot, limit, child) => Some(*child as usize + usize::from(x.slot(*slot) > *limit)),
            Node::Slot(slot, child) => Some(*child as usize + usize::from(!x.hot.contains(slot))),
            Node::Leaf(_) => None,
        }
    }

    /// The place of the leaf that a vector falls into.
    pub(super) fn place(&self, x: &Vector) -> usize {
        let mut at = 0;
        while let Some(next) = self.next(at, x) {
            at = next;
        }
        at
    }

    /// The places that a vector passes, from the root to its leaf.
    pub(super) fn path(&self, x: &Vector) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(0), move |at| self.next(*at, x))
    }

    /// The leaf at a place.
    pub(super) fn leaf(&self, place: usize) -> Option<&L> {
        match &self.0[place] {
            Node::Leaf(leaf) => Some(leaf),
            _ => None,
        }
    }

    /// The leaf at a place, to be changed.
    pub(super) fn leaf_mut(&mut self, place: usize) -> Option<&mut L> {
        match &mut self.0[place] {
            Node::Leaf(leaf) => Some(leaf),
            _ => None,
        }
    }

    /// Puts a split by a feature in a leaf's place.
    pub(super) fn split(&mut self, place: usize, feature: u32, at: At, children: [L; 2]) {
        let child = self.0.len() as u32;
        self.0.extend(children.map(|leaf| Node::Leaf(Box::new(leaf))));
        self.0[place] = match at {
            At::Number(limit) => Node::Number(feature, limit, child),
            At::Slot(slot) => Node::Slot(slot, child),
        };
    }

    /// Puts a leaf in the place of a node and of all that is below it. Says where each node that stays was before, in
    /// their new order; the nodes ahead of it stay where they are.
    pub(super) fn prune(&mut self, place: usize, leaf: L) -> Vec<usize> {
        self.0[place] = Node::Leaf(Box::new(leaf));
        let mut stays = vec![false; self.0.len()];
        stays[0] = true;
        // Children stand behind their parents, so that whether a node stays is known by its turn.
        for (at, node) in self.0.iter().enumerate() {
            if let Some(child) = node.child().filter(|_| stays[at]) {
                (stays[child], stays[child + 1]) = (true, true);
            }
        }
        let before: Vec<usize> = (0..stays.len()).filter(|at| stays[*at]).collect();
        let mut now = vec![0; stays.len()];
        before.iter().enumerate().for_each(|(place, before)| now[*before] = place as u32);
        let nodes = std::mem::take(&mut self.0).into_iter().zip(stays);
        self.0 = nodes.filter_map(|(node, stays)| stays.then_some(node)).collect();
        for node in &mut self.0 {
            if let Node::Number(_, _, child) | Node::Slot(_, child) = node {
                *child = now[*child as usize];
            }
        }
        before
    }

    pub(super) fn check(&self, leaf: impl Fn(&L) -> Result<(), ArtifactError>) -> Result<(), ArtifactError> {
        let nodes = self.0.len();
        within("number of nodes", nodes as f64, "1 or more", nodes > 0)?;
        for (at, node) in self.0.iter().enumerate() {
            let child = match node {
                Node::Leaf(found) => {
                    leaf(found)?;
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
