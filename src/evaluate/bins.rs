//! The histogram of scores, in two resolutions: for the area under the ROC curve and for the calibration error.
//!
//! In: scores and labels, each two `(bin, Bin)` pairs of one key space of `u16`: bins 0 to 4095 are 4096 equal parts
//! of [0, 1], bins 4096 to 4105 are ten, and those behind are the cells of a confusion matrix. Out: [`roc_auc`] with
//! its bound, [`ece`]. Keeps: nothing; a histogram is any ascending sequence of pairs, so that the same functions read
//! a `Vec`, a `BTreeMap` and an arranged trace. Empty bins may be absent. Sources: Hanley and McNeil 1982 (the area as
//! a share of ordered pairs, ties half); Guo et al., On calibration of modern neural networks, 2017 (the calibration
//! error, here of the positive class's probability).

use crate::task::{Label, Prediction, Task};
use serde::{Deserialize, Serialize};
use std::ops::{Add, AddAssign, Mul, Neg, Sub};

/// The number of bins for the area under the curve.
pub const AUC_BINS: u16 = 4096;
/// The number of bins for the calibration error; the first is number [`AUC_BINS`].
pub const ECE_BINS: u16 = 10;
/// The number of the first cell of the confusion matrix of a multiclass task; a cell's count is that of its bin.
pub const CONFUSION: u16 = AUC_BINS + ECE_BINS;

/// How many numbers there are, for a task.
pub fn numbers(task: Task) -> usize {
    let cells = if let Task::Multiclass(classes) = task { usize::from(classes).pow(2) } else { 0 };
    usize::from(CONFUSION) + cells
}

/// The labelled predictions whose score lies in one bin: a commutative group of integers.
///
/// ```
/// use tidemill::evaluate::Bin;
/// let mut bin = Bin::labelled(0.25, true) + Bin::labelled(0.25, false);
/// assert_eq!((bin.positives, bin.negatives), (1, 1));
/// bin += -Bin::labelled(0.25, false);
/// bin += -Bin::labelled(0.25, true);
/// assert!(bin.is_zero());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Bin {
    /// Those with a false label.
    pub negatives: i64,
    /// Those with a true label.
    pub positives: i64,
    /// The sum of their scores, each rounded to [`Bin::STEP`]; room for 2^33 of them.
    pub score_sum: i64,
}

impl Bin {
    /// The unit of the scores, 2^-30.
    pub const STEP: f64 = 1.0 / (1_u64 << 30) as f64;

    /// One labelled prediction.
    pub fn labelled(score: f64, label: bool) -> Bin {
        let score_sum = (score / Bin::STEP).round() as i64;
        Bin { negatives: i64::from(!label), positives: i64::from(label), score_sum }
    }

    /// Whether nothing is left in it.
    pub fn is_zero(&self) -> bool {
        *self == Bin::default()
    }
}

impl AddAssign for Bin {
    fn add_assign(&mut self, other: Bin) {
        self.negatives += other.negatives;
        self.positives += other.positives;
        self.score_sum += other.score_sum;
    }
}

impl Add for Bin {
    type Output = Bin;
    fn add(mut self, other: Bin) -> Bin {
        self += other;
        self
    }
}

impl Neg for Bin {
    type Output = Bin;
    fn neg(self) -> Bin {
        Bin { negatives: -self.negatives, positives: -self.positives, score_sum: -self.score_sum }
    }
}

/// The fine bin of a score, 0 to 4095.
pub fn auc_bin(score: f64) -> u16 {
    part(score, AUC_BINS)
}

/// The coarse bin of a score, 4096 to 4105.
pub fn ece_bin(score: f64) -> u16 {
    AUC_BINS + part(score, ECE_BINS)
}

/// The number of the cell of a confusion matrix of so many classes: labelled so, and said to be so.
pub fn confusion_cell(classes: usize, label: usize, said: usize) -> u16 {
    CONFUSION + (label * classes + said) as u16
}

/// What one labelled score of a binary task adds to a histogram.
pub fn labelled(score: f64, label: bool) -> [(u16, Bin); 2] {
    let bin = Bin::labelled(score, label);
    [(auc_bin(score), bin), (ece_bin(score), bin)]
}

