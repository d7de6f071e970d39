//! Ridge regression, exact: the least squares of all labels learned, as if they had all come at once.
//!
//! In: feature vectors of a fixed width, and values. Out: `weights . x + bias`, where these minimize the sum of
//! squared errors plus `alpha` times the sum of squared weights (not of the bias). Keeps: the Gram matrix of the
//! vectors and their products with the values, as integers in steps of 2^-40: sums that have no order, and from which
//! a label can be taken out without a trace. Cost: `(width + 1)^2 / 2` additions a label that is stored densely, fewer
//! where slots are absent; a Cholesky decomposition, `width^3 / 6`, behind each. Limits: [`Ridge::SLOTS`] slots; a
//! vector with a number beyond 2^20 is not learned from. Exactness: `Exact`.
//!
//! Where the matrix is singular to working precision (`alpha = 0` and one-hot groups) a pivot that is nothing beside
//! its row gives weight 0, so a solution is found all the same.
//!
//! Parameters: `alpha` at least 0 (1). Source: Hoerl and Kennard 1970, "Ridge regression"; scikit-learn's `Ridge` is
//! what it is compared with.

use super::artifact::{ArtifactError, length, within};
use super::{Body, Exactness, Learner};
use crate::feature::Vector;
use crate::feature::moments::fixed;
use crate::task::{Label, Prediction};
use serde::{Deserialize, Serialize};

/// One, in fixed point.
const ONE: f64 = (1_u64 << 40) as f64;
/// The greatest number of a vector: products of two fit into the sums of a run that lasts.
const GREATEST: f64 = (1_u64 << 20) as f64;

/// Exact ridge regression.
///
/// ```
/// use tidemill::feature::Vector;
/// use tidemill::model::{Learner, Ridge};
/// use tidemill::task::Label;
/// let x = |value: f64| Vector { dense: [value].into(), hot: [].into() };
/// let mut model = Ridge::new(1, 0.0);
/// for n in 0..10 {
///     model.learn(&x(f64::from(n)), Label::value(2.0 * f64::from(n) - 1.0).unwrap());
/// }
/// assert!((model.score(&x(20.0)) - 39.0).abs() < 1e-9);
/// let before = model.clone();
/// model.learn(&x(3.0), Label::value(500.0).unwrap());
/// assert!(model.unlearn(&x(3.0), Label::value(500.0).unwrap()) && model == before);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Sums", into = "Sums")]
pub struct Ridge {
    sums: Sums,
    /// The weights and the bias that follow from the sums; none before the first label.
    solution: Vec<f64>,
}

/// All that is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sums {
    alpha: f64,
    width: u32,
    updates: u64,
    /// The lower triangle of the Gram matrix, row by row; the last row is the bias's. Empty before the first label.
    gram: Vec<i128>,
    /// The products of every slot, and of the bias, with the value.
    moments: Vec<i128>,
}

impl From<Sums> for Ridge {
    fn from(sums: Sums) -> Ridge {
        // What is not of one size is refused by `check`, and not solved before.
        let solution = if sums.check().is_ok() { sums.solve() } else { Vec::new() };
        Ridge { sums, solution }
    }
}

impl From<Ridge> for Sums {
    fn from(ridge: Ridge) -> Sums {
        ridge.sums
    }
}

impl Ridge {
    /// The most slots: beyond, solving takes longer than a stream can wait.
    pub const SLOTS: usize = 512;

    /// An untrained model, which says 0.
    pub fn new(width: usize, alpha: f64) -> Ridge {
        Sums { alpha, width: width as u32, updates: 0, gram: Vec::new(), moments: Vec::new() }.into()
    }

    pub(super) fn check(&self, width: usize) -> Result<(), ArtifactError> {
        length("slots", self.sums.width as usize, width)?;
        self.sums.check()
    }
}

impl Sums {
    fn change(&mut self, x: &Vector, label: Label, more: bool) {
        let size = self.width as usize + 1;
        self.gram.resize(size * (size + 1) / 2, 0);
        self.moments.resize(size, 0);
        let stored = stored(x, self.width);
        // A value is at most 10^9, a number at most 2^20: their product is far below 2^52.
        let sign = if more { 1 } else { -1 };
        for (place, (row, a)) in stored.iter().enumerate() {
            let start = row * (row + 1) / 2;
            for (column, b) in &stored[..=place] {
                self.gram[start + column] += sign * fixed(a * b).unwrap_or(0);
            }
            self.moments[*row] += sign * fixed(a * label.amount()).unwrap_or(0);
        }
    }

