//! Optimizers: how a linear model's weights follow a gradient.
//!
//! In: weights, the vector at hand, and the derivative of the loss by the model's sum. Out: the weights moved. Keeps:
//! nothing (SGD), or one or two numbers a slot. Cost: the stored slots of the vector; a slot that is 0 by being absent
//! is not touched, and its share of a penalty does not fall due.
//!
//! Steps are those of River 0.26.1, operation by operation; its FTRL sets a weight from what was accumulated *before*
//! the gradient at hand, so a weight is one label behind. A weight stops at [`Optimizer::LIMIT`], where River's would
//! go on to infinity.
//!
//! Sources: Robbins and Monro 1951 (SGD); Duchi, Hazan and Singer 2011 (AdaGrad); Kingma and Ba 2015 (Adam); McMahan
//! and others 2013 (FTRL-proximal).

use super::artifact::{ArtifactError, finite, length, slots, within};
use crate::config::spec::OptimizerSpec;
use crate::feature::Vector;
use serde::{Deserialize, Serialize};

/// An optimizer with its state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Optimizer {
    /// Steps of one size.
    Sgd {
        /// Their size.
        learning_rate: f64,
    },
    /// Smaller steps for slots whose gradients were large.
    Adagrad {
        /// Their size at first.
        learning_rate: f64,
        /// Keeps the first division finite.
        eps: f64,
        /// The sum of squared gradients, a slot.
        #[serde(deserialize_with = "slots")]
        squares: Vec<f64>,
    },
    /// Steps along a running mean of gradients, divided by their running size.
    Adam {
        /// Their size.
        learning_rate: f64,
        /// How much of the mean is kept.
        beta_1: f64,
        /// How much of the size is kept.
        beta_2: f64,
        /// Keeps the division finite.
        eps: f64,
        /// What the beginnings of both, which are 0, still count for: the power of what is kept by the steps so far.
        left: [f64; 2],
        /// The running mean, a slot.
        #[serde(deserialize_with = "slots")]
        means: Vec<f64>,
        /// The running mean of squares, a slot.
        #[serde(deserialize_with = "slots")]
        squares: Vec<f64>,
    },
    /// Follow the regularized leader, with a penalty that makes weights exactly 0.
    Ftrl {
        /// The size of steps.
        alpha: f64,
        /// Makes first steps smaller.
        beta: f64,
        /// The penalty of a weight's magnitude.
        l1: f64,
        /// The penalty of its square.
        l2: f64,
        /// The gradients less what the steps took, a slot.
        #[serde(deserialize_with = "slots")]
        z: Vec<f64>,
        /// The sum of squared gradients, a slot.
        #[serde(deserialize_with = "slots")]
        n: Vec<f64>,
    },
}

impl Optimizer {
    /// The greatest magnitude of a weight. Nothing useful comes near it; it keeps the state finite.
    pub const LIMIT: f64 = 1e150;

    /// One that has not moved anything yet.
    pub fn new(spec: &OptimizerSpec, width: usize) -> Optimizer {
        let zeros = || vec![0.0; width];
        match *spec {
            OptimizerSpec::Sgd { learning_rate } => Optimizer::Sgd { learning_rate },
            OptimizerSpec::Adagrad { learning_rate, eps } => {
                Optimizer::Adagrad { learning_rate, eps, squares: zeros() }
            }
            OptimizerSpec::Adam { learning_rate, beta_1, beta_2, eps } => {
                let left = [1.0; 2];
                Optimizer::Adam { learning_rate, beta_1, beta_2, eps, left, means: zeros(), squares: zeros() }
            }
            OptimizerSpec::Ftrl { alpha, beta, l1, l2 } => {
                Optimizer::Ftrl { alpha, beta, l1, l2, z: zeros(), n: zeros() }
            }
        }
    }

