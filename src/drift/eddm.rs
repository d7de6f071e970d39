//! The early drift detection method: drift where errors come closer together than they used to.
//!
//! In: errors, 0 or 1. Out: drift. Keeps: mean and variance of the distance between two errors, and their greatest sum;
//! O(1) in all. Parameters: `warm_start` (30), values and errors before the first judgement; `beta` in (0, 1) (0.9),
//! the share of the greatest sum below which there is drift. The arithmetic is River 0.26.1's `EDDM`, operation by
//! operation, and so are the instants of drift. Source: Baena-Garcia and others, Early drift detection method, 2006.

use super::{Detector, State};
use serde::{Deserialize, Serialize};

/// The early drift detection method: its parameters and state.
///
/// ```
/// use tidemill::drift::{Detector, Eddm};
/// let mut detector = Eddm::default();
/// assert!((0..1000).all(|i| !detector.update(f64::from(i % 10 == 9))));
/// assert!((0..400).any(|_| detector.update(1.0)), "all wrong from here on");
/// assert_eq!(detector, Eddm::default(), "a drift starts it afresh");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Eddm {
    warm_start: u64,
    beta: f64,
    seen: u64,
    last_error: u64,
    errors: u64,
    mean: f64,
    squares: f64,
    /// The greatest sum of the mean and two deviations; `None` before the first.
    greatest: Option<f64>,
}

impl Eddm {
    /// One that has seen nothing; the parameters are checked with the pipeline file.
    pub fn new(warm_start: u64, beta: f64) -> Eddm {
        assert!(beta > 0.0 && beta < 1.0, "the parameters are checked with the pipeline file");
        Eddm { warm_start, beta, seen: 0, last_error: 0, errors: 0, mean: 0.0, squares: 0.0, greatest: None }
    }
}

impl Default for Eddm {
    /// River's parameters.
    fn default() -> Eddm {
        Eddm::new(30, 0.9)
    }
}

impl Detector for Eddm {
    fn update(&mut self, x: f64) -> bool {
        assert!(x.is_finite(), "a detector is fed finite values");
        self.seen += 1;
        if x != 1.0 {
            return false;
        }
        self.errors += 1;
        let distance = (self.seen - self.last_error) as f64;
        self.last_error = self.seen;
        let before = self.mean;
        self.mean += (1.0 / self.errors as f64) * (distance - self.mean);
        self.squares += (distance - before) * (distance - self.mean);
        if self.seen <= self.warm_start {
            return false;
        }
        let variance = if self.errors > 1 { self.squares / (self.errors - 1) as f64 } else { 0.0 };
        let sum = self.mean + 2.0 * variance.sqrt();
        let greatest = match self.greatest {
            Some(greatest) if sum <= greatest => greatest,
            _ => {
                self.greatest = Some(sum);
                return false;
            }
        };
        let drift = self.errors > self.warm_start && sum / greatest < self.beta;
        if drift {
            self.reset();
        }
        drift
    }

    fn reset(&mut self) {
        *self = Eddm::new(self.warm_start, self.beta);
    }

    fn name(&self) -> &'static str {
        "eddm"
    }

    fn save(&self) -> State {
        State::Eddm(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::laws::{drifts, golden};

    #[test]
    fn drifts_where_river_says() {
        for sequence in golden() {
            assert_eq!(drifts(&mut Eddm::default(), &sequence.values()), sequence.eddm, "{}", sequence.name);
            assert_eq!(drifts(&mut Eddm::new(10, 0.8), &sequence.values()), sequence.eddm_quick, "{}", sequence.name);
        }
    }
}
