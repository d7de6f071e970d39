//! Leveraging bagging: Hoeffding trees that each weigh the labels otherwise; when one drifts, the worst begins anew.
//!
//! In: feature vectors, labels one by one. Out: the probability of each class, the mean of the trees'. Keeps: a tree
//! and an ADWIN detector of its error a member. Each member learns each label Poisson(`w`) times. Cost: `n_models`
//! trees, with `w` walks each to learn. Limits: those of the trees. Exactness: `Replayed`.
//!
//! Parameters and defaults are River 0.26.1's `LeveragingBaggingClassifier` over `HoeffdingTreeClassifier`, but for
//! `max_leaves`. As there, a label is learned so many times and not once with that weight, and a member's error is that
//! of after it learned.
//!
//! Source: Bifet, Holmes and Pfahringer 2010, "Leveraging bagging for evolving data streams".

use super::artifact::{ArtifactError, detector, length, within};
use super::dice::Dice;
use super::hoeffding::{Features, Tree, check_rules};
use super::votes::Votes;
use super::{Body, Learner};
use crate::config::spec::BaggingSpec;
use crate::drift::Adwin;
use crate::feature::Vector;
use crate::task::{Label, Prediction, Task, likeliest};
use serde::{Deserialize, Serialize};

/// The confidence of the detectors.
const DRIFT: f64 = 0.002;

/// Bagged trees.
///
/// ```
/// use tidemill::config::spec::BaggingSpec;
/// use tidemill::feature::Vector;
/// use tidemill::model::{Learner, LeveragingBagging};
/// use tidemill::task::Task;
/// let x = |n: i32| Vector { dense: [f64::from(n * 37 % 100), f64::from(n * 11 % 7)].into(), hot: [].into() };
/// let mut trees = LeveragingBagging::new(2, Task::Binary, BaggingSpec::default());
/// for n in 0..2000 {
///     trees.learn(&x(n), ((n * 37 % 100) > 50).into());
/// }
/// assert!(trees.score(&x(2)) > 0.9 && trees.score(&x(3)) < 0.1, "74 and 11");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeveragingBagging {
    width: u32,
    task: Task,
    updates: u64,
    rules: BaggingSpec,
    members: Vec<Member>,
}

/// A tree with what watches over it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Member {
    tree: Tree,
    drift: Adwin,
    /// The mean of the detector's window; right behind a drift, of what came behind the cut.
    error: f64,
    dice: Dice,
}

impl LeveragingBagging {
    /// Untrained trees for vectors of `width` slots.
    pub fn new(width: usize, task: Task, rules: BaggingSpec) -> LeveragingBagging {
        let mut seeds = Dice::new(rules.seed);
        let mut member = |_| {
            let (tree, dice) = (Tree::new(task.classes()), Dice::new(seeds.word()));
            Member { tree, drift: Adwin::new(DRIFT), error: 0.0, dice }
        };
        let members = (0..rules.n_models).map(&mut member).collect();
        LeveragingBagging { width: width as u32, task, updates: 0, rules, members }
    }

    pub(super) fn task(&self) -> Task {
        self.task
    }

    pub(super) fn check(&self, width: usize) -> Result<(), ArtifactError> {
        length("slots", self.width as usize, width)?;
        check_rules(&self.rules.tree)?;
        within("w", self.rules.w, "above 0 and at most 30", self.rules.w > 0.0 && self.rules.w <= 30.0)?;
        length("members", self.members.len(), self.rules.n_models)?;
        self.members.iter().try_for_each(|member| {
            within("member's error", member.error, "0 to 1", (0.0..=1.0).contains(&member.error))?;
            detector(&member.drift)?;
            member.tree.check(self.task.classes())
        })
    }
}

impl Learner for LeveragingBagging {
    fn predict(&self, x: &Vector) -> Prediction {
        let mut votes = Votes::new(self.task);
        let said = self.members.iter().filter_map(|member| member.tree.predict(&self.rules.tree, x));
        said.for_each(|said| votes.add(&said, 1.0));
        votes.prediction()
    }

    fn learn(&mut self, x: &Vector, label: Label) {
        self.updates += 1;
        let mut drifted = false;
        for member in &mut self.members {
            for _ in 0..member.dice.poisson(self.rules.w) {
                member.tree.learn(&self.rules.tree, x, label.number(), 1.0, Features::All);
            }
            if let Some(said) = member.tree.predict(&self.rules.tree, x) {
                let newer = member.drift.observe(f64::from(u8::from(likeliest(&said) != label.number())));
                // Only for the worse.
                drifted |= newer.is_some_and(|newer| newer > member.error);
                member.error = newer.or(member.drift.mean()).unwrap_or_default();
            }
        }
        if !drifted {
            return;
        }
        // Of equals the first.
        let worst = self.members.iter_mut().reduce(|a, b| if b.error > a.error { b } else { a });
        if let Some(member) = worst {
            (member.tree, member.drift, member.error) = (Tree::new(self.task.classes()), Adwin::new(DRIFT), 0.0);
        }
    }

    fn updates(&self) -> u64 {
        self.updates
    }

    fn save(&self) -> Body {
        Body::LeveragingBagging(self.clone())
    }
}
