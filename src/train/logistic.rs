//! Batch logistic regression, by linfa-logistic (L-BFGS with More and Thuente's line search).
//!
//! In: rows. Out: weights and bias that minimize the log loss, summed over the rows, plus `alpha / 2` times the sum of
//! the squared weights; the bias is not penalized. Cost: one dense matrix of rows times (slots + 1), and some 5 to 10
//! iterations of about 5 passes over it. Bytes are the same on processors of the same kind: the matrix product picks
//! its instructions when it runs. Parameters: `alpha` at least 0, `max_iterations` at least 1.
//!
//! linfa is given the problem in whitened coordinates (see [`super::whitening`]). As it stands the problem is badly
//! conditioned (one-hot groups are collinear but for the penalty, slots differ in size and frequency): at 100,000 rows
//! of 185 slots linfa took 11 s and stopped 0.14 nats short. Whitened by the Hessian at the start it takes 1.5 s, the
//! coordinates included, and stops within 0.0001 nats; fitting 260,000 rows and, from there, 330,000 takes 5 s. The
//! matrix is stored by columns: `ndarray` multiplies a transposed matrix four times slower if they are not contiguous.
//! In these coordinates half the squared gradient is what is left to gain, so the tolerance has a meaning:
//! [`LogisticEstimator::TOLERANCE`] of 0.1 leaves 0.005 nats in the whole sum, and weights within a tenth of a standard
//! error.
//!
//! A sum of squares is not the same in whitened coordinates, and linfa's own `alpha` knows no other. So the penalty
//! comes as data: each weight is given pairs of pseudo-rows, one true and one false, with a constant in its slot only.
//! A pair adds `ln(2 + 2 cosh(c w))`, that is `c^2 w^2 / 4` up to a constant; with `k` pairs the penalty is `alpha w^2
//! / 2` less a share of `alpha w^2 / (12 k)`, which is kept below 1 % by giving large weights more pairs. This is a
//! prior by data augmentation: Greenland, Statistics in Medicine 26, 2007. The result is checked against the plain sum
//! of squares.
//!
//! linfa-logistic 0.8 takes no weights of rows. Where classes weigh differently the same objective, with each row's
//! loss by its weight, is minimized by [`super::newton`] instead.

use super::newton::{Objective, minimize};
use super::whitening::{Whitening, outer};
use super::{Estimator, FitError, Rows};
use crate::feature::Vector;
use crate::model::{Body, Logistic};
use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Array2, ShapeBuilder};

/// The fewest and the most pairs of pseudo-rows a weight.
const PAIRS: [f64; 2] = [8.0, 1000.0];

/// The least curvature a row is given when coordinates are chosen: a start that is sure of itself and wrong would
/// otherwise leave directions without any. Only the speed depends on it.
const LEAST_CURVATURE: f64 = 0.01;

/// Rows written to the matrix at once: they and their transposition stay in the cache.
const BLOCK: usize = 256;

/// Batch logistic regression.
#[derive(Clone, Copy, Debug)]
pub struct LogisticEstimator {
    /// L2 penalty of the summed loss, at least 0.
    pub alpha: f64,
    /// At most so many iterations.
    pub max_iterations: u64,
}

impl LogisticEstimator {
    /// The gradient's norm, in whitened coordinates, at which linfa stops. A fit that stopped elsewhere is refused if
    /// it is ten times that.
    pub const TOLERANCE: f64 = 0.1;
}

