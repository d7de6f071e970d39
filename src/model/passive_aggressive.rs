//! Passive-aggressive: nothing is changed while a margin is kept, and else as little as makes up for it.
//!
//! In: feature vectors of a fixed width. Out: of a binary task the sigmoid of `weights . x + bias` (a ranking, not a
//! calibrated probability), of a regression the sum itself. Keeps: one weight a slot, the bias. Cost: two passes over
//! the stored slots. Exactness: `Replayed`.
//!
//! The arithmetic and the defaults are those of River 0.26.1's `PAClassifier` and `PARegressor`, but for the latter's
//! loss, which River takes of the label `2 y - 1`, as if it were a class; here it is the paper's. A step that is no
//! finite number is left out.
//!
//! Parameters: `c` above 0 (1), the most that a label may move; `mode` 0 (no bound), 1 (`c` bounds the step) or 2 (`c`
//! softens it) (1); of a regression `eps` at least 0 (0.1), an error that is none. Source: Crammer and others 2006,
//! "Online passive-aggressive algorithms".

use super::artifact::{ArtifactError, finite, length, slots, within};
use super::logistic::sigmoid;
use super::{Body, Learner};
use crate::config::spec::PassiveAggressiveSpec;
use crate::feature::Vector;
use crate::task::{Label, Prediction, Task};
use serde::{Deserialize, Serialize};

/// A passive-aggressive classifier or regressor.
///
/// ```
/// use tidemill::config::spec::PassiveAggressiveSpec;
/// use tidemill::feature::Vector;
/// use tidemill::model::{Learner, PassiveAggressive};
/// use tidemill::task::Task;
/// let x = |value: f64| Vector { dense: [value].into(), hot: [].into() };
/// let mut model = PassiveAggressive::new(1, Task::Binary, PassiveAggressiveSpec::default());
/// model.learn(&x(1.0), true.into());
/// model.learn(&x(-1.0), false.into());
/// assert!(model.score(&x(2.0)) > 0.7 && model.score(&x(-2.0)) < 0.3);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PassiveAggressive {
    rules: PassiveAggressiveSpec,
    regression: bool,
    updates: u64,
    bias: f64,
    #[serde(deserialize_with = "slots")]
    weights: Vec<f64>,
}

impl PassiveAggressive {
    /// An untrained model of `width` slots.
    pub fn new(width: usize, task: Task, rules: PassiveAggressiveSpec) -> PassiveAggressive {
        let regression = task == Task::Regression;
        PassiveAggressive { rules, regression, updates: 0, bias: 0.0, weights: vec![0.0; width] }
    }

    fn sum(&self, x: &Vector) -> f64 {
        let z = x.dot(&self.weights) + self.bias;
        if z.is_nan() { 0.0 } else { z }
    }

    /// How far the weights go for a loss.
    fn tau(&self, x: &Vector, loss: f64) -> f64 {
        let length = x.dense.iter().map(|x| x * x).sum::<f64>() + x.hot.len() as f64;
        let norm = length.sqrt().powi(2);
        match self.rules.mode {
            2 => loss / (norm + 0.5 / self.rules.c),
            _ if norm <= 0.0 => 0.0,
            1 => self.rules.c.min(loss / norm),
            _ => loss / norm,
        }
    }

    pub(super) fn task(&self) -> Task {
        if self.regression { Task::Regression } else { Task::Binary }
    }

    pub(super) fn check(&self, width: usize) -> Result<(), ArtifactError> {
        within("c", self.rules.c, "above 0", self.rules.c > 0.0)?;
        within("mode", f64::from(self.rules.mode), "0, 1 or 2", self.rules.mode <= 2)?;
        within("eps", self.rules.eps, "at least 0", self.rules.eps >= 0.0)?;
        within("bias", self.bias, "finite", true)?;
        length("weights", self.weights.len(), width)?;
        finite("weights", &self.weights)
    }
}

impl Learner for PassiveAggressive {
    fn predict(&self, x: &Vector) -> Prediction {
        let sum = self.sum(x);
        Prediction::Number(if self.regression { sum.clamp(-Label::LIMIT, Label::LIMIT) } else { sigmoid(sum) })
    }

    fn learn(&mut self, x: &Vector, label: Label) {
        self.updates += 1;
        let said = self.sum(x);
        let step = if self.regression {
            let error = label.amount() - said;
            let tau = self.tau(x, (error.abs() - self.rules.eps).max(0.0));
            if error == 0.0 { 0.0 } else { tau * error.signum() }
        } else {
            let side = if label.is_true() { 1.0 } else { -1.0 };
            self.tau(x, (1.0 - side * said).max(0.0)) * side
        };
        let greatest = x.dense.iter().fold(1.0, |most: f64, x| most.max(x.abs()));
        // So that no sum of weights ever overflows.
        if !step.is_finite() || step.abs() * greatest > 1e150 {
            return;
        }
        x.add_to(&mut self.weights, step);
        self.bias += step;
    }

    fn updates(&self) -> u64 {
        self.updates
    }

    fn save(&self) -> Body {
        Body::PassiveAggressive(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::golden::{Golden, golden};

    /// Test-then-train over the golden rows gives River's scores.
    #[test]
    fn learns_as_river_does() {
        let binary: Golden<PassiveAggressiveSpec> = golden("passive_aggressive");
        assert_eq!(binary.runs.len(), 3);
        binary.replay(|rules, width, _| Box::new(PassiveAggressive::new(width, Task::Binary, *rules)));
        let regression: Golden<PassiveAggressiveSpec> = golden("passive_aggressive_regression");
        assert_eq!(regression.runs.len(), 3);
        regression.replay(|rules, width, _| Box::new(PassiveAggressive::new(width, Task::Regression, *rules)));
    }
}
