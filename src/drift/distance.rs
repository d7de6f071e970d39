//! Distances between a feature's histogram now and that of a training window, by name.
//!
//! In: integer counts over the same bins. Out: a number of at least 0, `None` if either has no rows. Cost: one pass
//! over the bins. Sources: for the stability index [`psi`]; Lin, Divergence measures based on the Shannon entropy, 1991
//! (`scipy.spatial.distance.jensenshannon`: the square root of the divergence, in nats); Smirnov, Table for estimating
//! the goodness of fit of empirical distributions, 1948.

use super::psi;
use crate::config::spec::Distance;

/// The distance of two histograms over the same bins, ascending where their order means anything.
///
/// ```
/// use tidemill::config::spec::Distance;
/// use tidemill::drift::distance;
/// let (then, now) = ([50, 50, 0], [0, 50, 50]);
/// assert_eq!(distance(Distance::KolmogorovSmirnov, &then, &now), Some(0.5));
/// let apart = distance(Distance::JensenShannon, &[9, 0], &[0, 7]).unwrap();
/// assert!((apart - 2f64.ln().sqrt()).abs() < 1e-15);
/// assert_eq!(distance(Distance::Psi, &then, &[0, 0, 0]), None);
/// ```
pub fn distance(kind: Distance, then: &[i64], now: &[i64]) -> Option<f64> {
    assert_eq!(then.len(), now.len(), "both histograms have the same bins");
    let rows = |counts: &[i64]| counts.iter().sum::<i64>();
    let (then_rows, now_rows) = (rows(then), rows(now));
    if then_rows <= 0 || now_rows <= 0 {
        return None;
    }
    let shares = then.iter().zip(now).map(|(a, b)| (*a as f64 / then_rows as f64, *b as f64 / now_rows as f64));
    match kind {
        Distance::Psi => psi(then, now),
        Distance::JensenShannon => {
            // A bin that is empty adds nothing to its own side.
            let term = |share: f64, middle: f64| if share > 0.0 { share * (share / middle).ln() } else { 0.0 };
            let divergence: f64 = shares.map(|(p, q)| term(p, 0.5 * (p + q)) + term(q, 0.5 * (p + q))).sum();
            Some((0.5 * divergence).max(0.0).sqrt())
        }
        Distance::KolmogorovSmirnov => {
            let mut apart = (0.0, 0.0);
            let apart = shares.map(|(p, q)| {
                apart = (apart.0 + p, apart.1 + q);
                f64::abs(apart.0 - apart.1)
            });
            Some(apart.fold(0.0, f64::max))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::psi::tests::golden;

    #[test]
    fn distances_are_those_of_scipy_and_numpy() {
        for feature in golden() {
            let (reference, recent) = feature.binned();
            for (kind, expected) in [
                (Distance::Psi, feature.psi),
                (Distance::JensenShannon, feature.jensen_shannon),
                (Distance::KolmogorovSmirnov, feature.kolmogorov_smirnov),
            ] {
                let found = distance(kind, reference.counts(), &recent).expect("there are rows");
                assert!((found - expected).abs() < 1e-9, "{} {kind:?}: {found} is not {expected}", feature.name);
                assert_eq!(distance(kind, reference.counts(), reference.counts()), Some(0.0));
            }
        }
    }
}
