//! The Wasserstein distance: how far a feature's values had to be carried to become those of the training window.
//!
//! In: the reference, and the recent values counted and added up by its bins. Out: the distance of first order, divided
//! by the reference's standard deviation (a constant's has none: then by its absolute value, or 1 for 0); `None` if
//! either has no rows. Keeps nothing. Cost: a sort of two numbers a bin.
//!
//! **Definition.** All rows of a bin stand at their mean there, on either side at its own: the distance is that of two
//! distributions of as many points as there are bins. **Error.** It differs from the distance of the values themselves
//! by at most the sum, over the bins of either side, of share times mean absolute deviation within the bin, so at most
//! half of the bins' widths, weighed by their shares. It is exact where each bin holds one value (a feature of few),
//! and never less than the distance of the means: what has left the range counts in full, however far it went.
//! Source: `scipy.stats.wasserstein_distance`; Ramdas, Garcia and Cuturi, On Wasserstein two-sample testing, 2017.

use super::{Reference, Tally};

/// The distance of what was tallied from the reference, in its standard deviations.
///
/// ```
/// use tidemill::drift::{Reference, Tally, wasserstein};
/// let reference = Reference::from_values(&[0.0, 0.0, 4.0, 4.0], 10);
/// let mut recent = Tally::of(&reference);
/// [4.0, 6.0].into_iter().for_each(|x| recent.add(&reference, x));
/// // Half of the rows went from 0 to 4 and the others from 4 to 6, at a standard deviation of 2.
/// assert_eq!(wasserstein(&reference, &recent), Some(1.5));
/// ```
pub fn wasserstein(reference: &Reference, recent: &Tally) -> Option<f64> {
    let rows = |counts: &[i64]| counts.iter().map(|count| i128::from(*count)).sum::<i128>();
    let (then_rows, now_rows) = (rows(reference.counts()), rows(&recent.counts));
    if then_rows <= 0 || now_rows <= 0 {
        return None;
    }
    let mut points: Vec<(f64, i128)> = Vec::with_capacity(2 * recent.counts.len());
    let sides = [(reference.counts(), reference.sums(), now_rows), (&recent.counts, &recent.sums, -then_rows)];
    for (counts, sums, weight) in sides {
        let bins = counts.iter().zip(sums).filter(|(count, _)| **count > 0);
        points.extend(bins.map(|(count, sum)| (sum / *count as f64, i128::from(*count) * weight)));
    }
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    // The area between the two steps. Weights are whole: what is the same on both sides is gone without a rest.
    let mut ahead = 0;
    let area = points.windows(2).map(|pair| {
        ahead += pair[0].1;
        ahead.unsigned_abs() as f64 * (pair[1].0 - pair[0].0)
    });
    let carried = area.sum::<f64>() / (then_rows as f64 * now_rows as f64);
    // Values near the greatest of all overflow; what they come to is not known.
    Some(carried / reference.scale()).filter(|distance| distance.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::psi::tests::golden;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// The distance of the values themselves, in the reference's units.
    fn plain(a: &[f64], b: &[f64]) -> f64 {
        let mut all: Vec<f64> = a.iter().chain(b).copied().collect();
        all.sort_by(f64::total_cmp);
        let below = |values: &[f64], x: f64| values.iter().filter(|v| **v <= x).count() as f64 / values.len() as f64;
        all.windows(2).map(|pair| (below(a, pair[0]) - below(b, pair[0])).abs() * (pair[1] - pair[0])).sum()
    }

    /// The greatest error that there may be, in the reference's units.
    fn bound(reference: &Reference, values: &[f64]) -> f64 {
        let mut bins = vec![Vec::new(); reference.counts().len()];
        values.iter().for_each(|x| bins[reference.bin_of(*x)].push(*x));
        let apart = |bin: &Vec<f64>| {
            let mean = bin.iter().sum::<f64>() / bin.len() as f64;
            bin.iter().map(|x| (x - mean).abs()).sum::<f64>()
        };
        bins.iter().filter(|bin| !bin.is_empty()).map(apart).sum::<f64>() / values.len() as f64
    }

    fn tallied(reference: &Reference, values: &[f64]) -> Tally {
        let mut recent = Tally::of(reference);
        values.iter().for_each(|x| recent.add(reference, *x));
        recent
    }

    #[test]
    fn is_that_of_scipy() {
        for feature in golden() {
            let (reference, recent) = feature.binned();
            let found = wasserstein(&reference, &recent).expect("there are rows");
            let expected = feature.wasserstein;
            assert!((found - expected).abs() < 1e-9, "{}: {found} is not {expected}", feature.name);
            let error = bound(&reference, &feature.reference) + bound(&reference, &feature.recent);
            let of_values = feature.wasserstein_of_values;
            assert!((found - of_values).abs() <= error / reference.scale() + 1e-9, "{}: {of_values}", feature.name);
        }
    }

    proptest! {
        #[test]
        fn is_as_near_to_that_of_the_values_as_is_said(
            then in prop_oneof![vec(-9.0..9.0f64, 1..80), vec((0..5i32).prop_map(f64::from), 1..80)],
            now in prop_oneof![vec(-20.0..9.0f64, 1..80), vec((0..5i32).prop_map(f64::from), 1..80)],
        ) {
            let reference = Reference::from_values(&then, 10);
            let recent = tallied(&reference, &now);
            let found = wasserstein(&reference, &recent).expect("there are rows") * reference.scale();
            let error = bound(&reference, &then) + bound(&reference, &now);
            prop_assert!((found - plain(&then, &now)).abs() <= error + 1e-9);
            let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
            prop_assert!(found + 1e-9 >= (mean(&then) - mean(&now)).abs());
            prop_assert_eq!(wasserstein(&reference, &tallied(&reference, &then)).map(|d| d < 1e-12), Some(true));
        }
    }

    #[test]
    fn a_constant_is_measured_by_itself() {
        let distance = |of: f64, x: f64| {
            let reference = Reference::from_values(&[of; 9], 10);
            wasserstein(&reference, &tallied(&reference, &[x]))
        };
        assert_eq!([distance(4.0, 4.0), distance(4.0, 5.0), distance(0.0, 5.0)], [Some(0.0), Some(0.25), Some(5.0)]);
        assert_eq!(distance(-f64::MAX, f64::MAX), None);
        let reference = Reference::from_values(&[1.0, 2.0], 10);
        assert_eq!(wasserstein(&reference, &Tally::of(&reference)), None);
    }
}
