//! ADWIN, adaptive windowing: drift where two parts of the recent past have means too different for chance.
//!
//! In: values between 0 and 1. Out: drift, judged at every 32nd value. Keeps: the window since the last drift as an
//! exponential histogram, at most six buckets for each power of two, so O(log n) of n values. Cost: O(1) a value and
//! O(log n) a judgement. Parameter: `delta` in (0, 1) (0.002), the chance of a false alarm that is put up with.
//!
//! The arithmetic and the constants are River 0.26.1's `ADWIN`, operation by operation, and so are the instants of
//! drift. As in River's class, a drift empties the window; the paper would keep its newer part.
//! Source: Bifet and Gavalda, Learning from time-changing data with adaptive windowing, 2007.

use super::{Detector, State};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// A row holds at most so many buckets; one more, and its two oldest become one of the next row.
const MAX_BUCKETS: usize = 5;
/// Judged whenever so many further values have come.
const CLOCK: u64 = 32;
/// Never judged with fewer values than one more than this.
const GRACE: f64 = 10.0;
/// Neither part of a cut is shorter.
const MIN_PART: f64 = 5.0;
/// Rows whose buckets can be counted in floats.
const MAX_ROWS: usize = 53;

/// ADWIN: its parameter and window.
///
/// ```
/// use tidemill::drift::{Adwin, Detector};
/// let mut detector = Adwin::new(0.002);
/// let mut errors = (0..2000).map(|i| if i < 1000 { f64::from(i % 10 == 0) } else { f64::from(i % 2 == 0) });
/// let drift = errors.position(|x| detector.update(x));
/// assert!(drift.is_some_and(|i| i > 1000 && i < 1200));
/// assert_eq!(detector.width(), 0, "a drift empties the window");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adwin {
    delta: f64,
    /// Values in the window; an `f64`, as the arithmetic wants it.
    width: f64,
    /// Their sum.
    total: f64,
    /// The sum of their squared distances from their mean.
    squares: f64,
    /// The buckets of row `i` are sums of 2^i adjacent values; a row's oldest is first, the last row is the oldest. The
    /// variance inside a bucket, which other implementations keep, only matters where buckets leave one by one.
    rows: Vec<VecDeque<f64>>,
}

impl Adwin {
    /// An empty window; `delta` is checked with the pipeline file.
    pub fn new(delta: f64) -> Adwin {
        assert!(delta > 0.0 && delta < 1.0, "delta is checked with the pipeline file");
        Adwin { delta, width: 0.0, total: 0.0, squares: 0.0, rows: vec![VecDeque::new()] }
    }

    /// The values in the window.
    pub fn width(&self) -> u64 {
        self.width as u64
    }

    /// The mean of the window; `None` if it is empty.
    pub fn mean(&self) -> Option<f64> {
        (self.width > 0.0).then(|| self.total / self.width)
    }

    /// Whether values between 0 and 1 could have come to this state, which anybody may have written.
    ///
    /// # Errors
    /// What they could not have come to.
    pub fn check(&self) -> Result<(), String> {
        let Adwin { delta, width, total, squares, ref rows } = *self;
        if !(delta > 0.0 && delta < 1.0) {
            return Err(format!("delta {delta:?}, allowed is above 0 and below 1"));
        }
        if !(1..=MAX_ROWS).contains(&rows.len()) {
            return Err(format!("{} rows of buckets, allowed are 1 to {MAX_ROWS}", rows.len()));
        }
        let (mut values, mut sum) = (0_u64, 0.0);
        for (row, buckets) in rows.iter().enumerate() {
            if buckets.len() > MAX_BUCKETS {
                return Err(format!("{} buckets in row {row}, allowed are at most {MAX_BUCKETS}", buckets.len()));
            }
            let size = 1_u64 << row;
            if let Some(bucket) = buckets.iter().find(|bucket| !(0.0..=size as f64).contains(*bucket)) {
                return Err(format!("a bucket of {bucket:?} in row {row}, allowed is 0 to {size}"));
            }
            values += size * buckets.len() as u64;
            sum += buckets.iter().sum::<f64>();
        }
        if width != values as f64 {
            return Err(format!("width {width:?}, its buckets are of {values} values"));
        }
        // Both are sums of the same values, rounded otherwise.
        let rounding = 1e-6 * width;
        if !(0.0..=rounding).contains(&(total - sum).abs()) {
            return Err(format!("total {total:?}, its buckets come to {sum:?}"));
        }
        // Nothing is further from its mean than half of the values at either end.
        if !(0.0..=width / 4.0 + rounding).contains(&squares) {
            return Err(format!("squares {squares:?}, allowed is 0 to a quarter of its {values} values"));
        }
        Ok(())
    }

    fn insert(&mut self, x: f64) {
        self.width += 1.0;
        if self.width > 1.0 {
            let distance = x - self.total / (self.width - 1.0);
            self.squares += (self.width - 1.0) * distance * distance / self.width;
        }
        self.total += x;
        self.rows[0].push_back(x);
        self.merge_full_rows();
    }

