//! The pipeline as it was typed, after its shape was checked: names resolve, numbers are in range, expressions are
//! still text (each with its span, so that the layers above can point at them).

mod cron;
mod deploy;
mod feature;
mod golden;
mod learner;
mod measure;
mod retrain;

pub use cron::{Cron, CronFault};
pub use deploy::{DeploySpec, Loss, Strategy};
pub use feature::{FeatureKind, FeatureSpec, Function, Level, Over};
pub use golden::{Expected, GoldenRow, GoldenSpec};
pub use learner::{AdaptiveTreeSpec, AlmaSpec, BaggingSpec, ForestSpec, LearnerSpec, NearestSpec};
pub use learner::{OptimizerSpec, PassiveAggressiveSpec, PatchesSpec, TreeSpec};
pub use measure::{EstimateSpec, Measure};
pub use retrain::{AdaBoost, Boosting, Cart, ClassWeight, ElasticNet, RandomForest, Retrain, RetrainSpec, Svm};

use crate::record::{Kind, Schema};
use crate::task::Task;
use crate::time::{Span, Time};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::path::PathBuf;

/// A value with its byte range in the pipeline file.
#[derive(Clone, Debug, PartialEq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands in the file. For texts it is the part inside of the quotes if the file has that letter by letter
    /// (then `span.len() == value.len()`, and a place in the text is a place in the file), else the whole value.
    pub span: Range<usize>,
}

impl Spanned<String> {
    /// Where a place in the text is in the file; the whole value where the file has escapes.
    pub fn place(&self, inside: &Range<usize>) -> Range<usize> {
        if self.span.len() != self.value.len() {
            return self.span.clone();
        }
        let at = |place: usize| (self.span.start + place).min(self.span.end);
        at(inside.start)..at(inside.end.max(inside.start))
    }
}

/// A whole pipeline.
#[derive(Clone, Debug)]
pub struct PipelineSpec {
    /// `[pipeline] name`: letters, digits, `_`, `-`; the prefix of its topics.
    pub name: String,
    /// `every`: metrics are published and triggers judged at its multiples of pipeline time. Default 1h.
    pub every: Span,
    /// `tick_records`: a tick closes after so many records. Default 1000, 1 to 1,000,000.
    pub tick_records: usize,
    /// `tick_ms`: a live tick closes after so long. Default 5.
    pub tick_ms: u64,
    /// `max_ahead`: how far an event time may lie beyond pipeline time. Default 30d.
    pub max_ahead: Span,
    /// `idle_ms`: a live partition silent for so long is not waited for. Default 500.
    pub idle_ms: u64,
    /// `max_record_bytes`: longer records are dead letters. Default 1 MiB.
    pub max_record_bytes: usize,
    /// `max_pending`: events and labels kept for their counterpart. Default 10,000,000.
    pub max_pending: usize,
    /// `max_keys`: keys kept by each window group and each table; rows of further keys are counted and have no effect.
    /// Default 10,000,000.
    pub max_keys: usize,
    /// `max_rows`: rows kept by each window group and versions kept by each table, an equal share by each of the 256
    /// shards of its keys; further rows are counted and have no effect. Default 1,000,000,000.
    pub max_rows: usize,
    /// `publish`: outputs beside those of every pipeline. Default none.
    pub publish: Vec<Publish>,
    /// The sources, in the order of the file, which is part of the law's order.
    pub sources: Vec<SourceSpec>,
    /// The features, in the order of the file.
    pub features: Vec<FeatureSpec>,
    /// The models, in the order of the file; at least one.
    pub models: Vec<ModelSpec>,
}

/// An output that is written on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Publish {
    /// Vectors of events as they were served.
    Features,
    /// Events with their labels.
    Examples,
}

impl Publish {
    /// All, by name.
    pub const ALL: [(&str, Publish); 2] = [("features", Publish::Features), ("examples", Publish::Examples)];
}

