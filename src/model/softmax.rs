//! Softmax regression: a weight a class and slot, by stochastic gradients.
//!
//! In: feature vectors of a fixed width, and classes. Out: the softmax of one sum a class, over the classes that have
//! been seen. Keeps: one weight a class and slot, what the optimizer keeps of each, the labels by class. Cost: one pass
//! over the stored slots a class. Exactness: `Replayed`.
//!
//! The arithmetic is that of River 0.26.1, `SoftmaxRegression(optimizer, l2=l2)`: no bias, one optimizer a class. A
//! class that has not been seen has probability 0 and no weights to move; before any label all are alike.
//!
//! Parameters: the optimizer's, `l2` at least 0 (0). Source: Cox, Some procedures associated with the logistic
//! qualitative response curve, 1966; <https://github.com/online-ml/river>.

use super::artifact::{ArtifactError, finite, length, within};
use super::optimizer::Optimizer;
use super::{Body, Learner};
use crate::config::spec::OptimizerSpec;
use crate::feature::Vector;
use crate::task::{Label, Prediction};
use serde::{Deserialize, Serialize};

/// River's `clamp_proba`.
const CLAMP: f64 = 1e-15;

/// Softmax regression: its parameters and state.
///
/// ```
/// use tidemill::config::spec::OptimizerSpec;
/// use tidemill::feature::Vector;
/// use tidemill::model::{Learner, Softmax};
/// use tidemill::task::Label;
/// let x = |class: usize| Vector { dense: [].into(), hot: [class as u32].into() };
/// let mut model = Softmax::new(3, 3, &OptimizerSpec::sgd(0.5), 0.0);
/// for n in 0..300 {
///     model.learn(&x(n % 3), Label::class(n % 3));
/// }
/// assert_eq!(model.predict(&x(2)).class(), 2);
/// assert!(model.score(&x(2)) > 0.9);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Softmax {
    l2: f64,
    classes: Vec<Class>,
}

/// What is known of a class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Class {
    labels: u64,
    optimizer: Optimizer,
    weights: Vec<f64>,
}

impl Softmax {
    /// An untrained model of `width` slots.
    pub fn new(width: usize, classes: usize, optimizer: &OptimizerSpec, l2: f64) -> Softmax {
        let class = || Class { labels: 0, optimizer: Optimizer::new(optimizer, width), weights: vec![0.0; width] };
        Softmax { l2, classes: std::iter::repeat_with(class).take(classes).collect() }
    }

    /// The probabilities of all classes.
    fn probabilities(&self, x: &Vector) -> Vec<f64> {
        let sum = |class: &Class| match class.labels {
            0 => f64::NEG_INFINITY,
            _ => Some(x.dot(&class.weights)).filter(|sum| !sum.is_nan()).unwrap_or(0.0),
        };
        let mut of: Vec<f64> = self.classes.iter().map(sum).collect();
        softmax(&mut of);
        of
    }

    pub(super) fn classes(&self) -> usize {
        self.classes.len()
    }

    pub(super) fn check(&self, width: usize) -> Result<(), ArtifactError> {
        within("l2", self.l2, "at least 0", self.l2 >= 0.0)?;
        within("number of classes", self.classes.len() as f64, "at least 2", self.classes.len() >= 2)?;
        self.classes.iter().try_for_each(|class| {
            class.optimizer.check(width)?;
            length("weights", class.weights.len(), width)?;
            finite("weights", &class.weights)
        })
    }
}

/// Logarithms of what is likely, up to a constant, as probabilities; of none that is known all are alike.
pub(super) fn softmax(of: &mut [f64]) {
    let most = of.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY {
        return of.fill(1.0 / of.len() as f64);
    }
    // Two that are infinite are alike, and everything else is nothing beside them.
    let part = |log: f64| if log == most { 1.0 } else { (log - most).exp() };
    of.iter_mut().for_each(|log| *log = part(*log));
    let all: f64 = of.iter().sum();
    of.iter_mut().for_each(|p| *p /= all);
}

impl Learner for Softmax {
    fn predict(&self, x: &Vector) -> Prediction {
        Prediction::of_classes(&self.probabilities(x))
    }

    fn learn(&mut self, x: &Vector, label: Label) {
        let mut probabilities = self.probabilities(x);
        if self.updates() == 0 {
            probabilities.fill(0.0);
        }
        for (number, (class, p)) in self.classes.iter_mut().zip(probabilities).enumerate() {
            let own = number == label.number();
            if class.labels == 0 && !own {
                continue;
            }
            let gradient = p.clamp(CLAMP, 1.0 - CLAMP) - f64::from(u8::from(own));
            class.optimizer.step(&mut class.weights, x, gradient, self.l2);
            class.labels += u64::from(own);
        }
    }

    fn updates(&self) -> u64 {
        self.classes.iter().map(|class| class.labels).sum()
    }

    fn save(&self) -> Body {
        Body::Softmax(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::golden::{Golden, golden};

    /// Test-then-train over the golden rows gives River's probabilities.
    #[test]
    fn learns_as_river_does() {
        let golden: Golden<OptimizerSpec> = golden("softmax");
        assert_eq!(golden.runs.len(), 4);
        golden.replay(|optimizer, width, classes| Box::new(Softmax::new(width, classes, optimizer, 0.001)));
    }
}