    /// Moves the weights of the stored slots of `x`, whose gradient is `x * gradient + l2 * weight`.
    pub fn step(&mut self, weights: &mut [f64], x: &Vector, gradient: f64, l2: f64) {
        match self {
            Optimizer::Sgd { learning_rate } => {
                let rate = *learning_rate;
                each(x, weights, |_, w, x| *w -= rate * (x * gradient + l2 * *w));
            }
            Optimizer::Adagrad { learning_rate, eps, squares } => each(x, weights, |slot, w, x| {
                let g = x * gradient + l2 * *w;
                squares[slot] = bounded(squares[slot] + g * g);
                *w -= *learning_rate / (squares[slot] + *eps).sqrt() * g;
            }),
            Optimizer::Adam { learning_rate, beta_1, beta_2, eps, left, means, squares } => {
                let (beta_1, beta_2, eps) = (*beta_1, *beta_2, *eps);
                *left = [faded(left[0] * beta_1), faded(left[1] * beta_2)];
                let rate = *learning_rate * (1.0 - left[1]).sqrt() / (1.0 - left[0]);
                let one = |w: &mut f64, mean: &mut f64, square: &mut f64, x: f64| {
                    let g = x * gradient + l2 * *w;
                    *mean = bounded(beta_1 * *mean + (1.0 - beta_1) * g);
                    *square = bounded(beta_2 * *square + (1.0 - beta_2) * (g * g));
                    *w = limited(*w, *w - rate * *mean / (square.sqrt() + eps));
                };
                // Side by side, and not by slot, so that the compiler divides and takes roots of several at once.
                let state = means.iter_mut().zip(squares.iter_mut());
                for ((w, (mean, square)), x) in weights.iter_mut().zip(state).zip(&x.dense) {
                    one(w, mean, square, *x);
                }
                for slot in x.hot.iter().map(|slot| *slot as usize) {
                    one(&mut weights[slot], &mut means[slot], &mut squares[slot], 1.0);
                }
            }
            Optimizer::Ftrl { alpha, beta, l1, l2: ridge, z, n } => each(x, weights, |slot, w, x| {
                let g = x * gradient + l2 * *w;
                let (z, n) = (&mut z[slot], &mut n[slot]);
                if z.abs() > *l1 {
                    *w = bounded(-(1.0 / ((*beta + n.sqrt()) / *alpha + *ridge)) * (*z - z.signum() * *l1));
                }
                let s = ((*n + g * g).sqrt() - n.sqrt()) / *alpha;
                *z = bounded(*z + (g - s * *w));
                *n = bounded(*n + g * g);
            }),
        }
    }

    pub(super) fn check(&self, width: usize) -> Result<(), ArtifactError> {
        let positive = |what, x: f64| within(what, x, "above 0", x > 0.0);
        let share = |what, x: f64| within(what, x, "at least 0 and below 1", (0.0..1.0).contains(&x));
        let list = |what, list: &[f64]| {
            length(what, list.len(), width)?;
            finite(what, list)
        };
        match self {
            Optimizer::Sgd { learning_rate } => positive("learning_rate", *learning_rate),
            Optimizer::Adagrad { learning_rate, eps, squares } => {
                positive("learning_rate", *learning_rate)?;
                positive("eps", *eps)?;
                list("squares", squares)
            }
            Optimizer::Adam { learning_rate, beta_1, beta_2, eps, left, means, squares } => {
                for left in left {
                    within("left", *left, "from 0 to 1", (0.0..=1.0).contains(left))?;
                }
                positive("learning_rate", *learning_rate)?;
                share("beta_1", *beta_1)?;
                share("beta_2", *beta_2)?;
                positive("eps", *eps)?;
                list("means", means)?;
                list("squares", squares)
            }
            Optimizer::Ftrl { alpha, beta, l1, l2, z, n } => {
                positive("alpha", *alpha)?;
                for (what, x) in [("beta", *beta), ("l1", *l1), ("l2", *l2)] {
                    within(what, x, "at least 0", x >= 0.0)?;
                }
                list("z", z)?;
                list("n", n)
            }
        }
    }
}

/// Every stored slot with its weight and its value; afterwards the weight is within the limit.
fn each(x: &Vector, weights: &mut [f64], mut step: impl FnMut(usize, &mut f64, f64)) {
    let mut one = |slot: usize, w: &mut f64, x: f64| {
        let before = *w;
        step(slot, w, x);
        *w = limited(before, *w);
    };
    for ((slot, w), x) in weights.iter_mut().enumerate().zip(&x.dense) {
        one(slot, w, *x);
    }
    for slot in &x.hot {
        let slot = *slot as usize;
        one(slot, &mut weights[slot], 1.0);
    }
}

/// A weight behind a step, within the limit. Of a step that is no number nothing can be said.
fn limited(before: f64, w: f64) -> f64 {
    if w.is_nan() { before } else { w.clamp(-Optimizer::LIMIT, Optimizer::LIMIT) }
}

/// Nothing, of what is less than half of what 1 can be told from: products with numbers near 0 are slow.
fn faded(left: f64) -> f64 {
    if left < 1e-17 { 0.0 } else { left }
}

/// Squares may be as great as the square of a limit; beyond it, and of what is no number, nothing is kept.
fn bounded(x: f64) -> f64 {
    if x.is_nan() { 0.0 } else { x.clamp(-1e300, 1e300) }
}
