//! Online standardization: each number against mean and deviation of all numbers so far, itself included.
//!
//! In: finite numbers; those beyond ±2^52 are clipped to it and counted. Out: `(x - mean) / deviation` of the
//! population, 0 while the deviation is 0 (the first number, constants). Keeps: count, sum and sum of squares as
//! integers in steps of 2^-40, so the state has the same bits in whatever order the numbers came, and two states merge
//! by adding; no pivot is needed for that, the squares have 256 bits. Cost: constant.
//! Source: agrees with River's `StandardScaler` (Welford 1962) to rounding.

use super::moments::{Centred, LIMIT, fixed, fixed_short};
use serde::{Deserialize, Serialize};

/// The state of one standardized feature.
///
/// ```
/// use tidemill::feature::standardize::Standardizer;
/// let mut distance = Standardizer::default();
/// assert_eq!(distance.push(100.0), 0.0);
/// assert_eq!(distance.push(300.0), 1.0); // mean 200, deviation 100
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standardizer {
    seen: Centred,
    clipped: u64,
}

impl Standardizer {
    /// Takes a number in, and standardizes it. NaN changes nothing, is counted as clipped, and gives 0.
    #[inline]
    pub fn push(&mut self, number: f64) -> f64 {
        if let Some(standardized) = fixed_short(number).and_then(|short| self.seen.push_short(short)) {
            return standardized;
        }
        self.push_any(number)
    }

    fn push_any(&mut self, number: f64) -> f64 {
        let Some(number) = fixed(number).or_else(|| {
            self.clipped += 1;
            fixed(number.clamp(-LIMIT, LIMIT))
        }) else {
            return 0.0;
        };
        self.seen.push(number)
    }

    /// Takes in all that `other` took in.
    pub fn merge(&mut self, other: &Standardizer) {
        self.seen.merge(&other.seen);
        self.clipped += other.clipped;
    }

    /// How many numbers were taken in.
    pub fn count(&self) -> u64 {
        self.seen.count
    }

    /// How many numbers were beyond ±2^52, or NaN.
    pub fn clipped(&self) -> u64 {
        self.clipped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// River's `StandardScaler` as one number sees it.
    #[derive(Default)]
    struct Welford {
        n: f64,
        mean: f64,
        m2: f64,
    }

    impl Welford {
        fn push(&mut self, x: f64) -> f64 {
            self.n += 1.0;
            let before = x - self.mean;
            self.mean += before / self.n;
            self.m2 += before * (x - self.mean);
            let deviation = (self.m2 / self.n).sqrt();
            if deviation > 0.0 { (x - self.mean) / deviation } else { 0.0 }
        }
    }

    fn agrees(numbers: impl Iterator<Item = f64>) {
        let (mut exact, mut river) = (Standardizer::default(), Welford::default());
        for x in numbers {
            let (a, b) = (exact.push(x), river.push(x));
            assert!((a - b).abs() < 1e-9, "{x}: {a} against {b} after {} numbers", river.n);
        }
    }

    /// Uniform in [0, 1), from a linear congruence (Knuth's MMIX).
    fn uniform() -> impl FnMut() -> f64 {
        let mut state = 7_u64;
        move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        }
    }

    #[test]
    fn agrees_with_welford_on_300_000_pressures_amounts_and_delays() {
        let mut u = uniform();
        agrees((0..300_000).map(|_| 1017.0 + 7.0 * (u() + u() + u() - 1.5)));
        let mut u = uniform();
        agrees((0..300_000).map(|_| (1e6 * u().powi(4) * 100.0).round() / 100.0));
        let mut u = uniform();
        agrees((0..300_000).map(|_| (u() * 400.0).floor() - 60.0));
        agrees((0..1000).map(|_| 1234.5));
    }

    #[test]
    fn the_impossible_is_clipped_and_counted() {
        let mut s = Standardizer::default();
        assert_eq!(s.push(f64::NAN), 0.0);
        assert_eq!((s.count(), s.clipped()), (0, 1));
        s.push(0.0);
        assert_eq!(s.push(f64::INFINITY), 1.0);
        let mut same = s.clone();
        assert_eq!(s.push(-1e300).to_bits(), same.push(-LIMIT).to_bits());
        assert_eq!((s.count(), s.clipped()), (3, 3));
    }

    proptest! {
        #[test]
        fn is_the_two_pass_result(numbers in prop::collection::vec(-1e6..1e6, 2..80)) {
            let mut s = Standardizer::default();
            let last = numbers.iter().map(|x| s.push(*x)).last().unwrap();
            let n = numbers.len() as f64;
            let mean = numbers.iter().sum::<f64>() / n;
            let deviation = (numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
            prop_assert!((last - (numbers[numbers.len() - 1] - mean) / deviation).abs() < 1e-9);
        }

        #[test]
        fn shards_merge_into_the_whole(numbers in prop::collection::vec((0usize..4, -1e9..1e9), 0..80)) {
            let mut whole = Standardizer::default();
            let mut shards = vec![Standardizer::default(); 4];
            for (shard, x) in &numbers {
                whole.push(*x);
                shards[*shard].push(*x);
            }
            let merged = shards.iter().rev().fold(Standardizer::default(), |mut sum, s| { sum.merge(s); sum });
            prop_assert_eq!(&merged, &whole);
            let back: Standardizer = serde_json::from_str(&serde_json::to_string(&whole).unwrap()).unwrap();
            prop_assert_eq!(back, whole);
        }
    }
}
