//! Coordinates in which a loss is nearly round: `v = L' w`, where `L L'` is its Hessian at a point near the optimum.
//!
//! In: a symmetric positive definite matrix. Out: the change of coordinates, both ways, and for rows. Keeps: the
//! Cholesky factor and its inverse, two dense triangles. Cost: `size^3 / 3` once, and one pass over half a triangle a
//! stored slot for a row. Source: Golub and Van Loan, Matrix Computations, 4th edition, 4.2 (Cholesky).

use super::Rows;
use crate::feature::Vector;

/// A change of coordinates of `size` dimensions, the last of which is the bias.
#[derive(Debug)]
pub(super) struct Whitening {
    size: usize,
    /// `L`, by rows.
    lower: Vec<f64>,
    /// The inverse of `L'`, by rows: upper triangular, so a row's tail is all that is ever read.
    back: Vec<f64>,
}

impl Whitening {
    /// The change that makes `hessian` (by rows, its upper triangle is read) the identity. `None` if it is not positive
    /// definite as far as the arithmetic can tell.
    pub(super) fn of(hessian: &[f64], size: usize) -> Option<Whitening> {
        assert_eq!(hessian.len(), size * size, "a Hessian is square");
        let mut lower = vec![0.0; size * size];
        for i in 0..size {
            for j in 0..=i {
                let known: f64 = (0..j).map(|k| lower[i * size + k] * lower[j * size + k]).sum();
                let rest = hessian[j * size + i] - known;
                lower[i * size + j] = if i > j {
                    rest / lower[j * size + j]
                } else if rest > 0.0 && rest.is_finite() {
                    rest.sqrt()
                } else {
                    return None;
                };
            }
        }
        let mut back = vec![0.0; size * size];
        for j in 0..size {
            for i in j..size {
                let known: f64 = (j..i).map(|k| lower[i * size + k] * back[j * size + k]).sum();
                let unit = if i == j { 1.0 } else { 0.0 };
                back[j * size + i] = (unit - known) / lower[i * size + i];
            }
        }
        back.iter().all(|x| x.is_finite()).then_some(Whitening { size, lower, back })
    }

    /// What of a slot's own square the slots before it do not explain.
    pub(super) fn rest(&self, slot: usize) -> f64 {
        self.lower[slot * (self.size + 1)].powi(2)
    }

    /// The new coordinates of weights.
    pub(super) fn whiten(&self, weights: &[f64]) -> Vec<f64> {
        (0..self.size).map(|i| (i..self.size).map(|k| self.lower[k * self.size + i] * weights[k]).sum()).collect()
    }

    /// The weights of new coordinates.
    pub(super) fn weights(&self, whitened: &[f64]) -> Vec<f64> {
        (0..self.size).map(|j| (j..self.size).map(|k| self.back[j * self.size + k] * whitened[k]).sum()).collect()
    }

    /// The new coordinates of a gradient with respect to weights.
    pub(super) fn gradient(&self, gradient: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.size];
        gradient.iter().enumerate().for_each(|(slot, g)| self.add_slot(slot, *g, &mut out));
        out
    }

    /// Writes a row: its inner product with whitened weights is that of the vector, and 1 for the bias, with weights.
    pub(super) fn write_row(&self, x: &Vector, row: &mut [f64]) {
        row.fill(0.0);
        x.dense.iter().enumerate().for_each(|(slot, value)| self.add_slot(slot, *value, row));
        x.hot.iter().for_each(|slot| self.add_slot(*slot as usize, 1.0, row));
        self.add_slot(self.size - 1, 1.0, row);
    }

    /// Adds `value` in one slot to a row.
    pub(super) fn add_slot(&self, slot: usize, value: f64, row: &mut [f64]) {
        let tail = &self.back[slot * self.size + slot..(slot + 1) * self.size];
        row[slot..].iter_mut().zip(tail).for_each(|(out, b)| *out += value * b);
    }
}

/// The upper triangle, by rows, of the sum over all rows of a number times the product of the row with itself; the
/// bias, a slot that is always 1, is last.
pub(super) fn outer(rows: &Rows, times: impl Fn(usize) -> f64) -> Vec<f64> {
    let (width, size) = (rows.width(), rows.width() + 1);
    let mut sums = vec![0.0; size * size];
    for (row, x) in rows.vectors().iter().enumerate() {
        let times = times(row);
        if times == 0.0 {
            continue;
        }
        for (i, value) in x.dense.iter().enumerate() {
            let scaled = times * value;
            let row = &mut sums[i * size..(i + 1) * size];
            row[i..].iter_mut().zip(&x.dense[i..]).for_each(|(sum, other)| *sum += scaled * other);
            x.hot.iter().for_each(|slot| row[*slot as usize] += scaled);
            row[width] += scaled;
        }
        for (i, slot) in x.hot.iter().enumerate() {
            let row = &mut sums[*slot as usize * size..(*slot as usize + 1) * size];
            x.hot[i..].iter().for_each(|other| row[*other as usize] += times);
            row[width] += times;
        }
        sums[width * size + width] += times;
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_go_both_ways_and_keep_products() {
        let hessian = [4.0, 2.0, 0.6, f64::NAN, 5.0, 1.0, f64::NAN, f64::NAN, 3.0];
        let whitening = Whitening::of(&hessian, 3).expect("it is positive definite");
        let weights = [0.3, -2.0, 0.7];
        let whitened = whitening.whiten(&weights);
        for (found, expected) in whitening.weights(&whitened).iter().zip(&weights) {
            assert!((found - expected).abs() < 1e-14);
        }
        // The squared length in new coordinates is w' H w.
        let square: f64 = whitened.iter().map(|v| v * v).sum();
        let expected =
            4.0 * 0.09 + 5.0 * 4.0 + 3.0 * 0.49 + 2.0 * (2.0 * 0.3 * -2.0 + 0.6 * 0.3 * 0.7 - 1.0 * 2.0 * 0.7);
        assert!((square - expected).abs() < 1e-12, "{square} is not {expected}");
        let x = Vector { dense: [1.5].into(), hot: [1].into() };
        let mut row = [9.0; 3];
        whitening.write_row(&x, &mut row);
        let product: f64 = row.iter().zip(&whitened).map(|(a, b)| a * b).sum();
        assert!((product - (1.5 * 0.3 - 2.0 + 0.7)).abs() < 1e-14);
    }

    #[test]
    fn what_is_not_positive_definite_is_refused() {
        for hessian in [[1.0, 2.0, 2.0, 1.0], [0.0; 4], [f64::NAN; 4], [f64::INFINITY, 0.0, 0.0, 1.0]] {
            assert!(Whitening::of(&hessian, 2).is_none(), "{hessian:?}");
        }
    }
}
