//! The live comparison of two versions: paired differences of their losses on the same events.
//!
//! In: both scores of an event with its label, and the same once more, negative, when the label is corrected. Out: a
//! confidence sequence of the mean difference. Keeps: three integers, so a correction leaves no trace and order does
//! not matter. Cost: two losses an event. Limits: a difference of at most 9.3 in steps of 2^-40 leaves an `i128` room
//! for the squares of 10^12 events.
//!
//! The interval is an asymptotic confidence sequence: it holds at all times at once, so looking at it at every boundary
//! and stopping when it is decided costs nothing. Source: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2024,
//! "Time-uniform central limit theory and asymptotic confidence sequences", Annals of Statistics 52(6), theorem 2.2,
//! with the width optimized for ten times the least number of labels (their equation 15).

use crate::config::spec::Loss;
use crate::evaluate::Tally;
use crate::task::{Label, Prediction, Task};
use serde::{Deserialize, Serialize};

/// Paired differences of losses: of the one less of the other.
///
/// ```
/// use tidemill::config::spec::Loss;
/// use tidemill::deploy::Comparison;
/// use tidemill::task::Prediction;
/// let mut compared = Comparison::default();
/// for event in 0..2000 {
///     let label = event % 3 == 0;
///     let (one, other) = (Prediction::Number(if label { 0.7 } else { 0.2 }), Prediction::Number(0.5));
///     compared.add(Loss::Brier, (&one, &other), label.into(), 1);
/// }
/// let interval = compared.interval(0.05, 500).unwrap();
/// assert!(interval.high < 0.0, "the first is better: {interval:?}");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    n: i64,
    sum: i128,
    squares: i128,
}

/// Where the mean difference of losses is, at all times at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The labelled events compared.
    pub n: i64,
    /// Their mean difference; below 0 the first is better.
    pub mean: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Comparison {
    /// Adds (`sign` 1) or takes back (`sign` -1) an event of which both scores and the label are known.
    pub fn add(&mut self, of: Loss, (one, other): (&Prediction, &Prediction), label: Label, sign: i64) {
        let difference = loss(of, one, label) - loss(of, other, label);
        self.n += sign;
        self.sum += i128::from(sign) * difference;
        // Of values their squares may be too great for 128 bits: then the interval is as wide as can be said.
        let square = difference.saturating_mul(difference).min(i128::MAX >> 40);
        self.squares += i128::from(sign) * square;
    }

    /// The mean difference and its variance, in units of the loss and of its square; 0 without events, and a variance
    /// of 0 of one.
    pub fn moments(&self) -> (f64, f64) {
        let n = self.n.max(1) as f64;
        let mean = self.sum as f64 / n;
        let variance = (self.squares as f64 / n - mean * mean).max(0.0) * n / (n - 1.0).max(1.0);
        // Powers of two: nothing is rounded.
        (mean * Tally::STEP, variance * Tally::STEP * Tally::STEP)
    }

    /// The interval that holds the mean at all times at once but for a share `alpha`, in (0, 1); `None` below
    /// `min_labels` events.
    pub fn interval(&self, alpha: f64, min_labels: u64) -> Option<Interval> {
        if self.n < 2 || (self.n as u64) < min_labels {
            return None;
        }
        let n = self.n as f64;
        let (mean, variance) = self.moments();
        let log = -2.0 * alpha.ln();
        let rho2 = (log + (log + 1.0).ln()) / (10.0 * min_labels.max(1) as f64);
        let grown = n * rho2 + 1.0;
        let half = variance.sqrt() * (2.0 * grown / (n * n * rho2) * (grown.sqrt() / alpha).ln()).sqrt();
        Some(Interval { n: self.n, mean, low: mean - half, high: mean + half })
    }
}

/// One event's loss in steps of [`Tally::STEP`]; of the accuracy it is the error, 0 or 1.
fn loss(of: Loss, said: &Prediction, label: Label) -> i128 {
    let task = match (of, said) {
        (Loss::Mae | Loss::Rmse, _) => Task::Regression,
        (_, Prediction::Number(_)) => Task::Binary,
        (_, Prediction::Classes(of)) => Task::Multiclass(of.len() as u16),
    };
    let told = Tally::labelled(task, said, label);
    match of {
        Loss::LogLoss | Loss::Mae => told.loss,
        Loss::Brier | Loss::Rmse => told.squares,
        Loss::Accuracy => i128::from(told.fp + told.r#fn) << 40,
    }
}
