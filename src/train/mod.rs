//! Training: fits a batch candidate on the window of examples, and judges it before it may become a version.
//!
//! In: the examples, the online learner's state and what was served ([`Job`]). Out: a [`Verdict`] with its [`Report`].
//! Keeps nothing; a job's verdict is a function of the job alone, to the byte. Adding an estimator is its file, an
//! [`Estimator`] in it, a variant of the configuration, and joining the battery in `laws.rs`.

mod boosting;
mod elastic_net;
mod gaussian_nb;
mod importance;
mod job;
#[cfg(test)]
mod laws;
mod logistic;
mod paired;
mod report;
mod rows;
#[cfg(test)]
mod tests;
mod whitening;

pub use boosting::BoostingEstimator;
pub use elastic_net::ElasticNetEstimator;
pub use gaussian_nb::GaussianNbEstimator;
pub use importance::Importance;
pub use job::{Contestant, Example, Job, Verdict, run};
pub use logistic::LogisticEstimator;
pub use paired::Paired;
pub use report::{Bounds, Candidate, Check, Figures, Parameters, Report};
pub use rows::Rows;

use crate::config::spec::RetrainSpec;
use crate::model::{ArtifactError, Body};
use crate::task::{Label, Task};

/// A way to fit a model to many labelled vectors at once.
pub trait Estimator {
    /// Fits. `start` is a model near by, to begin from; an estimator may ignore it, and its result depends on it at
    /// most within the estimator's stated tolerance. The same rows and start give the same bytes, in any process.
    fn fit(&self, rows: &Rows, start: Option<&Body>) -> Result<Body, FitError>;
}

/// The estimator that a pipeline declares.
pub fn estimator(spec: &RetrainSpec) -> Box<dyn Estimator> {
    match *spec {
        RetrainSpec::Logistic { alpha, max_iterations } => Box::new(LogisticEstimator { alpha, max_iterations }),
        RetrainSpec::ElasticNet(rules) => Box::new(ElasticNetEstimator(rules)),
        RetrainSpec::GaussianNb { var_smoothing } => Box::new(GaussianNbEstimator { var_smoothing }),
        RetrainSpec::GradientBoosting(boosting) => Box::new(BoostingEstimator(boosting)),
    }
}

fn one_label(label: Label, task: Task) -> String {
    match task {
        Task::Binary => format!("{}, both classes are needed", label.is_true()),
        Task::Multiclass(_) => format!("class {}, at least two classes are needed", label.number()),
        Task::Regression => format!("{}, different ones are needed", label.amount()),
    }
}

/// Why there is no fit.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// Fewer rows than needed.
    #[error("{found} rows to fit, at least {needed} are needed")]
    TooFewRows {
        /// The rows there are.
        found: usize,
        /// The least number.
        needed: usize,
    },
    /// All labels are equal.
    #[error("all {rows} labels are {}", one_label(*label, *task))]
    OneLabel {
        /// The label.
        label: Label,
        /// What it is of.
        task: Task,
        /// The rows.
        rows: usize,
    },
    /// The estimator cannot tell so few or so many classes apart.
    #[error("no rows are of class {class}, all classes are needed")]
    NoRows {
        /// The class without rows.
        class: usize,
    },
    /// A vector that is not of the declared width.
    #[error("row {row} has slot {slot}, allowed is below {width}")]
    Width {
        /// The row.
        row: usize,
        /// Its greatest slot.
        slot: usize,
        /// The declared width.
        width: usize,
    },
    /// NaN or an infinity in a vector.
    #[error("row {row} has {found} in slot {slot}, allowed are finite numbers")]
    NotFinite {
        /// The row.
        row: usize,
        /// The slot.
        slot: usize,
        /// The number.
        found: f64,
    },
    /// The solver stopped away from the optimum.
    #[error("not converged in {max_iterations} iterations: gradient {gradient:.3e}, allowed is at most {allowed:.3e}")]
    NotConverged {
        /// The gradient's norm in whitened coordinates; half its square is about what is left to gain, in nats.
        gradient: f64,
        /// The greatest norm accepted.
        allowed: f64,
        /// The iterations allowed.
        max_iterations: u64,
    },
    /// The arithmetic broke down: features too far apart in size, or a failure inside linfa.
    #[error("the fit failed: {0}")]
    Solver(String),
    /// The result is no model: NaN, an infinity, a variance of 0.
    #[error("the fit is unusable: {0}")]
    Unusable(#[from] ArtifactError),
}