/// What one labelled prediction adds to a histogram: of a regression nothing; of several classes what the calibration
/// of the class that was said is known by, in either resolution, and its cell of the confusion matrix.
pub fn of(task: Task, said: &Prediction, label: Label) -> impl Iterator<Item = (u16, Bin)> + use<> {
    let (right, cell) = match (task, said) {
        (Task::Regression, _) => return None.into_iter().flatten().chain(None),
        (_, Prediction::Number(_)) => (label.is_true(), None),
        (_, Prediction::Classes(of)) => {
            (said.is_right(label), Some(confusion_cell(of.len(), label.number(), said.class())))
        }
    };
    let score = said.score();
    let cell = cell.map(|cell| (cell, Bin::labelled(score, right)));
    Some(labelled(score, right)).into_iter().flatten().chain(cell)
}

/// The last part includes 1.
fn part(score: f64, parts: u16) -> u16 {
    ((score * f64::from(parts)) as u16).min(parts - 1)
}

/// An area under the ROC curve with its exactness.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Auc {
    /// The share of pairs of a positive and a negative in which the positive scores higher; those in one bin half.
    pub value: f64,
    /// The area of the scores themselves lies within `value` plus or minus this: half the share of the pairs that lie
    /// in one bin, all that binning can hide.
    pub bound: f64,
}

/// The area under the ROC curve of a histogram, ascending by bin; coarse bins are skipped. `None` unless both labels
/// occur.
///
/// ```
/// use tidemill::evaluate::bins::{labelled, roc_auc};
/// let rows = [(0.1, false), (0.4, true), (0.4, false), (0.9, true)];
/// let auc = roc_auc(rows.iter().flat_map(|(score, label)| labelled(*score, *label))).unwrap();
/// assert_eq!((auc.value, auc.bound), (0.875, 0.125));
/// ```
pub fn roc_auc(bins: impl IntoIterator<Item = (u16, Bin)> + Clone) -> Option<Auc> {
    let mut all = Bin::default();
    bins.clone().into_iter().filter(|(bin, _)| *bin < AUC_BINS).for_each(|(_, counts)| all += counts);
    // 10^9 positives and as many negatives are 10^18 pairs, and twice that is too much for i64, which is quicker.
    match all.positives.checked_mul(all.negatives).and_then(|pairs| pairs.checked_mul(2)) {
        Some(_) => area::<i64>(bins).map(|(ordered, within, pairs)| (ordered as f64, within as f64, pairs as f64)),
        None => area::<i128>(bins).map(|(ordered, within, pairs)| (ordered as f64, within as f64, pairs as f64)),
    }
    .map(|(ordered, within, pairs)| Auc { value: ordered / pairs, bound: within / pairs })
}

/// Twice the pairs that are ordered, the pairs that lie in one bin, and twice all pairs; `None` without any.
fn area<I>(bins: impl IntoIterator<Item = (u16, Bin)>) -> Option<(I, I, I)>
where
    I: Copy + Default + PartialEq + From<i64> + Add<Output = I> + Sub<Output = I> + Mul<Output = I>,
{
    let zero = I::default();
    let (mut positives, mut negatives, mut twice_ordered, mut within) = (zero, zero, zero, zero);
    let mut open: Option<(u16, I, I)> = None;
    for (bin, counts) in bins.into_iter().filter(|(bin, _)| *bin < AUC_BINS) {
        let (p, n) = (I::from(counts.positives), I::from(counts.negatives));
        // A bin may come in several pieces; a positive meets all negatives of its bin, whatever piece they are in.
        let (p_before, n_before) = open.filter(|(last, ..)| *last == bin).map_or((zero, zero), |(_, p, n)| (p, n));
        let tied = p * n + p * n_before + p_before * n;
        let below = p * (negatives - n_before);
        twice_ordered = twice_ordered + below + below + tied;
        within = within + tied;
        positives = positives + p;
        negatives = negatives + n;
        open = Some((bin, p_before + p, n_before + n));
    }
    let pairs = positives * negatives;
    (pairs != zero).then(|| (twice_ordered, within, pairs + pairs))
}