/// One `[source.NAME]`.
#[derive(Clone, Debug)]
pub struct SourceSpec {
    /// Its name, with the span of the table's header.
    pub name: Spanned<String>,
    /// What its records are.
    pub kind: Kind,
    /// The key's columns; one column for events and labels.
    pub key: Vec<String>,
    /// The column of the event time.
    pub time: String,
    /// The declared columns.
    pub schema: Schema,
    /// `path`: files, in order, each a partition; `-` is standard input. Default
    /// `datasets/<pipeline>/<source>.{csv,jsonl}[.gz|.zst]`, whichever exists (resolved when the run starts).
    pub path: Vec<PathBuf>,
    /// `format`: `csv` or `json`; default by the file's ending, and `json` for Kafka.
    pub format: Option<Format>,
    /// `topic`: default `<pipeline>.<source>`.
    pub topic: String,
    /// `unknown_fields = "refuse"` makes a record with an undeclared field a dead letter; default `ignore`.
    pub refuse_unknown: bool,
    /// `check`: expressions over this source's columns, of which none may be false for a record; null passes. What
    /// violates one is a dead letter. Tombstones are not checked.
    pub check: Vec<Spanned<String>>,
    /// Labels only: the expression over this source's columns that is the label.
    pub label: Option<Spanned<String>>,
    /// Labels only: the values that the label may have, of a multiclass task; empty of others.
    pub classes: Vec<String>,
    /// Labels only: how long an event waits for its label (and a label for its event). Default 48h.
    pub timeout: Option<Span>,
    /// Labels only: how long behind its timeout an event's label can still be forgotten wherever it went, for which
    /// what was made of it is kept. Default 0.
    pub erasable: Option<Span>,
}

/// How a record's bytes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A JSON object a line or message.
    Json,
    /// Comma-separated values with a header line (RFC 4180).
    Csv,
}

/// One `[model.NAME]`.
#[derive(Clone, Debug)]
pub struct ModelSpec {
    /// Its name.
    pub name: String,
    /// What it is asked.
    pub task: Task,
    /// The online learner.
    pub learner: LearnerSpec,
    /// The batch learners fitted when a trigger fires; of those the best stands before the gate.
    pub retrain: Vec<Retrain>,
    /// `[model.NAME.metrics]`
    pub metrics: MetricsSpec,
    /// `[[model.NAME.trigger]]`, in order.
    pub triggers: Vec<TriggerSpec>,
    /// `[model.NAME.train]`
    pub train: TrainSpec,
    /// `[model.NAME.gate]`
    pub gate: GateSpec,
    /// `[model.NAME.deploy]`
    pub deploy: DeploySpec,
    /// `freeze_at`: at each instant the champion's state is copied and scored as a fixed shadow to the end.
    pub freeze_at: Vec<Time>,
}

/// `[model.NAME.metrics]`
#[derive(Clone, Debug, Default)]
pub struct MetricsSpec {
    /// Sliding windows by prediction time, each a multiple of `every`.
    pub windows: Vec<Span>,
    /// Open windows from a fixed instant on (`since = ["2013-04-01"]`), beside the whole run (`all`), which is always
    /// kept.
    pub since: Vec<Time>,
    /// The metrics published.
    pub names: Vec<Metric>,
    /// The event's columns whose values slice the metrics.
    pub slices: Vec<Spanned<String>>,
    /// At most so many values a slice are kept apart; the rest counts as `other`. Default 200.
    pub max_slice_values: usize,
    /// What is estimated where labels are missing. Default nothing.
    pub estimate: Option<EstimateSpec>,
}

