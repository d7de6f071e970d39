//! The Hoeffding adaptive tree (HAT): a Hoeffding tree whose branches are replaced where they err more than they did.
//!
//! In: feature vectors, labels one by one. Out: the probability of each class by the leaf that a vector falls into, as
//! of a Hoeffding tree; where branches on its way have leaves on trial beside them, the mean of all these leaves',
//! weighted by the inverse squares of their errors. Keeps: the nodes; of each node an ADWIN detector of the errors of
//! what is below it; of a branch that drifted for the worse, a fresh leaf on trial, which learns what the branch does.
//! The leaf takes the branch's place when it is first split, or, once both have seen `drift_window_threshold` labels,
//! when it errs less by a bound of confidence `switch_significance`; if it errs more by that, it is dropped. With
//! `bootstrap` each label weighs Poisson(1) in a leaf, and 1 where that is 0. Cost: that of a Hoeffding tree, a
//! detector a branch passed, and a leaf for each on trial. Limits: `max_leaves` leaves and fewer on trial, `max_depth`;
//! a detector is as long as the logarithm of its labels. Exactness: `Replayed`.
//!
//! Trees are those of River 0.26.1, `HoeffdingAdaptiveTreeClassifier(binary_split=True, nominal_attributes=..)`, with
//! its defaults, and without `bootstrap` say what those say. That a leaf on trial takes the branch's place by its first
//! split, before it was compared, is what River does (the paper would let it grow aside), and so is that a label which
//! makes one take a branch's place below the root is not learned. Where it differs: draws are of dice of our own; a
//! leaf at the greatest depth observes nothing from the start, where River's does until it first looks for a split; a
//! leaf on trial beside the root that found no split worth it observes afresh like any other, where River's observes
//! nothing any more. And rounding decides when a search falls due, and between splits of one worth: there River goes by
//! the last bits of the platform's error function and power, by sums in the order in which classes were seen, and for a
//! one-hot group by the order of a set, which is another in every process. Given our order and bits of these, all else
//! being its own, it says the same to 1e-9 (`tests/golden/adaptive_trees.py`).
//!
//! Source: Bifet and Gavalda 2009, "Adaptive learning from evolving data streams".

mod guard;
#[cfg(test)]
mod tests;

use super::check_rules;
use super::leaf::{Features, Growth, Leaf};
use super::nodes::Nodes;
use super::observer::Weights;
use crate::config::spec::AdaptiveTreeSpec;
use crate::feature::Vector;
use crate::model::artifact::{ArtifactError, length, within};
use crate::model::dice::Dice;
use crate::model::votes::Votes;
use crate::model::{Body, Learner};
use crate::task::{Label, Prediction, Task};
use guard::{Guard, Verdict};
use serde::{Deserialize, Serialize};
use smallvec::{SmallVec, smallvec};

/// An adaptive tree.
///
/// ```
/// use tidemill::config::spec::AdaptiveTreeSpec;
/// use tidemill::feature::Vector;
/// use tidemill::model::{HoeffdingAdaptiveTree, Learner};
/// use tidemill::task::Task;
/// let x = |value: f64| Vector { dense: [value].into(), hot: [].into() };
/// let mut tree = HoeffdingAdaptiveTree::new(1, Task::Binary, AdaptiveTreeSpec::default());
/// for n in 0..6000 {
///     let value = f64::from(n * 37 % 100);
///     tree.learn(&x(value), ((value < 50.0) == (n < 3000)).into());
/// }
/// assert!(tree.score(&x(20.0)) < 0.1 && tree.score(&x(80.0)) > 0.9, "what it learned first is forgotten");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoeffdingAdaptiveTree {
    width: u32,
    task: Task,
    updates: u64,
    rules: AdaptiveTreeSpec,
    nodes: Nodes<Leaf>,
    /// One a node.
    watches: Vec<Watch>,
    dice: Dice,
}

/// What is kept of a node beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Watch {
    guard: Guard,
    /// Of a branch.
    trial: Option<Box<Trial>>,
}

/// A leaf on trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Trial {
    leaf: Leaf,
    guard: Guard,
}

impl Watch {
    fn new(guard: Guard) -> Watch {
        Watch { guard, trial: None }
    }
}

/// A leaf of some depth that knows nothing of so many classes.
fn unlearned(depth: usize, classes: usize) -> Leaf {
    Leaf::new(depth as u32, smallvec![0.0; classes], &[])
}

impl HoeffdingAdaptiveTree {
    /// An untrained tree for vectors of `width` slots.
    pub fn new(width: usize, task: Task, rules: AdaptiveTreeSpec) -> HoeffdingAdaptiveTree {
        let nodes = Nodes::new(unlearned(0, task.classes()));
        let (watches, dice) = (vec![Watch::new(Guard::new())], Dice::new(rules.seed));
        HoeffdingAdaptiveTree { width: width as u32, task, updates: 0, rules, nodes, watches, dice }
    }

    /// The leaves, without those on trial.
    pub fn leaves(&self) -> usize {
        self.nodes.leaves()
    }

    /// The leaves on trial.
    pub fn trials(&self) -> usize {
        self.watches.iter().filter(|watch| watch.trial.is_some()).count()
    }

    pub(in crate::model) fn task(&self) -> Task {
        self.task
    }

