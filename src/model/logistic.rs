//! Logistic regression by stochastic gradients, one step a label.
//!
//! In: feature vectors of a fixed width. Out: `sigmoid(weights . x + bias)`. Keeps: one weight a slot, the bias, what
//! the optimizer keeps. Cost: one pass over the stored slots, for predicting and for learning; a slot that is 0 by
//! being absent costs nothing. Exactness: `Replayed`, a step depends on all before it.
//!
//! The arithmetic is that of River 0.26.1, `LogisticRegression(optimizer, l2=l2)`, operation by operation: the
//! penalty falls on slots that the vector stores, not on absent ones; the score is exactly 0 or 1 beyond a logit of 30.
//! River's gradient clip of 1e12 never binds here, for a gradient of the log loss is at most 1.
//!
//! Parameters: the optimizer's, `l2` at least 0 (0). Source: Robbins and Monro, A stochastic approximation method,
//! 1951; <https://github.com/online-ml/river>.

use super::artifact::ArtifactError;
use super::weights::Weights;
use super::{Body, Learner};
use crate::config::spec::OptimizerSpec;
use crate::feature::Vector;
use crate::task::{Label, Prediction};
use serde::{Deserialize, Serialize};

/// Logistic regression: its parameters and state.
///
/// ```
/// use tidemill::config::spec::OptimizerSpec;
/// use tidemill::feature::Vector;
/// use tidemill::model::{Learner, Logistic};
/// let x = Vector { dense: [2.0].into(), hot: [1].into() };
/// let mut model = Logistic::new(2, &OptimizerSpec::sgd(0.1), 0.0);
/// assert_eq!(model.score(&x), 0.5);
/// model.learn(&x, true.into());
/// assert_eq!((model.weights(), model.bias()), (&[0.1, 0.05][..], 0.005));
/// assert!(model.score(&x) > 0.5);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Logistic(Weights);

impl Logistic {
    /// An untrained model of `width` slots: all weights 0, every score 0.5.
    pub fn new(width: usize, optimizer: &OptimizerSpec, l2: f64) -> Logistic {
        Logistic(Weights::new(width, optimizer, l2))
    }

    /// A model that was fitted elsewhere, on `updates` examples; it would go on with River's default parameters.
    /// What is out of range is found by [`Artifact::new`](super::Artifact::new).
    pub fn fitted(weights: Vec<f64>, bias: f64, updates: u64) -> Logistic {
        Logistic(Weights::fitted(weights, bias, updates))
    }

    /// One weight a slot.
    pub fn weights(&self) -> &[f64] {
        self.0.weights()
    }

    /// The bias.
    pub fn bias(&self) -> f64 {
        self.0.bias()
    }

    pub(super) fn check(&self, width: usize) -> Result<(), ArtifactError> {
        self.0.check(width)
    }
}

impl Learner for Logistic {
    fn predict(&self, x: &Vector) -> Prediction {
        Prediction::Number(sigmoid(self.0.sum(x)))
    }

    fn learn(&mut self, x: &Vector, label: Label) {
        let gradient = gradient(self.0.sum(x), label.is_true());
        self.0.step(x, gradient);
    }

    fn updates(&self) -> u64 {
        self.0.updates()
    }

    fn save(&self) -> Body {
        Body::Logistic(self.clone())
    }
}

/// The probability of a logit. River's, with its ends: exactly 0 below -30 and 1 above 30.
pub(super) fn sigmoid(logit: f64) -> f64 {
    if logit < -30.0 {
        0.0
    } else if logit > 30.0 {
        1.0
    } else {
        1.0 / (1.0 + (-logit).exp())
    }
}

/// The derivative of the log loss by the logit, River's `losses.Log.gradient`, with its approximations beyond 18.
fn gradient(logit: f64, label: bool) -> f64 {
    let sign = if label { 1.0 } else { -1.0 };
    let z = logit * sign;
    if z > 18.0 {
        (-z).exp() * -sign
    } else if z < -18.0 {
        -sign
    } else {
        -sign / (z.exp() + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Golden {
        width: usize,
        rows: Vec<(Vec<f64>, Vec<u32>, bool)>,
        runs: Vec<Run>,
    }

    #[derive(Deserialize)]
    struct Run {
        optimizer: OptimizerSpec,
        l2: f64,
        scores: Vec<f64>,
        bias: f64,
        weights: Vec<f64>,
    }

    /// Test-then-train over the golden rows gives River's scores and weights.
    #[test]
    fn learns_as_river_does() {
        let golden: Golden =
            serde_json::from_str(include_str!("../../tests/golden/logistic.json")).expect("the golden file reads");
        assert_eq!(golden.runs.len(), 8);
        for run in &golden.runs {
            let mut model = Logistic::new(golden.width, &run.optimizer, run.l2);
            for (i, (dense, hot, label)) in golden.rows.iter().enumerate() {
                let x = Vector { dense: dense.as_slice().into(), hot: hot.as_slice().into() };
                close(model.score(&x), run.scores[i], &format!("{:?}, row {i}", run.optimizer));
                model.learn(&x, (*label).into());
            }
            close(model.bias(), run.bias, "bias");
            for (w, expected) in model.weights().iter().zip(&run.weights) {
                close(*w, *expected, "weight");
            }
        }
    }

    fn close(found: f64, expected: f64, what: &str) {
        assert!((found - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{what}: {found} is not {expected}");
    }

    /// The law that River breaks: after features of any size the model can still be saved.
    #[test]
    fn huge_features_leave_it_finite() {
        for optimizer in [
            OptimizerSpec::sgd(1e10),
            OptimizerSpec::Adagrad { learning_rate: 1e10, eps: 1e-8 },
            OptimizerSpec::Adam { learning_rate: 1e10, beta_1: 0.9, beta_2: 0.999, eps: 1e-8 },
            OptimizerSpec::Ftrl { alpha: 1e10, beta: 1.0, l1: 0.0, l2: 1.0 },
        ] {
            let mut model = Logistic::new(2, &optimizer, 1e10);
            for label in [true, false, true, true] {
                model.learn(&Vector { dense: [f64::MAX, -f64::MAX].into(), hot: [].into() }, label.into());
            }
            assert_eq!(model.check(2).map_err(|e| e.to_string()), Ok(()), "{optimizer:?}");
            assert!(model.score(&Vector { dense: [f64::MAX, f64::MAX].into(), hot: [].into() }).is_finite());
        }
    }
}
