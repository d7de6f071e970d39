//! Batch Gaussian naive Bayes, by linfa-bayes.
//!
//! In: rows. Out: for each class its prior and the mean and variance of every slot; `var_smoothing` times the greatest
//! variance of any slot is added to all. Cost: two dense copies of the rows, three passes. The start is ignored.
//! linfa keeps the fitted statistics to itself; they are read through its serde form, which has every bit of them.

use super::{Estimator, FitError, Rows};
use crate::model::{Body, ClassStatistics, GaussianNb};
use linfa::DatasetBase;
use linfa::traits::Fit;
use ndarray::Array1;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Batch Gaussian naive Bayes.
#[derive(Clone, Copy, Debug)]
pub struct GaussianNbEstimator {
    /// Share of the greatest variance that is added to all, at least 0.
    pub var_smoothing: f64,
}

/// linfa's `GaussianNb` as it serializes.
#[derive(Deserialize)]
struct Fitted {
    class_info: BTreeMap<String, Class>,
}

#[derive(Deserialize)]
struct Class {
    prior: f64,
    theta: Numbers,
    sigma: Numbers,
}

/// An `ndarray` of one dimension as it serializes.
#[derive(Deserialize)]
struct Numbers {
    data: Vec<f64>,
}

impl Estimator for GaussianNbEstimator {
    fn fit(&self, rows: &Rows, _start: Option<&Body>) -> Result<Body, FitError> {
        if let Some(class) = rows.by_class().iter().position(|rows| *rows == 0) {
            return Err(FitError::NoRows { class });
        }
        let matrix = rows.matrix();
        let labels: Array1<usize> = rows.labels().iter().map(|label| label.number()).collect();
        let fitted = linfa_bayes::GaussianNb::<f64, usize>::params()
            .var_smoothing(self.var_smoothing)
            .fit(&DatasetBase::new(matrix, labels))
            .map_err(|error| FitError::Solver(error.to_string()))?;
        let mut classes = serde_json::to_value(&fitted)
            .and_then(serde_json::from_value::<Fitted>)
            .map_err(|error| FitError::Solver(error.to_string()))?
            .class_info;
        let mut class = |label: usize| {
            let class = classes.remove(&label.to_string());
            let class = class.ok_or_else(|| FitError::Solver(format!("linfa returned no class {label}")))?;
            Ok::<_, FitError>(ClassStatistics {
                prior: class.prior,
                means: class.theta.data,
                variances: class.sigma.data,
            })
        };
        let classes = (0..rows.task().classes()).map(&mut class).collect::<Result<_, _>>()?;
        Ok(Body::GaussianNb(GaussianNb { classes, examples: rows.len() as u64 }))
    }
    fn bytes(&self, rows: &Rows) -> u64 {
        // The matrix, and the rows of a class once more.
        8 * (rows.len() * (2 * rows.width() + 1)) as u64
    }
}
