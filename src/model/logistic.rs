//! Logistic regression by stochastic gradient descent, one step a label.
//!
//! In: feature vectors of a fixed width. Out: `sigmoid(weights . x + bias)`. Keeps: one weight a slot and the bias.
//! Cost: one pass over the stored slots, for predicting and for learning; a slot that is 0 by being absent costs
//! nothing. Exactness: `Replayed`, a step depends on all before it.
//!
//! The arithmetic is that of River 0.26.1, `LogisticRegression(SGD(learning_rate), l2=l2)`, operation by operation: the
//! bias has its own rate of 0.01, is not penalized, and moves before the weights do; the penalty falls on slots that
//! the vector stores, not on absent ones; the score is exactly 0 or 1 beyond a logit of 30. River's gradient clip of
//! 1e12 never binds here, for a gradient of the log loss is at most 1. Where River would run into infinity or NaN
//! (features of 1e200), this one stays finite: a weight stops at [`Logistic::LIMIT`], and a logit that is not a number
//! counts as 0.
//!
//! Parameters: `learning_rate` above 0 (0.01), `l2` at least 0 (0). Source: Robbins and Monro, A stochastic
//! approximation method, 1951; <https://github.com/online-ml/river>.

use super::artifact::{ArtifactError, finite, length, slots, within};
use super::{Body, Exactness, Learner};
use crate::feature::Vector;
use serde::{Deserialize, Serialize};

/// River's `intercept_lr`.
const BIAS_RATE: f64 = 0.01;

/// Logistic regression: its parameters and state.
///
/// ```
/// use tidemill::feature::Vector;
/// use tidemill::model::{Learner, Logistic};
/// let x = Vector { dense: [2.0].into(), hot: [1].into() };
/// let mut model = Logistic::new(2, 0.1, 0.0);
/// assert_eq!(model.predict(&x), 0.5);
/// model.learn(&x, true);
/// assert_eq!((model.weights(), model.bias()), (&[0.1, 0.05][..], 0.005));
/// assert!(model.predict(&x) > 0.5);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logistic {
    learning_rate: f64,
    l2: f64,
    updates: u64,
    bias: f64,
    #[serde(deserialize_with = "slots")]
    weights: Vec<f64>,
}

impl Logistic {
    /// The greatest magnitude of a weight or bias. Nothing useful comes near it; it keeps the state finite.
    pub const LIMIT: f64 = 1e150;

    /// An untrained model of `width` slots: all weights 0, every score 0.5.
    pub fn new(width: usize, learning_rate: f64, l2: f64) -> Logistic {
        assert!(learning_rate > 0.0 && learning_rate.is_finite(), "learning_rate is checked with the pipeline file");
        assert!(l2 >= 0.0 && l2.is_finite(), "l2 is checked with the pipeline file");
        Logistic { learning_rate, l2, updates: 0, bias: 0.0, weights: vec![0.0; width] }
    }

    /// A model that was fitted elsewhere, on `updates` examples; it would go on with River's default parameters.
    /// What is out of range is found by [`Artifact::new`](super::Artifact::new).
    pub fn fitted(weights: Vec<f64>, bias: f64, updates: u64) -> Logistic {
        Logistic { learning_rate: 0.01, l2: 0.0, updates, bias, weights }
    }

    /// One weight a slot.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The bias.
    pub fn bias(&self) -> f64 {
        self.bias
    }

    pub(super) fn check(&self, width: usize) -> Result<(), ArtifactError> {
        let limited = |what, x: f64| within(what, x, "between -1e150 and 1e150", x.abs() <= Self::LIMIT);
        within("learning_rate", self.learning_rate, "above 0", self.learning_rate > 0.0)?;
        within("l2", self.l2, "at least 0", self.l2 >= 0.0)?;
        limited("bias", self.bias)?;
        length("weights", self.weights.len(), width)?;
        finite("weights", &self.weights)?;
        self.weights.iter().try_for_each(|w| limited("weight", *w))
    }

    /// Infinite products may cancel to NaN, of which nothing can be said: 0.
    fn logit(&self, x: &Vector) -> f64 {
        let z = x.dot(&self.weights) + self.bias;
        if z.is_nan() { 0.0 } else { z }
    }
}

impl Learner for Logistic {
    fn predict(&self, x: &Vector) -> f64 {
        sigmoid(self.logit(x))
    }

    fn learn(&mut self, x: &Vector, label: bool) {
        let gradient = gradient(self.logit(x), label);
        let (rate, l2) = (self.learning_rate, self.l2);
        self.bias = (self.bias - BIAS_RATE * gradient).clamp(-Self::LIMIT, Self::LIMIT);
        // Not `Vector::add_to`: rate * (gradient * x) and (rate * gradient) * x differ in the last bit.
        let step = |w: f64, x: f64| (w - rate * (x * gradient + l2 * w)).clamp(-Self::LIMIT, Self::LIMIT);
        for (w, x) in self.weights.iter_mut().zip(&x.dense) {
            *w = step(*w, *x);
        }
        for slot in &x.hot {
            let w = &mut self.weights[*slot as usize];
            *w = step(*w, 1.0);
        }
        self.updates += 1;
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
        learning_rate: f64,
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
        assert_eq!(golden.runs.len(), 4);
        for run in &golden.runs {
            let mut model = Logistic::new(golden.width, run.learning_rate, run.l2);
            for (i, (dense, hot, label)) in golden.rows.iter().enumerate() {
                let x = Vector { dense: dense.as_slice().into(), hot: hot.as_slice().into() };
                close(model.predict(&x), run.scores[i], &format!("rate {}, row {i}", run.learning_rate));
                model.learn(&x, *label);
            }
            close(model.bias, run.bias, "bias");
            for (w, expected) in model.weights.iter().zip(&run.weights) {
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
        let mut model = Logistic::new(2, 1e10, 1e10);
        for label in [true, false, true, true] {
            model.learn(&Vector { dense: [f64::MAX, -f64::MAX].into(), hot: [].into() }, label);
        }
        assert_eq!(model.check(2).map_err(|e| e.to_string()), Ok(()));
        assert!(model.predict(&Vector { dense: [f64::MAX, f64::MAX].into(), hot: [].into() }).is_finite());
    }
}
