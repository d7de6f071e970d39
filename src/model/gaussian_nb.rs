//! Gaussian naive Bayes, fitted elsewhere: predicts only.
//!
//! In: feature vectors of a fixed width. Out: the posterior probability of each class. Keeps: for each class its prior
//! and the mean and variance of every slot (0/1 slots count as numbers, as in linfa and scikit-learn). Cost: one pass
//! over all slots. A vector so far from two classes that both densities underflow to the same infinity scores 0.5.
//! Source: <https://scikit-learn.org/stable/modules/naive_bayes.html#gaussian-naive-bayes>.

use super::artifact::{ArtifactError, finite, length, slots, within};
use super::logistic::sigmoid;
use super::softmax::softmax;
use crate::feature::Vector;
use crate::task::Prediction;
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

/// Fitted Gaussian naive Bayes.
///
/// ```
/// use tidemill::feature::Vector;
/// use tidemill::model::{ClassStatistics, GaussianNb};
/// let class = |mean| ClassStatistics { prior: 0.5, means: vec![mean], variances: vec![1.0] };
/// let model = GaussianNb { classes: vec![class(-1.0), class(1.0)], examples: 10 };
/// let score = |x: f64| model.predict(&Vector { dense: [x].into(), hot: [].into() }).score();
/// assert_eq!(score(0.0), 0.5);
/// assert!(score(2.0) > 0.98);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GaussianNb {
    /// In their order; of two *false* is the first.
    pub classes: Vec<ClassStatistics>,
    /// The examples it was fitted on.
    pub examples: u64,
}

impl GaussianNb {
    /// The probabilities of the classes of `x`.
    pub fn predict(&self, x: &Vector) -> Prediction {
        if let [negative, positive] = &self.classes[..] {
            let logit = positive.joint_log_likelihood(x) - negative.joint_log_likelihood(x);
            return Prediction::Number(sigmoid(if logit.is_nan() { 0.0 } else { logit }));
        }
        let mut of: Vec<f64> = self.classes.iter().map(|class| class.joint_log_likelihood(x)).collect();
        softmax(&mut of);
        Prediction::of_classes(&of)
    }

    /// The examples it was fitted on.
    pub fn updates(&self) -> u64 {
        self.examples
    }

    pub(super) fn check(&self, width: usize) -> Result<(), ArtifactError> {
        within("number of classes", self.classes.len() as f64, "at least 2", self.classes.len() >= 2)?;
        self.classes.iter().try_for_each(|class| class.check(width))
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
        model: Fitted,
        rows: Vec<(Vec<f64>, Vec<u32>)>,
        scores: Vec<f64>,
    }

    #[derive(Deserialize)]
    struct Fitted {
        negative: ClassStatistics,
        positive: ClassStatistics,
        examples: u64,
    }

    #[test]
    fn scores_as_scikit_learn_does() {
        let golden: Golden =
            serde_json::from_str(include_str!("../../tests/golden/gaussian_nb.json")).expect("the golden file reads");
        let Fitted { negative, positive, examples } = golden.model;
        let model = GaussianNb { classes: vec![negative, positive], examples };
        assert_eq!(golden.rows.len(), golden.scores.len());
        for ((dense, hot), expected) in golden.rows.iter().zip(&golden.scores) {
            let found = model.predict(&Vector { dense: dense.as_slice().into(), hot: hot.as_slice().into() }).score();
            assert!((found - expected).abs() <= 1e-12, "{found} is not {expected}");
        }
    }

    #[test]
    fn far_vectors_score_finite() {
        let class = |mean| ClassStatistics { prior: 0.5, means: vec![mean], variances: vec![1e-9] };
        let model = GaussianNb { classes: vec![class(-1.0), class(1.0)], examples: 1 };
        for x in [f64::MAX, -f64::MAX, 1e200, 3.0] {
            let score = model.predict(&Vector { dense: [x].into(), hot: [].into() }).score();
            assert!((0.0..=1.0).contains(&score), "{x} scores {score}");
        }
    }
}
