//! Training: fits a batch candidate on the window of examples, and judges it before it may become a version.
//!
//! In: the examples, the online learner's state and what was served ([`Job`]). Out: a [`Verdict`] with its [`Report`].
//! Keeps nothing; a job's verdict is a function of the job alone, to the byte. Adding an estimator is its file, an
//! [`Estimator`] in it, a variant of the configuration, and joining the battery in `laws.rs`.

mod bins;
mod boosting;
mod calibration;
mod elastic_net;
mod ftrl;
mod gaussian_nb;
mod golden;
mod importance;
mod job;
#[cfg(test)]
mod laws;
mod linear;
mod logistic;
mod newton;
#[cfg(test)]
mod oracle;
mod paired;
mod report;
mod rows;
mod svm;
#[cfg(test)]
mod tests;
mod trees;
mod whitening;

pub use boosting::BoostingEstimator;
pub use elastic_net::ElasticNetEstimator;
pub use ftrl::FtrlEstimator;
pub use gaussian_nb::GaussianNbEstimator;
pub use golden::{Golden, golden};
pub use importance::Importance;
pub use job::{Contestant, Example, Job, Verdict, given_up, run};
pub use linear::LinearEstimator;
pub use logistic::LogisticEstimator;
pub use paired::Paired;
pub use report::{Bounds, Calibrated, Candidate, Check, Figures, Parameters, Report};
pub use rows::Rows;
pub use svm::SvmEstimator;
pub use trees::{AdaBoostEstimator, DecisionTreeEstimator, RandomForestEstimator};

use crate::config::spec::RetrainSpec;
use crate::model::{ArtifactError, Body};
use crate::task::{Label, Task};

/// A way to fit a model to many labelled vectors at once.
pub trait Estimator {
    /// Fits. `start` is a model near by, to begin from; an estimator may ignore it, and its result depends on it at
    /// most within the estimator's stated tolerance. The same rows and start give the same bytes, in any process.
    fn fit(&self, rows: &Rows, start: Option<&Body>) -> Result<Body, FitError>;

    /// What a fit of these rows keeps beside them, in bytes, by the formula of its file: no measurement, so that
    /// whether it may keep so much is the same everywhere.
    fn bytes(&self, rows: &Rows) -> u64;
}

/// The estimator that a pipeline declares.
pub fn estimator(spec: &RetrainSpec) -> Box<dyn Estimator> {
    match spec.clone() {
        RetrainSpec::Logistic { alpha, max_iterations } => Box::new(LogisticEstimator { alpha, max_iterations }),
        RetrainSpec::ElasticNet(rules) => Box::new(ElasticNetEstimator(rules)),
        RetrainSpec::GaussianNb { var_smoothing } => Box::new(GaussianNbEstimator { var_smoothing }),
        RetrainSpec::GradientBoosting(boosting) => Box::new(BoostingEstimator(boosting)),
        RetrainSpec::DecisionTree(tree) => Box::new(DecisionTreeEstimator(tree)),
        RetrainSpec::RandomForest(forest) => Box::new(RandomForestEstimator(forest)),
        RetrainSpec::AdaBoost(boosting) => Box::new(AdaBoostEstimator(boosting)),
        RetrainSpec::Svm(svm) => Box::new(SvmEstimator(svm)),
        RetrainSpec::Ftrl { optimizer, epochs } => Box::new(FtrlEstimator { optimizer, epochs }),
        RetrainSpec::Linear { alpha } => Box::new(LinearEstimator { alpha }),
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
    /// The fit would keep more than it may.
    #[error("the fit keeps {needed} bytes, allowed are {allowed} (`max_memory_mib`)")]
    Memory {
        /// What it would keep.
        needed: u64,
        /// What it may keep.
        allowed: u64,
    },
    /// Its votes could not be made probabilities.
    #[error("the votes cannot be calibrated: {0}")]
    Uncalibrated(&'static str),
    /// Nobody waits for it any more.
    #[error("given up")]
    GivenUp,
    /// The result is no model: NaN, an infinity, a variance of 0.
    #[error("the fit is unusable: {0}")]
    Unusable(#[from] ArtifactError),
}
