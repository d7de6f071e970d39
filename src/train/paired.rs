//! A candidate and the champion on the same held-out rows: the difference of their losses, and whose classes are right.
//!
//! In: both predictions of each row, with its label. Out: the mean difference of logarithmic losses, of a regression
//! of absolute errors, with a normal interval, and McNemar's exact test of the classes. Keeps: nothing. Sources:
//! McNemar 1947, "Note on the sampling error of the difference between correlated proportions or percentages";
//! Dietterich 1998 on comparing classifiers by it.

use crate::config::spec::Loss;
use crate::deploy::Comparison;
use crate::task::{Label, Prediction, Task};
use serde::{Deserialize, Serialize};
use std::f64::consts::{FRAC_1_SQRT_2, LN_2};

/// How a candidate did beside the champion, row by row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paired {
    /// The rows.
    pub rows: u64,
    /// The mean of the candidate's loss (logarithmic; of a regression the absolute error) less the champion's; below 0
    /// the candidate is better.
    pub difference: f64,
    /// The lower end of its two-sided interval, of a chance of 0.05 or what the gate asks for.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// Rows of which only the candidate has the right class; of a regression, the smaller error.
    pub only_candidate: u64,
    /// Rows of which only the champion has it.
    pub only_champion: u64,
    /// The chance of such a difference of classes, or a greater one, between equals: McNemar's exact test, two-sided
    /// (of a regression it is the sign test).
    pub mcnemar_p: f64,
}

impl Paired {
    /// Compares; rows are (candidate, champion, label). `alpha` is the chance outside of the interval, in (0, 1).
    ///
    /// ```
    /// use tidemill::train::Paired;
    /// use tidemill::task::{Prediction, Task};
    /// let champion = Prediction::Number(0.6);
    /// let rows = (0..100).map(|n| (Prediction::Number(if n < 90 { 0.9 } else { 0.1 }), &champion, true.into()));
    /// let paired = Paired::of(Task::Binary, rows, 0.05);
    /// assert_eq!((paired.rows, paired.only_candidate, paired.only_champion), (100, 0, 10));
    /// assert!(paired.difference < 0.0 && paired.mcnemar_p < 0.01, "a better loss, and worse classes");
    /// ```
    pub fn of<'a>(task: Task, rows: impl Iterator<Item = (Prediction, &'a Prediction, Label)>, alpha: f64) -> Paired {
        let (mut compared, mut n) = (Comparison::default(), 0_u64);
        let (mut only_candidate, mut only_champion) = (0_u64, 0_u64);
        for (candidate, champion, label) in rows {
            compared.add(Loss::first_of(task), (&candidate, champion), label, 1);
            n += 1;
            let (ours, theirs) = match task {
                Task::Regression => {
                    let error = |said: &Prediction| (said.score() - label.amount()).abs();
                    let (ours, theirs) = (error(&candidate), error(champion));
                    (ours < theirs, theirs < ours)
                }
                _ => (candidate.is_right(label), champion.is_right(label)),
            };
            only_candidate += u64::from(ours && !theirs);
            only_champion += u64::from(theirs && !ours);
        }
        let (difference, variance) = compared.moments();
        let half = normal_quantile(1.0 - alpha / 2.0) * (variance / n.max(1) as f64).sqrt();
        Paired {
            rows: n,
            difference,
            low: difference - half,
            high: difference + half,
            only_candidate,
            only_champion,
            mcnemar_p: mcnemar(only_candidate, only_champion),
        }
    }
}

/// The number below which a standard normal one stays with this chance, in (0, 1).
fn normal_quantile(chance: f64) -> f64 {
    let (mut low, mut high) = (-10.0, 10.0);
    // Halved until the ends are neighbours.
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if 0.5 * libm::erfc(-middle * FRAC_1_SQRT_2) < chance { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// The chance that a fair coin, thrown once for each row in which only one is right, comes out so or further apart.
fn mcnemar(one: u64, other: u64) -> f64 {
    let (n, least) = (one + other, one.min(other));
    let factorial = |k: u64| libm::lgamma(k as f64 + 1.0);
    let chance = |k: u64| (factorial(n) - factorial(k) - factorial(n - k) - n as f64 * LN_2).exp();
    (2.0 * (0..=least).map(chance).sum::<f64>()).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUANTILES: [(f64, f64); 5] = [
        (0.5, 0.0),
        (0.9, 1.2815515655446004),
        (0.975, 1.959963984540054),
        (0.995, 2.5758293035489004),
        (0.0005, -3.2905267314918945),
    ];
    const TESTS: [(u64, u64, f64); 5] = [
        (0, 10, 0.001953125),
        (3, 12, 0.03515625),
        (40, 60, 0.05688793364098089),
        (500, 600, 0.0028195449914364284),
        (7, 7, 1.0),
    ];

    /// `scipy.stats.norm.ppf` and `binomtest(b, b + c).pvalue` of scipy 1.17.1.
    #[test]
    fn figures_are_scipys() {
        for (chance, quantile) in QUANTILES {
            assert!((normal_quantile(chance) - quantile).abs() < 1e-9, "{chance}");
        }
        for (one, other, p) in TESTS {
            assert!((mcnemar(one, other) - p).abs() < 1e-9 * p.max(1e-3), "{one} {other}: {}", mcnemar(one, other));
            assert_eq!(mcnemar(one, other), mcnemar(other, one));
        }
    }

    #[test]
    fn an_interval_is_that_of_the_differences() {
        let rows: Vec<(f64, f64, bool)> =
            (0..500).map(|n| (f64::from(n % 17) / 17.0, f64::from(n % 13) / 13.0, n % 3 == 0)).collect();
        let champions: Vec<Prediction> = rows.iter().map(|row| Prediction::Number(row.1)).collect();
        let told =
            rows.iter().zip(&champions).map(|(row, champion)| (Prediction::Number(row.0), champion, row.2.into()));
        let paired = Paired::of(Task::Binary, told, 0.05);
        let ln = |score: f64, label: bool| -(if label { score } else { 1.0 - score }).clamp(1e-4, 1.0 - 1e-4).ln();
        let all: Vec<f64> = rows.iter().map(|(a, b, label)| ln(*a, *label) - ln(*b, *label)).collect();
        let mean = all.iter().sum::<f64>() / 500.0;
        let deviation = (all.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / 499.0).sqrt();
        assert!((paired.difference - mean).abs() < 1e-9);
        assert!((paired.high - mean - 1.959_963_984_540_054 * deviation / 500.0_f64.sqrt()).abs() < 1e-9);
        assert!((paired.high + paired.low - 2.0 * mean).abs() < 1e-9);
    }
}
