//! Metrics of predictions whose labels are not known yet, from calibrated scores alone: confidence-based performance
//! estimation (CBPE).
//!
//! In: the labelled predictions of a reference by bin of score, and of all predictions of a window what each would
//! count for if its label were true, and if it were false ([`Prospect`]). Out: the metrics' expected counts
//! ([`Estimate`]), which are turned into values by the same functions as counts of labels. Keeps: nothing.
//!
//! The reference gives each of 4096 bins of the score a probability that the label is true ([`Calibration`]): the
//! shares of true labels, made to rise with the score by pooling adjacent violators (isotonic regression), linear
//! between bins that have labels, and as the nearest one beyond. A prediction then is so much of a true positive and so
//! much of a false one, and each of its losses is weighed likewise. All of it is integers, probabilities in steps of
//! 2^-30, so that neither the order of rows nor that of versions leaves a trace. Of several classes, what is calibrated
//! is the score of the class that was said, as the probability that it is right, which is all that the share of right
//! classes needs; a metric that needs the other probabilities is not estimated, nor is one of a regression.
//!
//! Limits: what a score means must not have changed since the reference. Then other inputs than before (covariate
//! shift) are followed; a changed relation of label and score (concept drift) is not seen at all, and shows only as
//! the error of the estimate, once labels are known. The ends of a map rest on few labels, and on one end or the other
//! they may all be alike; where many predictions lie there or beyond, an estimate is far off. A metric that is no mean
//! of rows (F1, kappa, the area) is that of the expected counts, not the expectation of the metric; with few rows these
//! differ. 2^32 predictions a window.
//! Sources: Bialek, Kuberski, Perrakis and Bifet, Estimating model performance under covariate shift without labels,
//! 2024; Ayer and others, An empirical distribution function for sampling with incomplete information, 1955.

use super::bins::{AUC_BINS, Bin, auc_bin};
use super::metrics::value;
use super::tally::{Tally, is_positive};
use crate::config::spec::Metric;
use crate::task::{Prediction, Task};
use serde::{Deserialize, Serialize};
use std::ops::{AddAssign, Neg};

/// Certainty, in steps of a probability.
const ONE: i64 = 1 << 30;

/// What the predictions whose scores lie in one bin count for, either way their labels turn out: a commutative group of
/// integers.
///
/// ```
/// use tidemill::evaluate::Prospect;
/// use tidemill::task::{Prediction, Task};
/// let (bin, one) = Prospect::of(Task::Binary, &Prediction::Number(0.75)).unwrap();
/// assert_eq!((bin, one.n, one.positive), (3072, 1, 1));
/// // The squared error is 1/16 if the label is true, and 9/16 if it is not.
/// assert_eq!(one.squares, [9 << 36, 1 << 36]);
/// let mut sum = one;
/// sum += -one;
/// assert!(sum.is_zero());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Prospect {
    /// Predictions.
    pub n: i64,
    /// Of them, those that say *true*; of several classes all of them, for each says of its class that it is right.
    pub positive: i64,
    /// Sum of their logarithmic losses if their labels are false, and if they are true, each rounded to
    /// [`Tally::STEP`]; nothing of several classes.
    pub loss: [i128; 2],
    /// Sum of their squared errors, likewise.
    pub squares: [i128; 2],
}

impl Prospect {
    /// What one prediction adds, and to which bin; nothing of a regression.
    pub fn of(task: Task, said: &Prediction) -> Option<(u16, Prospect)> {
        match (task, said) {
            (Task::Regression, _) => None,
            (_, Prediction::Number(score)) => {
                let [no, yes] = [false, true].map(|label| Tally::labelled(task, said, label.into()));
                let positive = i64::from(is_positive(*score));
                let (loss, squares) = ([no.loss, yes.loss], [no.squares, yes.squares]);
                Some((auc_bin(*score), Prospect { n: 1, positive, loss, squares }))
            }
            (_, Prediction::Classes(_)) => {
                Some((auc_bin(said.score()), Prospect { n: 1, positive: 1, ..Prospect::default() }))
            }
        }
    }

    /// Whether nothing is left in it.
    pub fn is_zero(&self) -> bool {
        *self == Prospect::default()
    }
}

impl AddAssign for Prospect {
    fn add_assign(&mut self, other: Prospect) {
        self.n += other.n;
        self.positive += other.positive;
        for label in [0, 1] {
            self.loss[label] += other.loss[label];
            self.squares[label] += other.squares[label];
        }
    }
}

impl Neg for Prospect {
    type Output = Prospect;
    fn neg(self) -> Prospect {
        let (loss, squares) = (self.loss.map(|loss| -loss), self.squares.map(|squares| -squares));
        Prospect { n: -self.n, positive: -self.positive, loss, squares }
    }
}

/// What a score means: the probability of a true label (of several classes, of being right), by bin of score.
///
/// ```
/// use tidemill::evaluate::{Calibration, bins};
/// let rows = [(0.2, false), (0.2, false), (0.2, false), (0.2, true), (0.6, true), (0.6, false)];
/// let mut bins: Vec<_> = rows.iter().flat_map(|(score, label)| bins::labelled(*score, *label)).collect();
/// bins.sort();
/// let map = Calibration::of(bins).unwrap();
/// assert_eq!([0.0, 0.2, 0.6, 0.9].map(|score| map.probability(score)), [0.25, 0.25, 0.5, 0.5]);
/// assert!((map.probability(0.4) - 0.375).abs() < 1e-3, "halfway between");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// Ascending by bin, the probability in steps of [`ONE`], which rises: the first and last bin of each pool.
    knots: Vec<(u16, i64)>,
    /// The labels that it was made from.
    labelled: i64,
}

