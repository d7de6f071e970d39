//! The counts of one series of predictions: everything that a metric needs but the histogram of scores.
//!
//! In: a prediction made, its label, or its timeout, each one `Tally` of ones. Out: sums, by `+=`. Limits: 2^63
//! predictions; a loss of at most 9.3 in steps of 2^-40 leaves an `i128` room for 10^25 of them, squared errors of
//! values as great as a label may be for 10^7, of values below a million for 10^13.

use crate::task::{Label, Prediction, Task};
use serde::{Deserialize, Serialize};
use std::ops::{Add, AddAssign, Neg};

/// Integer counts, a commutative group: they can be added, negated, and compared to zero.
///
/// ```
/// use tidemill::evaluate::Tally;
/// use tidemill::task::{Prediction, Task};
/// let labelled = |score: f64, label: bool| Tally::labelled(Task::Binary, &Prediction::Number(score), label.into());
/// let mut sum = Tally::prediction() + labelled(0.8, true);
/// assert_eq!((sum.n, sum.labelled, sum.tp), (1, 1, 1));
/// // The label is corrected: out with the old, in with the new.
/// sum += -labelled(0.8, true);
/// sum += labelled(0.8, false);
/// assert_eq!((sum.labelled, sum.tp, sum.fp), (1, 0, 1));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tally {
    /// Predictions made.
    pub n: i64,
    /// Of them, those with a label.
    pub labelled: i64,
    /// Of them, those whose label did not come in time.
    pub expired: i64,
    /// Labelled true, and said to be; of several classes, the right ones.
    pub tp: i64,
    /// Labelled false, and said to be true.
    pub fp: i64,
    /// Labelled false, and said to be.
    pub tn: i64,
    /// Labelled true, and said to be false; of several classes, the wrong ones.
    pub r#fn: i64,
    /// Sum of the logarithmic losses, of a regression of the absolute errors, each rounded to [`Tally::STEP`].
    pub loss: i128,
    /// Sum of the squared errors, of the probability or of the value, each rounded to [`Tally::STEP`].
    pub squares: i128,
    /// Of a regression, the sum of the labels, each rounded to [`Tally::STEP`].
    pub labels: i128,
    /// Of a regression, the sum of their squares, each rounded to [`Tally::STEP`].
    pub label_squares: i128,
}

impl Tally {
    /// The unit of the losses, 2^-40.
    pub const STEP: f64 = 1.0 / (1_u64 << 40) as f64;
    /// Scores are kept this far from 0 and 1 for the logarithmic loss.
    pub const CLIP: f64 = 1e-4;

    /// One prediction made.
    pub fn prediction() -> Tally {
        Tally { n: 1, ..Tally::default() }
    }

    /// One label that came for a prediction.
    pub fn labelled(task: Task, said: &Prediction, label: Label) -> Tally {
        let one = Tally { labelled: 1, ..Tally::default() };
        match (task, said) {
            (Task::Regression, said) => {
                let (error, label) = (said.score() - label.amount(), label.amount());
                Tally {
                    loss: in_wide_steps(error.abs()),
                    squares: in_wide_steps(error * error),
                    labels: in_wide_steps(label),
                    label_squares: in_wide_steps(label * label),
                    ..one
                }
            }
            (_, Prediction::Number(score)) => {
                let (said, label) = (is_positive(*score), label.is_true());
                Tally {
                    tp: i64::from(label && said),
                    fp: i64::from(!label && said),
                    tn: i64::from(!label && !said),
                    r#fn: i64::from(label && !said),
                    loss: in_steps(log_loss(if label { *score } else { 1.0 - score })),
                    squares: in_steps((score - f64::from(u8::from(label))).powi(2)),
                    ..one
                }
            }
            (_, Prediction::Classes(of)) => {
                let right = said.is_right(label);
                let truth = |class: usize| f64::from(u8::from(class == label.number()));
                let squares = of.iter().enumerate().map(|(class, p)| (p - truth(class)).powi(2)).sum();
                Tally {
                    tp: i64::from(right),
                    r#fn: i64::from(!right),
                    loss: in_steps(log_loss(said.given(label))),
                    squares: in_steps(squares),
                    ..one
                }
            }
        }
    }

    /// One prediction whose label did not come in time.
    pub fn expired() -> Tally {
        Tally { expired: 1, ..Tally::default() }
    }

    /// Whether nothing is left in it.
    pub fn is_zero(&self) -> bool {
        *self == Tally::default()
    }

    /// The predictions that still wait for their label.
    pub fn pending(&self) -> i64 {
        self.n - self.labelled - self.expired
    }