impl MetricsSpec {
    /// All that is published of a window, by name.
    pub fn measures(&self) -> impl Iterator<Item = Measure> {
        let estimated = self.estimate.iter().flat_map(|estimate| &estimate.names);
        let both = estimated.flat_map(|metric| [Measure::Estimated(*metric), Measure::Error(*metric)]);
        self.names.iter().map(|metric| Measure::Known(*metric)).chain(both)
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Metric {
    /// Mean logarithmic loss, probabilities clipped to [1e-4, 1 - 1e-4].
    LogLoss,
    /// Area under the ROC curve, from 4096 equal bins; of a binary task alone.
    RocAuc,
    /// Share of right classes.
    Accuracy,
    /// F1 of the positive class; of several classes the mean over those that occur.
    F1,
    /// Cohen's kappa.
    Kappa,
    /// Brier score: the squared error of the probability; of several classes the sum over them.
    Brier,
    /// Expected calibration error, 10 equal bins; of several classes that of the class which was said.
    Ece,
    /// Mean absolute error.
    Mae,
    /// Root of the mean squared error.
    Rmse,
    /// Coefficient of determination.
    R2,
}

impl Metric {
    /// All, by name.
    pub const ALL: [(&'static str, Metric); 10] = [
        ("log_loss", Metric::LogLoss),
        ("roc_auc", Metric::RocAuc),
        ("accuracy", Metric::Accuracy),
        ("f1", Metric::F1),
        ("kappa", Metric::Kappa),
        ("brier", Metric::Brier),
        ("ece", Metric::Ece),
        ("mae", Metric::Mae),
        ("rmse", Metric::Rmse),
        ("r2", Metric::R2),
    ];

    /// Its name in files and topics.
    pub fn name(self) -> &'static str {
        Metric::ALL.iter().find(|(_, m)| *m == self).map_or("", |(n, _)| n)
    }

    /// Whether a smaller value is better.
    pub fn lower_is_better(self) -> bool {
        matches!(self, Metric::LogLoss | Metric::Brier | Metric::Ece | Metric::Mae | Metric::Rmse)
    }

    /// Whether it says something of a task.
    pub fn is_of(self, task: Task) -> bool {
        match self {
            Metric::Mae | Metric::Rmse | Metric::R2 => task == Task::Regression,
            Metric::RocAuc => task == Task::Binary,
            _ => task != Task::Regression,
        }
    }

    /// Those of a task, by name.
    pub fn of(task: Task) -> Vec<(&'static str, Metric)> {
        Metric::ALL.into_iter().filter(|(_, metric)| metric.is_of(task)).collect()
    }

    /// The one by which versions of a task are judged where the file does not say.
    pub fn first_of(task: Task) -> Metric {
        if task == Task::Regression { Metric::Mae } else { Metric::LogLoss }
    }
}

/// One `[[model.NAME.trigger]]`.
#[derive(Clone, Debug)]
pub struct TriggerSpec {
    /// Why to retrain.
    pub cause: CauseSpec,
    /// `warm_up`: labels of this model needed before it may fire. Default 1000.
    pub warm_up: u64,
    /// `cooldown`: pipeline time after any firing of this model in which this trigger is suppressed. Default 1d.
    pub cooldown: Span,
    /// `daily_budget`: firings allowed of this trigger in a UTC day of pipeline time. Default 4.
    pub daily_budget: u32,
    /// Where it stands in the file.
    pub span: Range<usize>,
}

/// The cause of a trigger.
#[derive(Clone, Debug)]
pub enum CauseSpec {
    /// `kind = "drift", detector = "adwin" | "ddm" | "eddm" | "hddm_a" | "hddm_w" | "kswin" | "page_hinkley" |
    /// "psi" | "jensen_shannon" | "kolmogorov_smirnov" | "wasserstein" | "chi_square" | "missing_rate" | "unseen" |
    /// "range"`
    Drift(DetectorSpec),
    /// `kind = "degradation", when = "log_loss[7d] > 1.05 * log_loss_at_release"`
    Degradation {
        /// The condition.
        when: Spanned<String>,
        /// `rearm = "log_loss[7d] < 1.02 * log_loss_at_release"`: once fired, it fires again only after this was true.
        /// Default: after `when` was false, or a training has ended.
        rearm: Option<Spanned<String>>,
        /// Labels in the window below which it is unknown. Default 500.
        min_labels: u64,
        /// Coverage below which it is unknown. Default 0.9.
        min_coverage: f64,
    },
    /// `kind = "new_data"`, with one of `examples`, `share`, `after`.
    NewData(NewData),
    /// `kind = "schedule", every = "30d"`: at that distance from the first boundary.
    Schedule {
        /// The distance, a multiple of the pipeline's `every`.
        every: Span,
    },
    /// `kind = "schedule", cron = "0 3 * * 1"`: at the first boundary at or after each of its instants.
    Cron(Cron),
    /// `kind = "manual", at = ["2013-08-15"]`: at the first boundary at or after each instant, and on request.
    Manual {
        /// The instants, ascending; may be empty.
        at: Vec<Time>,
    },
}

impl CauseSpec {
    /// The conditions that it states, as text.
    pub fn conditions(&self) -> impl Iterator<Item = &Spanned<String>> {
        let stated = match self {
            CauseSpec::Degradation { when, rearm, .. } => [Some(when), rearm.as_ref()],
            _ => [None, None],
        };
        stated.into_iter().flatten()
    }
}

/// How much new data is enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NewData {
    /// `examples = 50_000`: so many first labels since the last training began, at least 1.
    Examples(u64),
    /// `share = 0.1`: as many as this share of the examples in the training window, in (0, 1].
    Share(f64),
    /// `after = "30d"`: any, at this distance of pipeline time from the newest example of the last training, by its
    /// prediction; before the first training, from the first boundary.
    After(Span),
}

/// A drift detector.
#[derive(Clone, Debug)]
pub enum DetectorSpec {
    /// ADWIN on the champion's 0/1 error. Bifet and Gavalda 2007.
    Adwin {
        /// Confidence, in (0, 1), default 0.002.
        delta: f64,
    },
    /// Page-Hinkley on the champion's 0/1 error. Page 1954.
    PageHinkley {
        /// Tolerated change, default 0.005.
        delta: f64,
        /// Threshold, default 50.
        threshold: f64,
        /// Observations before it may fire, default 30.
        min_instances: u64,
        /// Forgetting factor, default 0.9999.
        alpha: f64,
    },
    /// The drift detection method on the champion's 0/1 error. Gama and others 2004.
    Ddm {
        /// Observations before it may fire, default 30.
        warm_start: u64,
        /// Deviations above the least rate, above 1, default 3.
        drift_threshold: f64,
    },
    /// The early drift detection method on the champion's 0/1 error. Baena-Garcia and others 2006.
    Eddm {
        /// Observations and errors before it may fire, default 30.
        warm_start: u64,
        /// Share of the greatest distance below which it fires, in (0, 1), default 0.9.
        beta: f64,
    },
    /// Hoeffding's method by averages on the champion's 0/1 error. Frias-Blanco and others 2015.
    HddmA {
        /// Chance of a false alarm, in (0, 1), default 0.001.
        drift_confidence: f64,
        /// Whether a fall of the error fires too, default false.
        two_sided: bool,
    },
    /// Hoeffding's method by weighted averages on the champion's 0/1 error. Frias-Blanco and others 2015.
    HddmW {
        /// Chance of a false alarm, in (0, 1), default 0.001.
        drift_confidence: f64,
        /// Weight of the newest value, in (0, 1), default 0.05.
        lambda: f64,
        /// Whether a fall of the error fires too, default false.
        two_sided: bool,
    },
    /// Kolmogorov-Smirnov windowing on the champion's 0/1 error. Raab and others 2020.
    Kswin {
        /// Chance of the test below which it fires, in (0, 1), default 0.005.
        alpha: f64,
        /// Errors kept, default 100.
        window_size: usize,
        /// The newest of them, and as many drawn of the others, at most half of the window, default 30 or
        /// that half.
        stat_size: usize,
        /// Of the draws, default 0.
        seed: u64,
    },
    /// How far any feature is from the serving version's training window: `psi`, `jensen_shannon` and all else that
    /// [`Distance`] lists.
    Distance {
        /// How it is measured.
        distance: Distance,
        /// Fires above it; for the default see [`Distance::usual`].
        threshold: f64,
        /// The recent window, a multiple of `every`, default 7d.
        window: Span,
        /// Events in the recent window below which it is unknown, default 1000.
        min_events: u64,
    },
}

/// How far a feature is from what it was in the training window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distance {
    /// Population stability index.
    Psi,
    /// Jensen-Shannon distance, 0 to the root of ln 2.
    JensenShannon,
    /// Kolmogorov-Smirnov statistic at the bins' edges, 0 to 1; of numbers only, categories have no order.
    KolmogorovSmirnov,
    /// Wasserstein distance of first order in standard deviations of the training window; of numbers only.
    Wasserstein,
    /// Cramer's V of the chi-square statistic, 0 to 1, both windows weighing the same.
    ChiSquare,
    /// By how much the share of rows in which it was missing has risen; of features with `indicator = true`, since
    /// what was filled in is a number like any other, and of hashed ones.
    MissingRate,
    /// By how much the share of rows that went to the slot `other` has risen, nulls among them; of one-hot features.
    Unseen,
    /// Share of rows outside of the training window's least and greatest; of numbers.
    Range,
}

