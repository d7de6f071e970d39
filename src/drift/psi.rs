//! The population stability index: how far the recent values of a feature lie from those that a model was trained on.
//!
//! In: the feature's training values, once; then integer counts of recent values by the same bins. Out: a number of at
//! least 0; by custom, above 0.1 is a change and above 0.25 a drift. Keeps: of the reference the edges and,
//! by bin, counts and sums; its least and greatest value, its standard deviation. Cost:
//! one sort for a reference, a binary search in at most `bins` edges for a value.
//!
//! Bins are tenths of the reference (its quantiles are values of it, none interpolated), with two exceptions, without
//! which features of few values would not be watched: a feature of at most `bins` distinct values has one bin for each,
//! and a value that holds several quantiles has a bin of its own. Bins of a constant are below, at, and above it.
//! An empty bin counts as half a row, on either side, so that its logarithm exists and says less the fewer rows there
//! are; the shares are not scaled again. Sources: Siddiqi, Credit risk scorecards, 2006; Yurdakul, Statistical
//! properties of population stability index, 2018.

use serde::{Deserialize, Serialize};

/// A feature's distribution in a training window.
///
/// ```
/// use tidemill::drift::{Reference, psi};
/// let reference = Reference::from_values(&[0.0, 0.0, 0.0, 1.0], 10);
/// assert_eq!(reference.edges(), [0.0]);
/// assert_eq!(reference.counts(), [3, 1]);
/// let mut recent = [0, 0];
/// for x in [0.0, 1.0, 1.0, 1.0] {
///     recent[reference.bin_of(x)] += 1;
/// }
/// assert_eq!(psi(reference.counts(), reference.counts()), Some(0.0));
/// assert_eq!(psi(reference.counts(), &recent), Some(3f64.ln()));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    edges: Vec<f64>,
    counts: Vec<i64>,
    sums: Vec<f64>,
    least: f64,
    greatest: f64,
    deviation: f64,
}

impl Reference {
    /// The distribution of some finite values, in any order, in at most `bins` bins (three for a constant).
    pub fn from_values(values: &[f64], bins: usize) -> Reference {
        assert!(bins >= 2, "a distribution has at least two bins");
        assert!(values.iter().all(|x| x.is_finite()), "feature vectors are finite");
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let edges = edges(&sorted, bins);
        let mut reference = Reference {
            counts: vec![0; edges.len() + 1],
            sums: vec![0.0; edges.len() + 1],
            edges,
            least: sorted.first().copied().unwrap_or_default(),
            greatest: sorted.last().copied().unwrap_or_default(),
            deviation: deviation(&sorted),
        };
        for x in sorted {
            let bin = reference.bin_of(x);
            reference.counts[bin] += 1;
            reference.sums[bin] += x;
        }
        reference
    }

    /// The edges between bins, strictly ascending; a value at an edge is in the bin below it.
    pub fn edges(&self) -> &[f64] {
        &self.edges
    }

    /// The rows of the reference in each bin, one more than edges.
    pub fn counts(&self) -> &[i64] {
        &self.counts
    }

    /// The sums of the values in each bin.
    pub fn sums(&self) -> &[f64] {
        &self.sums
    }

    /// Whether it is of no values at all.
    pub fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
    }

    /// Whether a value lies between its least and its greatest.
    pub fn holds(&self, x: f64) -> bool {
        self.least <= x && x <= self.greatest
    }

    /// What distances are measured by: its standard deviation; of a constant its absolute value, or 1 for 0.
    pub fn scale(&self) -> f64 {
        match (self.deviation > 0.0, self.least.abs()) {
            (true, _) => self.deviation,
            (false, constant) if constant > 0.0 => constant,
            _ => 1.0,
        }
    }

    /// The share of ones, of zeros and ones; `None` if it is empty.
    pub fn share_of_ones(&self) -> Option<f64> {
        let rows = self.counts.iter().sum::<i64>();
        (rows > 0).then(|| self.sums.iter().sum::<f64>() / rows as f64)
    }

    /// The bin of a value, from 0.
    pub fn bin_of(&self, x: f64) -> usize {
        self.edges.partition_point(|edge| *edge < x)
    }
}

/// The standard deviation of the population; exactly 0 of a constant.
fn deviation(sorted: &[f64]) -> f64 {
    let n = sorted.len() as f64;
    let (Some(least), Some(greatest)) = (sorted.first(), sorted.last()) else { return 0.0 };
    if least == greatest {
        return 0.0;
    }
    let mean = sorted.iter().map(|x| x / n).sum::<f64>();
    sorted.iter().map(|x| (x - mean) * (x - mean) / n).sum::<f64>().sqrt()
}

/// The edges for some sorted values.
fn edges(sorted: &[f64], bins: usize) -> Vec<f64> {
    let mut distinct = sorted.to_vec();
    distinct.dedup();
    let Some(greatest) = distinct.last().copied() else { return Vec::new() };
    if distinct.len() == 1 {
        return vec![greatest.next_down(), greatest];
    }
    if distinct.len() <= bins {
        distinct.pop();
        return distinct;
    }
    let mut edges = Vec::with_capacity(bins);
    let quantiles: Vec<f64> = (1..bins).map(|i| sorted[(i * sorted.len()).div_ceil(bins) - 1]).collect();
    for same in quantiles.chunk_by(|a, b| a == b) {
        let smaller = distinct.partition_point(|x| *x < same[0]);
        // Several quantiles at one value: the next smaller value closes the bin before it. An edge at the greatest
        // value would have nothing above it.
        if (same.len() > 1 || same[0] == greatest) && smaller > 0 {
            edges.push(distinct[smaller - 1]);
        }
        if same[0] != greatest {
            edges.push(same[0]);
        }
    }
    edges.dedup();
    edges
}

