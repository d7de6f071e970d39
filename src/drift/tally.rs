//! The recent values of a feature, counted by the bins of its reference.
//!
//! In: values, one by one. Out: their counts and sums by bin, and how many of them were outside of the reference's
//! least and greatest. Keeps: two numbers a bin. Cost: a binary search a value.

use super::Reference;
use serde::{Deserialize, Serialize};

/// What was counted.
///
/// ```
/// use tidemill::drift::{Reference, Tally};
/// let reference = Reference::from_values(&[1.0, 2.0, 3.0], 10);
/// let mut tally = Tally::of(&reference);
/// [2.0, 2.5, 3.0, 3.5].into_iter().for_each(|x| tally.add(&reference, x));
/// assert_eq!(tally.counts, [0, 1, 3]);
/// assert_eq!(tally.sums, [0.0, 2.0, 9.0]);
/// assert_eq!(tally.outside, 1);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Values by bin.
    pub counts: Vec<i64>,
    /// Their sums by bin, in the order in which they came.
    pub sums: Vec<f64>,
    /// Values below the reference's least or above its greatest.
    pub outside: i64,
}

impl Tally {
    /// Nothing counted yet.
    pub fn of(reference: &Reference) -> Tally {
        let bins = reference.counts().len();
        Tally { counts: vec![0; bins], sums: vec![0.0; bins], outside: 0 }
    }

    /// Counts a value, finite.
    pub fn add(&mut self, reference: &Reference, x: f64) {
        let bin = reference.bin_of(x);
        self.counts[bin] += 1;
        self.sums[bin] += x;
        self.outside += i64::from(!reference.holds(x));
    }

    /// Adds what another over the same reference has counted.
    pub fn merge(&mut self, other: &Tally) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(a, b)| *a += b);
        self.sums.iter_mut().zip(&other.sums).for_each(|(a, b)| *a += b);
        self.outside += other.outside;
    }
}
