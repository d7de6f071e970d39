//! Adaptive random forest of a regression: regression trees over samples and features of their own, replaced on drift.
//!
//! In: feature vectors, values one by one. Out: the mean of what the trees say. Keeps: a tree a member, two ADWIN
//! detectors on its error, and, from a warning until the drift, a tree in its background. Each value weighs
//! Poisson(`lambda_value`) in each member, each leaf observes a random subset of features as great as the root of their
//! number. A detector sees the error's size by three times its root mean square since the tree began, at most 1. Cost:
//! `n_models` trees. Limits: those of the trees, twice while all warn. Exactness: `Replayed`.
//!
//! Parameters and defaults are River 0.26.1's `ARFRegressor`, but for `max_leaves`. Otherwise than there the forest
//! says the mean and not the median, and detectors see sizes of errors, without a sign: they notice trees that err to
//! both sides.
//!
//! Source: Gomes and others 2018, "Adaptive random forests for data stream regression".

use super::artifact::{ArtifactError, length, within};
use super::dice::Dice;
use super::ensemble::{Ensemble, Share, Vote};
use super::hoeffding::{Features, ValueTree, check_rules};
use super::member::{Confidences, Member};
use super::{Body, Learner};
use crate::config::spec::ForestSpec;
use crate::feature::Vector;
use crate::task::{Label, Prediction};
use serde::{Deserialize, Serialize};
use smallvec::smallvec;

const CONFIDENCES: Confidences = Confidences { warning: 0.01, drift: 0.001 };

/// A forest of regression trees.
///
/// ```
/// use tidemill::config::spec::ForestSpec;
/// use tidemill::feature::Vector;
/// use tidemill::model::{Learner, RegressionForest};
/// use tidemill::task::Label;
/// let x = |n: i32| Vector { dense: [f64::from(n * 37 % 100), f64::from(n * 11 % 7)].into(), hot: [].into() };
/// let mut forest = RegressionForest::new(2, ForestSpec::default());
/// for n in 0..3000 {
///     forest.learn(&x(n), Label::value(if n * 37 % 100 > 50 { 10.0 } else { 0.0 }).unwrap());
/// }
/// assert!(forest.score(&x(2)) > 7.0 && forest.score(&x(3)) < 3.0, "74 and 11");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegressionForest {
    width: u32,
    updates: u64,
    rules: ForestSpec,
    members: Vec<Member<ValueTree, Errors>>,
}

/// The mean square of a member's errors since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Errors {
    n: u64,
    square: f64,
}

impl Errors {
    /// One more, and its size by three times the root of the mean square, at most 1.
    fn scale(&mut self, error: f64) -> f64 {
        self.n += 1;
        self.square += (error * error - self.square) / self.n as f64;
        let usual = self.square.max(0.0).sqrt();
        if usual > 0.0 { (error.abs() / (3.0 * usual)).min(1.0) } else { 0.0 }
    }
}

/// One value for a member.
fn learn(member: &mut Member<ValueTree, Errors>, rules: &ForestSpec, x: &Vector, value: f64) {
    let error = member.record.scale(value - member.model.predict(x).unwrap_or(0.0));
    let weight = f64::from(member.dice.poisson(rules.lambda_value));
    if weight == 0.0 {
        return;
    }
    if let Some(background) = &mut member.background {
        background.learn(&rules.tree, x, value, weight, Features::Drawn(&mut member.dice));
    }
    member.model.learn(&rules.tree, x, value, weight, Features::Drawn(&mut member.dice));
    member.watch(error, CONFIDENCES, |_| ValueTree::new());
}

impl RegressionForest {
    /// An untrained forest for vectors of `width` slots, which says 0.
    pub fn new(width: usize, rules: ForestSpec) -> RegressionForest {
        let mut seeds = Dice::new(rules.seed);
        let mut member = |_| Member::new(ValueTree::new(), Dice::new(seeds.word()), CONFIDENCES);
        let members = (0..rules.n_models).map(&mut member).collect();
        RegressionForest { width: width as u32, updates: 0, rules, members }
    }

    pub(super) fn check(&self, width: usize) -> Result<(), ArtifactError> {
        length("slots", self.width as usize, width)?;
        check_rules(&self.rules.tree)?;
        let lambda = self.rules.lambda_value;
        within("lambda_value", lambda, "above 0 and at most 30", lambda > 0.0 && lambda <= 30.0)?;
        length("members", self.members.len(), self.rules.n_models)?;
        self.members.iter().try_for_each(|member| {
            let square = member.record.square;
            within("mean square of errors", square, "0 to 1e20", (0.0..=1e20).contains(&square))?;
            member.models().try_for_each(ValueTree::check)
        })
    }
}

impl Learner for RegressionForest {
    fn predict(&self, x: &Vector) -> Prediction {
        self.predict_whole(x)
    }

    fn learn(&mut self, x: &Vector, label: Label) {
        self.teach(x, label, Share::WHOLE);
    }

    fn updates(&self) -> u64 {
        self.updates
    }

    fn save(&self) -> Body {
        Body::RegressionForest(self.clone())
    }
}

impl Ensemble for RegressionForest {
    fn size(&self) -> usize {
        self.members.len()
    }

    fn vote(&self, member: usize, x: &Vector) -> Option<Vote> {
        let said = self.members.get(member)?.model.predict(x)?;
        Some(Vote { said: smallvec![said], weight: 1.0 })
    }

    fn combine(&self, votes: &mut dyn Iterator<Item = Option<Vote>>) -> Prediction {
        let (mut sum, mut members) = (0.0, 0.0_f64);
        for said in votes.flatten().filter_map(|vote| vote.said.first().copied()) {
            (sum, members) = (sum + said, members + 1.0);
        }
        Prediction::Number((sum / members.max(1.0)).clamp(-Label::LIMIT, Label::LIMIT))
    }

    fn teach(&mut self, x: &Vector, label: Label, share: Share) {
        self.updates += 1;
        let features = (x.dense.len() + x.hot.len()) as f64;
        self.rules.tree.max_features.get_or_insert((features.sqrt().round() as u32).max(1));
        for place in share.places(self.members.len()) {
            learn(&mut self.members[place], &self.rules, x, label.amount());
        }
    }

    fn adopt(&mut self, copy: Body, share: Share) -> bool {
        let Body::RegressionForest(mut copy) = copy else { return false };
        let is_copy = share.complete(&mut copy.members, &mut self.members);
        if is_copy {
            *self = copy;
        }
        is_copy
    }

    fn into_body(self: Box<Self>) -> Body {
        Body::RegressionForest(*self)
    }
}
