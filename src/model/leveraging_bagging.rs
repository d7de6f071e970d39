//! Leveraging bagging: Hoeffding trees that each weigh the labels otherwise; when one drifts, the worst begins anew.
//!
//! In: feature vectors, labels one by one. Out: the probability of *true*, the mean of the trees'. Keeps: a tree and an
//! ADWIN detector of its error a member. Each member learns each label Poisson(`w`) times. Cost: `n_models` trees, with
//! `w` walks each to learn. Limits: those of the trees. Exactness: `Replayed`.
//!
//! Parameters and defaults are River 0.26.1's `LeveragingBaggingClassifier` over `HoeffdingTreeClassifier`, but for
//! `max_leaves`. As there, a label is learned so many times and not once with that weight, and a member's error is that
//! of after it learned.
//!
//! Source: Bifet, Holmes and Pfahringer 2010, "Leveraging bagging for evolving data streams".

use super::artifact::{ArtifactError, length, within};
use super::dice::Dice;
use super::hoeffding::{Tree, check_rules};
use super::{Body, Exactness, Learner};
use crate::config::spec::BaggingSpec;
use crate::drift::Adwin;
use crate::feature::Vector;
use serde::{Deserialize, Serialize};

/// The confidence of the detectors.
const DRIFT: f64 = 0.002;

/// Bagged trees of two classes.
///
/// ```
/// use tidemill::config::spec::BaggingSpec;
/// use tidemill::feature::Vector;
/// use tidemill::model::{Learner, LeveragingBagging};
/// let x = |n: i32| Vector { dense: [f64::from(n * 37 % 100), f64::from(n * 11 % 7)].into(), hot: [].into() };
/// let mut trees = LeveragingBagging::new(2, BaggingSpec::default());
/// for n in 0..2000 {
///     trees.learn(&x(n), (n * 37 % 100) > 50);
/// }
/// assert!(trees.predict(&x(2)) > 0.9 && trees.predict(&x(3)) < 0.1, "74 and 11");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeveragingBagging {
    width: u32,
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
    pub fn new(width: usize, rules: BaggingSpec) -> LeveragingBagging {
        let mut seeds = Dice::new(rules.seed);
        let mut member =
            |_| Member { tree: Tree::default(), drift: Adwin::new(DRIFT), error: 0.0, dice: Dice::new(seeds.word()) };
        let members = (0..rules.n_models).map(&mut member).collect();
        LeveragingBagging { width: width as u32, updates: 0, rules, members }
    }

    pub(super) fn check(&self, width: usize) -> Result<(), ArtifactError> {
        length("slots", self.width as usize, width)?;
        check_rules(&self.rules.tree)?;
        within("w", self.rules.w, "above 0 and at most 30", self.rules.w > 0.0 && self.rules.w <= 30.0)?;
        length("members", self.members.len(), self.rules.n_models)?;
        self.members.iter().try_for_each(|member| {
            within("member's error", member.error, "0 to 1", (0.0..=1.0).contains(&member.error))?;
            member.tree.check()
        })
    }
}

impl Learner for LeveragingBagging {
    fn predict(&self, x: &Vector) -> f64 {
        let scores = self.members.iter().filter_map(|member| member.tree.predict(&self.rules.tree, x));
        let (sum, n) = scores.fold((0.0, 0), |(sum, n), score| (sum + score, n + 1));
        if n > 0 { (sum / f64::from(n)).clamp(0.0, 1.0) } else { 0.5 }
    }

    fn learn(&mut self, x: &Vector, label: bool) {
        self.updates += 1;
        let mut drifted = false;
        for member in &mut self.members {
            for _ in 0..member.dice.poisson(self.rules.w) {
                member.tree.learn(&self.rules.tree, x, label, 1.0, None);
            }
            if let Some(score) = member.tree.predict(&self.rules.tree, x) {
                let newer = member.drift.observe(f64::from(u8::from((score > 0.5) != label)));
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
            (member.tree, member.drift, member.error) = (Tree::default(), Adwin::new(DRIFT), 0.0);
        }
    }

    fn unlearn(&mut self, _: &Vector, _: bool) -> bool {
        false
    }

    fn updates(&self) -> u64 {
        self.updates
    }

    fn exactness(&self) -> Exactness {
        Exactness::Replayed
    }

    fn save(&self) -> Body {
        Body::LeveragingBagging(self.clone())
    }
}
