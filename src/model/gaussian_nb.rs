//! Gaussian naive Bayes, fitted elsewhere: predicts only.
//!
//! In: feature vectors of a fixed width. Out: the posterior probability of *true*. Keeps: for each class its prior and
//! the mean and variance of every slot (0/1 slots count as numbers, as in linfa and scikit-learn). Cost: one pass over
//! all slots. A vector so far from both classes that both densities underflow to the same infinity scores 0.5.
//! Source: <https://scikit-learn.org/stable/modules/naive_bayes.html#gaussian-naive-bayes>.

use super::artifact::{ArtifactError, finite, length, slots, within};
use super::logistic::sigmoid;
use crate::feature::Vector;
use serde::{Deserialize, Serialize};

/// What is known of one class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassStatistics {
    /// The class's share of the examples, in (0, 1].
    pub prior: f64,
    /// The mean of each slot.
    #[serde(deserialize_with = "slots")]
    pub means: Vec<f64>,
    /// The variance of each slot, smoothed: above 0.
    #[serde(deserialize_with = "slots")]
    pub variances: Vec<f64>,
}

/// Gaussian naive Bayes of two classes.
///
/// ```
/// use tidemill::feature::Vector;
/// use tidemill::model::{ClassStatistics, GaussianNb};
/// let class = |mean| ClassStatistics { prior: 0.5, means: vec![mean], variances: vec![1.0] };
/// let model = GaussianNb { negative: class(-1.0), positive: class(1.0), examples: 10 };
/// assert_eq!(model.predict(&Vector { dense: [0.0].into(), hot: [].into() }), 0.5);
/// assert!(model.predict(&Vector { dense: [2.0].into(), hot: [].into() }) > 0.98);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GaussianNb {
    /// The class *false*.
    pub negative: ClassStatistics,
    /// The class *true*.
    pub positive: ClassStatistics,
    /// The examples it was fitted on.
    pub examples: u64,
}

impl GaussianNb {
    /// The probability that the label of `x` is true.
    pub fn predict(&self, x: &Vector) -> f64 {
        let logit = self.positive.joint_log_likelihood(x) - self.negative.joint_log_likelihood(x);
        sigmoid(if logit.is_nan() { 0.0 } else { logit })
    }

    pub(super) fn check(&self, width: usize) -> Result<(), ArtifactError> {
        self.negative.check(width)?;
        self.positive.check(width)
    }
}

impl ClassStatistics {
    /// Up to the constant that both classes share.
    fn joint_log_likelihood(&self, x: &Vector) -> f64 {
        let mut hot = x.hot.iter().peekable();
        let rest = (x.dense.len()..self.means.len())
            .map(|slot| if hot.next_if(|h| **h as usize == slot).is_some() { 1.0 } else { 0.0 });
        let values = x.dense.iter().copied().chain(rest);
        let terms = values.zip(self.means.iter().zip(&self.variances)).map(|(x, (mean, variance))| {
            let distance = x - mean;
            variance.ln() + distance * distance / variance
        });
        self.prior.ln() - 0.5 * terms.sum::<f64>()
    }

    fn check(&self, width: usize) -> Result<(), ArtifactError> {
        within("prior", self.prior, "above 0 and at most 1", self.prior > 0.0 && self.prior <= 1.0)?;
        length("means", self.means.len(), width)?;
        finite("means", &self.means)?;
        length("variances", self.variances.len(), width)?;
        finite("variances", &self.variances)?;
        self.variances.iter().try_for_each(|v| within("variance", *v, "above 0", *v > 0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Golden {
        model: GaussianNb,
        rows: Vec<(Vec<f64>, Vec<u32>)>,
        scores: Vec<f64>,
    }

    #[test]
    fn scores_as_scikit_learn_does() {
        let golden: Golden =
            serde_json::from_str(include_str!("../../tests/golden/gaussian_nb.json")).expect("the golden file reads");
        assert_eq!(golden.rows.len(), golden.scores.len());
        for ((dense, hot), expected) in golden.rows.iter().zip(&golden.scores) {
            let found = golden.model.predict(&Vector { dense: dense.as_slice().into(), hot: hot.as_slice().into() });
            assert!((found - expected).abs() <= 1e-12, "{found} is not {expected}");
        }
    }

    #[test]
    fn far_vectors_score_finite() {
        let class = |mean| ClassStatistics { prior: 0.5, means: vec![mean], variances: vec![1e-9] };
        let model = GaussianNb { negative: class(-1.0), positive: class(1.0), examples: 1 };
        for x in [f64::MAX, -f64::MAX, 1e200, 3.0] {
            let score = model.predict(&Vector { dense: [x].into(), hot: [].into() });
            assert!((0.0..=1.0).contains(&score), "{x} scores {score}");
        }
    }
}
