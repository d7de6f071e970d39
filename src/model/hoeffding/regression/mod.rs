//! The Hoeffding tree of a regression (FIMT-DD): splits take away variance, leaves say a mean or a line.
//!
//! In: feature vectors, values one by one. Out: what the leaf says that a vector falls into: the mean of its values, or
//! a line over the numbers, whichever erred less lately. Keeps: the nodes; in each leaf the moments of its values, the
//! line, and one observer a feature. A number's observer is 32 bins that follow the values, split between two bins; a
//! one-hot group's counts its values, split into one value and the rest. A leaf is split where the second best feature
//! takes away less variance than the best by a Hoeffding bound on the ratio of both. Cost: a walk, one pass over the
//! numbers, and to learn one over the leaf's observers. Limits: `max_leaves` leaves, `max_depth`; a leaf that cannot be
//! split observes nothing. A number beyond 2^52 is not observed. Exactness: `Replayed`.
//!
//! Names, defaults, criterion and bound are those of River 0.26.1's `HoeffdingTreeRegressor`. Otherwise than there, an
//! observer is bounded and knows no radius (River keeps a search tree of values rounded to one decimal), and a leaf's
//! line is over the numbers alone, standardized by what the tree has seen, so that it needs no scaled features.
//!
//! Source: Ikonomovska, Gama and Dzeroski 2011, "Learning model trees from evolving data streams"; Ben-Haim and
//! Tom-Tov 2010 for bins; <https://github.com/online-ml/river>.

mod bins;
mod leaf;
mod line;
#[cfg(test)]
mod tests;

use super::nodes::Nodes;
use super::{Features, check_rules};
use crate::config::spec::TreeSpec;
use crate::feature::Vector;
use crate::model::artifact::{ArtifactError, length};
use crate::model::{Body, Learner};
use crate::task::{Label, Prediction};
use leaf::{Leaf, Search};
use line::Scale;
use serde::{Deserialize, Serialize};

/// A growing tree; alone, or in an ensemble that weighs labels and draws features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueTree {
    scale: Scale,
    nodes: Nodes<Leaf>,
}

impl ValueTree {
    /// One leaf that knows nothing.
    pub fn new() -> ValueTree {
        ValueTree { scale: Scale::default(), nodes: Nodes::new(Leaf::new()) }
    }

    /// The leaves.
    pub fn leaves(&self) -> usize {
        self.nodes.leaves()
    }

    /// The value; `None` if nothing is known.
    pub fn predict(&self, x: &Vector) -> Option<f64> {
        self.nodes.leaf(self.nodes.place(x)).and_then(|leaf| leaf.predict(|| self.scale.standard(&x.dense)))
    }

    /// Learns a value with some weight. A leaf without observers gets those of `features`.
    pub fn learn(&mut self, rules: &TreeSpec, x: &Vector, value: f64, weight: f64, features: Features<'_>) {
        let (place, full) = (self.nodes.place(x), self.leaves() >= rules.max_leaves);
        let Some(leaf) = self.nodes.leaf_mut(place) else { return };
        self.scale.add(&x.dense, weight);
        leaf.learn(&self.scale.standard(&x.dense), value, weight);
        if full || leaf.is_deepest(rules) {
            leaf.forget();
            return;
        }
        leaf.observe(rules, x, value, weight, features);
        if let Search::Split(feature, split) = leaf.search(rules) {
            let children = split.branches.map(|target| leaf.child(target));
            self.nodes.split(place, feature, split.at, children);
        }
    }

    pub(in crate::model) fn check(&self) -> Result<(), ArtifactError> {
        self.scale.check()?;
        self.nodes.check(Leaf::check)
    }
}

impl Default for ValueTree {
    fn default() -> ValueTree {
        ValueTree::new()
    }
}

/// A regression tree.
///
/// ```
/// use tidemill::config::spec::TreeSpec;
/// use tidemill::feature::Vector;
/// use tidemill::model::{Learner, RegressionTree};
/// use tidemill::task::Label;
/// let x = |value: f64| Vector { dense: [value].into(), hot: [].into() };
/// let mut tree = RegressionTree::new(1, TreeSpec::default());
/// for n in 0..4000 {
///     let value = f64::from(n * 37 % 100);
///     tree.learn(&x(value), Label::value(if value < 50.0 { value } else { 10.0 }).unwrap());
/// }
/// assert!(tree.leaves() > 1, "no line says both halves");
/// assert!((tree.score(&x(20.0)) - 20.0).abs() < 5.0 && (tree.score(&x(80.0)) - 10.0).abs() < 2.0);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegressionTree {
    width: u32,
    updates: u64,
    rules: TreeSpec,
    tree: ValueTree,
}

impl RegressionTree {
    /// An untrained tree for vectors of `width` slots, which says 0.
    pub fn new(width: usize, rules: TreeSpec) -> RegressionTree {
        RegressionTree { width: width as u32, updates: 0, rules, tree: ValueTree::new() }
    }

    /// The leaves.
    pub fn leaves(&self) -> usize {
        self.tree.leaves()
    }

    pub(in crate::model) fn check(&self, width: usize) -> Result<(), ArtifactError> {
        length("slots", self.width as usize, width)?;
        check_rules(&self.rules)?;
        self.tree.check()
    }
}

impl Learner for RegressionTree {
    fn predict(&self, x: &Vector) -> Prediction {
        let said = self.tree.predict(x).unwrap_or(0.0);
        Prediction::Number(said.clamp(-Label::LIMIT, Label::LIMIT))
    }

    fn learn(&mut self, x: &Vector, label: Label) {
        self.updates += 1;
        self.tree.learn(&self.rules, x, label.amount(), 1.0, Features::All);
    }

    fn updates(&self) -> u64 {
        self.updates
    }

    fn save(&self) -> Body {
        Body::RegressionTree(self.clone())
    }
}
