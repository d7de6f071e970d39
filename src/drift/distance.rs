//! Distances between a feature's histogram now and that of a training window.
//!
//! In: integer counts over the same bins. Out: a number of at least 0, `None` if either has no rows. Cost: one pass
//! over the bins. Sources: Lin, Divergence measures based on the Shannon entropy, 1991
//! (`scipy.spatial.distance.jensenshannon`: the square root of the divergence, in nats); Smirnov, Table for estimating
//! the goodness of fit of empirical distributions, 1948; Cramer, Mathematical methods of statistics, 1946, section 21.9
//! (`scipy.stats.contingency.association`). For the stability index see [`psi`](fn@super::psi).

/// The shares of two histograms, bin by bin.
fn shares<'a>(then: &'a [i64], now: &'a [i64]) -> Option<impl Iterator<Item = (f64, f64)> + 'a> {
    assert_eq!(then.len(), now.len(), "both histograms have the same bins");
    let (then_rows, now_rows) = (then.iter().sum::<i64>(), now.iter().sum::<i64>());
    if then_rows <= 0 || now_rows <= 0 {
        return None;
    }
    Some(then.iter().zip(now).map(move |(a, b)| (*a as f64 / then_rows as f64, *b as f64 / now_rows as f64)))
}

/// The Jensen-Shannon distance, 0 to the root of ln 2.
///
/// ```
/// let apart = tidemill::drift::jensen_shannon(&[9, 0], &[0, 7]).unwrap();
/// assert!((apart - 2f64.ln().sqrt()).abs() < 1e-15);
/// ```
pub fn jensen_shannon(then: &[i64], now: &[i64]) -> Option<f64> {
    // A bin that is empty adds nothing to its own side.
    let term = |share: f64, middle: f64| if share > 0.0 { share * (share / middle).ln() } else { 0.0 };
    let divergence: f64 = shares(then, now)?.map(|(p, q)| term(p, 0.5 * (p + q)) + term(q, 0.5 * (p + q))).sum();
    Some((0.5 * divergence).max(0.0).sqrt())
}

/// The Kolmogorov-Smirnov statistic at the bins' edges, 0 to 1: the bins are ascending.
///
/// ```
/// use tidemill::drift::kolmogorov_smirnov;
/// assert_eq!(kolmogorov_smirnov(&[50, 50, 0], &[0, 50, 50]), Some(0.5));
/// assert_eq!(kolmogorov_smirnov(&[50, 50, 0], &[0, 0, 0]), None);
/// ```
pub fn kolmogorov_smirnov(then: &[i64], now: &[i64]) -> Option<f64> {
    let mut apart = (0.0, 0.0);
    let apart = shares(then, now)?.map(|(p, q)| {
        apart = (apart.0 + p, apart.1 + q);
        f64::abs(apart.0 - apart.1)
    });
    Some(apart.fold(0.0, f64::max))
}

/// Cramer's V of the two histograms' shares, 0 to 1: the root of chi-square of the table of two rows, each of which
/// weighs the same, by its total. Weighed by their rows a week beside a year would have a V near 0 whatever moved.
/// Where nothing moved, `n` recent rows in `k` bins leave a V of about the root of (k - 1) / 4n.
///
/// ```
/// use tidemill::drift::cramers_v;
/// assert_eq!(cramers_v(&[500, 0], &[0, 7]), Some(1.0));
/// assert_eq!(cramers_v(&[30, 10], &[3, 1]), Some(0.0));
/// ```
pub fn cramers_v(then: &[i64], now: &[i64]) -> Option<f64> {
    let terms = shares(then, now)?.filter(|(p, q)| p + q > 0.0).map(|(p, q)| (p - q) * (p - q) / (p + q));
    Some((0.5 * terms.sum::<f64>()).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::psi;
    use crate::drift::psi::tests::golden;
    use proptest::prelude::*;

    type Measure = fn(&[i64], &[i64]) -> Option<f64>;

    #[test]
    fn distances_are_those_of_scipy_and_numpy() {
        for feature in golden() {
            let (reference, recent) = feature.binned();
            let cases: [(&str, Measure, f64); 4] = [
                ("psi", psi, feature.psi),
                ("jensen_shannon", jensen_shannon, feature.jensen_shannon),
                ("kolmogorov_smirnov", kolmogorov_smirnov, feature.kolmogorov_smirnov),
                ("cramers_v", cramers_v, feature.cramers_v),
            ];
            for (name, measure, expected) in cases {
                let found = measure(reference.counts(), &recent.counts).expect("there are rows");
                assert!((found - expected).abs() < 1e-9, "{} {name}: {found} is not {expected}", feature.name);
                assert_eq!(measure(reference.counts(), reference.counts()), Some(0.0));
            }
        }
    }

    proptest! {
        #[test]
        fn v_is_symmetric_and_between_0_and_1(pairs in proptest::collection::vec((0..50i64, 0..50i64), 1..12)) {
            let (a, b): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            prop_assert_eq!(cramers_v(&a, &b), cramers_v(&b, &a));
            prop_assert!(cramers_v(&a, &b).is_none_or(|v| (0.0..=1.0 + 1e-12).contains(&v)));
        }
    }
}
