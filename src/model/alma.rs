//! ALMA: an approximation of the separating plane of greatest margin, label by label.
//!
//! In: feature vectors of a fixed width. Out: the sigmoid of `weights . x` (a ranking, not a calibrated probability).
//! Keeps: one weight a slot, and how often it corrected itself. Cost: a pass over the stored slots, and one over all
//! weights when a label falls short of the margin. Exactness: `Replayed`.
//!
//! The arithmetic and the defaults are those of River 0.26.1's `ALMAClassifier`: no bias, and behind a correction only
//! the weights of the stored slots are brought back to length 1. A vector that leads to no finite weight is left out.
//!
//! Parameters: `p` at least 2 (2), `alpha` in (0, 1] (0.9), `b` above 0 (1/0.9), `c` above 0 (√2). Source: Gentile
//! 2001, "A new approximate maximal margin classification algorithm".

use super::artifact::{ArtifactError, finite, length, slots, within};
use super::logistic::sigmoid;
use super::{Body, Learner};
use crate::config::spec::AlmaSpec;
use crate::feature::Vector;
use crate::task::{Label, Prediction};
use serde::{Deserialize, Serialize};

/// An approximate large margin classifier.
///
/// ```
/// use tidemill::config::spec::AlmaSpec;
/// use tidemill::feature::Vector;
/// use tidemill::model::{Alma, Learner};
/// let x = |value: f64| Vector { dense: [value].into(), hot: [].into() };
/// let mut model = Alma::new(1, AlmaSpec::default());
/// model.learn(&x(1.0), true.into());
/// assert!(model.score(&x(2.0)) > 0.7 && model.score(&x(-2.0)) < 0.3);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alma {
    rules: AlmaSpec,
    updates: u64,
    /// One more than its corrections.
    k: u64,
    #[serde(deserialize_with = "slots")]
    weights: Vec<f64>,
}

impl Alma {
    /// An untrained model of `width` slots.
    pub fn new(width: usize, rules: AlmaSpec) -> Alma {
        Alma { rules, updates: 0, k: 1, weights: vec![0.0; width] }
    }

    fn sum(&self, x: &Vector) -> f64 {
        let z = x.dot(&self.weights);
        if z.is_nan() { 0.0 } else { z }
    }

    pub(super) fn check(&self, width: usize) -> Result<(), ArtifactError> {
        let AlmaSpec { p, alpha, b, c } = self.rules;
        within("p", p, "at least 2", p >= 2.0)?;
        within("alpha", alpha, "above 0 and at most 1", alpha > 0.0 && alpha <= 1.0)?;
        within("b", b, "above 0", b > 0.0)?;
        within("c", c, "above 0", c > 0.0)?;
        within("corrections", self.k as f64, "at least 1", self.k >= 1)?;
        length("weights", self.weights.len(), width)?;
        finite("weights", &self.weights)
    }
}

impl Learner for Alma {
    fn predict(&self, x: &Vector) -> Prediction {
        Prediction::Number(sigmoid(self.sum(x)))
    }

    fn learn(&mut self, x: &Vector, label: Label) {
        self.updates += 1;
        let AlmaSpec { p, alpha, b, c } = self.rules;
        let side = if label.is_true() { 1.0 } else { -1.0 };
        let (root, k) = ((p - 1.0).sqrt(), (self.k as f64).sqrt());
        if side * self.sum(x) >= (1.0 - alpha) * (b * root / k) {
            return;
        }
        let step = c / (root * k) * side;
        let mut moved = self.weights.clone();
        x.add_to(&mut moved, step);
        let norm = moved.iter().map(|w| w.abs().powf(p)).sum::<f64>().powf(1.0 / p);
        if !norm.is_finite() {
            return;
        }
        let shrink = norm.max(1.0);
        moved.iter_mut().zip(&x.dense).for_each(|(w, _)| *w /= shrink);
        x.hot.iter().for_each(|slot| moved[*slot as usize] /= shrink);
        self.weights = moved;
        self.k += 1;
    }

    fn updates(&self) -> u64 {
        self.updates
    }

    fn save(&self) -> Body {
        Body::Alma(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::golden::{Golden, golden};

    /// Test-then-train over the golden rows gives River's scores.
    #[test]
    fn learns_as_river_does() {
        let golden: Golden<AlmaSpec> = golden("alma");
        assert_eq!(golden.runs.len(), 2);
        golden.replay(|rules, width, _| Box::new(Alma::new(width, *rules)));
    }
}
