//! Models: online learners, baselines, fixed models, and the artifacts that versions are.
//!
//! In: feature vectors, and labels as they come. Out: predictions. Keeps: what the learner's file says,
//! which is exactly what [`Learner::save`] returns. Every learner obeys the battery in `laws.rs`; adding one is its
//! file, a variant of [`Body`], and joining that battery.

mod alma;
mod artifact;
mod boosted;
mod dice;
mod ensemble;
mod fixed;
mod forest;
mod gaussian_nb;
#[cfg(test)]
mod golden;
mod hoeffding;
#[cfg(test)]
mod laws;
mod leveraging_bagging;
mod linear;
mod logistic;
mod majority;
mod member;
mod multinomial_nb;
mod nearest_neighbors;
mod no_change;
mod online_gaussian_nb;
mod optimizer;
mod passive_aggressive;
mod random_patches;
mod regression_forest;
mod ridge;
mod role;
mod softmax;
mod votes;
mod voting_trees;
mod weights;

pub use alma::Alma;
pub use artifact::{Artifact, ArtifactError, Body};
pub use boosted::{BoostedTrees, Node};
pub use dice::Dice;
pub use ensemble::{Ensemble, Share, Vote};
pub use fixed::Fixed;
pub use forest::AdaptiveRandomForest;
pub use gaussian_nb::{ClassStatistics, GaussianNb};
pub use hoeffding::{HoeffdingAdaptiveTree, HoeffdingTree, RegressionTree};
pub use leveraging_bagging::LeveragingBagging;
pub use linear::Linear;
pub use logistic::Logistic;
pub use majority::Majority;
pub use multinomial_nb::MultinomialNb;
pub use nearest_neighbors::NearestNeighbors;
pub use no_change::NoChange;
pub use online_gaussian_nb::OnlineGaussianNb;
pub use optimizer::Optimizer;
pub use passive_aggressive::PassiveAggressive;
pub use random_patches::StreamingRandomPatches;
pub use regression_forest::RegressionForest;
pub use ridge::Ridge;
pub use role::Role;
pub use softmax::Softmax;
pub use voting_trees::{Platt, Voter, VotingTrees};
pub use weights::Weights;

use crate::config::spec::LearnerSpec;
use crate::feature::Vector;
use crate::task::{Label, Prediction, Task};
use serde::Serialize;

/// A model that learns one labelled vector at a time. `Send`, so that a worker may own it boxed.
pub trait Learner: Send {
    /// What it says of a vector of its width: probabilities finite and in [0, 1], a value within
    /// [`Label::LIMIT`](crate::task::Label::LIMIT). Changes nothing.
    fn predict(&self, x: &Vector) -> Prediction;

    /// Learns the label of `x`. Called in the law's order.
    fn learn(&mut self, x: &Vector, label: Label);

    /// Takes an earlier `learn` of the same pair back and says so; a learner that cannot do it exactly
    /// ([`Exactness::Replayed`]) changes nothing and returns false.
    fn unlearn(&mut self, _: &Vector, _: Label) -> bool {
        false
    }

    /// The labels learned so far, without those taken back.
    fn updates(&self) -> u64;

    /// What a corrected label does to it.
    fn exactness(&self) -> Exactness {
        Exactness::Replayed
    }

    /// All of its state. Changes nothing; [`Body::learner`] goes on from it as if nothing had happened.
    fn save(&self) -> Body;

    /// The number that it says, or the probability of the class that it says.
    fn score(&self, x: &Vector) -> f64 {
        self.predict(x).score()
    }
}

/// What a corrected label does to a learner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Exactness {
    /// After a correction it is, to the bit, as if the label had always been right.
    Exact,
    /// It depends on the order of its labels; the corrected row reaches it at the next retraining.
    Replayed,
}

/// The untrained learner that a pipeline declares, for vectors of `width` slots. The pipeline file is checked: the task
/// is one that the learner has.
pub fn learner(spec: &LearnerSpec, width: usize, task: Task) -> Box<dyn Learner> {
    let regression = task == Task::Regression;
    match *spec {
        LearnerSpec::Logistic { ref optimizer, l2 } => Box::new(Logistic::new(width, optimizer, l2)),
        LearnerSpec::Softmax { ref optimizer, l2 } => Box::new(Softmax::new(width, task.classes(), optimizer, l2)),
        LearnerSpec::Linear { ref optimizer, l2 } => Box::new(Linear::new(width, optimizer, l2)),
        LearnerSpec::Ridge { alpha } => Box::new(Ridge::new(width, alpha)),
        LearnerSpec::GaussianNb => Box::new(OnlineGaussianNb::new(width, task.classes())),
        LearnerSpec::MultinomialNb { alpha } => Box::new(MultinomialNb::new(width, task.classes(), alpha)),
        LearnerSpec::PassiveAggressive(rules) => Box::new(PassiveAggressive::new(width, task, rules)),
        LearnerSpec::Alma(rules) => Box::new(Alma::new(width, rules)),
        LearnerSpec::NearestNeighbors(rules) => Box::new(NearestNeighbors::new(width, task, rules)),
        LearnerSpec::HoeffdingTree(rules) if regression => Box::new(RegressionTree::new(width, rules)),
        LearnerSpec::HoeffdingTree(rules) => Box::new(HoeffdingTree::new(width, task, rules)),
        LearnerSpec::HoeffdingAdaptiveTree(rules) => Box::new(HoeffdingAdaptiveTree::new(width, task, rules)),
        LearnerSpec::AdaptiveRandomForest(rules) if regression => Box::new(RegressionForest::new(width, rules)),
        LearnerSpec::AdaptiveRandomForest(rules) => Box::new(AdaptiveRandomForest::new(width, task, rules)),
        LearnerSpec::LeveragingBagging(rules) => Box::new(LeveragingBagging::new(width, task, rules)),
        LearnerSpec::StreamingRandomPatches(rules) => Box::new(StreamingRandomPatches::new(width, task, rules)),
    }
}
