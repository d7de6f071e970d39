//! Maps and estimates against recomputations a row at a time, against scikit-learn, and where scores are calibrated
//! against the metrics themselves.

use super::*;
use crate::evaluate::bins::{labelled, roc_auc};
use crate::task::Label;
use proptest::prelude::*;
use serde::Deserialize;
use std::collections::BTreeMap;

fn histogram(rows: &[(f64, bool)]) -> BTreeMap<u16, Bin> {
    let mut bins = BTreeMap::<u16, Bin>::new();
    for (bin, one) in rows.iter().flat_map(|(score, label)| labelled(*score, *label)) {
        *bins.entry(bin).or_default() += one;
    }
    bins
}

fn prospects(scores: impl IntoIterator<Item = f64>) -> BTreeMap<u16, Prospect> {
    let mut bins = BTreeMap::<u16, Prospect>::new();
    for (bin, one) in scores.into_iter().filter_map(|score| Prospect::of(Task::Binary, &score.into())) {
        *bins.entry(bin).or_default() += one;
    }
    bins
}

fn estimate(map: &Calibration, scores: impl IntoIterator<Item = f64>) -> Estimate {
    let mut estimate = Estimate::default();
    estimate.add(prospects(scores), map);
    estimate
}

fn known(metric: Metric, rows: &[(f64, bool)]) -> Option<f64> {
    let one = |(score, label): &(f64, bool)| Tally::labelled(Task::Binary, &(*score).into(), (*label).into());
    let tally = rows.iter().map(one).fold(Tally::default(), |sum, one| sum + one);
    value(metric, Task::Binary, &tally, histogram(rows))
}

/// The isotonic fit at each bin that has labels: over all bins at or below it the greatest, of the least means of what
/// lies from there to some bin at or above it.
fn min_max(bins: &[(u16, f64, f64)]) -> Vec<f64> {
    let mean = |from: usize, to: usize| {
        let (positives, rows) = bins[from..=to].iter().fold((0.0, 0.0), |(p, n), (_, q, m)| (p + q, n + m));
        positives / rows
    };
    let least = |from: usize, at: usize| (at..bins.len()).map(|to| mean(from, to)).fold(f64::INFINITY, f64::min);
    (0..bins.len()).map(|at| (0..=at).map(|from| least(from, at)).fold(0.0, f64::max)).collect()
}

