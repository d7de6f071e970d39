//! Models: online learners, baselines, fixed models, and the artifacts that versions are.
//!
//! In: feature vectors, and labels as they come. Out: the probability of *true*. Keeps: what the learner's file says,
//! which is exactly what [`Learner::save`] returns. Every learner obeys the battery in `laws.rs`; adding one is its
//! file, a variant of [`Body`], and joining that battery.

mod artifact;
mod boosted;
mod dice;
mod fixed;
mod forest;
mod gaussian_nb;
mod hoeffding;
#[cfg(test)]
mod laws;
mod leveraging_bagging;
mod logistic;
mod majority;
mod no_change;
mod online_gaussian_nb;
mod role;

pub use artifact::{Artifact, ArtifactError, Body};
pub use boosted::{BoostedTrees, Node};
pub use dice::Dice;
pub use fixed::Fixed;
pub use forest::AdaptiveRandomForest;
pub use gaussian_nb::{ClassStatistics, GaussianNb};
pub use hoeffding::HoeffdingTree;
pub use leveraging_bagging::LeveragingBagging;
pub use logistic::Logistic;
pub use majority::Majority;
pub use no_change::NoChange;
pub use online_gaussian_nb::OnlineGaussianNb;
pub use role::Role;

use crate::config::spec::LearnerSpec;
use crate::feature::Vector;
use serde::Serialize;

/// A model of a binary task that learns one labelled vector at a time. `Send`, so that a worker may own it boxed.
pub trait Learner: Send {
    /// The probability that the label is true: finite, in [0, 1], for any finite vector of the learner's width.
    /// Changes nothing.
    fn predict(&self, x: &Vector) -> f64;

    /// Learns that the label of `x` is `label`. Called in the law's order.
    fn learn(&mut self, x: &Vector, label: bool);

    /// Takes an earlier `learn` of the same pair back and says so; a learner that cannot do it exactly
    /// ([`Exactness::Replayed`]) changes nothing and returns false.
    fn unlearn(&mut self, x: &Vector, label: bool) -> bool;

    /// The labels learned so far, without those taken back.
    fn updates(&self) -> u64;

    /// What a corrected label does to it.
    fn exactness(&self) -> Exactness;

    /// All of its state. Changes nothing; [`Body::learner`] goes on from it as if nothing had happened.
    fn save(&self) -> Body;
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

/// The untrained learner that a pipeline declares, for vectors of `width` slots.
pub fn learner(spec: &LearnerSpec, width: usize) -> Box<dyn Learner> {
    match *spec {
        LearnerSpec::Logistic { learning_rate, l2 } => Box::new(Logistic::new(width, learning_rate, l2)),
        LearnerSpec::GaussianNb => Box::new(OnlineGaussianNb::new(width)),
        LearnerSpec::HoeffdingTree(rules) => Box::new(HoeffdingTree::new(width, rules)),
        LearnerSpec::AdaptiveRandomForest(rules) => Box::new(AdaptiveRandomForest::new(width, rules)),
        LearnerSpec::LeveragingBagging(rules) => Box::new(LeveragingBagging::new(width, rules)),
    }
}