    fn merge_full_rows(&mut self) {
        let mut row = 0;
        while self.rows[row].len() > MAX_BUCKETS {
            if row + 1 == self.rows.len() {
                self.rows.push(VecDeque::new());
            }
            let merged = self.rows[row].drain(..2).sum();
            row += 1;
            self.rows[row].push_back(merged);
        }
    }

    /// One more value; if that ends the window, the mean of what came behind the cut.
    pub fn observe(&mut self, x: f64) -> Option<f64> {
        assert!(x.is_finite(), "a detector is fed finite values");
        self.insert(x);
        let judged = self.width().is_multiple_of(CLOCK) && self.width > GRACE;
        let newer = if judged { self.cut() } else { None };
        if newer.is_some() {
            self.reset();
        }
        newer
    }

    /// The mean of the newer part, if some cut shows means of both parts further apart than chance allows.
    fn cut(&self) -> Option<f64> {
        let (mut older, mut older_total) = (0.0, 0.0);
        let (mut newer, mut newer_total) = (self.width, self.total);
        for (row, buckets) in self.rows.iter().enumerate().rev() {
            let size = (1_u64 << row) as f64;
            for total in buckets {
                older += size;
                newer -= size;
                older_total += total;
                newer_total -= total;
                let apart = (older_total / older - newer_total / newer).abs();
                if older >= MIN_PART && newer >= MIN_PART && apart > self.chance(older, newer) {
                    return Some(newer_total / newer);
                }
            }
        }
        None
    }

    /// The distance of the means of two parts, so many values long, that chance explains (the paper's epsilon_cut with
    /// the normal approximation, over all cuts by Bonferroni).
    fn chance(&self, older: f64, newer: f64) -> f64 {
        let log = (2.0 * self.width.ln() / self.delta).ln();
        let lengths = 1.0 / (older - MIN_PART + 1.0) + 1.0 / (newer - MIN_PART + 1.0);
        (2.0 * lengths * (self.squares / self.width) * log).sqrt() + 2.0 / 3.0 * log * lengths
    }
}

impl Detector for Adwin {
    fn update(&mut self, x: f64) -> bool {
        self.observe(x).is_some()
    }

    fn reset(&mut self) {
        *self = Adwin::new(self.delta);
    }

    fn name(&self) -> &'static str {
        "adwin"
    }

    fn save(&self) -> State {
        State::Adwin(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::laws::{drifts, golden};

    #[test]
    fn drifts_where_river_says() {
        for sequence in golden() {
            let mut detector = Adwin::new(0.002);
            assert_eq!(drifts(&mut detector, &sequence.values()), sequence.adwin, "{}", sequence.name);
            let mut strict = Adwin::new(1e-6);
            assert_eq!(drifts(&mut strict, &sequence.values()), sequence.adwin_strict, "{}", sequence.name);
        }
    }

    #[test]
    fn what_no_values_come_to_is_refused() {
        let mut good = Adwin::new(0.002);
        assert_eq!(good.check(), Ok(()));
        for n in 0..10_000 {
            // Errors, and sizes of errors, which are rounded when they are added.
            good.observe(if n < 5_000 { f64::from(u8::from(n % 3 == 0)) } else { f64::from(n * 37 % 100) / 300.0 });
            assert_eq!(good.check(), Ok(()), "after {n}");
        }
        type Break = fn(&mut Adwin);
        let broken = |break_it: Break| {
            let mut one = good.clone();
            break_it(&mut one);
            one.check().expect_err("it is refused")
        };
        let faults: [(Break, &str); 13] = [
            (|one| one.delta = 0.0, "delta 0.0, allowed is above 0 and below 1"),
            (|one| one.delta = f64::NAN, "delta NaN"),
            (|one| one.rows.clear(), "0 rows of buckets, allowed are 1 to 53"),
            (|one| one.rows.resize(64, VecDeque::new()), "64 rows of buckets"),
            (|one| one.rows[0] = [0.0; 6].into(), "6 buckets in row 0, allowed are at most 5"),
            (|one| one.rows[2][0] = 4.5, "a bucket of 4.5 in row 2, allowed is 0 to 4"),
            (|one| one.rows[0][0] = -1.0, "a bucket of -1.0 in row 0"),
            (|one| one.rows[1][0] = f64::NAN, "a bucket of NaN in row 1"),
            (|one| one.width += 1.0, "its buckets are of"),
            (|one| one.width = f64::INFINITY, "width inf"),
            (|one| one.total = -1e300, "total -1e300, its buckets come to"),
            (|one| one.squares = one.width, "allowed is 0 to a quarter of its"),
            (|one| one.squares = -0.5, "squares -0.5"),
        ];
        for (break_it, expected) in faults {
            let found = broken(break_it);
            assert!(found.contains(expected), "{found} is not {expected}");
        }
    }

    #[test]
    fn memory_grows_with_the_logarithm() {
        let mut detector = Adwin::new(0.002);
        (0..100_000).for_each(|_| assert!(!detector.update(0.5)));
        assert_eq!((detector.width(), detector.mean()), (100_000, Some(0.5)));
        assert!(detector.rows.len() <= 16 && detector.rows.iter().all(|row| row.len() <= MAX_BUCKETS));
    }
}