proptest! {
    #[test]
    fn a_map_is_the_isotonic_fit(
        rows in prop::collection::vec((0.0..=1.0, any::<bool>()), 1..60),
        asked in prop::collection::vec(0.0..=1.0, 20),
    ) {
        let map = Calibration::of(histogram(&rows)).expect("labels");
        prop_assert_eq!(map.labelled(), rows.len() as i64);
        let fine = histogram(&rows).into_iter().filter(|(bin, _)| *bin < AUC_BINS);
        let bins: Vec<_> = fine.map(|(bin, b)| (bin, b.positives as f64, (b.positives + b.negatives) as f64)).collect();
        let fitted = min_max(&bins);
        for score in asked.into_iter().chain(rows.iter().map(|row| row.0)) {
            let bin = auc_bin(score);
            let above = bins.partition_point(|(known, ..)| *known < bin);
            let expected = match (above.checked_sub(1), bins.get(above)) {
                (None, _) => fitted[0],
                (Some(below), None) => fitted[below],
                (Some(below), Some((next, ..))) => {
                    let (from, to) = (f64::from(bins[below].0), f64::from(*next));
                    fitted[below] + (fitted[above] - fitted[below]) * (f64::from(bin) - from) / (to - from)
                }
            };
            prop_assert!((map.probability(score) - expected).abs() < 1e-8, "{score}: not {expected}");
        }
        prop_assert!(map.knots.is_sorted() && map.knots.is_sorted_by_key(|(_, steps)| *steps));
    }

    /// A row at a time, in floating point.
    #[test]
    fn an_estimate_is_the_expectation_over_rows(
        rows in prop::collection::vec((0.0..=1.0, any::<bool>()), 1..60),
        scores in prop::collection::vec(0.0..=1.0_f64, 1..60),
    ) {
        let map = Calibration::of(histogram(&rows)).expect("labels");
        let found = estimate(&map, scores.iter().copied());
        let n = scores.len() as f64;
        let mean = |of: &dyn Fn(f64, bool) -> f64| {
            let expected = |score: &f64| {
                let p = map.probability(*score);
                p * of(*score, true) + (1.0 - p) * of(*score, false)
            };
            scores.iter().map(expected).sum::<f64>() / n
        };
        let is = |condition: bool| f64::from(u8::from(condition));
        let right = |score: f64, label: bool| is((score > 0.5) == label);
        let log_loss = |score: f64, label: bool| {
            -(if label { score } else { 1.0 - score }).clamp(Tally::CLIP, 1.0 - Tally::CLIP).ln()
        };
        let tp = mean(&|score, label| is(score > 0.5 && label));
        let wrong = mean(&|score, label| 1.0 - right(score, label));
        let brier = mean(&|score, label| (score - is(label)).powi(2));
        for (metric, expected) in [
            (Metric::Accuracy, 1.0 - wrong),
            (Metric::LogLoss, mean(&log_loss)),
            (Metric::Brier, brier),
            (Metric::F1, if 2.0 * tp + wrong == 0.0 { 0.0 } else { 2.0 * tp / (2.0 * tp + wrong) }),
        ] {
            let value = found.value(metric, Task::Binary).expect("predictions");
            prop_assert!((value - expected).abs() < 1e-8, "{metric:?} is {value}, not {expected}");
        }
    }

    #[test]
    fn order_and_retraction_leave_no_trace(
        kept in prop::collection::vec(0.0..=1.0_f64, 0..50),
        gone in prop::collection::vec(0.0..=1.0_f64, 0..50),
    ) {
        let mut bins = prospects(gone.iter().chain(kept.iter().rev()).copied());
        for (bin, one) in gone.iter().filter_map(|score| Prospect::of(Task::Binary, &(*score).into())) {
            *bins.entry(bin).or_default() += -one;
        }
        bins.retain(|_, prospect| !prospect.is_zero());
        prop_assert_eq!(bins, prospects(kept));
    }

    /// Where each bin's share of true labels rises with the score, the reference's own estimate is its metric: by
    /// construction, and the reason why a window is never held against a reference that it is part of.
    #[test]
    fn a_calibrated_reference_has_its_own_metrics(counts in prop::collection::btree_map(0..40_u16, 1..30_i64, 2..12)) {
        let mut rows = Vec::new();
        let bins = counts.len() as i64;
        for (rank, (place, many)) in (0_i64..).zip(&counts) {
            let (score, n) = (f64::from(*place) / 40.0, bins * many);
            rows.extend((0..n).map(|row| (score, row < rank * many)));
        }
        let map = Calibration::of(histogram(&rows)).expect("labels");
        let found = estimate(&map, rows.iter().map(|row| row.0));
        for (name, metric) in Metric::estimated_of(Task::Binary) {
            let (value, known) = (found.value(metric, Task::Binary), known(metric, &rows));
            let close = matches!((value, known), (Some(value), Some(known)) if (value - known).abs() < 1e-7);
            prop_assert!(close, "{name} is {known:?}, estimated {value:?}");
        }
    }
}

/// The chances of a die, from 0 to 1: a linear congruence, its upper half.
fn die() -> impl FnMut() -> f64 {
    let mut state = 7_u64;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as f64 / f64::from(u32::MAX)
    }
}

