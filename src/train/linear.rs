//! Batch least squares with an L2 penalty, by the normal equations.
//!
//! In: rows of a regression. Out: weights and bias that minimize the sum of squared errors plus `alpha` times the sum
//! of the squared weights; the bias is not penalized. Keeps while fitting: three triangles of slots by slots. Cost:
//! half the square of the stored slots a row, and a third of the cube of the slots once. Values and slots are taken
//! about their means first, which is what the equations lose least digits by. With `alpha = 0` it is ordinary least
//! squares, and refused where slots are collinear, as one-hot groups are. The start is ignored.
//!
//! Ours, and not linfa-linear 0.8, whose decomposition of the dense rows has no penalty, and so no answer for vectors
//! with a one-hot group. Parameters and defaults are those of scikit-learn's `Ridge`.
//!
//! Source: Hoerl and Kennard, Ridge regression, Technometrics 12, 1970.

use super::whitening::Whitening;
use super::{Estimator, FitError, Rows};
use crate::model::{Body, Linear};

/// Batch least squares.
#[derive(Clone, Copy, Debug)]
pub struct LinearEstimator {
    /// L2 penalty of the summed squares, at least 0.
    pub alpha: f64,
}

impl Estimator for LinearEstimator {
    fn fit(&self, rows: &Rows, _start: Option<&Body>) -> Result<Body, FitError> {
        let (width, n) = (rows.width(), rows.len() as f64);
        let mut means = vec![0.0; width];
        rows.vectors().iter().for_each(|x| x.add_to(&mut means, 1.0 / n));
        let mean = rows.labels().iter().map(|label| label.amount()).sum::<f64>() / n;
        // Dense slots about their means; ones as they are, and their means taken off the sums at the end.
        let dense = rows.vectors().iter().map(|x| x.dense.len()).max().unwrap_or(0);
        let mut squares = vec![0.0; width * width];
        let mut products = vec![0.0; width];
        let mut about = vec![0.0; dense];
        for (x, label) in rows.vectors().iter().zip(rows.labels()) {
            let value = label.amount() - mean;
            (0..dense).for_each(|slot| about[slot] = x.slot(slot as u32) - means[slot]);
            let ones = || x.hot.iter().map(|slot| *slot as usize).filter(|slot| *slot >= dense);
            for (i, a) in about.iter().enumerate() {
                let row = &mut squares[i * width..(i + 1) * width];
                row[i..dense].iter_mut().zip(&about[i..]).for_each(|(sum, b)| *sum += a * b);
                ones().for_each(|slot| row[slot] += a);
                products[i] += a * value;
            }
            for (place, i) in ones().enumerate() {
                let row = &mut squares[i * width..(i + 1) * width];
                ones().skip(place).for_each(|slot| row[slot] += 1.0);
                products[i] += value;
            }
        }
        for i in dense..width {
            (i..width).for_each(|j| squares[i * width + j] -= n * means[i] * means[j]);
        }
        // Of ordinary least squares, a slot that is what others come to leaves a rounding of its own square.
        let own: Vec<f64> = (0..width).map(|slot| squares[slot * width + slot]).collect();
        (0..width).for_each(|slot| squares[slot * width + slot] += self.alpha);
        let collinear = || FitError::Solver("the features are collinear, or too far apart in size".to_owned());
        let whitening = Whitening::of(&squares, width).ok_or_else(collinear)?;
        if self.alpha == 0.0 && (0..width).any(|slot| whitening.rest(slot) <= 1e-10 * own[slot]) {
            return Err(FitError::Solver("the features are collinear: without `alpha` there is no one answer".into()));
        }
        let weights = whitening.weights(&whitening.gradient(&products));
        let bias = mean - weights.iter().zip(&means).map(|(weight, mean)| weight * mean).sum::<f64>();
        Ok(Body::Linear(Linear::fitted(weights, bias, rows.len() as u64)))
    }

    fn bytes(&self, rows: &Rows) -> u64 {
        24 * (rows.width() as u64).pow(2)
    }
}
