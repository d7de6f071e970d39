//! What is published of a metric: its value by the labels that are known, and what is estimated of it without.

use super::Metric;
use crate::task::Task;
use std::ops::Range;

/// `estimate = { names = ["accuracy", "roc_auc"], min_labels = 500 }` of `[model.NAME.metrics]`.
#[derive(Clone, Debug, PartialEq)]
pub struct EstimateSpec {
    /// The metrics that are estimated, at least one, each [one that can be](Metric::can_be_estimated).
    pub names: Vec<Metric>,
    /// Labels of the reference below which nothing is estimated. Default 500.
    pub min_labels: u64,
}

/// A figure of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// The metric, by the labels that are known.
    Known(Metric),
    /// The metric as estimated of all predictions, labelled or not.
    Estimated(Metric),
    /// The estimate for the predictions that have labels, less the metric by these labels.
    Error(Metric),
}

/// The metrics that can be estimated, with the names of the estimate and of its error.
const ESTIMATED: [(Metric, &str, &str); 6] = [
    (Metric::LogLoss, "estimated_log_loss", "estimated_log_loss_error"),
    (Metric::RocAuc, "estimated_roc_auc", "estimated_roc_auc_error"),
    (Metric::Accuracy, "estimated_accuracy", "estimated_accuracy_error"),
    (Metric::F1, "estimated_f1", "estimated_f1_error"),
    (Metric::Kappa, "estimated_kappa", "estimated_kappa_error"),
    (Metric::Brier, "estimated_brier", "estimated_brier_error"),
];

impl Metric {
    /// Whether it can be estimated from calibrated scores: of a binary task all but the calibration error itself, of
    /// several classes the share of right ones alone, of a regression none.
    pub fn can_be_estimated(self, task: Task) -> bool {
        match task {
            Task::Binary => ESTIMATED.iter().any(|(metric, ..)| *metric == self),
            Task::Multiclass(_) => self == Metric::Accuracy,
            Task::Regression => false,
        }
    }

    /// Those of a task that can be estimated, by name.
    pub fn estimated_of(task: Task) -> Vec<(&'static str, Metric)> {
        Metric::ALL.into_iter().filter(|(_, metric)| metric.can_be_estimated(task)).collect()
    }
}

impl Measure {
    /// The metric that it is about.
    pub fn metric(self) -> Metric {
        let (Measure::Known(metric) | Measure::Estimated(metric) | Measure::Error(metric)) = self;
        metric
    }

    /// Its name in files, topics and conditions.
    pub fn name(self) -> &'static str {
        let names = |metric| ESTIMATED.iter().find(|(known, ..)| *known == metric);
        match self {
            Measure::Known(metric) => metric.name(),
            Measure::Estimated(metric) => names(metric).map_or("", |(_, estimated, _)| estimated),
            Measure::Error(metric) => names(metric).map_or("", |(.., error)| error),
        }
    }

    /// The name of the metric in a name, where in it that stands, and what makes a measure of the metric:
    /// `estimated_log_loss_error` is [`Measure::Error`] of `log_loss`.
    ///
    /// ```
    /// use tidemill::config::spec::{Measure, Metric};
    /// let (place, of) = Measure::dissect("estimated_log_loss_error");
    /// assert_eq!((place, of(Metric::LogLoss)), (10..18, Measure::Error(Metric::LogLoss)));
    /// let (place, of) = Measure::dissect("log_loss");
    /// assert_eq!((place, of(Metric::LogLoss)), (0..8, Measure::Known(Metric::LogLoss)));
    /// ```
    pub fn dissect(name: &str) -> (Range<usize>, fn(Metric) -> Measure) {
        const BEFORE: &str = "estimated_";
        match name.strip_prefix(BEFORE) {
            None => (0..name.len(), Measure::Known),
            Some(rest) => match rest.strip_suffix("_error") {
                None => (BEFORE.len()..name.len(), Measure::Estimated),
                Some(metric) => (BEFORE.len()..BEFORE.len() + metric.len(), Measure::Error),
            },
        }
    }
}
