//! Hoeffding's drift detection method by averages: drift where the mean has risen above what it was before a cut.
//!
//! In: values in [0, 1]. Out: drift. Keeps: the mean, and the mean up to the cut where it was least (and, two-sided,
//! greatest); O(1) in all. Parameters: `drift_confidence` in (0, 1) (0.001), the chance of a false alarm at one place;
//! `two_sided` (false), whether a fall is drift too. The arithmetic is River 0.26.1's `HDDMA`, operation by operation,
//! and so are the instants of drift. Source: Frias-Blanco and others, Online and non-parametric drift detection methods
//! based on Hoeffding's bounds, IEEE TKDE 27, 2015.

use super::{Detector, State};
use serde::{Deserialize, Serialize};

/// The mean of some first values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Mean {
    n: u64,
    mean: f64,
}

/// Hoeffding's drift detection method by averages: its parameters and state.
///
/// ```
/// use tidemill::drift::{Detector, HddmA};
/// let mut detector = HddmA::default();
/// assert!((0..1000).all(|i| !detector.update(f64::from(i % 10 == 0))));
/// assert!((0..200).any(|_| detector.update(1.0)), "all wrong from here on");
/// assert_eq!(detector, HddmA::default(), "a drift starts it afresh");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HddmA {
    drift_confidence: f64,
    two_sided: bool,
    all: Mean,
    least: Mean,
    greatest: Mean,
}

impl HddmA {
    /// One that has seen nothing; the parameters are checked with the pipeline file.
    pub fn new(drift_confidence: f64, two_sided: bool) -> HddmA {
        assert!(drift_confidence > 0.0 && drift_confidence < 1.0, "the parameters are checked with the pipeline file");
        let none = Mean::default();
        HddmA { drift_confidence, two_sided, all: none, least: none, greatest: none }
    }

    fn bound(&self, n: u64) -> f64 {
        (1.0 / (2 * n) as f64 * (1.0 / self.drift_confidence).ln()).sqrt()
    }

    /// By how much the mean must differ from that up to a cut.
    fn difference(&self, cut: Mean) -> f64 {
        let n = self.all.n as f64;
        let m = (n - cut.n as f64) / cut.n as f64 * (1.0 / n);
        (m / 2.0 * (2.0 / self.drift_confidence).ln()).sqrt()
    }
}

impl Default for HddmA {
    /// River's parameters.
    fn default() -> HddmA {
        HddmA::new(0.001, false)
    }
}

impl Detector for HddmA {
    fn update(&mut self, x: f64) -> bool {
        assert!(x.is_finite(), "a detector is fed finite values");
        self.all.n += 1;
        self.all.mean += (1.0 / self.all.n as f64) * (x - self.all.mean);
        if self.least.n == 0 {
            (self.least, self.greatest) = (self.all, self.all);
        }
        let bound = self.bound(self.all.n);
        if self.least.mean + self.bound(self.least.n) >= self.all.mean + bound {
            self.least = self.all;
        }
        if self.greatest.mean - self.bound(self.greatest.n) <= self.all.mean - bound {
            self.greatest = self.all;
        }
        let rose = self.least.n != self.all.n && self.all.mean - self.least.mean >= self.difference(self.least);
        let fell = self.two_sided
            && self.greatest.n != self.all.n
            && self.greatest.mean - self.all.mean >= self.difference(self.greatest);
        if rose || fell {
            self.reset();
        }
        rose || fell
    }

    fn reset(&mut self) {
        *self = HddmA::new(self.drift_confidence, self.two_sided);
    }

    fn name(&self) -> &'static str {
        "hddm_a"
    }

    fn save(&self) -> State {
        State::HddmA(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::laws::{drifts, golden};

    #[test]
    fn drifts_where_river_says() {
        for sequence in golden() {
            assert_eq!(drifts(&mut HddmA::default(), &sequence.values()), sequence.hddm_a, "{}", sequence.name);
            let mut both = HddmA::new(0.05, true);
            assert_eq!(drifts(&mut both, &sequence.values()), sequence.hddm_a_both, "{}", sequence.name);
        }
    }
}
