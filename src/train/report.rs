//! What a training saw and how its contestants did: part of a version's card, or of the record of a rejection.

use super::importance::Importance;
use super::paired::Paired;
use crate::config::spec::{AdaBoost, Boosting, Cart, ClassWeight, ElasticNet, Metric, OptimizerSpec, RandomForest};
use crate::config::spec::{RetrainSpec, Svm};
use crate::evaluate::{self, Bin, Tally, bins};
use crate::model::Platt;
use crate::task::{Label, Prediction, Task};
use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Metric values by name; one that is undefined (an AUC of one class) is absent.
pub type Figures = BTreeMap<String, f64>;

/// The report of one training.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The examples in the window.
    pub examples: u64,
    /// The first and the last prediction in the window; `null` if it is empty.
    pub window: Option<Bounds>,
    /// The older of the rows held out, if a candidate's votes are calibrated on them; nobody is judged by these.
    #[serde(default)]
    pub calibrated: Option<Calibrated>,
    /// The newest rows, on which all are judged.
    pub held_out: u64,
    /// Their first and last prediction.
    pub held_out_window: Option<Bounds>,
    /// The rows that the candidate was fitted on before it was judged.
    pub fitted: u64,
    /// Older rows whose label was not known yet at the first held-out prediction: not fitted on before the gate.
    pub not_yet_known: u64,
    /// Older rows left out of the fit since a dense estimator takes no more; oldest first.
    pub over_limit: u64,
    /// The rows that the released artifact was fitted on; 0 if nothing was refitted.
    pub refitted: u64,
    /// The gate's metric.
    pub metric: String,
    /// By how much the champion was to be beaten.
    pub margin: f64,
    /// What the champion of the time served on the held-out rows.
    pub champion: Figures,
    /// The online learner, by its scores when the rows came.
    pub live: Figures,
    /// What was fitted, in the order of the pipeline file.
    pub candidates: Vec<Candidate>,
    /// Which of the candidates did best by the gate's metric, from 0; `null` if none could be fitted.
    pub best: Option<u32>,
    /// A constant prediction: the shares of the classes, or the mean, among the rows fitted.
    pub majority: Figures,
    /// The share of true labels there, of a regression the mean; `null` without rows to fit, and of several classes.
    pub positive_share: Option<f64>,
    /// The best against the champion, row by row; `null` if nothing stood before the gate.
    pub paired: Option<Paired>,
    /// What the gate asked, and how it came out; all must pass.
    pub checks: Vec<Check>,
    /// What each feature was worth on the held-out rows to what is released, as it was judged.
    pub importance: Vec<Importance>,
    /// The best candidate fitted and judged without the features that are made from windows; `null` if that was not
    /// asked for (`ablate`), or there are none.
    pub without_rolling: Option<Figures>,
    /// The digest of the artifact that is released: refitted on the whole window, or the online learner's state, or
    /// what was pushed.
    pub digest: Option<String>,
}

impl Report {
    /// The candidate that did best.
    pub fn batch(&self) -> Option<&Candidate> {
        self.candidates.get(self.best? as usize)
    }
}

/// One check of the gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// Its key in the pipeline file.
    pub check: String,
    /// Whether it passed.
    pub passed: bool,
    /// What was found; `null` if it is undefined, which does not pass.
    pub figure: Option<f64>,
    /// What it was held against.
    pub limit: f64,
    /// Of `slices`: the slice in which the candidate is worst, `carrier=UA`. Of `golden`: the first row that fails.
    #[serde(default)]
    pub slice: Option<String>,
}

/// One batch learner of a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// How it was fitted.
    pub parameters: Parameters,
    /// How it did on the held-out rows; `null` if it could not be fitted.
    pub figures: Option<Figures>,
    /// What rows weighed by class in the fit; its figures are those of rows that weigh alike.
    #[serde(default)]
    pub class_weight: ClassWeight,
    /// What was made of its votes; empty if it says probabilities.
    #[serde(default)]
    pub calibration: Vec<Platt>,
    /// Why it could not be fitted.
    pub error: Option<String>,
    /// The digest of the artifact that was judged.
    pub digest: Option<String>,
}

/// The rows on which votes are calibrated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibrated {
    /// The rows: those whose label was known at the first held-out prediction.
    pub rows: u64,
    /// Those whose label was not.
    pub not_yet_known: u64,
    /// The first and the last prediction of both.
    pub window: Option<Bounds>,
}

