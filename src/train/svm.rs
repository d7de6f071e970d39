//! A linear support vector machine with the squared hinge loss.
//!
//! In: rows of a binary task. Out: weights and bias that minimize half the sum of the squared weights, the bias among
//! them, plus `c` times the sum of the rows' squared hinge losses, each by what its class weighs. What it says is a
//! distance from the plane, which has the order of a probability and not its size: it is always calibrated, and so
//! becomes a [`Logistic`]. Keeps while fitting, and cost: those of [`super::newton`], whose curvature is of the rows
//! within the margin; it stops within a share of [`SvmEstimator::TOLERANCE`] of the optimum. The penalty asks for
//! features of about one size. The start is ignored.
//!
//! Ours, and not linfa-svm 0.8, which keeps a dense kernel matrix of rows by rows even where the kernel is linear:
//! 20 GB at 50,000 rows. Parameters and objective are those of scikit-learn's `LinearSVC`. In the dual, by coordinates,
//! as it is solved there, 1000 passes did not get within a hundredth of the optimum on features of different sizes.
//!
//! Source: Keerthi and DeCoste, A modified finite Newton method for fast solution of large scale linear SVMs, Journal
//! of Machine Learning Research 6, 2005.

use super::newton::{Objective, minimize};
use super::whitening::outer;
use super::{Estimator, FitError, Rows};
use crate::config::spec::Svm;
use crate::model::{Body, Logistic};

/// A linear support vector machine.
#[derive(Clone, Copy, Debug)]
pub struct SvmEstimator(pub Svm);

impl SvmEstimator {
    /// How far from the optimum it may be, as a share of the objective.
    pub const TOLERANCE: f64 = 1e-9;
}

impl Estimator for SvmEstimator {
    fn fit(&self, rows: &Rows, _start: Option<&Body>) -> Result<Body, FitError> {
        let margin = Margin { rows, c: self.0.c };
        let weights = minimize(&margin, rows, vec![0.0; rows.width() + 1], self.0.max_iterations)?;
        let (bias, weights) = weights.split_last().expect("the bias is always there");
        Ok(Body::Logistic(Logistic::fitted(weights.to_vec(), *bias, rows.len() as u64)))
    }

    fn bytes(&self, rows: &Rows) -> u64 {
        24 * (rows.width() as u64 + 1).pow(2)
    }
}

/// The objective.
struct Margin<'a> {
    rows: &'a Rows<'a>,
    c: f64,
}

impl Margin<'_> {
    /// Of a row: its side, by how much it falls short of the margin (0 beyond it), and what that costs.
    fn short(&self, row: usize, weights: &[f64]) -> (f64, f64, f64) {
        let (x, label) = (self.rows.vectors()[row], self.rows.labels()[row]);
        let side = 2.0 * label.amount() - 1.0;
        let said = x.dot(weights) + weights[self.rows.width()];
        (side, (1.0 - side * said).max(0.0), self.c * self.rows.weight(label))
    }
}

impl Objective for Margin<'_> {
    fn loss(&self, weights: &[f64]) -> f64 {
        let of = |row| {
            let (_, short, cost) = self.short(row, weights);
            cost * short * short
        };
        0.5 * weights.iter().map(|w| w * w).sum::<f64>() + (0..self.rows.len()).map(of).sum::<f64>()
    }

    fn gradient(&self, weights: &[f64]) -> Vec<f64> {
        let mut gradient = weights.to_vec();
        for (row, x) in self.rows.vectors().iter().enumerate() {
            let (side, short, cost) = self.short(row, weights);
            let pull = -2.0 * cost * short * side;
            x.add_to(&mut gradient, pull);
            gradient[self.rows.width()] += pull;
        }
        gradient
    }

    fn hessian(&self, weights: &[f64]) -> Vec<f64> {
        let mut hessian = outer(self.rows, |row| {
            let (_, short, cost) = self.short(row, weights);
            if short > 0.0 { 2.0 * cost } else { 0.0 }
        });
        let size = self.rows.width() + 1;
        (0..size).for_each(|slot| hessian[slot * (size + 1)] += 1.0);
        hessian
    }

    fn allowed(&self, loss: f64) -> f64 {
        (2.0 * SvmEstimator::TOLERANCE * loss).sqrt()
    }
}