    /// By Cholesky's decomposition of the Gram matrix with the penalty on its diagonal.
    fn solve(&self) -> Vec<f64> {
        let size = self.moments.len();
        let mut l: Vec<f64> = self.gram.iter().map(|sum| *sum as f64 / ONE).collect();
        let mut solution: Vec<f64> = self.moments.iter().map(|sum| *sum as f64 / ONE).collect();
        let at = |row: usize, column: usize| row * (row + 1) / 2 + column;
        (0..size.saturating_sub(1)).for_each(|slot| l[at(slot, slot)] += self.alpha);
        for row in 0..size {
            for column in 0..=row {
                let (a, b) = (&l[at(row, 0)..at(row, column)], &l[at(column, 0)..at(column, column)]);
                let rest = l[at(row, column)] - a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
                l[at(row, column)] = if column < row {
                    let pivot = l[at(column, column)];
                    if pivot > 0.0 { rest / pivot } else { 0.0 }
                } else if rest > 1e-12 * l[at(row, row)] {
                    rest.sqrt()
                } else {
                    0.0
                };
            }
        }
        for row in 0..size {
            let known: f64 = (0..row).map(|column| l[at(row, column)] * solution[column]).sum();
            let pivot = l[at(row, row)];
            solution[row] = if pivot > 0.0 { (solution[row] - known) / pivot } else { 0.0 };
        }
        for row in (0..size).rev() {
            let known: f64 = (row + 1..size).map(|below| l[at(below, row)] * solution[below]).sum();
            let pivot = l[at(row, row)];
            solution[row] = if pivot > 0.0 { (solution[row] - known) / pivot } else { 0.0 };
        }
        solution
    }

    fn check(&self) -> Result<(), ArtifactError> {
        let width = self.width as usize;
        within("slots", width as f64, "at most 512", width <= Ridge::SLOTS)?;
        within("alpha", self.alpha, "at least 0", self.alpha >= 0.0)?;
        let size = if self.moments.is_empty() { 0 } else { width + 1 };
        length("moments", self.moments.len(), size)?;
        length("products", self.gram.len(), size * (size + 1) / 2)
    }
}

/// The slots that are not 0, ascending, with the bias behind them; none of a vector that is too great.
fn stored(x: &Vector, width: u32) -> Vec<(usize, f64)> {
    if x.dense.iter().any(|number| number.is_nan() || number.abs() > GREATEST) {
        return Vec::new();
    }
    let dense = x.dense.iter().copied().enumerate().filter(|(_, number)| *number != 0.0);
    let hot = x.hot.iter().map(|slot| (*slot as usize, 1.0));
    dense.chain(hot).chain([(width as usize, 1.0)]).collect()
}

impl Learner for Ridge {
    fn predict(&self, x: &Vector) -> Prediction {
        let Some((bias, weights)) = self.solution.split_last() else { return Prediction::Number(0.0) };
        let sum = x.dot(weights) + bias;
        Prediction::Number(if sum.is_nan() { 0.0 } else { sum.clamp(-Label::LIMIT, Label::LIMIT) })
    }

    fn learn(&mut self, x: &Vector, label: Label) {
        self.sums.updates += 1;
        self.sums.change(x, label, true);
        self.solution = self.sums.solve();
    }

    fn unlearn(&mut self, x: &Vector, label: Label) -> bool {
        match self.sums.updates {
            0 => return false,
            1 => *self = Ridge::new(self.sums.width as usize, self.sums.alpha),
            _ => {
                self.sums.updates -= 1;
                self.sums.change(x, label, false);
                self.solution = self.sums.solve();
            }
        }
        true
    }

    fn updates(&self) -> u64 {
        self.sums.updates
    }

    fn exactness(&self) -> Exactness {
        Exactness::Exact
    }

    fn save(&self) -> Body {
        Body::Ridge(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::golden::{Golden, golden};

    /// Test-then-train: before each row, scikit-learn's `Ridge` fitted on all rows before it.
    #[test]
    fn is_the_fit_of_all_rows() {
        let golden: Golden<f64> = golden("ridge");
        assert_eq!(golden.runs.len(), 2);
        golden.replay(|alpha, width, _| Box::new(Ridge::new(width, *alpha)));
    }

    /// A one-hot group and the bias say the same thing twice.
    #[test]
    fn collinear_slots_without_a_penalty_are_solved_all_the_same() {
        let x = |slot: u32| Vector { dense: [].into(), hot: [slot].into() };
        let mut model = Ridge::new(2, 0.0);
        for n in 0..20 {
            model.learn(&x(n % 2), Label::value(if n % 2 == 0 { 5.0 } else { -1.0 }).expect("a value"));
        }
        assert!((model.score(&x(0)) - 5.0).abs() < 1e-9 && (model.score(&x(1)) + 1.0).abs() < 1e-9);
    }
}
