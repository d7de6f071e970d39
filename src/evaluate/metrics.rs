//! Metrics, as functions of counts.
//!
//! In: a [`Tally`] and a histogram of scores. Out: a number, or `None` where there is no label to speak of. Keeps:
//! nothing. Cost: O(1), but those that look at bins read the histogram once.
//!
//! Where a metric divides by zero it is what scikit-learn and River say: F1 is 0 when there is no positive, found or
//! missed (`zero_division=0`); kappa is 0 when chance alone already explains everything, one class on both sides
//! (River; scikit-learn gives NaN); the area under the curve is `None` unless both classes occur (scikit-learn warns,
//! and gives NaN). Sources: Cohen, A coefficient of agreement for nominal scales, 1960; Brier 1950.

use super::bins::{Bin, CONFUSION, ece, roc_auc};
use super::tally::Tally;
use crate::config::spec::Metric;
use crate::task::Task;

/// The value of a metric of a task; `None` without labels, and of a metric that the task has not. Only `roc_auc` and
/// `ece`, and of several classes `f1` and `kappa`, look at `bins`, ascending by bin.
///
/// ```
/// use tidemill::config::spec::Metric;
/// use tidemill::evaluate::{Tally, bins, value};
/// use tidemill::task::{Prediction, Task};
/// let rows = [(0.9, true), (0.8, false), (0.2, false), (0.7, true)];
/// let one = |(p, label): &(f64, bool)| Tally::labelled(Task::Binary, &Prediction::Number(*p), (*label).into());
/// let tally = rows.iter().map(one).fold(Tally::default(), |sum, one| sum + one);
/// let bins: Vec<_> = rows.iter().flat_map(|(score, label)| bins::labelled(*score, *label)).collect();
/// assert_eq!(value(Metric::Accuracy, Task::Binary, &tally, []), Some(0.75));
/// assert_eq!(value(Metric::F1, Task::Binary, &tally, []), Some(0.8));
/// assert_eq!(value(Metric::Kappa, Task::Binary, &tally, []), Some(0.5));
/// let mut ascending = bins.clone();
/// ascending.sort();
/// assert_eq!(value(Metric::RocAuc, Task::Binary, &tally, ascending), Some(0.75));
/// assert_eq!(value(Metric::Brier, Task::Binary, &Tally::prediction(), []), None);
/// ```
pub fn value(
    metric: Metric,
    task: Task,
    tally: &Tally,
    bins: impl IntoIterator<Item = (u16, Bin)> + Clone,
) -> Option<f64> {
    let rows = tally.labelled;
    if rows <= 0 || !metric.is_of(task) {
        return None;
    }
    let confusion = || Confusion::of(task.classes(), bins.clone());
    match (metric, task) {
        (Metric::LogLoss | Metric::Mae, _) => Some(mean(tally.loss, rows)),
        (Metric::Brier, _) => Some(mean(tally.squares, rows)),
        (Metric::Rmse, _) => Some(mean(tally.squares, rows).sqrt()),
        (Metric::R2, _) => r2(tally),
        (Metric::Accuracy, _) => Some((tally.tp + tally.tn) as f64 / rows as f64),
        (Metric::F1, Task::Binary) => Some(f1(tally.tp, tally.fp, tally.r#fn)),
        (Metric::F1, _) => Some(confusion().macro_f1()),
        (Metric::Kappa, Task::Binary) => Some(kappa(tally)),
        (Metric::Kappa, _) => Some(confusion().kappa()),
        (Metric::RocAuc, _) => roc_auc(bins).map(|auc| auc.value),
        (Metric::Ece, _) => ece(bins),
    }
}

fn mean(steps: i128, rows: i64) -> f64 {
    steps as f64 * Tally::STEP / rows as f64
}

fn f1(tp: i64, fp: i64, r#fn: i64) -> f64 {
    let all = 2 * tp + fp + r#fn;
    if all == 0 { 0.0 } else { (2 * tp) as f64 / all as f64 }
}

/// 1 less the squared errors by those of the mean; `None` of labels that are all alike.
fn r2(t: &Tally) -> Option<f64> {
    let n = t.labelled as f64;
    let (sum, squares) = (t.labels as f64 * Tally::STEP, t.label_squares as f64 * Tally::STEP);
    let spread = squares - sum / n * sum;
    // What is left of the subtraction is nothing beside what it was made from.
    (spread > 1e-12 * squares).then(|| 1.0 - t.squares as f64 * Tally::STEP / spread)
}

/// (observed - expected) / (1 - expected) agreement, with numerator and denominator times rows^2, and so integers.
fn kappa(t: &Tally) -> f64 {
    let [tp, fp, tn, r#fn] = [t.tp, t.fp, t.tn, t.r#fn].map(i128::from);
    let rows = tp + fp + tn + r#fn;
    let by_chance = (tp + fp) * (tp + r#fn) + (tn + r#fn) * (tn + fp);
    let beyond_chance = rows * rows - by_chance;
    if beyond_chance == 0 { 0.0 } else { ((tp + tn) * rows - by_chance) as f64 / beyond_chance as f64 }
}

/// The labels of several classes by what was said.
struct Confusion {
    classes: usize,
    /// By label, then by what was said.
    cells: Vec<i64>,
}

impl Confusion {
    fn of(classes: usize, bins: impl IntoIterator<Item = (u16, Bin)>) -> Confusion {
        let mut cells = vec![0; classes * classes];
        for (bin, counts) in bins {
            if let Some(cell) = bin.checked_sub(CONFUSION).and_then(|cell| cells.get_mut(usize::from(cell))) {
                *cell += counts.positives + counts.negatives;
            }
        }
        Confusion { classes, cells }
    }

    /// By class: right, labelled so, said to be so.
    fn margins(&self) -> impl Iterator<Item = (i64, i64, i64)> + '_ {
        (0..self.classes).map(|class| {
            let row = &self.cells[class * self.classes..(class + 1) * self.classes];
            let column = self.cells[class..].iter().step_by(self.classes);
            (row[class], row.iter().sum(), column.sum())
        })
    }

    /// The mean over the classes that occur, as labels or as what was said (scikit-learn's `average="macro"`).
    fn macro_f1(&self) -> f64 {
        let (sum, n) = self
            .margins()
            .filter(|(_, labelled, said)| labelled + said > 0)
            .fold((0.0, 0), |(sum, n), (right, labelled, said)| {
                (sum + f1(right, said - right, labelled - right), n + 1)
            });
        if n == 0 { 0.0 } else { sum / f64::from(n) }
    }

    fn kappa(&self) -> f64 {
        let (mut right, mut rows, mut by_chance) = (0_i128, 0_i128, 0_i128);
        for (hit, labelled, said) in self.margins() {
            right += i128::from(hit);
            rows += i128::from(labelled);
            by_chance += i128::from(labelled) * i128::from(said);
        }
        let beyond_chance = rows * rows - by_chance;
        if beyond_chance == 0 { 0.0 } else { (right * rows - by_chance) as f64 / beyond_chance as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::bins::{labelled, of};
    use crate::task::{Label, Prediction};
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
                let said = Prediction::Number(*score);
                tally += Tally::prediction() + Tally::labelled(Task::Binary, &said, (*label == 1).into());
                labelled(*score, *label == 1).into_iter().for_each(|(bin, one)| *bins.entry(bin).or_default() += one);
            }
            let ascending = || bins.iter().map(|(bin, counts)| (*bin, *counts));
            for (name, metric) in Metric::of(Task::Binary) {
                let (found, expected) = (value(metric, Task::Binary, &tally, ascending()), set.metrics[name]);
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

    #[derive(Deserialize)]
    struct Several {
        classes: u16,
        probabilities: Vec<Vec<f64>>,
        labels: Vec<usize>,
        metrics: BTreeMap<String, f64>,
    }

    #[derive(Deserialize)]
    struct Values {
        said: Vec<f64>,
        labels: Vec<f64>,
        metrics: BTreeMap<String, f64>,
    }

    #[derive(Deserialize)]
    struct Others {
        several: Vec<Several>,
        values: Vec<Values>,
    }

    /// scikit-learn's figures of several classes, and of values.
    #[test]
    fn of_other_tasks_agree_with_scikit_learn() {
        let golden: Others =
            serde_json::from_str(include_str!("../../tests/golden/metrics.json")).expect("the golden file reads");
        let check = |task: Task, rows: Vec<(Prediction, Label)>, metrics: &BTreeMap<String, f64>| {
            let (mut tally, mut bins) = (Tally::default(), BTreeMap::<u16, Bin>::new());
            for (said, label) in &rows {
                tally += Tally::labelled(task, said, *label);
                of(task, said, *label).for_each(|(bin, one)| *bins.entry(bin).or_default() += one);
            }
            assert_eq!(metrics.len(), Metric::of(task).len());
            for (name, metric) in Metric::of(task) {
                let ascending = bins.iter().map(|(bin, counts)| (*bin, *counts));
                let (found, expected) = (value(metric, task, &tally, ascending), metrics[name]);
                let close = found.is_some_and(|found| (found - expected).abs() <= 1e-9 * expected.abs().max(1.0));
                assert!(close, "{name} of {task:?}: {found:?} is not {expected}");
            }
        };
        for set in &golden.several {
            let said = set.probabilities.iter().map(|of| Prediction::classes(&of[..]));
            let rows = said.zip(&set.labels).map(|(said, label)| (said, Label::class(*label))).collect();
            check(Task::Multiclass(set.classes), rows, &set.metrics);
        }
        for set in &golden.values {
            let rows = set.said.iter().zip(&set.labels);
            let rows = rows.map(|(said, label)| (Prediction::Number(*said), Label::value(*label).expect("a value")));
            check(Task::Regression, rows.collect(), &set.metrics);
        }
        assert!(golden.several.len() >= 2 && golden.values.len() >= 2);
    }
}