    pub(in crate::model) fn check(&self, width: usize) -> Result<(), ArtifactError> {
        length("slots", self.width as usize, width)?;
        check_rules(&self.rules.tree)?;
        let significance = self.rules.switch_significance;
        within("switch_significance", significance, "above 0 and below 1", significance > 0.0 && significance < 1.0)?;
        let classes = self.task.classes();
        self.nodes.check(|leaf| leaf.check(classes))?;
        length("watched nodes", self.watches.len(), self.nodes.count())?;
        self.watches.iter().try_for_each(|watch| {
            watch.guard.check()?;
            let Some(trial) = &watch.trial else { return Ok(()) };
            trial.guard.check()?;
            trial.leaf.check(classes)
        })
    }

    /// The weight of a label in a leaf.
    fn weight(&mut self) -> f64 {
        if self.rules.bootstrap { f64::from(self.dice.poisson(1.0).max(1)) } else { 1.0 }
    }

    /// A label on its way through a branch of some depth, foreseen or not; whether the branch was replaced.
    fn pass(&mut self, (branch, depth): (usize, usize), x: &Vector, class: usize, wrong: bool) -> bool {
        let watch = &mut self.watches[branch];
        if watch.guard.note(wrong) {
            watch.guard.anew();
            let leaf = unlearned(depth, self.task.classes());
            watch.trial = Some(Box::new(Trial { leaf, guard: Guard::new() }));
        }
        let Some(trial) = watch.trial.take() else { return false };
        match watch.guard.compare(&trial.guard, &self.rules) {
            Verdict::Dismiss => false,
            Verdict::Replace => {
                self.replace(branch, *trial);
                // A new root learns the label; further down River leaves it out.
                if branch == 0 {
                    let wrong = self.nodes.leaf(0).and_then(|leaf| leaf.says(&self.rules.tree, x)) != Some(class);
                    self.learn_at(0, x, class, wrong);
                }
                true
            }
            Verdict::Wait => self.try_on(branch, trial, x, class),
        }
    }

    /// A label for a leaf on trial, which takes the branch's place if it is split.
    fn try_on(&mut self, branch: usize, mut trial: Box<Trial>, x: &Vector, class: usize) -> bool {
        let (weight, rules) = (self.weight(), &self.rules.tree);
        trial.guard.note(trial.leaf.says(rules, x) != Some(class));
        // Two leaves are no more than there were: there is always room.
        let growth = trial.leaf.grow(rules, x, (class, weight), Features::All, true);
        let Some(growth) = growth else {
            self.watches[branch].trial = Some(trial);
            return false;
        };
        self.replace(branch, *trial);
        self.split(branch, growth);
        true
    }

    /// A label for the leaf at a place, foreseen or not.
    fn learn_at(&mut self, place: usize, x: &Vector, class: usize, wrong: bool) {
        let (weight, room) = (self.weight(), self.leaves() < self.rules.tree.max_leaves);
        self.watches[place].guard.note(wrong);
        let Some(leaf) = self.nodes.leaf_mut(place) else { return };
        let growth = leaf.grow(&self.rules.tree, x, (class, weight), Features::All, room);
        if let Some(growth) = growth {
            self.split(place, growth);
        }
    }

    /// Puts a leaf that was on trial in a branch's place.
    fn replace(&mut self, branch: usize, trial: Trial) {
        self.watches[branch] = Watch::new(trial.guard);
        let mut watches: Vec<Option<Watch>> = std::mem::take(&mut self.watches).into_iter().map(Some).collect();
        let before = self.nodes.prune(branch, trial.leaf);
        self.watches = before.into_iter().filter_map(|before| watches[before].take()).collect();
    }

    /// Puts a branch with two leaves in a leaf's place; nothing is known of any of their errors.
    fn split(&mut self, place: usize, growth: Growth) {
        self.nodes.split(place, growth.feature, growth.at, growth.children);
        self.watches[place] = Watch::new(Guard::new());
        self.watches.resize_with(self.nodes.count(), || Watch::new(Guard::new()));
    }

    /// The probability of each class by a leaf, with the weight of its vote.
    fn votes(&self, x: &Vector) -> impl Iterator<Item = (Option<Weights>, f64)> {
        self.nodes.path(x).map(move |place| {
            let watch = &self.watches[place];
            let (leaf, guard) = match &watch.trial {
                Some(trial) => (Some(&trial.leaf), &trial.guard),
                None => (self.nodes.leaf(place), &watch.guard),
            };
            (leaf.and_then(|leaf| leaf.predict(&self.rules.tree, x)), guard.vote())
        })
    }
}

impl Learner for HoeffdingAdaptiveTree {
    fn predict(&self, x: &Vector) -> Prediction {
        let mut votes = Votes::new(self.task);
        for (said, weight) in self.votes(x) {
            said.iter().for_each(|said| votes.add(said, weight));
        }
        votes.prediction()
    }

    fn learn(&mut self, x: &Vector, label: Label) {
        self.updates += 1;
        let class = label.number();
        let way: SmallVec<[usize; 16]> = self.nodes.path(x).collect();
        let Some((place, branches)) = way.split_last() else { return };
        let wrong = self.nodes.leaf(*place).and_then(|leaf| leaf.says(&self.rules.tree, x)) != Some(class);
        for (depth, branch) in branches.iter().enumerate() {
            if self.pass((*branch, depth), x, class, wrong) {
                return;
            }
        }
        self.learn_at(*place, x, class, wrong);
    }

    fn updates(&self) -> u64 {
        self.updates
    }

    fn save(&self) -> Body {
        Body::HoeffdingAdaptiveTree(self.clone())
    }
}
