//! Weights and a bias that follow a gradient: what logistic and linear regression have in common.
//!
//! In: vectors, and the derivative of the loss by the sum. Out: `weights . x + bias`. Keeps: one weight a slot, the
//! bias, the optimizer's state. The bias has a rate of its own of 0.01 (River's `intercept_lr`), is not penalized, and
//! moves before the weights do. Where River would run into infinity or NaN (features of 1e200), this stays finite.

use super::artifact::{ArtifactError, finite, length, slots, within};
use super::optimizer::Optimizer;
use crate::config::spec::OptimizerSpec;
use crate::feature::Vector;
use serde::{Deserialize, Serialize};

/// River's `intercept_lr`.
const BIAS_RATE: f64 = 0.01;

/// Weights, the bias, and what moves them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    optimizer: Optimizer,
    l2: f64,
    updates: u64,
    bias: f64,
    #[serde(deserialize_with = "slots")]
    weights: Vec<f64>,
}

impl Weights {
    /// All 0.
    pub fn new(width: usize, optimizer: &OptimizerSpec, l2: f64) -> Weights {
        assert!(l2 >= 0.0 && l2.is_finite(), "l2 is checked with the pipeline file");
        Weights { optimizer: Optimizer::new(optimizer, width), l2, updates: 0, bias: 0.0, weights: vec![0.0; width] }
    }

    /// Fitted elsewhere on `updates` examples; they would go on with River's defaults.
    pub fn fitted(weights: Vec<f64>, bias: f64, updates: u64) -> Weights {
        Weights { optimizer: Optimizer::Sgd { learning_rate: 0.01 }, l2: 0.0, updates, bias, weights }
    }

    /// One a slot.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The bias.
    pub fn bias(&self) -> f64 {
        self.bias
    }

    /// The labels or examples learned.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// `weights . x + bias`. Infinite products may cancel to NaN, of which nothing can be said: 0.
    pub fn sum(&self, x: &Vector) -> f64 {
        let z = x.dot(&self.weights) + self.bias;
        if z.is_nan() { 0.0 } else { z }
    }

    /// Learns from a label, by the derivative of its loss.
    pub fn step(&mut self, x: &Vector, gradient: f64) {
        self.bias = (self.bias - BIAS_RATE * gradient).clamp(-Optimizer::LIMIT, Optimizer::LIMIT);
        self.optimizer.step(&mut self.weights, x, gradient, self.l2);
        self.updates += 1;
    }

    /// Whether an artifact may have them.
    pub(super) fn check(&self, width: usize) -> Result<(), ArtifactError> {
        let limited = |what, x: f64| within(what, x, "between -1e150 and 1e150", x.abs() <= Optimizer::LIMIT);
        self.optimizer.check(width)?;
        within("l2", self.l2, "at least 0", self.l2 >= 0.0)?;
        limited("bias", self.bias)?;
        length("weights", self.weights.len(), width)?;
        finite("weights", &self.weights)?;
        self.weights.iter().try_for_each(|w| limited("weight", *w))
    }
}
