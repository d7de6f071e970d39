//! The drift detection method: drift where the error rate is well above the least that it ever was.
//!
//! In: errors, 0 or 1 (or values in [0, 1]). Out: drift. Keeps: the error rate, and its least sum with its deviation;
//! O(1) in all. Parameters: `warm_start` (30), values before the first judgement; `drift_threshold` (3, above 1: at 1
//! the least itself would be drift), deviations above the least rate at which there is drift. The arithmetic is River
//! 0.26.1's `DDM`, operation by operation, and so are the instants of drift. Source: Gama, Medas, Castillo, Rodrigues,
//! Learning with drift detection, SBIA 2004.

use super::{Detector, State};
use serde::{Deserialize, Serialize};

/// The drift detection method: its parameters and state.
///
/// ```
/// use tidemill::drift::{Ddm, Detector};
/// let mut detector = Ddm::default();
/// assert!((0..1000).all(|i| !detector.update(f64::from(i % 10 == 0))));
/// assert!((0..200).any(|_| detector.update(1.0)), "all wrong from here on");
/// assert_eq!(detector, Ddm::default(), "a drift starts it afresh");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ddm {
    warm_start: u64,
    drift_threshold: f64,
    seen: u64,
    rate: f64,
    /// The rate and its deviation where their sum was least; `None` until the warm start is over.
    least: Option<(f64, f64)>,
}

impl Ddm {
    /// One that has seen nothing; the parameters are checked with the pipeline file.
    pub fn new(warm_start: u64, drift_threshold: f64) -> Ddm {
        assert!(drift_threshold > 1.0, "the parameters are checked with the pipeline file");
        Ddm { warm_start, drift_threshold, seen: 0, rate: 0.0, least: None }
    }
}

impl Default for Ddm {
    /// River's parameters.
    fn default() -> Ddm {
        Ddm::new(30, 3.0)
    }
}

impl Detector for Ddm {
    fn update(&mut self, x: f64) -> bool {
        assert!(x.is_finite(), "a detector is fed finite values");
        self.seen += 1;
        let n = self.seen as f64;
        self.rate += (1.0 / n) * (x - self.rate);
        let deviation = (self.rate * (1.0 - self.rate) / n).max(0.0).sqrt();
        if self.seen <= self.warm_start {
            return false;
        }
        let sum = self.rate + deviation;
        let (rate, least) = match self.least {
            Some((rate, least)) if sum > rate + least => (rate, least),
            _ => *self.least.insert((self.rate, deviation)),
        };
        let drift = sum > rate + self.drift_threshold * least;
        if drift {
            self.reset();
        }
        drift
    }

    fn reset(&mut self) {
        *self = Ddm::new(self.warm_start, self.drift_threshold);
    }

    fn name(&self) -> &'static str {
        "ddm"
    }

    fn save(&self) -> State {
        State::Ddm(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::laws::{drifts, golden};

    #[test]
    fn drifts_where_river_says() {
        for sequence in golden() {
            assert_eq!(drifts(&mut Ddm::default(), &sequence.values()), sequence.ddm, "{}", sequence.name);
            assert_eq!(drifts(&mut Ddm::new(10, 2.0), &sequence.values()), sequence.ddm_quick, "{}", sequence.name);
        }
    }
}
