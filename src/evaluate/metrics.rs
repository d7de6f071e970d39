//! The metrics of a binary task, as functions of counts.
//!
//! In: a [`Tally`] and a histogram of scores. Out: a number, or `None` where there is no label to speak of. Keeps:
//! nothing. Cost: O(1), but `roc_auc` and `ece` read the histogram once.
//!
//! Where a metric divides by zero it is what scikit-learn and River say: F1 is 0 when there is no positive, found or
//! missed (`zero_division=0`); kappa is 0 when chance alone already explains everything, one class on both sides
//! (River; scikit-learn gives NaN); the area under the curve is `None` unless both classes occur (scikit-learn warns,
//! and gives NaN). Sources: Cohen, A coefficient of agreement for nominal scales, 1960; Brier 1950.

use super::bins::{Bin, ece, roc_auc};
use super::tally::Tally;
use crate::config::spec::Metric;

/// The value of a metric; `None` without labels. Only `roc_auc` and `ece` look at `bins`, ascending by bin.
///
/// ```
/// use tidemill::config::spec::Metric;
/// use tidemill::evaluate::{Tally, bins, value};
/// let rows = [(0.9, true), (0.8, false), (0.2, false), (0.7, true)];
/// let tally = rows.iter().fold(Tally::default(), |sum, (score, label)| sum + Tally::labelled(*score, *label));
/// let bins: Vec<_> = rows.iter().flat_map(|(score, label)| bins::labelled(*score, *label)).collect();
/// assert_eq!(value(Metric::Accuracy, &tally, []), Some(0.75));
/// assert_eq!(value(Metric::F1, &tally, []), Some(0.8));
/// assert_eq!(value(Metric::Kappa, &tally, []), Some(0.5));
/// let mut ascending = bins.clone();
/// ascending.sort();
/// assert_eq!(value(Metric::RocAuc, &tally, ascending), Some(0.75));
/// assert_eq!(value(Metric::Brier, &Tally::prediction(), []), None);
/// ```
pub fn value(metric: Metric, tally: &Tally, bins: impl IntoIterator<Item = (u16, Bin)> + Clone) -> Option<f64> {
    let rows = tally.labelled;
    if rows <= 0 {
        return None;
    }
    match metric {
        Metric::LogLoss => Some(mean_loss(tally.log_loss, rows)),
        Metric::Brier => Some(mean_loss(tally.brier, rows)),
        Metric::Accuracy => Some((tally.tp + tally.tn) as f64 / rows as f64),
        Metric::F1 => Some(f1(tally)),
        Metric::Kappa => Some(kappa(tally)),
        Metric::RocAuc => roc_auc(bins).map(|auc| auc.value),
        Metric::Ece => ece(bins),
    }
}

fn mean_loss(steps: i128, rows: i64) -> f64 {
    steps as f64 * Tally::STEP / rows as f64
}

fn f1(t: &Tally) -> f64 {
    let all = 2 * t.tp + t.fp + t.r#fn;
    if all == 0 { 0.0 } else { (2 * t.tp) as f64 / all as f64 }
}

/// (observed - expected) / (1 - expected) agreement, with numerator and denominator times rows^2, and so integers.
fn kappa(t: &Tally) -> f64 {
    let [tp, fp, tn, r#fn] = [t.tp, t.fp, t.tn, t.r#fn].map(i128::from);
    let rows = tp + fp + tn + r#fn;
    let by_chance = (tp + fp) * (tp + r#fn) + (tn + r#fn) * (tn + fp);
    let beyond_chance = rows * rows - by_chance;
    if beyond_chance == 0 { 0.0 } else { ((tp + tn) * rows - by_chance) as f64 / beyond_chance as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::bins::labelled;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Deserialize)]
    struct Golden {
        sets: Vec<Set>,
    }

    #[derive(Deserialize)]
    struct Set {
        name: String,
        scores: Vec<f64>,
        labels: Vec<u8>,
        metrics: BTreeMap<String, Option<f64>>,
    }

    /// scikit-learn's figures; the area within the bound that goes with it.
    #[test]
    fn agree_with_scikit_learn() {
        let golden: Golden =
            serde_json::from_str(include_str!("../../tests/golden/metrics.json")).expect("the golden file reads");
        assert!(golden.sets.len() >= 7);
        for set in &golden.sets {
            let (mut tally, mut bins) = (Tally::default(), BTreeMap::<u16, Bin>::new());
            for (score, label) in set.scores.iter().zip(&set.labels) {
                tally += Tally::prediction() + Tally::labelled(*score, *label == 1);
                labelled(*score, *label == 1).into_iter().for_each(|(bin, one)| *bins.entry(bin).or_default() += one);
            }
            let ascending = || bins.iter().map(|(bin, counts)| (*bin, *counts));
            for (name, metric) in Metric::ALL {
                let (found, expected) = (value(metric, &tally, ascending()), set.metrics[name]);
                let binned =
                    if metric == Metric::RocAuc { roc_auc(ascending()).map_or(0.0, |auc| auc.bound) } else { 0.0 };
                let close = match (found, expected) {
                    (Some(found), Some(expected)) => (found - expected).abs() <= 1e-9 + binned,
                    (found, expected) => found == expected,
                };
                assert!(close, "{name} of {}: {found:?} is not {expected:?}", set.name);
            }
        }
    }
}
