//! A fixed model: predicts, never learns.
//!
//! In: an artifact's body, of a fitted model or of a learner's state at an instant (`freeze_at`), and feature vectors.
//! Out: the probability of *true*. Keeps: the body, unchanged.

use super::{Artifact, Body, Learner};
use crate::feature::Vector;
use serde::{Deserialize, Serialize};

/// A released or frozen model.
///
/// ```
/// use tidemill::feature::Vector;
/// use tidemill::model::{Body, Fixed, Learner, Logistic};
/// let x = Vector { dense: [1.0].into(), hot: [].into() };
/// let mut learner = Logistic::new(1, 0.1, 0.0);
/// learner.learn(&x, true);
/// let frozen = Fixed::from(learner.save());
/// let then = learner.predict(&x);
/// learner.learn(&x, true);
/// assert_eq!(frozen.predict(&x), then);
/// assert!(learner.predict(&x) > then);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fixed(Body);

impl Fixed {
    /// The probability that the label of `x` is true: finite, in [0, 1].
    pub fn predict(&self, x: &Vector) -> f64 {
        match &self.0 {
            Body::Logistic(model) => model.predict(x),
            Body::GaussianNb(model) => model.predict(x),
            Body::OnlineGaussianNb(model) => model.predict(x),
            Body::BoostedTrees(model) => model.predict(x),
            Body::HoeffdingTree(model) => model.predict(x),
            Body::AdaptiveRandomForest(model) => model.predict(x),
            Body::LeveragingBagging(model) => model.predict(x),
            Body::Majority(model) => model.predict(x),
            Body::NoChange(model) => model.predict(x),
        }
    }

    /// The labels or examples that it had learned.
    pub fn updates(&self) -> u64 {
        self.0.updates()
    }
}

impl From<Body> for Fixed {
    fn from(body: Body) -> Fixed {
        Fixed(body)
    }
}

impl From<Artifact> for Fixed {
    fn from(artifact: Artifact) -> Fixed {
        Fixed(artifact.body)
    }
}