/// Two instants, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// The first.
    #[serde(with = "crate::time::rfc3339")]
    pub from: Time,
    /// The last.
    #[serde(with = "crate::time::rfc3339")]
    pub to: Time,
}

/// An estimator's parameters, as they stand on a card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parameters {
    /// linfa's logistic regression.
    Logistic {
        /// L2 penalty of the summed loss.
        alpha: f64,
        /// The most iterations.
        max_iterations: u64,
        /// The gradient's norm in whitened coordinates at which it stops.
        tolerance: f64,
    },
    /// linfa's Gaussian naive Bayes.
    GaussianNb {
        /// Share of the greatest variance added to all.
        var_smoothing: f64,
    },
    /// linfa's linear regression with both penalties.
    ElasticNet(ElasticNet),
    /// Gradient boosting.
    GradientBoosting(Boosting),
    /// One tree.
    DecisionTree(Cart),
    /// Many trees of drawn rows and slots.
    RandomForest(RandomForest),
    /// Small trees, each for what the ones before got wrong.
    #[serde(rename = "adaboost")]
    AdaBoost(AdaBoost),
    /// A linear support vector machine.
    Svm {
        /// Its rules.
        rules: Svm,
        /// How far from the optimum it may be, as a share of the objective.
        tolerance: f64,
    },
    /// FTRL-Proximal over the window.
    Ftrl {
        /// Its steps.
        optimizer: OptimizerSpec,
        /// Passes over the rows.
        epochs: u32,
    },
    /// Least squares.
    Linear {
        /// L2 penalty of the summed squares.
        alpha: f64,
    },
    /// Fitted elsewhere.
    Pushed {
        /// What it is, `logistic` for example.
        kind: String,
    },
}

impl Parameters {
    /// The batch learner, as in the pipeline file.
    pub fn name(&self) -> &'static str {
        match self {
            Parameters::Logistic { .. } => "logistic",
            Parameters::Pushed { .. } => "pushed",
            Parameters::GaussianNb { .. } => "gaussian_nb",
            Parameters::ElasticNet(_) => "elastic_net",
            Parameters::GradientBoosting(_) => "gradient_boosting",
            Parameters::DecisionTree(_) => "decision_tree",
            Parameters::RandomForest(_) => "random_forest",
            Parameters::AdaBoost(_) => "adaboost",
            Parameters::Svm { .. } => "svm",
            Parameters::Ftrl { .. } => "ftrl",
            Parameters::Linear { .. } => "linear",
        }
    }
}

impl From<&RetrainSpec> for Parameters {
    fn from(spec: &RetrainSpec) -> Parameters {
        match spec.clone() {
            RetrainSpec::Logistic { alpha, max_iterations } => {
                Parameters::Logistic { alpha, max_iterations, tolerance: super::LogisticEstimator::TOLERANCE }
            }
            RetrainSpec::GaussianNb { var_smoothing } => Parameters::GaussianNb { var_smoothing },
            RetrainSpec::ElasticNet(rules) => Parameters::ElasticNet(rules),
            RetrainSpec::GradientBoosting(boosting) => Parameters::GradientBoosting(boosting),
            RetrainSpec::DecisionTree(tree) => Parameters::DecisionTree(tree),
            RetrainSpec::RandomForest(forest) => Parameters::RandomForest(forest),
            RetrainSpec::AdaBoost(boosting) => Parameters::AdaBoost(boosting),
            RetrainSpec::Svm(rules) => Parameters::Svm { rules, tolerance: super::SvmEstimator::TOLERANCE },
            RetrainSpec::Ftrl { optimizer, epochs } => Parameters::Ftrl { optimizer, epochs },
            RetrainSpec::Linear { alpha } => Parameters::Linear { alpha },
        }
    }
}

/// All metrics of some predictions with their labels.
pub(super) fn figures<'a>(task: Task, rows: impl IntoIterator<Item = (&'a Prediction, Label)>) -> Figures {
    let mut tally = Tally::default();
    let mut histogram: BTreeMap<u16, Bin> = BTreeMap::new();
    for (said, label) in rows {
        tally += Tally::prediction() + Tally::labelled(task, said, label);
        for (bin, content) in bins::of(task, said, label) {
            *histogram.entry(bin).or_default() += content;
        }
    }
    let bins = || histogram.iter().map(|(bin, content)| (*bin, *content));
    let value = |metric| evaluate::value(metric, task, &tally, bins());
    Metric::of(task).into_iter().filter_map(|(name, metric)| Some((name.to_string(), value(metric)?))).collect()
}
