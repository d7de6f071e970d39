//! The sufficient statistics of one series and bucket, as a differential difference.
//!
//! Everything in it is an integer, so sums are exact in any order, and what is retracted leaves no trace.

use crate::evaluate::{Bin, Tally};
use differential_dataflow::difference::{Abelian, IsZero, Monoid, Semigroup};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// Counts and losses, and the histogram of scores by label.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sums {
    /// Counts and losses.
    pub tally: Tally,
    /// The bins that are not empty, ascending.
    pub bins: Vec<(u16, Bin)>,
}

impl Sums {
    /// Adds `sign` (1 or -1) times one labelled score.
    pub fn label(&mut self, score: f64, label: bool, sign: i64) {
        let mut tally = Tally::labelled(score, label);
        if sign < 0 {
            tally = -tally;
        }
        self.tally += tally;
        for (number, mut bin) in crate::evaluate::bins::labelled(score, label) {
            if sign < 0 {
                bin = -bin;
            }
            match self.bins.binary_search_by_key(&number, |(n, _)| *n) {
                Ok(place) => {
                    self.bins[place].1 += bin;
                    if self.bins[place].1.is_zero() {
                        self.bins.remove(place);
                    }
                }
                Err(place) => self.bins.insert(place, (number, bin)),
            }
        }
    }
}

impl IsZero for Sums {
    fn is_zero(&self) -> bool {
        self.tally.is_zero() && self.bins.is_empty()
    }
}

impl Semigroup for Sums {
    fn plus_equals(&mut self, other: &Sums) {
        self.tally += other.tally;
        if other.bins.is_empty() {
            return;
        }
        let (ours, theirs) = (&self.bins, &other.bins);
        let mut merged = Vec::with_capacity(ours.len() + theirs.len());
        let (mut i, mut j) = (0, 0);
        while i < ours.len() && j < theirs.len() {
            match ours[i].0.cmp(&theirs[j].0) {
                Ordering::Less => {
                    merged.push(ours[i]);
                    i += 1;
                }
                Ordering::Greater => {
                    merged.push(theirs[j]);
                    j += 1;
                }
                Ordering::Equal => {
                    let mut sum = ours[i].1;
                    sum += theirs[j].1;
                    if !sum.is_zero() {
                        merged.push((ours[i].0, sum));
                    }
                    (i, j) = (i + 1, j + 1);
                }
            }
        }
        merged.extend_from_slice(&ours[i..]);
        merged.extend_from_slice(&theirs[j..]);
        self.bins = merged;
    }
}

impl Monoid for Sums {
    fn zero() -> Sums {
        Sums::default()
    }
}

impl Abelian for Sums {
    fn negate(&mut self) {
        self.tally = -self.tally;
        for (_, bin) in &mut self.bins {
            *bin = -*bin;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sums(rows: &[(f64, bool)]) -> Sums {
        let mut sums = Sums::default();
        rows.iter().for_each(|(score, label)| sums.label(*score, *label, 1));
        sums
    }

    proptest! {
        #[test]
        fn adding_and_taking_away_are_exact(
            a in prop::collection::vec((0.0..1.0f64, any::<bool>()), 0..40),
            b in prop::collection::vec((0.0..1.0f64, any::<bool>()), 0..40),
        ) {
            let mut both = sums(&a);
            both.plus_equals(&sums(&b));
            let all: Vec<_> = b.iter().chain(&a).copied().collect();
            prop_assert_eq!(&both, &sums(&all));
            let mut minus = sums(&b);
            minus.negate();
            both.plus_equals(&minus);
            prop_assert_eq!(&both, &sums(&a));
            a.iter().for_each(|(score, label)| both.label(*score, *label, -1));
            prop_assert!(both.is_zero());
        }
    }
}