/// With many labels in the reference an estimate is near what the labels say then, also for other inputs than the
/// reference's and scores that are not calibrated; not where labels have another relation to scores. Inputs that move
/// to the very end of the scores are left out: there a map rests on few labels, however many there are.
#[test]
fn with_many_labels_an_estimate_is_what_labels_say() {
    let mut die = die();
    let comes_true = |score: f64| 0.2 + 0.5 * score;
    let mut drawn = |n: usize, shape: fn(f64) -> f64, truth: &dyn Fn(f64) -> f64| -> Vec<(f64, bool)> {
        (0..n).map(|_| (shape(die()), die())).map(|(score, chance)| (score, chance < truth(score))).collect()
    };
    let map = Calibration::of(histogram(&drawn(200_000, |u| u, &comes_true))).expect("labels");
    for (name, metric) in Metric::estimated_of(Task::Binary) {
        let shifted = drawn(200_000, |u| 0.1 + 0.6 * u * u, &comes_true);
        let found = estimate(&map, shifted.iter().map(|row| row.0)).value(metric, Task::Binary).expect("rows");
        let labels = known(metric, &shifted).expect("labels");
        assert!((found - labels).abs() < 0.006, "{name} is {labels}, estimated {found}");
        let drifted = drawn(200_000, |u| u, &|score| 0.8 - 0.5 * score);
        let found = estimate(&map, drifted.iter().map(|row| row.0)).value(metric, Task::Binary).expect("rows");
        let labels = known(metric, &drifted).expect("labels");
        assert!((found - labels).abs() > 0.1, "{name} is {labels}, estimated {found}");
    }
}

#[test]
fn of_several_classes_only_the_share_of_right_ones_is_estimated() {
    let task = Task::Multiclass(3);
    let said = |p: f64| Prediction::classes([p, (1.0 - p) / 2.0, (1.0 - p) / 2.0]);
    let rows = [(0.8, 0), (0.8, 0), (0.8, 0), (0.8, 2), (0.5, 0), (0.5, 1)];
    let mut known: Vec<_> =
        rows.iter().flat_map(|(p, class)| crate::evaluate::bins::of(task, &said(*p), Label::class(*class))).collect();
    known.sort();
    let mut pieces = BTreeMap::<u16, Bin>::new();
    known.into_iter().for_each(|(bin, one)| *pieces.entry(bin).or_default() += one);
    let map = Calibration::of(pieces).expect("labels");
    let mut found = Estimate::default();
    found.add(Prospect::of(task, &said(0.8)), &map);
    found.add(Prospect::of(task, &said(0.5)), &map);
    assert_eq!(found.value(Metric::Accuracy, task), Some(0.625));
    assert_eq!((found.value(Metric::LogLoss, task), found.value(Metric::F1, task)), (None, None));
    assert_eq!(Prospect::of(Task::Regression, &Prediction::Number(3.0)), None);
}

#[test]
fn without_labels_there_is_no_map_and_without_predictions_no_estimate() {
    assert_eq!(Calibration::of([]), None);
    assert_eq!(Calibration::of([(4096, Bin::labelled(0.1, true))]), None, "coarse bins are none of it");
    assert_eq!(Estimate::default().value(Metric::Accuracy, Task::Binary), None);
}

#[derive(Deserialize)]
struct Golden {
    sets: Vec<Set>,
}

#[derive(Deserialize)]
struct Set {
    name: String,
    binned: bool,
    reference: Vec<f64>,
    labels: Vec<u8>,
    scores: Vec<f64>,
    metrics: BTreeMap<String, f64>,
}

/// The published method's figures with scikit-learn's isotonic regression; what binning may cost is a thousandth.
#[test]
fn agree_with_the_published_method() {
    let golden: Golden =
        serde_json::from_str(include_str!("../../../tests/golden/estimate.json")).expect("the golden file reads");
    assert!(golden.sets.len() >= 7);
    for set in &golden.sets {
        let rows: Vec<_> = set.reference.iter().zip(&set.labels).map(|(score, label)| (*score, *label == 1)).collect();
        let map = Calibration::of(histogram(&rows)).expect("labels");
        let found = estimate(&map, set.scores.iter().copied());
        for (name, metric) in Metric::estimated_of(Task::Binary) {
            let (value, expected) = (found.value(metric, Task::Binary).expect("rows"), set.metrics[name]);
            let tolerance = if set.binned { 1e-7 } else { 1e-3 };
            assert!((value - expected).abs() < tolerance, "{name} of {}: {value} is not {expected}", set.name);
        }
        assert!(roc_auc(histogram(&rows)).is_some(), "both labels occur");
    }
}