impl Estimator for LogisticEstimator {
    fn fit(&self, rows: &Rows, start: Option<&Body>) -> Result<Body, FitError> {
        let start = self.start(rows, start);
        if rows.is_weighed() {
            let weights = minimize(&Weighed { of: self, rows }, rows, start, self.max_iterations)?;
            let (bias, weights) = weights.split_last().expect("the bias is always there");
            return Ok(Body::Logistic(Logistic::fitted(weights.to_vec(), *bias, rows.len() as u64)));
        }
        let size = rows.width() + 1;
        let whitening = Whitening::of(&self.hessian(rows, &start, LEAST_CURVATURE), size)
            .ok_or_else(|| FitError::Solver("the features are too far apart in size".to_string()))?;

        let pseudo_rows = self.pseudo_rows(rows, &whitening, &start);
        let matrix = matrix(rows, &whitening, &pseudo_rows);
        let pseudo_labels = (0..pseudo_rows.len()).map(|i| i % 2 == 0);
        let labels: Array1<bool> = rows.labels().iter().map(|label| label.is_true()).chain(pseudo_labels).collect();
        // linfa calls the more frequent class positive, or the first it meets. Its start is to be in its own terms.
        let (positives, first) = (rows.positives(), rows.labels()[0].is_true());
        let twice = 2 * positives;
        let positive_is_true = twice > rows.len() || (twice == rows.len() && first);
        let sign = if positive_is_true { 1.0 } else { -1.0 };
        let initial: Array1<f64> = whitening.whiten(&start).into_iter().map(|v| v * sign).collect();

        let fitted = LogisticRegression::default()
            .alpha(0.0)
            .with_intercept(false)
            .max_iterations(self.max_iterations)
            .gradient_tolerance(Self::TOLERANCE)
            .initial_params(initial)
            .fit(&DatasetBase::new(matrix, labels))
            .map_err(|error| FitError::Solver(error.to_string()))?;
        let sign = if fitted.labels().pos.class { 1.0 } else { -1.0 };
        let whitened: Vec<f64> = fitted.params().iter().map(|v| v * sign).collect();
        let weights = whitening.weights(&whitened);

        // linfa does not say why it stopped; the gradient does.
        let gradient = whitening.gradient(&self.gradient(rows, &weights));
        let gradient = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        let allowed = 10.0 * Self::TOLERANCE;
        if gradient.is_nan() || gradient > allowed {
            return Err(FitError::NotConverged { gradient, allowed, max_iterations: self.max_iterations });
        }
        let (bias, weights) = weights.split_last().expect("the bias is always there");
        Ok(Body::Logistic(Logistic::fitted(weights.to_vec(), *bias, rows.len() as u64)))
    }

    fn bytes(&self, rows: &Rows) -> u64 {
        let size = rows.width() as u64 + 1;
        // The Hessian, its factor and the inverse; for linfa the matrix, with the most pseudo-rows, and the labels.
        let most = if self.alpha > 0.0 { 2 * PAIRS[1] as u64 * rows.width() as u64 } else { 0 };
        let matrix = if rows.is_weighed() { 0 } else { (rows.len() as u64 + most) * (8 * size + 1) };
        24 * size * size + matrix
    }
}

impl LogisticEstimator {
    /// The penalty as data: the slot and the constant of each pseudo-row; every second one is true.
    fn pseudo_rows(&self, rows: &Rows, whitening: &Whitening, start: &[f64]) -> Vec<(usize, f64)> {
        if self.alpha == 0.0 {
            return Vec::new();
        }
        // One Newton step tells about how large the weights will be.
        let step = whitening.weights(&whitening.gradient(&self.gradient(rows, start)));
        let pairs = |slot: usize| {
            let weight = start[slot].abs().max((start[slot] - step[slot]).abs());
            (10.0 * self.alpha * weight * weight).clamp(PAIRS[0], PAIRS[1]).ceil()
        };
        let of_slot = |slot| {
            let pairs = pairs(slot);
            std::iter::repeat_n((slot, (2.0 * self.alpha / pairs).sqrt()), 2 * pairs as usize)
        };
        (0..rows.width()).flat_map(of_slot).collect()
    }

    /// Where to begin: the model near by, if it is better than the share of the positives alone.
    fn start(&self, rows: &Rows, near: Option<&Body>) -> Vec<f64> {
        let positives = rows.positives() as f64 * rows.weight(true.into());
        let negatives = (rows.len() - rows.positives()) as f64 * rows.weight(false.into());
        let mut cold = vec![0.0; rows.width() + 1];
        cold[rows.width()] = (positives / negatives).ln();
        match near {
            Some(Body::Logistic(model)) if model.weights().len() == rows.width() => {
                let mut warm = model.weights().to_vec();
                warm.push(model.bias());
                // Written so that an infinite or undefined loss loses.
                if self.loss(rows, &warm) < self.loss(rows, &cold) { warm } else { cold }
            }
            _ => cold,
        }
    }

