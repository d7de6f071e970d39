//! A fixed model: predicts, never learns.
//!
//! In: an artifact's body, of a fitted model or of a learner's state at an instant (`freeze_at`), and feature vectors.
//! Out: predictions. Keeps: the body, unchanged.

use super::{Artifact, Body};
use crate::feature::Vector;
use crate::task::Prediction;
use serde::{Deserialize, Serialize};

/// A released or frozen model.
///
/// ```
/// use tidemill::config::spec::OptimizerSpec;
/// use tidemill::feature::Vector;
/// use tidemill::model::{Body, Fixed, Learner, Logistic};
/// let x = Vector { dense: [1.0].into(), hot: [].into() };
/// let mut learner = Logistic::new(1, &OptimizerSpec::sgd(0.1), 0.0);
/// learner.learn(&x, true.into());
/// let frozen = Fixed::from(learner.save());
/// let then = learner.score(&x);
/// learner.learn(&x, true.into());
/// assert_eq!(frozen.score(&x), then);
/// assert!(learner.score(&x) > then);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fixed(Body);

impl Fixed {
    /// What it says of a vector.
    pub fn predict(&self, x: &Vector) -> Prediction {
        self.0.predict(x)
    }

    /// The number that it says, or the probability of the class that it says.
    pub fn score(&self, x: &Vector) -> f64 {
        self.predict(x).score()
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