/// The expected calibration error of a histogram: over ten equal bins, the mean distance between a bin's mean score and
/// its share of true labels, weighted by its rows; other bins are skipped. `None` without rows.
///
/// ```
/// use tidemill::evaluate::bins::{ece, labelled};
/// let rows = [(0.75, true), (0.75, true), (0.75, false), (0.75, false)];
/// assert_eq!(ece(rows.iter().flat_map(|(score, label)| labelled(*score, *label))), Some(0.25));
/// ```
pub fn ece(bins: impl IntoIterator<Item = (u16, Bin)>) -> Option<f64> {
    let mut coarse = [Bin::default(); ECE_BINS as usize];
    for (bin, counts) in bins.into_iter().filter(|(bin, _)| (AUC_BINS..CONFUSION).contains(bin)) {
        coarse[usize::from(bin - AUC_BINS)] += counts;
    }
    let rows: i64 = coarse.iter().map(|b| b.positives + b.negatives).sum();
    // Still integers: a bin's |score_sum - positives| in steps of 2^-30.
    let gap = |b: &Bin| (i128::from(b.score_sum) - (i128::from(b.positives) << 30)).abs();
    (rows > 0).then(|| coarse.iter().map(gap).sum::<i128>() as f64 * Bin::STEP / rows as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn histogram(rows: &[(f64, bool)]) -> BTreeMap<u16, Bin> {
        let mut bins = BTreeMap::<u16, Bin>::new();
        for (bin, one) in rows.iter().flat_map(|(score, label)| labelled(*score, *label)) {
            *bins.entry(bin).or_default() += one;
        }
        bins
    }

    /// Every pair, looked at.
    fn naive_auc(rows: &[(f64, bool)]) -> Option<f64> {
        let scores = |label| rows.iter().filter(move |r| r.1 == label).map(|r| r.0);
        let pairs: Vec<f64> = scores(true)
            .flat_map(|p| {
                scores(false).map(move |n| {
                    if p > n {
                        1.0
                    } else if p == n {
                        0.5
                    } else {
                        0.0
                    }
                })
            })
            .collect();
        (!pairs.is_empty()).then(|| pairs.iter().sum::<f64>() / pairs.len() as f64)
    }

    proptest! {
        #[test]
        fn the_area_is_within_its_bound(rows in proptest::collection::vec((0.49..0.51, any::<bool>()), 0..200)) {
            match (roc_auc(histogram(&rows)), naive_auc(&rows)) {
                (None, None) => {}
                (Some(auc), Some(exact)) => prop_assert!((auc.value - exact).abs() <= auc.bound + 1e-12),
                (found, expected) => prop_assert!(false, "{found:?} is not {expected:?}"),
            }
        }

        #[test]
        fn pieces_of_a_bin_are_one_bin(rows in proptest::collection::vec((0.0..=1.0, any::<bool>()), 0..100)) {
            let mut pieces: Vec<_> = rows.iter().flat_map(|(score, label)| labelled(*score, *label)).collect();
            pieces.sort_by_key(|(bin, _)| *bin);
            prop_assert_eq!(roc_auc(pieces.clone()), roc_auc(histogram(&rows)));
            prop_assert_eq!(ece(pieces), ece(histogram(&rows)));
        }

        #[test]
        fn order_and_retraction_leave_no_trace(
            kept in proptest::collection::vec((0.0..=1.0, any::<bool>()), 0..50),
            gone in proptest::collection::vec((0.0..=1.0, any::<bool>()), 0..50),
        ) {
            let mut bins = histogram(&[gone.clone(), kept.iter().rev().copied().collect()].concat());
            for (bin, one) in gone.iter().flat_map(|(score, label)| labelled(*score, *label)) {
                *bins.entry(bin).or_default() += -one;
            }
            bins.retain(|_, bin| !bin.is_zero());
            prop_assert_eq!(bins, histogram(&kept));
        }
    }

    #[test]
    fn the_ends_of_the_scores_have_bins() {
        assert_eq!((auc_bin(0.0), auc_bin(1.0), auc_bin(0.5)), (0, 4095, 2048));
        assert_eq!((ece_bin(0.0), ece_bin(1.0), ece_bin(0.35)), (4096, 4105, 4099));
    }
}