    /// The share of predictions that have their label (`label_coverage`); `None` without predictions.
    pub fn coverage(&self) -> Option<f64> {
        (self.n > 0).then(|| self.labelled as f64 / self.n as f64)
    }

    /// That share among the predictions that have or can still get a label; `None` if there are none.
    pub fn reachable_coverage(&self) -> Option<f64> {
        let reachable = self.n - self.expired;
        (reachable > 0).then(|| self.labelled as f64 / reachable as f64)
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.n += other.n;
        self.labelled += other.labelled;
        self.expired += other.expired;
        self.tp += other.tp;
        self.fp += other.fp;
        self.tn += other.tn;
        self.r#fn += other.r#fn;
        self.loss += other.loss;
        self.squares += other.squares;
        self.labels += other.labels;
        self.label_squares += other.label_squares;
    }
}

impl Add for Tally {
    type Output = Tally;
    fn add(mut self, other: Tally) -> Tally {
        self += other;
        self
    }
}

impl Neg for Tally {
    type Output = Tally;
    fn neg(self) -> Tally {
        Tally {
            n: -self.n,
            labelled: -self.labelled,
            expired: -self.expired,
            tp: -self.tp,
            fp: -self.fp,
            tn: -self.tn,
            r#fn: -self.r#fn,
            loss: -self.loss,
            squares: -self.squares,
            labels: -self.labels,
            label_squares: -self.label_squares,
        }
    }
}

/// The class of a score: true above one half.
pub(super) fn is_positive(score: f64) -> bool {
    score > 0.5
}

/// Of the probability that was given to what is true.
fn log_loss(given: f64) -> f64 {
    -given.clamp(Tally::CLIP, 1.0 - Tally::CLIP).ln()
}

fn in_steps(loss: f64) -> i128 {
    // By way of i64, into which one loss of at most 9.3 * 2^40 fits and whose conversion is one instruction.
    i128::from((loss / Tally::STEP).round() as i64)
}

/// Of numbers that may be greater.
fn in_wide_steps(amount: f64) -> i128 {
    (amount / Tally::STEP).round() as i128
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labelled(score: f64, label: bool) -> Tally {
        Tally::labelled(Task::Binary, &Prediction::Number(score), label.into())
    }

    fn amount(said: f64, label: f64) -> Tally {
        Tally::labelled(Task::Regression, &Prediction::Number(said), Label::value(label).expect("a value"))
    }

    fn class(of: [f64; 3], label: usize) -> Tally {
        Tally::labelled(Task::Multiclass(3), &Prediction::classes(of), Label::class(label))
    }

    fn one() -> impl Strategy<Value = Tally> {
        prop_oneof![
            Just(Tally::prediction()),
            Just(Tally::expired()),
            (0.0..=1.0, any::<bool>()).prop_map(|(score, label)| labelled(score, label)),
            (-1e9..1e9, -1e9..1e9).prop_map(|(said, label)| amount(said, label)),
            (0.0..0.5, 0_usize..3).prop_map(|(p, label)| class([p, 0.5 - p, 0.5], label)),
        ]
    }

    proptest! {
        #[test]
        fn what_is_added_and_taken_away_leaves_nothing(ones in proptest::collection::vec(one(), 0..50)) {
            let mut sum = Tally::default();
            ones.iter().for_each(|t| sum += *t);
            ones.iter().for_each(|t| sum += -*t);
            prop_assert!(sum.is_zero());
        }

        #[test]
        fn order_leaves_no_trace(ones in proptest::collection::vec(one(), 0..50).prop_shuffle()) {
            let sum = |ones: &[Tally]| ones.iter().fold(Tally::default(), |sum, t| sum + *t);
            let mut sorted = ones.clone();
            sorted.sort();
            prop_assert_eq!(sum(&ones), sum(&sorted));
        }
    }

    #[test]
    fn the_worst_loss_is_bounded() {
        assert_eq!(log_loss(0.0), -(Tally::CLIP.ln()));
        assert_eq!(labelled(1.0, false).loss, in_steps(-(Tally::CLIP.ln())));
        assert_eq!(labelled(1.0, true).squares, 0);
        assert_eq!(labelled(0.5, true).r#fn, 1, "one half is not above one half");
    }

    #[test]
    fn coverage_leaves_out_what_cannot_be_labelled() {
        let mut t = Tally { n: 10, labelled: 6, expired: 2, ..Tally::default() };
        assert_eq!((t.pending(), t.coverage(), t.reachable_coverage()), (2, Some(0.6), Some(0.75)));
        t.expired = 10;
        assert_eq!((t.reachable_coverage(), Tally::default().coverage()), (None, None));
    }
}
