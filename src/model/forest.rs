//! Adaptive random forest: Hoeffding trees that each see their own sample and features, and are replaced on drift.
//!
//! In: feature vectors, labels one by one. Out: the probability of each class, the mean of the trees' weighted by
//! their accuracies so far. Keeps: a tree a member, two ADWIN detectors on its error, and, from a warning until the
//! drift, a tree in its background. Each label weighs Poisson(`lambda_value`) in each member, each leaf observes a
//! random subset of features as great as the root of their number. Cost: `n_models` trees. Limits: those of the trees,
//! twice while all warn. Exactness: `Replayed`. Each member has dice of its own, so what it comes to does not depend
//! on the others.
//!
//! Parameters and defaults are River 0.26.1's `ARFClassifier`, but for `max_leaves`.
//!
//! Source: Gomes and others 2017, "Adaptive random forests for evolving data stream classification".

use super::artifact::{ArtifactError, length, within};
use super::dice::Dice;
use super::ensemble::{Ensemble, Share, Vote, mean_of_classes};
use super::hoeffding::{Features, Tree, check_rules};
use super::member::{Confidences, Hits, Member};
use super::{Body, Learner};
use crate::config::spec::ForestSpec;
use crate::feature::Vector;
use crate::task::{Label, Prediction, Task, likeliest};
use serde::{Deserialize, Serialize};

const CONFIDENCES: Confidences = Confidences { warning: 0.01, drift: 0.001 };

/// A forest.
///
/// ```
/// use tidemill::config::spec::ForestSpec;
/// use tidemill::feature::Vector;
/// use tidemill::model::{AdaptiveRandomForest, Learner};
/// use tidemill::task::Task;
/// let x = |n: i32| Vector { dense: [f64::from(n * 37 % 100), f64::from(n * 11 % 7)].into(), hot: [].into() };
/// let mut forest = AdaptiveRandomForest::new(2, Task::Binary, ForestSpec::default());
/// for n in 0..3000 {
///     forest.learn(&x(n), ((n * 37 % 100) > 50).into());
/// }
/// assert!(forest.score(&x(2)) > 0.9 && forest.score(&x(3)) < 0.3, "74 and 11");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdaptiveRandomForest {
    width: u32,
    task: Task,
    updates: u64,
    rules: ForestSpec,
    members: Vec<Member<Tree, Hits>>,
}

/// One label for a member.
fn learn(member: &mut Member<Tree, Hits>, rules: &ForestSpec, classes: usize, x: &Vector, label: Label) {
    let class = label.number();
    let right = member.model.predict(&rules.tree, x).is_some_and(|said| likeliest(&said) == class);
    member.record.add(right);
    let weight = f64::from(member.dice.poisson(rules.lambda_value));
    if weight == 0.0 {
        return;
    }
    if let Some(background) = &mut member.background {
        background.learn(&rules.tree, x, class, weight, Features::Drawn(&mut member.dice));
    }
    member.model.learn(&rules.tree, x, class, weight, Features::Drawn(&mut member.dice));
    member.watch(f64::from(u8::from(!right)), CONFIDENCES, |_| Tree::new(classes));
}

impl AdaptiveRandomForest {
    /// An untrained forest for vectors of `width` slots.
    pub fn new(width: usize, task: Task, rules: ForestSpec) -> AdaptiveRandomForest {
        let mut seeds = Dice::new(rules.seed);
        let mut member = |_| Member::new(Tree::new(task.classes()), Dice::new(seeds.word()), CONFIDENCES);
        let members = (0..rules.n_models).map(&mut member).collect();
        AdaptiveRandomForest { width: width as u32, task, updates: 0, rules, members }
    }

    pub(super) fn task(&self) -> Task {
        self.task
    }

    pub(super) fn check(&self, width: usize) -> Result<(), ArtifactError> {
        length("slots", self.width as usize, width)?;
        check_rules(&self.rules.tree)?;
        let lambda = self.rules.lambda_value;
        within("lambda_value", lambda, "above 0 and at most 30", lambda > 0.0 && lambda <= 30.0)?;
        length("members", self.members.len(), self.rules.n_models)?;
        self.members.iter().try_for_each(|member| {
            member.record.check()?;
            member.models().try_for_each(|tree| tree.check(self.task.classes()))
        })
    }
}

impl Learner for AdaptiveRandomForest {
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
        Body::AdaptiveRandomForest(self.clone())
    }
}

impl Ensemble for AdaptiveRandomForest {
    fn size(&self) -> usize {
        self.members.len()
    }

    fn vote(&self, member: usize, x: &Vector) -> Option<Vote> {
        let member = self.members.get(member)?;
        member.model.predict(&self.rules.tree, x).map(|said| Vote { said, weight: member.record.vote() })
    }

    fn combine(&self, votes: &mut dyn Iterator<Item = Option<Vote>>) -> Prediction {
        mean_of_classes(self.task, votes)
    }

    fn teach(&mut self, x: &Vector, label: Label, share: Share) {
        self.updates += 1;
        if self.rules.tree.max_features.is_none() {
            let features = (x.dense.len() + x.hot.len()) as f64;
            self.rules.tree.max_features = Some((features.sqrt().round() as u32).max(1));
        }
        for place in share.places(self.members.len()) {
            learn(&mut self.members[place], &self.rules, self.task.classes(), x, label);
        }
    }

    fn adopt(&mut self, copy: Body, share: Share) -> bool {
        let Body::AdaptiveRandomForest(mut copy) = copy else { return false };
        let is_copy = share.complete(&mut copy.members, &mut self.members);
        if is_copy {
            *self = copy;
        }
        is_copy
    }

    fn into_body(self: Box<Self>) -> Body {
        Body::AdaptiveRandomForest(*self)
    }
}