/// Bins that were pooled, from the first to the last that has labels.
struct Pool {
    first: u16,
    last: u16,
    positives: i64,
    rows: i64,
}

impl Pool {
    /// Whether its share of true labels is no greater than that of another. Both have rows.
    fn is_at_most(&self, other: &Pool) -> bool {
        i128::from(self.positives) * i128::from(other.rows) <= i128::from(other.positives) * i128::from(self.rows)
    }

    fn steps(&self) -> i64 {
        (2 * self.positives * ONE + self.rows) / (2 * self.rows)
    }
}

impl Calibration {
    /// That of a histogram, ascending by bin; coarse bins are skipped. `None` without labels.
    pub fn of(bins: impl IntoIterator<Item = (u16, Bin)>) -> Option<Calibration> {
        let mut pools: Vec<Pool> = Vec::new();
        for (bin, Bin { positives, negatives, .. }) in bins.into_iter().filter(|(bin, _)| *bin < AUC_BINS) {
            if positives + negatives == 0 {
                continue;
            }
            let mut pool = Pool { first: bin, last: bin, positives, rows: positives + negatives };
            while let Some(below) = pools.pop_if(|below| pool.is_at_most(below)) {
                pool.first = below.first;
                pool.positives += below.positives;
                pool.rows += below.rows;
            }
            pools.push(pool);
        }
        let ends = |pool: &Pool| [(pool.first, pool.steps()), (pool.last, pool.steps())];
        let mut knots: Vec<_> = pools.iter().flat_map(ends).collect();
        knots.dedup();
        let labelled = pools.iter().map(|pool| pool.rows).sum();
        (labelled > 0).then_some(Calibration { knots, labelled })
    }

    /// The labels that it was made from.
    pub fn labelled(&self) -> i64 {
        self.labelled
    }

    /// What a score means.
    pub fn probability(&self, score: f64) -> f64 {
        self.of_bin(auc_bin(score)) as f64 / ONE as f64
    }

    /// In steps.
    fn of_bin(&self, bin: u16) -> i64 {
        self.between(self.knots.partition_point(|(known, _)| *known < bin), bin)
    }

    /// In steps, of bins that ascend.
    fn of_bins(&self) -> impl FnMut(u16) -> i64 {
        let mut above = 0;
        move |bin| {
            above += self.knots[above..].iter().take_while(|(known, _)| *known < bin).count();
            self.between(above, bin)
        }
    }

    /// Of a bin below which there are so many knots: linear between knots, and beyond them as the nearest.
    fn between(&self, above: usize, bin: u16) -> i64 {
        let below = above.checked_sub(1).map(|below| self.knots[below]);
        match (below, self.knots.get(above)) {
            (Some((_, before)), Some(&(_, here))) if before == here => here,
            (Some((last, before)), Some((next, here))) => {
                let (along, whole) = (i64::from(bin - last), i64::from(next - last));
                (before * (whole - along) + here * along) / whole
            }
            (Some((_, nearest)), None) | (None, Some(&(_, nearest))) => nearest,
            (None, None) => unreachable!("a map has labels, and so a knot"),
        }
    }
}

/// The expected counts of some predictions.
///
/// ```
/// use tidemill::config::spec::Metric;
/// use tidemill::evaluate::{Calibration, Estimate, Prospect, bins};
/// use tidemill::task::{Prediction, Task};
/// // Of the reference's scores of 0.75, three in four came true.
/// let rows = [(0.25, false), (0.75, true), (0.75, true), (0.75, true), (0.75, false)];
/// let map = Calibration::of(rows.iter().flat_map(|(score, label)| bins::labelled(*score, *label))).unwrap();
/// let mut estimate = Estimate::default();
/// estimate.add(Prospect::of(Task::Binary, &Prediction::Number(0.75)), &map);
/// assert_eq!(estimate.value(Metric::Accuracy, Task::Binary), Some(0.75));
/// estimate.add(Prospect::of(Task::Binary, &Prediction::Number(0.25)), &map);
/// assert_eq!(estimate.value(Metric::Accuracy, Task::Binary), Some(0.875));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Counts and losses, each times [`ONE`]: metrics are ratios, to which a common factor makes no difference.
    tally: Tally,
    /// Likewise, ascending by bin, which may come in several pieces.
    bins: Vec<(u16, Bin)>,
}

impl Estimate {
    /// Adds predictions, ascending by bin, by what their version's scores mean.
    pub fn add(&mut self, prospects: impl IntoIterator<Item = (u16, Prospect)>, map: &Calibration) {
        let mut of_bin = map.of_bins();
        for (bin, Prospect { n, positive, loss, squares }) in prospects {
            let yes = of_bin(bin);
            let no = ONE - yes;
            let weighed = |[if_no, if_yes]: [i128; 2]| if_no * i128::from(no) + if_yes * i128::from(yes);
            self.tally += Tally {
                labelled: n * ONE,
                tp: positive * yes,
                fp: positive * no,
                r#fn: (n - positive) * yes,
                tn: (n - positive) * no,
                loss: weighed(loss),
                squares: weighed(squares),
                ..Tally::default()
            };
            self.bins.push((bin, Bin { positives: n * yes, negatives: n * no, score_sum: 0 }));
        }
        // Of one version they are in order already.
        if !self.bins.is_sorted_by_key(|(bin, _)| *bin) {
            self.bins.sort_by_key(|(bin, _)| *bin);
        }
    }

    /// A metric of the expected counts; `None` without predictions, and of a metric that cannot be estimated.
    pub fn value(&self, metric: Metric, task: Task) -> Option<f64> {
        let bins = self.bins.iter().copied();
        if metric.can_be_estimated(task) { value(metric, task, &self.tally, bins) } else { None }
    }
}

#[cfg(test)]
mod tests;
