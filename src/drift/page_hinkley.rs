//! The Page-Hinkley test: drift where the values have been above, or below, their mean for too long.
//!
//! In: values. Out: drift. Keeps: the mean, two fading sums of distances from it, and their extremes; O(1) in all.
//! Parameters: `delta` (0.005), the change per value that is tolerated; `threshold` (50), the sum above which there is
//! drift; `min_instances` (30), values before the first judgement; `alpha` in (0, 1] (0.9999), by which the sums fade.
//! The arithmetic is River 0.26.1's `PageHinkley(mode="both")`, operation by operation, and so are the instants of
//! drift. Source: Page, Continuous inspection schemes, 1954.

use super::{Detector, State};
use serde::{Deserialize, Serialize};

/// The Page-Hinkley test, for rises and falls: its parameters and state.
///
/// ```
/// use tidemill::drift::{Detector, PageHinkley};
/// let mut detector = PageHinkley::default();
/// assert!((0..1000).all(|i| !detector.update(f64::from(i % 10 == 0))));
/// assert!((0..200).any(|_| detector.update(1.0)), "all wrong from here on");
/// assert_eq!(detector, PageHinkley::default(), "a drift starts it afresh");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PageHinkley {
    delta: f64,
    threshold: f64,
    min_instances: u64,
    alpha: f64,
    seen: u64,
    mean: f64,
    rise: f64,
    /// The least `rise` so far; `None` before the first value, since JSON has no infinity.
    least_rise: Option<f64>,
    fall: f64,
    greatest_fall: f64,
}

impl PageHinkley {
    /// A test that has seen nothing; the parameters are checked with the pipeline file.
    pub fn new(delta: f64, threshold: f64, min_instances: u64, alpha: f64) -> PageHinkley {
        let good = delta >= 0.0 && delta.is_finite() && threshold > 0.0 && alpha > 0.0 && alpha <= 1.0;
        assert!(good, "the parameters are checked with the pipeline file");
        PageHinkley {
            delta,
            threshold,
            min_instances,
            alpha,
            seen: 0,
            mean: 0.0,
            rise: 0.0,
            least_rise: None,
            fall: 0.0,
            greatest_fall: -1.0, // River's start; the first fall is `delta`, always greater
        }
    }
}

impl Default for PageHinkley {
    /// River's parameters.
    fn default() -> PageHinkley {
        PageHinkley::new(0.005, 50.0, 30, 1.0 - 0.0001)
    }
}

impl Detector for PageHinkley {
    fn update(&mut self, x: f64) -> bool {
        assert!(x.is_finite(), "a detector is fed finite values");
        self.seen += 1;
        self.mean += (1.0 / self.seen as f64) * (x - self.mean);
        let distance = x - self.mean;
        self.rise = self.alpha * self.rise + distance - self.delta;
        self.fall = self.alpha * self.fall + distance + self.delta;
        let least_rise = self.least_rise.map_or(self.rise, |least| least.min(self.rise));
        self.least_rise = Some(least_rise);
        self.greatest_fall = self.greatest_fall.max(self.fall);

        let (rose, fell) = (self.rise - least_rise, self.greatest_fall - self.fall);
        let drift = self.seen >= self.min_instances && (rose > self.threshold || fell > self.threshold);
        if drift {
            self.reset();
        }
        drift
    }

    fn reset(&mut self) {
        *self = PageHinkley::new(self.delta, self.threshold, self.min_instances, self.alpha);
    }

    fn name(&self) -> &'static str {
        "page_hinkley"
    }

    fn save(&self) -> State {
        State::PageHinkley(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::laws::{drifts, golden};

    #[test]
    fn drifts_where_river_says() {
        for sequence in golden() {
            let mut detector = PageHinkley::default();
            assert_eq!(drifts(&mut detector, &sequence.values()), sequence.page_hinkley, "{}", sequence.name);
            let mut quick = PageHinkley::new(0.01, 5.0, 10, 1.0);
            assert_eq!(drifts(&mut quick, &sequence.values()), sequence.page_hinkley_quick, "{}", sequence.name);
        }
    }
}