impl Distance {
    /// The threshold where the pipeline file has none: 0.25 of the stability index, 0.05 of missing and unseen, 0.01
    /// of what is out of range, 0.1 of the others.
    pub const fn usual(self) -> f64 {
        match self {
            Distance::Psi => 0.25,
            Distance::JensenShannon | Distance::KolmogorovSmirnov | Distance::Wasserstein | Distance::ChiSquare => 0.1,
            Distance::MissingRate | Distance::Unseen => 0.05,
            Distance::Range => 0.01,
        }
    }

    /// Whether it is at most 1, so that a threshold of 1 would never be passed.
    pub const fn is_share(self) -> bool {
        matches!(self, Distance::ChiSquare | Distance::MissingRate | Distance::Unseen | Distance::Range)
    }

    /// Its name in files and topics.
    pub const fn name(self) -> &'static str {
        match self {
            Distance::Psi => "psi",
            Distance::JensenShannon => "jensen_shannon",
            Distance::KolmogorovSmirnov => "kolmogorov_smirnov",
            Distance::Wasserstein => "wasserstein",
            Distance::ChiSquare => "chi_square",
            Distance::MissingRate => "missing_rate",
            Distance::Unseen => "unseen",
            Distance::Range => "range",
        }
    }
}

/// `[model.NAME.train]`
#[derive(Clone, Debug)]
pub struct TrainSpec {
    /// Examples by prediction time that are kept and fitted. Default 365d.
    pub window: Span,
    /// Share of the newest rows held out, in (0, 0.9]. Default 0.2.
    pub holdout: f64,
    /// Share of the held-out rows, the oldest of them, on which votes are calibrated and which the gate does not judge
    /// by, in (0, 0.9]. Default 0.3; without a candidate that is calibrated there is no such part.
    pub calibration: f64,
    /// Pipeline time from decision to effect, at least `every`. Default 1d.
    pub activate_after: Span,
    /// At most so many examples are kept (the oldest leave first, counted). Default 2,000,000.
    pub max_examples: usize,
    /// Fewer examples than this do not train. Default 500.
    pub min_examples: usize,
    /// A training that takes longer, by the clock, is given up: a failure. Default none.
    pub deadline: Option<Span>,
    /// What a fit may keep beside the examples, by the estimator's formula. Default none.
    pub max_memory_mib: Option<u64>,
    /// Whether the best candidate is fitted once more without what is made from windows, for the record. Default false.
    pub ablate: bool,
}

