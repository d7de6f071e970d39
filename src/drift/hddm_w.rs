//! Hoeffding's drift detection method by weighted averages: as [`super::HddmA`], but newer values count more.
//!
//! In: values in [0, 1]. Out: drift. Keeps: an exponentially weighted mean of all values, and two more before and
//! behind the cut where it was least (and, two-sided, greatest); O(1) in all. Parameters: `drift_confidence` in (0, 1)
//! (0.001), the chance of a false alarm at one place; `lambda` in (0, 1) (0.05), the weight of the newest value;
//! `two_sided` (false), whether a fall is drift too. The arithmetic is River 0.26.1's `HDDMW`, operation by operation,
//! and so are the instants of drift. Source: Frias-Blanco and others, IEEE TKDE 27, 2015 (McDiarmid's bound).

use super::{Detector, State};
use serde::{Deserialize, Serialize};

/// A weighted mean, and what its bound depends on; no mean before the first value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Sample {
    mean: Option<f64>,
    independent: f64,
}

impl Sample {
    const NEW: Sample = Sample { mean: None, independent: 1.0 };

    fn update(&mut self, x: f64, lambda: f64) {
        self.mean = Some(self.mean.map_or(x, |mean| lambda * x + (1.0 - lambda) * mean));
        let rest = 1.0 - lambda;
        self.independent = lambda * lambda + rest * rest * self.independent;
    }
}

/// What stands before a cut and behind it, and the bound at the cut.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Cut {
    /// `None` before the first value.
    at: Option<f64>,
    before: Sample,
    behind: Sample,
}

impl Cut {
    const NEW: Cut = Cut { at: None, before: Sample::NEW, behind: Sample::NEW };

    fn moves_to(&mut self, at: f64, all: Sample) {
        *self = Cut { at: Some(at), before: all, behind: Sample::NEW };
    }
}

/// Hoeffding's drift detection method by weighted averages: its parameters and state.
///
/// ```
/// use tidemill::drift::{Detector, HddmW};
/// let mut detector = HddmW::default();
/// assert!((0..1000).all(|i| !detector.update(f64::from(i % 10 == 0))));
/// assert!((0..200).any(|_| detector.update(1.0)), "all wrong from here on");
/// assert_eq!(detector, HddmW::default(), "a drift starts it afresh");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HddmW {
    drift_confidence: f64,
    lambda: f64,
    two_sided: bool,
    all: Sample,
    rise: Cut,
    fall: Cut,
}

impl HddmW {
    /// One that has seen nothing; the parameters are checked with the pipeline file.
    pub fn new(drift_confidence: f64, lambda: f64, two_sided: bool) -> HddmW {
        let inside = |x: f64| x > 0.0 && x < 1.0;
        assert!(inside(drift_confidence) && inside(lambda), "the parameters are checked with the pipeline file");
        HddmW { drift_confidence, lambda, two_sided, all: Sample::NEW, rise: Cut::NEW, fall: Cut::NEW }
    }

    fn bound(&self, independent: f64) -> f64 {
        (independent * (1.0 / self.drift_confidence).ln() / 2.0).sqrt()
    }

    /// Whether the mean of `high` is above that of `low` by more than chance.
    fn is_above(&self, high: Sample, low: Sample) -> bool {
        let (Some(above), Some(below)) = (high.mean, low.mean) else { return false };
        above - below > self.bound(low.independent + high.independent)
    }
}

impl Default for HddmW {
    /// River's parameters.
    fn default() -> HddmW {
        HddmW::new(0.001, 0.05, false)
    }
}

impl Detector for HddmW {
    fn update(&mut self, x: f64) -> bool {
        assert!(x.is_finite(), "a detector is fed finite values");
        self.all.update(x, self.lambda);
        let (mean, bound) = (self.all.mean.unwrap_or(x), self.bound(self.all.independent));
        if self.rise.at.is_none_or(|at| mean + bound < at) {
            self.rise.moves_to(mean + bound, self.all);
        } else {
            self.rise.behind.update(x, self.lambda);
        }
        if self.fall.at.is_none_or(|at| mean - bound > at) {
            self.fall.moves_to(mean - bound, self.all);
        } else {
            self.fall.behind.update(x, self.lambda);
        }
        let rose = self.is_above(self.rise.behind, self.rise.before);
        let fell = self.two_sided && self.is_above(self.fall.before, self.fall.behind);
        if rose || fell {
            self.reset();
        }
        rose || fell
    }

    fn reset(&mut self) {
        *self = HddmW::new(self.drift_confidence, self.lambda, self.two_sided);
    }

    fn name(&self) -> &'static str {
        "hddm_w"
    }

    fn save(&self) -> State {
        State::HddmW(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::laws::{drifts, golden};

    #[test]
    fn drifts_where_river_says() {
        for sequence in golden() {
            assert_eq!(drifts(&mut HddmW::default(), &sequence.values()), sequence.hddm_w, "{}", sequence.name);
            let mut both = HddmW::new(0.05, 0.02, true);
            assert_eq!(drifts(&mut both, &sequence.values()), sequence.hddm_w_both, "{}", sequence.name);
        }
    }
}
