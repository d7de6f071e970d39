//! Gradient boosting over histograms, for the logistic loss.
//!
//! In: rows. Out: [`BoostedTrees`]: a base of the log odds of the positives, and `max_iter` trees, each grown to what
//! is left of the gradient. Keeps while fitting: a byte a row and dense slot, the ones of the sparse slots, 16 bytes a
//! row, a histogram a leaf. Cost: about `max_iter * rows * dense slots * log2(leaves) / 2` additions. Parameters and
//! defaults are scikit-learn's (`HistGradientBoostingClassifier`), without its early stopping: a number of trees is
//! what a pipeline says. The start is ignored.
//!
//! Sources: Friedman, Annals of Statistics 29, 2001; Ke and others, LightGBM, NIPS 2017 (histograms, growth by the best
//! leaf, a sibling by subtraction). Ours, since the crates that have it draw at random or sum in an order that depends
//! on threads: here gradients are integers, so sums have no order, a sibling's histogram is exact, and the same rows
//! give the same bytes.

mod bins;
mod grow;

use super::{Estimator, FitError, Rows};
use crate::config::spec::Boosting;
use crate::model::{Body, BoostedTrees};
use bins::Binned;
use grow::{Grower, Pull};

/// Gradient boosting.
#[derive(Clone, Copy, Debug)]
pub struct BoostingEstimator(pub Boosting);

impl Estimator for BoostingEstimator {
    fn fit(&self, rows: &Rows, _start: Option<&Body>) -> Result<Body, FitError> {
        let binned = Binned::new(rows);
        let positives = rows.positives() as f64;
        let base = (positives / (rows.len() as f64 - positives)).ln();
        let mut odds = vec![base; rows.len()];
        let mut pulls = vec![Pull::default(); rows.len()];
        let mut grower = Grower::new(&self.0, &binned);
        let mut trees = Vec::with_capacity(self.0.max_iter);
        for _ in 0..self.0.max_iter {
            for ((pull, odds), label) in pulls.iter_mut().zip(&odds).zip(rows.labels()) {
                *pull = Pull::new(*odds, *label);
            }
            let tree = grower.grow(&pulls, &mut odds);
            // Nothing is left to be told apart, and later trees would be the same.
            let done = tree.len() == 1;
            trees.push(tree);
            if done {
                break;
            }
        }
        Ok(Body::BoostedTrees(BoostedTrees { base, trees, examples: rows.len() as u64 }))
    }
}
