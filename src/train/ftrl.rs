//! Logistic regression by FTRL-Proximal, over the window again and again.
//!
//! In: rows of a binary task, oldest first. Out: a [`Logistic`] that has learned every row `epochs` times, one step a
//! row, as the online learner with this optimizer would; with `l1` slots that do not matter weigh exactly 0. Keeps
//! while fitting: three numbers a slot. Cost: `epochs` passes over the stored slots. Parameters and defaults are those
//! of the optimizer `ftrl`. The start is ignored.
//!
//! Ours, and not linfa-ftrl 0.8, which takes one step a call, on the sum of the batch that it is called with, so that
//! what it fits depends on how rows are cut into batches, and which has no bias.
//!
//! Source: McMahan and others, Ad click prediction: a view from the trenches, KDD 2013.

use super::{Estimator, FitError, Rows};
use crate::config::spec::OptimizerSpec;
use crate::model::{Body, Learner, Logistic};

/// Logistic regression by FTRL-Proximal.
#[derive(Clone, Debug)]
pub struct FtrlEstimator {
    /// Its steps.
    pub optimizer: OptimizerSpec,
    /// Passes over the rows, at least 1.
    pub epochs: u32,
}

impl Estimator for FtrlEstimator {
    fn fit(&self, rows: &Rows, _start: Option<&Body>) -> Result<Body, FitError> {
        let mut model = Logistic::new(rows.width(), &self.optimizer, 0.0);
        for _ in 0..self.epochs {
            rows.go_on()?;
            rows.vectors().iter().zip(rows.labels()).for_each(|(x, label)| model.learn(x, *label));
        }
        Ok(model.save())
    }

    fn bytes(&self, rows: &Rows) -> u64 {
        24 * rows.width() as u64
    }
}
