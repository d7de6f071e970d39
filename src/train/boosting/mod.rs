//! Gradient boosting over histograms, for the logistic loss, that of several classes, and the squared one.
//!
//! In: rows. Out: [`BoostedTrees`]: a base (the log odds of the positives, the logarithm of each class's share, the
//! mean), and `max_iter` trees, or as many a class, each grown to what is left of the gradient. Keeps while fitting: a
//! byte a row and dense slot, the ones of the sparse slots, 16 bytes a row, a histogram a leaf. Cost: some additions a
//! tree, row and dense slot, about half the logarithm of its leaves. Parameters and defaults are scikit-learn's
//! (`HistGradientBoostingClassifier` and `..Regressor`), without its early stopping: a number of trees is what a
//! pipeline says. The start is ignored.
//!
//! Sources: Friedman, Annals of Statistics 29, 2001; Ke and others, LightGBM, NIPS 2017 (histograms, growth by the best
//! leaf, a sibling by subtraction). Ours, since the crates that have it draw at random or sum in an order that depends
//! on threads: here gradients are integers, so sums have no order, a sibling's histogram is exact, and the same rows
//! give the same bytes.

mod grow;

use super::bins::Binned;
use super::logistic::probability;
use super::{Estimator, FitError, Rows};
use crate::config::spec::Boosting;
use crate::model::{Body, BoostedTrees, Node};
use crate::task::{Label, Task};
use grow::{Grower, Pull, Rules};

/// Gradient boosting.
#[derive(Clone, Copy, Debug)]
pub struct BoostingEstimator(pub Boosting);

impl Estimator for BoostingEstimator {
    fn fit(&self, rows: &Rows, _start: Option<&Body>) -> Result<Body, FitError> {
        let binned = Binned::new(rows);
        let (bases, trees) = match rows.task() {
            Task::Binary => self.odds(rows, &binned)?,
            Task::Multiclass(classes) => self.several(rows, &binned, usize::from(classes))?,
            Task::Regression => self.values(rows, &binned)?,
        };
        Ok(Body::BoostedTrees(BoostedTrees { task: rows.task(), bases, trees, examples: rows.len() as u64 }))
    }

    fn bytes(&self, rows: &Rows) -> u64 {
        let sums = if let Task::Multiclass(classes) = rows.task() { u64::from(classes) } else { 1 };
        let trees = self.0.max_iter as u64 * sums * 2 * self.0.max_leaf_nodes as u64 * 24;
        // Of each row its place twice, its pull twice, and of each sum its pull and itself.
        let by_row = rows.len() as u64 * (16 + 16 * sums);
        let dense = rows.vectors().iter().map(|x| x.dense.len()).max().unwrap_or(0);
        let histograms = (self.0.max_leaf_nodes as u64 + 1) * grow::histogram_bytes(dense, rows.width() - dense);
        Binned::bytes(rows) + trees + by_row + histograms
    }
}

/// The bases, and the trees in turns.
type Fitted = (Vec<f64>, Vec<Vec<Node>>);

impl BoostingEstimator {
    /// The logistic loss: a tree an iteration.
    fn odds(&self, rows: &Rows, binned: &Binned) -> Result<Fitted, FitError> {
        let positives = rows.positives() as f64 * rows.weight(true.into());
        let negatives = (rows.len() - rows.positives()) as f64 * rows.weight(false.into());
        let base = (positives / negatives).ln();
        let (weights, rules) = self.weighed(rows);
        let pull = |odds: &[f64], row: usize| {
            let (p, label) = (probability(odds[row]), rows.labels()[row]);
            let weight = weights[label.number()];
            Pull::new(weight * (p - label.amount()), weight * p * (1.0 - p))
        };
        Ok((vec![base], self.one_sum(&rules, rows, binned, base, pull)?))
    }

    /// What the rows of each class weigh, in units of the greatest weight, since gradients are in fixed point; and the
    /// rules in such units.
    fn weighed(&self, rows: &Rows) -> (Vec<f64>, Rules) {
        let weights = (0..rows.task().classes()).map(|class| rows.weight(Label::class(class)));
        let most = weights.clone().fold(f64::MIN_POSITIVE, f64::max);
        (weights.map(|weight| weight / most).collect(), Rules::of(&self.0, 1.0 / most))
    }