/// The index of two histograms over the same bins: the sum over bins of (recent share - reference share) times the
/// logarithm of their quotient. `None` if either has no rows.
pub fn psi(reference: &[i64], recent: &[i64]) -> Option<f64> {
    assert_eq!(reference.len(), recent.len(), "both histograms have the same bins");
    let rows = |counts: &[i64]| counts.iter().sum::<i64>();
    let (reference_rows, recent_rows) = (rows(reference), rows(recent));
    if reference_rows <= 0 || recent_rows <= 0 {
        return None;
    }
    let share = |count: i64, rows: i64| (count as f64).max(0.5) / rows as f64;
    let terms = reference.iter().zip(recent).filter(|(a, b)| (**a, **b) != (0, 0)).map(|(a, b)| {
        let (then, now) = (share(*a, reference_rows), share(*b, recent_rows));
        (now - then) * (now / then).ln()
    });
    Some(terms.sum())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::drift::Tally;
    use proptest::prelude::*;

    #[derive(Deserialize)]
    struct Golden {
        features: Vec<Feature>,
        shares: Shares,
    }

    /// A number and a category with nulls, and the shares of rows that are amiss in them.
    #[derive(Deserialize)]
    pub(in crate::drift) struct Shares {
        pub(in crate::drift) values: Vec<String>,
        pub(in crate::drift) filled: f64,
        pub(in crate::drift) reference: Vec<(Option<f64>, Option<String>)>,
        pub(in crate::drift) recent: Vec<(Option<f64>, Option<String>)>,
        pub(in crate::drift) missing_rate: f64,
        pub(in crate::drift) unseen: f64,
        pub(in crate::drift) range: f64,
        pub(in crate::drift) cramers_v: f64,
    }

    #[derive(Deserialize)]
    pub(in crate::drift) struct Feature {
        pub(in crate::drift) name: String,
        pub(in crate::drift) reference: Vec<f64>,
        pub(in crate::drift) recent: Vec<f64>,
        edges: Vec<f64>,
        counts: Vec<i64>,
        pub(in crate::drift) psi: f64,
        pub(in crate::drift) jensen_shannon: f64,
        pub(in crate::drift) kolmogorov_smirnov: f64,
        pub(in crate::drift) cramers_v: f64,
        pub(in crate::drift) wasserstein: f64,
        pub(in crate::drift) wasserstein_of_values: f64,
    }

    impl Feature {
        /// The reference, and the recent values in its bins.
        pub(in crate::drift) fn binned(&self) -> (Reference, Tally) {
            let reference = Reference::from_values(&self.reference, 10);
            let mut recent = Tally::of(&reference);
            self.recent.iter().for_each(|x| recent.add(&reference, *x));
            (reference, recent)
        }
    }

    fn read() -> Golden {
        serde_json::from_str(include_str!("../../tests/golden/psi.json")).expect("the golden file reads")
    }

    pub(in crate::drift) fn golden() -> Vec<Feature> {
        read().features
    }

    pub(in crate::drift) fn shares() -> Shares {
        read().shares
    }

    #[test]
    fn agrees_with_numpy() {
        assert!(golden().len() >= 7);
        for feature in golden() {
            let (reference, recent) = feature.binned();
            assert_eq!(
                (reference.edges(), reference.counts()),
                (&feature.edges[..], &feature.counts[..]),
                "{}",
                feature.name
            );
            let found = psi(reference.counts(), &recent.counts).expect("there are rows");
            assert!((found - feature.psi).abs() < 1e-12, "{}: {found} is not {}", feature.name, feature.psi);
        }
    }

    proptest! {
        #[test]
        fn bins_are_few_ascending_and_hold_every_row(
            values in prop_oneof![
                proptest::collection::vec(-1e3..1e3f64, 0..100),
                proptest::collection::vec((0..15i32).prop_map(f64::from), 0..100),
                proptest::collection::vec((0..40i32).prop_map(|x| f64::from((x - 20).max(0))), 0..100),
            ],
            bins in 3..12usize,
        ) {
            let reference = Reference::from_values(&values, bins);
            prop_assert!(reference.counts().len() <= bins);
            prop_assert!(reference.edges().windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert_eq!(reference.counts().iter().sum::<i64>(), values.len() as i64);
            let (least, greatest) = (values.iter().copied().reduce(f64::min), values.iter().copied().reduce(f64::max));
            if least < greatest {
                prop_assert!(reference.counts().len() >= 2, "a feature that varies is told apart");
                prop_assert!(reference.counts().iter().all(|count| *count > 0));
            }
            let mut backwards = values.clone();
            backwards.reverse();
            prop_assert_eq!(Reference::from_values(&backwards, bins), reference);
        }

        #[test]
        fn the_index_is_symmetric_and_never_negative(pairs in proptest::collection::vec((0..50i64, 0..50i64), 1..12)) {
            let (a, b): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            prop_assert_eq!(psi(&a, &a).unwrap_or(0.0), 0.0);
            match (psi(&a, &b), psi(&b, &a)) {
                (Some(there), Some(back)) => prop_assert!(there >= 0.0 && (there - back).abs() < 1e-12),
                (there, back) => prop_assert_eq!(there, back),
            }
        }
    }

    #[test]
    fn a_constant_that_moves_is_seen() {
        let reference = Reference::from_values(&[2.0; 50], 10);
        assert_eq!(reference.counts(), [0, 50, 0]);
        assert_eq!([1.9, 2.0, 2.1].map(|x| reference.bin_of(x)), [0, 1, 2]);
        assert!(psi(reference.counts(), &[0, 0, 50]).is_some_and(|index| index > 4.0));
        assert_eq!(psi(Reference::from_values(&[], 10).counts(), &[3]), None);
    }
}
