//! Linear regression by stochastic gradients, one step a label.
//!
//! In: feature vectors of a fixed width. Out: `weights . x + bias`. Keeps: one weight a slot, the bias, what the
//! optimizer keeps. Cost: one pass over the stored slots. Exactness: `Replayed`.
//!
//! The arithmetic is that of River 0.26.1, `LinearRegression(optimizer, l2=l2)`: the squared loss, whose gradient is
//! twice the error, clipped at 1e12. A prediction stays within [`Label::LIMIT`].
//!
//! Parameters: the optimizer's, `l2` at least 0 (0). Source: Widrow and Hoff, Adaptive switching circuits, 1960;
//! <https://github.com/online-ml/river>.

use super::artifact::ArtifactError;
use super::weights::Weights;
use super::{Body, Learner};
use crate::config::spec::OptimizerSpec;
use crate::feature::Vector;
use crate::task::{Label, Prediction};
use serde::{Deserialize, Serialize};

/// River's `clip_gradient`.
const STEEPEST: f64 = 1e12;

/// Linear regression: its parameters and state.
///
/// ```
/// use tidemill::config::spec::OptimizerSpec;
/// use tidemill::feature::Vector;
/// use tidemill::model::{Learner, Linear};
/// use tidemill::task::Label;
/// let mut model = Linear::new(1, &OptimizerSpec::sgd(0.05), 0.0);
/// for n in 0..500 {
///     let x = f64::from(n * 7 % 10) / 10.0;
///     model.learn(&Vector { dense: [x].into(), hot: [].into() }, Label::value(3.0 * x + 1.0).unwrap());
/// }
/// assert!((model.score(&Vector { dense: [0.5].into(), hot: [].into() }) - 2.5).abs() < 0.1);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Linear(Weights);

impl Linear {
    /// An untrained model of `width` slots, which says 0.
    pub fn new(width: usize, optimizer: &OptimizerSpec, l2: f64) -> Linear {
        Linear(Weights::new(width, optimizer, l2))
    }

    /// A model that was fitted elsewhere, on `updates` examples.
    pub fn fitted(weights: Vec<f64>, bias: f64, updates: u64) -> Linear {
        Linear(Weights::fitted(weights, bias, updates))
    }

    pub(super) fn check(&self, width: usize) -> Result<(), ArtifactError> {
        self.0.check(width)
    }
}

impl Learner for Linear {
    fn predict(&self, x: &Vector) -> Prediction {
        Prediction::Number(self.0.sum(x).clamp(-Label::LIMIT, Label::LIMIT))
    }

    fn learn(&mut self, x: &Vector, label: Label) {
        let gradient = (2.0 * (self.0.sum(x) - label.amount())).clamp(-STEEPEST, STEEPEST);
        self.0.step(x, gradient);
    }

    fn updates(&self) -> u64 {
        self.0.updates()
    }

    fn save(&self) -> Body {
        Body::Linear(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::golden::{Golden, golden};

    /// Test-then-train over the golden rows gives River's predictions.
    #[test]
    fn learns_as_river_does() {
        let golden: Golden<OptimizerSpec> = golden("linear");
        assert_eq!(golden.runs.len(), 4);
        golden.replay(|optimizer, width, _| Box::new(Linear::new(width, optimizer, 0.001)));
    }
}
