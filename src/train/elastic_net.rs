//! Batch linear regression with both penalties, by linfa-elasticnet (coordinate descent).
//!
//! In: rows. Out: weights and bias that minimize half the mean squared error plus `penalty` times (`l1_ratio` times
//! the sum of magnitudes, and half the rest times the sum of squares); the bias is not penalized. Cost: a dense
//! matrix, and a pass over it an iteration. The start is ignored. Source: Zou and Hastie 2005, "Regularization and
//! variable selection via the elastic net"; parameters and defaults are scikit-learn's.

use super::{Estimator, FitError, Rows};
use crate::config::spec::ElasticNet;
use crate::model::{Body, Linear};
use linfa::DatasetBase;
use linfa::traits::Fit;
use ndarray::Array1;

/// Linear regression with both penalties.
#[derive(Clone, Copy, Debug)]
pub struct ElasticNetEstimator(pub ElasticNet);

impl ElasticNetEstimator {
    /// Where coordinate descent stops: the duality gap by the squared labels.
    pub const TOLERANCE: f64 = 1e-4;
}

impl Estimator for ElasticNetEstimator {
    fn fit(&self, rows: &Rows, _start: Option<&Body>) -> Result<Body, FitError> {
        let labels: Array1<f64> = rows.labels().iter().map(|label| label.amount()).collect();
        let fitted = linfa_elasticnet::ElasticNet::params()
            .penalty(self.0.penalty)
            .l1_ratio(self.0.l1_ratio)
            .tolerance(Self::TOLERANCE)
            .max_iterations(self.0.max_iterations)
            .fit(&DatasetBase::new(rows.matrix(), labels))
            .map_err(|error| FitError::Solver(error.to_string()))?;
        let weights = fitted.hyperplane().to_vec();
        Ok(Body::Linear(Linear::fitted(weights, fitted.intercept(), rows.len() as u64)))
    }
    fn bytes(&self, rows: &Rows) -> u64 {
        // The matrix, what is left of the labels, and the labels.
        8 * (rows.len() * (rows.width() + 2)) as u64
    }
}
