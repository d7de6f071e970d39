//! The Hoeffding tree (VFDT): a decision tree that grows while labels come.
//!
//! In: feature vectors, labels one by one. Out: the probability of each class by the leaf that a vector falls into:
//! naive Bayes over what the leaf has observed, or its class counts, whichever was right more often there (`nba`).
//! Keeps: the nodes, and in each leaf one observer a feature. A number's observer is a Gaussian a class, split at one
//! of ten equal distances between the extremes; a one-hot group's counts its values, split into one value and the
//! rest. Cost: a walk and one pass over the leaf's observers, for predicting as for learning. Limits: `max_leaves`
//! leaves, `max_depth`; a leaf at the greatest depth observes nothing. A value beyond 2^52 is not observed. Exactness:
//! `Replayed`.
//!
//! Trees are those of River 0.26.1, `HoeffdingTreeClassifier(binary_split=True, nominal_attributes=..)`, with its
//! defaults; what it does where no split is better than none is done here too: the leaf observes afresh.
//!
//! Source: Domingos and Hulten 2000, "Mining high-speed data streams"; Gama, Rocha and Medas 2003 for naive Bayes
//! leaves; Holmes, Kirkby and Pfahringer 2005 for choosing between the two; <https://github.com/online-ml/river>.

mod adaptive;
mod leaf;
mod nodes;
mod observer;
mod regression;
#[cfg(test)]
mod tests;
mod tree;

pub use adaptive::HoeffdingAdaptiveTree;
pub use leaf::Features;
pub use regression::{RegressionTree, ValueTree};
pub use tree::Tree;

use super::artifact::{ArtifactError, length, within};
use super::{Body, Learner};
use crate::config::spec::TreeSpec;
use crate::feature::Vector;
use crate::task::{Label, Prediction, Task};
use serde::{Deserialize, Serialize};

/// A Hoeffding tree.
///
/// ```
/// use tidemill::config::spec::TreeSpec;
/// use tidemill::feature::Vector;
/// use tidemill::model::{HoeffdingTree, Learner};
/// use tidemill::task::Task;
/// let x = |value: f64| Vector { dense: [value].into(), hot: [].into() };
/// let mut tree = HoeffdingTree::new(1, Task::Binary, TreeSpec::default());
/// for n in 0..2000 {
///     let value = f64::from(n * 37 % 100);
///     tree.learn(&x(value), (30.0..60.0).contains(&value).into());
/// }
/// assert!(tree.leaves() > 1, "no line tells the middle from both ends");
/// assert!(tree.score(&x(10.0)) < 0.1 && tree.score(&x(45.0)) > 0.9 && tree.score(&x(80.0)) < 0.1);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoeffdingTree {
    width: u32,
    task: Task,
    updates: u64,
    rules: TreeSpec,
    tree: Tree,
}

impl HoeffdingTree {
    /// An untrained tree for vectors of `width` slots.
    pub fn new(width: usize, task: Task, rules: TreeSpec) -> HoeffdingTree {
        HoeffdingTree { width: width as u32, task, updates: 0, rules, tree: Tree::new(task.classes()) }
    }

    /// The leaves.
    pub fn leaves(&self) -> usize {
        self.tree.leaves()
    }

    pub(super) fn task(&self) -> Task {
        self.task
    }

    pub(super) fn check(&self, width: usize) -> Result<(), ArtifactError> {
        length("slots", self.width as usize, width)?;
        check_rules(&self.rules)?;
        self.tree.check(self.task.classes())
    }
}

/// Refuses rules that no pipeline file could have.
pub(super) fn check_rules(rules: &TreeSpec) -> Result<(), ArtifactError> {
    within("grace_period", rules.grace_period as f64, "at least 1", rules.grace_period >= 1)?;
    within("delta", rules.delta, "above 0 and below 1", rules.delta > 0.0 && rules.delta < 1.0)?;
    within("tau", rules.tau, "at least 0", rules.tau >= 0.0)
}

impl Learner for HoeffdingTree {
    fn predict(&self, x: &Vector) -> Prediction {
        let said = self.tree.predict(&self.rules, x);
        said.map_or_else(|| Prediction::unknown(self.task), |said| Prediction::of_classes(&said))
    }

    fn learn(&mut self, x: &Vector, label: Label) {
        self.updates += 1;
        self.tree.learn(&self.rules, x, label.number(), 1.0, Features::All);
    }

    fn updates(&self) -> u64 {
        self.updates
    }

    fn save(&self) -> Body {
        Body::HoeffdingTree(self.clone())
    }
}