    /// The squared loss, in units of the greatest distance from the mean, since gradients are in fixed point; a quarter
    /// of it, for a curvature is at most that of a probability, and so of the penalty.
    fn values(&self, rows: &Rows, binned: &Binned) -> Result<Fitted, FitError> {
        let mean = rows.labels().iter().map(|label| label.amount()).sum::<f64>() / rows.len() as f64;
        let distance = |label: &Label| (label.amount() - mean).abs();
        let unit = rows.labels().iter().map(distance).fold(f64::MIN_POSITIVE, f64::max);
        let l2_regularization = self.0.l2_regularization / 4.0;
        let quarter = Rules { l2_regularization, ..Rules::of(&self.0, 1.0) };
        let pull = |said: &[f64], row: usize| {
            let error = said[row] - (rows.labels()[row].amount() - mean) / unit;
            Pull::new(0.25 * error.clamp(-4.0, 4.0), 0.25)
        };
        let mut trees = self.one_sum(&quarter, rows, binned, 0.0, pull)?;
        for node in trees.iter_mut().flatten() {
            if let Node::Leaf(value) = node {
                *value *= unit;
            }
        }
        Ok((vec![mean], trees))
    }

    fn one_sum(
        &self,
        rules: &Rules,
        rows: &Rows,
        binned: &Binned,
        base: f64,
        pull: impl Fn(&[f64], usize) -> Pull,
    ) -> Result<Vec<Vec<Node>>, FitError> {
        let mut sums = vec![base; rows.len()];
        let mut grower = Grower::new(rules, binned);
        let mut trees = Vec::with_capacity(self.0.max_iter);
        let mut pulls = Vec::with_capacity(rows.len());
        for _ in 0..self.0.max_iter {
            rows.go_on()?;
            pulls.clear();
            pulls.extend((0..rows.len()).map(|row| pull(&sums, row)));
            let tree = grower.grow(&pulls, &mut sums);
            // Nothing is left to be told apart, and later trees would be the same.
            let done = tree.len() == 1;
            trees.push(tree);
            if done {
                break;
            }
        }
        Ok(trees)
    }

    /// The loss of several classes: a tree a class and iteration, all for the probabilities before it.
    fn several(&self, rows: &Rows, binned: &Binned, classes: usize) -> Result<Fitted, FitError> {
        let (weights, rules) = self.weighed(rows);
        let weighed: Vec<f64> = rows.by_class().iter().zip(&weights).map(|(rows, w)| *rows as f64 * w).collect();
        let all: f64 = weighed.iter().sum();
        // A class without rows begins as if it had half of one.
        let bases: Vec<f64> = weighed.iter().map(|weight| (weight.max(0.5) / all).ln()).collect();
        let mut sums: Vec<Vec<f64>> = bases.iter().map(|base| vec![*base; rows.len()]).collect();
        let mut grower = Grower::new(&rules, binned);
        let mut trees = Vec::with_capacity(self.0.max_iter * classes);
        let mut pulls = vec![vec![Pull::default(); rows.len()]; classes];
        for _ in 0..self.0.max_iter {
            rows.go_on()?;
            for (row, label) in rows.labels().iter().enumerate() {
                let most = sums.iter().map(|sums| sums[row]).fold(f64::NEG_INFINITY, f64::max);
                let all: f64 = sums.iter().map(|sums| (sums[row] - most).exp()).sum();
                for (class, (pulls, sums)) in pulls.iter_mut().zip(&sums).enumerate() {
                    let p = (sums[row] - most).exp() / all;
                    let own = f64::from(u8::from(class == label.number()));
                    let weight = weights[label.number()];
                    pulls[row] = Pull::new(weight * (p - own), weight * p * (1.0 - p));
                }
            }
            let grown: Vec<_> = pulls.iter().zip(&mut sums).map(|(pulls, sums)| grower.grow(pulls, sums)).collect();
            let done = grown.iter().all(|tree| tree.len() == 1);
            trees.extend(grown);
            if done {
                break;
            }
        }
        Ok((bases, trees))
    }
}