    /// The objective.
    pub(super) fn loss(&self, rows: &Rows, weights: &[f64]) -> f64 {
        let mut sum = 0.0;
        for (x, label) in rows.vectors().iter().zip(rows.labels()) {
            let z = logit(x, weights);
            let wrong = if label.is_true() { -z } else { z };
            sum += rows.weight(*label) * (wrong.max(0.0) + (-wrong.abs()).exp().ln_1p());
        }
        sum + 0.5 * self.alpha * weights[..rows.width()].iter().map(|w| w * w).sum::<f64>()
    }

    /// The gradient of the objective, by weights; the bias is last.
    fn gradient(&self, rows: &Rows, weights: &[f64]) -> Vec<f64> {
        let mut gradient = vec![0.0; weights.len()];
        for (x, label) in rows.vectors().iter().zip(rows.labels()) {
            let error = rows.weight(*label) * (probability(logit(x, weights)) - label.amount());
            x.add_to(&mut gradient, error);
            gradient[rows.width()] += error;
        }
        gradient[..rows.width()].iter_mut().zip(weights).for_each(|(g, w)| *g += self.alpha * w);
        gradient
    }

    /// The upper triangle of the Hessian at some weights, by rows; the bias is last. Each row has at least a curvature.
    fn hessian(&self, rows: &Rows, weights: &[f64], least: f64) -> Vec<f64> {
        let (width, size) = (rows.width(), rows.width() + 1);
        let mut hessian = outer(rows, |row| {
            let p = probability(logit(rows.vectors()[row], weights));
            rows.weight(rows.labels()[row]) * (p * (1.0 - p)).max(least)
        });
        for slot in 0..size {
            // Without a penalty a direction may have no curvature at all; any will do, the coordinates decide nothing.
            let diagonal = &mut hessian[slot * size + slot];
            let penalty = if slot < width { self.alpha } else { 0.0 };
            *diagonal += penalty + 1e-9 * *diagonal + if *diagonal + penalty > 0.0 { 0.0 } else { 1.0 };
        }
        hessian
    }
}

/// The objective where classes weigh differently.
struct Weighed<'a> {
    of: &'a LogisticEstimator,
    rows: &'a Rows<'a>,
}

impl Objective for Weighed<'_> {
    fn loss(&self, weights: &[f64]) -> f64 {
        self.of.loss(self.rows, weights)
    }

    fn gradient(&self, weights: &[f64]) -> Vec<f64> {
        self.of.gradient(self.rows, weights)
    }

    fn hessian(&self, weights: &[f64]) -> Vec<f64> {
        // A little curvature, so that the step stays finite where all rows are sure.
        self.of.hessian(self.rows, weights, 1e-6)
    }

    fn allowed(&self, _loss: f64) -> f64 {
        LogisticEstimator::TOLERANCE
    }
}

/// The rows and pseudo-rows in whitened coordinates, by columns.
fn matrix(rows: &Rows, whitening: &Whitening, pseudo_rows: &[(usize, f64)]) -> Array2<f64> {
    let (size, total) = (rows.width() + 1, rows.len() + pseudo_rows.len());
    let mut cells = vec![0.0; total * size];
    let mut block = vec![0.0; BLOCK * size];
    for start in (0..total).step_by(BLOCK) {
        let length = BLOCK.min(total - start);
        for (row, out) in (start..start + length).zip(block.chunks_exact_mut(size)) {
            if let Some(x) = rows.vectors().get(row) {
                whitening.write_row(x, out);
            } else {
                let (slot, constant) = pseudo_rows[row - rows.len()];
                out.fill(0.0);
                whitening.add_slot(slot, constant, out);
            }
        }
        for low in (0..length).step_by(8) {
            let high = length.min(low + 8);
            for column in 0..size {
                let to = &mut cells[column * total + start + low..column * total + start + high];
                to.iter_mut().enumerate().for_each(|(i, cell)| *cell = block[(low + i) * size + column]);
            }
        }
    }
    Array2::from_shape_vec((total, size).f(), cells).expect("the matrix has a cell a row and column")
}

fn logit(x: &Vector, weights: &[f64]) -> f64 {
    x.dot(weights) + weights.last().copied().unwrap_or(0.0)
}

/// The probability of a logit.
pub(super) fn probability(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}