/// `[model.NAME.gate]`: what a candidate must be on the held-out rows; all of it.
#[derive(Clone, Debug)]
pub struct GateSpec {
    /// The metric compared on the same held-out rows. Default log_loss, of a regression mae.
    pub metric: Metric,
    /// The candidate must be better by more than this. Default 0.
    pub margin: f64,
    /// The paired difference of logarithmic losses must be better at this level, in (0, 0.5). Default none.
    pub significance: Option<f64>,
    /// The candidate must be better than a constant score, the share of true labels. Default false.
    pub baseline: bool,
    /// The expected calibration error must be at most this, in (0, 1]. Default none.
    pub max_ece: Option<f64>,
    /// The candidate must be better than the newest label known when each row came (the baseline `no_change`). Default
    /// false.
    pub no_change: bool,
    /// No slice of the held-out rows may be much worse. Default none.
    pub slices: Option<SliceGate>,
    /// Of these rows what must be said is known. Default none.
    pub golden: Option<GoldenSpec>,
}

/// `slices = { by = ["carrier"], max_worse = 0.05, min_rows = 200 }`
#[derive(Clone, Debug, PartialEq)]
pub struct SliceGate {
    /// Columns of `metrics.slices`, by whose values the held-out rows are sliced.
    pub by: Vec<String>,
    /// In no slice may the candidate's mean loss (logarithmic; of a regression the absolute error) be above the
    /// champion's by more than this, 0 or more.
    pub max_worse: f64,
    /// A slice of fewer held-out rows is not judged; if there is no other, the check does not pass. Default 200.
    pub min_rows: u64,
}

impl GateSpec {
    /// A margin of a metric, and no other check.
    pub fn of(metric: Metric, margin: f64) -> GateSpec {
        GateSpec {
            metric,
            margin,
            significance: None,
            baseline: false,
            max_ece: None,
            no_change: false,
            slices: None,
            golden: None,
        }
    }
}
