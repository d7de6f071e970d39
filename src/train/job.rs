//! One training: holdout, fit, gate, refit.
//!
//! The held-out rows are the newest by prediction time. Nobody is judged by what it says of them today: the champion
//! and the online learner have learned from them since, so they are judged by what they said when these rows came; the
//! candidate is fitted only on rows whose label was known by the first held-out prediction. A warm start may come from
//! a version that has seen held-out rows; the fit forgets its start within the estimator's tolerance.
//!
//! Where a candidate's votes are calibrated, the older part of what is held out is for that, and nobody is judged by
//! it: all contestants are judged on the same newer rows. What is asked whether it is still waited for, and is not,
//! ends as soon as a fit gets round to ask; its verdict is of no use to anybody.

use super::calibration::{calibrated, calibration};
use super::golden::{self, Golden};
use super::importance::{importance, without};
use super::paired::Paired;
use super::report::{Bounds, Calibrated, Candidate, Check, Figures, Parameters, figures};
use super::{FitError, Report, Rows, estimator};
use crate::config::spec::{ClassWeight, GateSpec, Metric, Retrain, SliceGate, TrainSpec};
use crate::evaluate::Tally;
use crate::feature::Vector;
use crate::feature::program::Slots;
use crate::model::{Artifact, ArtifactError, Body, Fixed, Learner, Majority, Platt};
use crate::task::{Label, Prediction, Task};
use crate::time::Time;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A labelled event, with what was said of it when it came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// The prediction's id.
    pub id: CompactString,
    /// The event's time, at which it was scored.
    pub predicted: Time,
    /// The pipeline time at which its label was first known.
    pub known: Time,
    /// The vector as served.
    pub vector: Arc<Vector>,
    /// The label as it is known now.
    pub label: Label,
    /// What was served when it came.
    pub served: Prediction,
    /// What the online learner said when it came.
    pub live: Prediction,
    /// What the baseline `no_change` said when it came, where the gate asks for it.
    pub no_change: Option<Prediction>,
    /// Its values of the columns by which the gate slices, in their order.
    pub slices: SmallVec<[CompactString; 1]>,
}

/// What a training is given.
#[derive(Clone, Debug)]
pub struct Job {
    /// The maintained window, ascending by (predicted, id).
    pub examples: Vec<Arc<Example>>,
    /// The slots of every vector.
    pub width: usize,
    /// The features in the order of their slots.
    pub features: Vec<Slots>,
    /// The digest of the feature schema, in hex.
    pub features_digest: String,
    /// The model's name.
    pub model: String,
    /// What it is asked.
    pub task: Task,
    /// The batch learners that are declared.
    pub retrain: Vec<Retrain>,
    /// `[model.NAME.train]`
    pub train: TrainSpec,
    /// `[model.NAME.gate]`
    pub gate: GateSpec,
    /// The gate's golden rows.
    pub golden: Arc<Vec<Golden>>,
    /// The online learner's state at the decision.
    pub live: Body,
    /// Whether the online learner is the champion.
    pub champion_is_live: bool,
    /// The last released batch version, to start near it.
    pub start_from: Option<Body>,
    /// A model that was made elsewhere: it alone is judged, as it is, and nothing is fitted.
    pub pushed: Option<Body>,
}

/// Who stands before the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contestant {
    /// The best of the freshly fitted candidates.
    Batch,
    /// The online learner.
    Live,
    /// A model that was made elsewhere.
    Pushed,
}

/// What a training came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The better contestant beat the champion, and is to be the next version.
    Released {
        /// The model: refitted on the whole window, or the online learner's state at the decision.
        body: Body,
        /// Which of the two it is.
        source: Contestant,
        /// The figures.
        report: Report,
    },
    /// The online learner is the champion and was the best: it goes on as it is.
    Kept {
        /// The figures.
        report: Report,
    },
    /// Nobody beat the champion by the margin.
    Rejected {
        /// The figures that rejected it.
        report: Report,
    },
    /// There was nothing to judge.
    Failed {
        /// Why, for a person.
        reason: String,
        /// What was found until then.
        report: Report,
    },
}

impl Verdict {
    /// The figures.
    pub fn report(&self) -> &Report {
        match self {
            Verdict::Released { report, .. }
            | Verdict::Kept { report }
            | Verdict::Rejected { report }
            | Verdict::Failed { report, .. } => report,
        }
    }

    /// The word used in records.
    pub fn word(&self) -> &'static str {
        match self {
            Verdict::Released { .. } => "released",
            Verdict::Kept { .. } => "kept",
            Verdict::Rejected { .. } => "rejected",
            Verdict::Failed { .. } => "failed",
        }
    }
}

/// The rows of a job: to fit on if their label is known in time, to calibrate by, and to judge by.
struct Parts<'a> {
    older: &'a [Arc<Example>],
    calibration: &'a [Arc<Example>],
    held_out: &'a [Arc<Example>],
}

impl Parts<'_> {
    fn of(job: &Job) -> Parts<'_> {
        let (older, rest) = job.examples.split_at(job.examples.len() - held_out(job));
        let calibrates = job.pushed.is_none() && job.retrain.iter().any(|retrain| retrain.calibrated);
        let share = (rest.len() as f64 * job.train.calibration).round() as usize;
        let share = if calibrates { share.clamp(1, rest.len().saturating_sub(1).max(1)) } else { 0 };
        let (calibration, held_out) = rest.split_at(if rest.len() > 1 { share } else { 0 });
        Parts { older, calibration, held_out }
    }
}

/// What a training is that nobody waited for to its end: failed, with what is known without it.
pub fn given_up(job: &Job, reason: &str) -> Verdict {
    Verdict::Failed { reason: reason.to_owned(), report: blank(job, &Parts::of(job)) }
}

/// Runs a training. Pure, and slow: seconds for hundreds of thousands of rows. `waits` says whether it is still waited
/// for; if it stops to, the verdict is `failed`.
pub fn run(job: &Job, waits: &dyn Fn() -> bool) -> Verdict {
    assert!(
        job.examples.windows(2).all(|pair| (pair[0].predicted, &pair[0].id) <= (pair[1].predicted, &pair[1].id)),
        "a job's examples are in order"
    );
    let parts = Parts::of(job);
    let Parts { older, held_out, .. } = parts;
    let mut report = blank(job, &parts);
    if job.examples.len() < job.train.min_examples.max(2) {
        let (found, needed) = (job.examples.len(), job.train.min_examples.max(2));
        let reason = match job.pushed {
            None => FitError::TooFewRows { found, needed }.to_string(),
            Some(_) => format!("{found} rows to judge by, at least {needed} are needed"),
        };
        return Verdict::Failed { reason, report };
    }

    let first = parts.calibration.first().unwrap_or(&held_out[0]).predicted;
    let known: Vec<&Example> = older.iter().map(Arc::as_ref).filter(|example| example.known <= first).collect();
    report.not_yet_known = (older.len() - known.len()) as u64;
    let fitting = newest(&known, job.width);
    report.fitted = fitting.len() as u64;
    report.over_limit = (known.len() - fitting.len()) as u64;
    if !fitting.is_empty() {
        let mut constant = Majority::new(job.task);
        fitting.iter().for_each(|example| constant.learn(&example.vector, example.label));
        let constant = constant.predict(&fitting[0].vector);
        report.positive_share = if let Prediction::Number(number) = constant { Some(number) } else { None };
        report.majority = figures(job.task, held_out.iter().map(|example| (&constant, example.label)));
    }

    let fits = Fits { job, waits };
    if let Some(body) = &job.pushed {
        let best = pushed(job, body, held_out, &mut report);
        return fits.gate(best, report, held_out);
    }
    let start = job.start_from.as_ref().unwrap_or(&job.live);
    let by = known_by(parts.calibration, held_out);
    let mut best: Option<(f64, Judged)> = None;
    for (index, spec) in job.retrain.iter().enumerate() {
        let (candidate, body) = fits.candidate(spec, (fitting, start), (&by, held_out));
        let found = candidate.figures.as_ref().and_then(|figures| gain(job, figures));
        report.candidates.push(candidate);
        // Of equals the first that is declared.
        if let (Some(found), Some(body)) = (found, body)
            && best.as_ref().is_none_or(|(best, _)| found > *best)
        {
            report.best = Some(index as u32);
            best = Some((found, Judged { index, body, lines: report.candidates[index].calibration.clone() }));
        }
    }
    if job.train.ablate {
        let bare = |(_, judged): &(f64, Judged)| fits.without_rolling(judged, fitting, (&by, held_out));
        report.without_rolling = best.as_ref().and_then(bare);
    }
    fits.gate(best, report, held_out)
}

/// Of rows to calibrate by, those whose label was known at the first held-out prediction.
fn known_by<'a>(rows: &'a [Arc<Example>], held_out: &[Arc<Example>]) -> Vec<&'a Example> {
    let first = held_out.first().map_or(Time(i64::MAX), |example| example.predicted);
    rows.iter().map(Arc::as_ref).filter(|example| example.known <= first).collect()
}

/// The candidate that may stand before the gate.
struct Judged {
    /// Its place in the pipeline file.
    index: usize,
    body: Body,
    /// What its votes are made of.
    lines: Vec<Platt>,
}

/// The fits of a job.
struct Fits<'a> {
    job: &'a Job,
    waits: &'a dyn Fn() -> bool,
}

impl Fits<'_> {
    /// Fits one of the declared learners and asks it about the held-out rows.
    fn candidate(
        &self,
        spec: &Retrain,
        (fitting, start): (&[&Example], &Body),
        (by, held_out): (&[&Example], &[Arc<Example>]),
    ) -> (Candidate, Option<Body>) {
        let mut told = Candidate {
            parameters: Parameters::from(&spec.learner),
            class_weight: spec.class_weight.clone(),
            figures: None,
            calibration: Vec::new(),
            error: None,
            digest: None,
        };
        let fitted = self.fit(spec, fitting, start).and_then(|body| {
            if spec.calibrated {
                let rows: Vec<_> = by.iter().map(|example| (example.vector.as_ref(), example.label)).collect();
                told.calibration = calibration(&body, &rows, self.job.task)?;
            }
            artifact(self.job, heard(body, &told.calibration))
        });
        match fitted {
            Err(error) => (Candidate { error: Some(error.to_string()), ..told }, None),
            Ok((body, digest)) => {
                let fixed = Fixed::from(body.clone());
                let said: Vec<Prediction> = held_out.iter().map(|e| fixed.predict(&e.vector)).collect();
                let figures = figures(self.job.task, said.iter().zip(held_out.iter().map(|e| e.label)));
                (Candidate { figures: Some(figures), digest: Some(digest), ..told }, Some(body))
            }
        }
    }

    /// The best once more, fitted and judged on vectors in which whatever was made from windows is 0.
    fn without_rolling(
        &self,
        best: &Judged,
        fitting: &[&Example],
        (by, held_out): (&[&Example], &[Arc<Example>]),
    ) -> Option<Figures> {
        let rolling = || self.job.features.iter().filter(|feature| feature.rolling);
        rolling().next()?;
        let bare =
            |example: &Example| Example { vector: Arc::new(without(&example.vector, rolling())), ..example.clone() };
        let fitting: Vec<Example> = fitting.iter().map(|example| bare(example)).collect();
        let by: Vec<Example> = by.iter().map(|example| bare(example)).collect();
        let held_out: Vec<Arc<Example>> = held_out.iter().map(|example| Arc::new(bare(example))).collect();
        let (fitting, by): (Vec<&Example>, Vec<&Example>) = (fitting.iter().collect(), by.iter().collect());
        let spec = &self.job.retrain[best.index];
        self.candidate(spec, (&fitting, &self.job.live), (&by, &held_out)).0.figures
    }

    fn fit(&self, spec: &Retrain, rows: &[&Example], start: &Body) -> Result<Body, FitError> {
        let rows = rows.iter().map(|example| (example.vector.as_ref(), example.label));
        let rows = Rows::new(rows, self.job.width, self.job.task)?.weighed(&spec.class_weight).asking(self.waits);
        rows.go_on()?;
        let estimator = estimator(&spec.learner);
        if let Some(mib) = self.job.train.max_memory_mib {
            let (needed, allowed) = (estimator.bytes(&rows), mib << 20);
            if needed > allowed {
                return Err(FitError::Memory { needed, allowed });
            }
        }
        estimator.fit(&rows, Some(start))
    }

    /// The better contestant against the champion.
    fn gate(&self, best: Option<(f64, Judged)>, mut report: Report, held_out: &[Arc<Example>]) -> Verdict {
        let job = self.job;
        let (Some(champion), Some(live)) = (gain(job, &report.champion), gain(job, &report.live)) else {
            let name = job.gate.metric.name();
            let reason = format!("{name} is undefined on the {} held-out rows", report.held_out);
            return Verdict::Failed { reason, report };
        };
        if job.pushed.is_some() && best.is_none() {
            let name = job.gate.metric.name();
            let reason = format!("{name} of the pushed model is undefined on the {} held-out rows", report.held_out);
            return Verdict::Failed { reason, report };
        }
        // At a tie the learner that is there already stands; it does not stand against what was pushed.
        let batch = best.filter(|(found, _)| *found > live || job.pushed.is_some());
        let source = match (&batch, &job.pushed) {
            (Some(_), None) => Contestant::Batch,
            (Some(_), Some(_)) => Contestant::Pushed,
            (None, _) => Contestant::Live,
        };
        let gained = batch.as_ref().map_or(live, |(found, _)| *found) - champion;
        // Nothing could be fitted at all; the failure of some stands in the report only.
        let failed = report.candidates.first().filter(|_| report.best.is_none()).and_then(|first| first.error.clone());
        if source == Contestant::Live && job.champion_is_live {
            return match failed {
                Some(reason) => Verdict::Failed { reason, report },
                None => Verdict::Kept { report },
            };
        }
        let fixed = batch.as_ref().map(|(_, judged)| Fixed::from(judged.body.clone()));
        let said = |e: &Arc<Example>| fixed.as_ref().map_or_else(|| e.live.clone(), |fixed| fixed.predict(&e.vector));
        let said: Vec<Prediction> = held_out.iter().map(said).collect();
        let rows = held_out.iter().zip(&said).map(|(e, said)| (said.clone(), &e.served, e.label));
        report.paired = Some(Paired::of(job.task, rows, job.gate.significance.unwrap_or(0.05)));
        report.checks = checks(job, gained, batch.is_some(), &report, held_out);
        report.checks.extend(job.gate.slices.as_ref().map(|gate| slices(job.task, gate, held_out, &said)));
        if !job.golden.is_empty() {
            let judged = fixed.clone().unwrap_or_else(|| Fixed::from(job.live.clone()));
            report.checks.push(golden::check(&job.golden, |vector| judged.predict(vector)));
        }
        if !report.checks.iter().all(|check| check.passed) {
            return match failed {
                Some(reason) => Verdict::Failed { reason, report },
                None => Verdict::Rejected { report },
            };
        }
        let judged = batch.as_ref().map_or(&job.live, |(_, judged)| &judged.body);
        report.importance = importance(job.task, &Fixed::from(judged.clone()), held_out, &job.features);
        let released = match batch {
            Some((_, judged)) if source == Contestant::Pushed => artifact(job, judged.body),
            Some((_, judged)) => {
                let all: Vec<&Example> = job.examples.iter().map(Arc::as_ref).collect();
                let rows = newest(&all, job.width);
                report.refitted = rows.len() as u64;
                let start = &judged.body;
                let fitted = self.fit(&job.retrain[judged.index], rows, start);
                fitted.and_then(|body| artifact(job, heard(body, &judged.lines)))
            }
            None => artifact(job, job.live.clone()),
        };
        match released {
            Ok((body, digest)) => {
                report.digest = Some(digest);
                Verdict::Released { body, source, report }
            }
            Err(error) => {
                report.refitted = 0;
                Verdict::Failed { reason: error.to_string(), report }
            }
        }
    }
}

/// A model as it is heard: its votes calibrated, if there is anything to calibrate them by.
fn heard(body: Body, lines: &[Platt]) -> Body {
    if lines.is_empty() { body } else { calibrated(body, lines) }
}

/// Asks a model that was made elsewhere about the held-out rows. It is the only candidate; whether it has learned from
/// these rows, nobody here can know.
fn pushed(job: &Job, body: &Body, held_out: &[Arc<Example>], report: &mut Report) -> Option<(f64, Judged)> {
    let fixed = Fixed::from(body.clone());
    let said: Vec<Prediction> = held_out.iter().map(|e| fixed.predict(&e.vector)).collect();
    let figures = figures(job.task, said.iter().zip(held_out.iter().map(|e| e.label)));
    let found = gain(job, &figures);
    let (digest, error) = match artifact(job, body.clone()) {
        Ok((_, digest)) => (Some(digest), None),
        Err(error) => (None, Some(error.to_string())),
    };
    (report.fitted, report.over_limit) = (0, 0);
    let parameters = Parameters::Pushed { kind: body.kind().to_owned() };
    let (class_weight, calibration) = (ClassWeight::Even, Vec::new());
    report.candidates.push(Candidate { parameters, class_weight, figures: Some(figures), calibration, error, digest });
    report.best = Some(0);
    Some((found?, Judged { index: 0, body: body.clone(), lines: Vec::new() }))
}

/// The gate's metric, turned so that higher is better.
fn gain(job: &Job, figures: &Figures) -> Option<f64> {
    let value = figures.get(job.gate.metric.name())?;
    Some(if job.gate.metric.lower_is_better() { -value } else { *value })
}

/// What the gate asks of the batch candidate, or else of the online learner, which gained so much on the champion.
fn checks(job: &Job, gained: f64, batch: bool, report: &Report, held_out: &[Arc<Example>]) -> Vec<Check> {
    let gate = &job.gate;
    let check = |check: &str, figure: Option<f64>, limit: f64, passes: &dyn Fn(f64) -> bool| {
        let passed = figure.is_some_and(passes);
        Check { check: check.to_owned(), passed, figure, limit, slice: None }
    };
    let figures =
        if batch { report.batch().and_then(|candidate| candidate.figures.as_ref()) } else { Some(&report.live) };
    let mut checks = vec![check("margin", Some(gained), gate.margin, &|gained| gained > gate.margin)];
    if gate.significance.is_some() {
        let high = report.paired.as_ref().map(|paired| paired.high);
        checks.push(check("significance", high, 0.0, &|high| high < 0.0));
    }
    if gate.baseline {
        let beyond = figures.and_then(|figures| Some(gain(job, figures)? - gain(job, &report.majority)?));
        checks.push(check("baseline", beyond, 0.0, &|beyond| beyond > 0.0));
    }
    if gate.no_change {
        // Of rows that were scored before the gate asked nothing is known; all others are judged.
        let rows = held_out.iter().filter_map(|e| Some((e.no_change.as_ref()?, e.label)));
        let theirs = gain(job, &super::report::figures(job.task, rows));
        let beyond = figures.and_then(|figures| Some(gain(job, figures)? - theirs?));
        checks.push(check("no_change", beyond, 0.0, &|beyond| beyond > 0.0));
    }
    if let Some(most) = gate.max_ece {
        let ece = figures.and_then(|figures| figures.get(Metric::Ece.name()).copied());
        checks.push(check("max_ece", ece, most, &|ece| ece <= most));
    }
    checks
}

/// By how much the candidate's mean loss is above the champion's in the slice in which it is worst, of those with
/// enough rows; of equals the first by column and value.
fn slices(task: Task, gate: &SliceGate, held_out: &[Arc<Example>], said: &[Prediction]) -> Check {
    let loss = |said: &Prediction, label: Label| Tally::labelled(task, said, label).loss;
    let mut sums: BTreeMap<(usize, &str), (u64, i128)> = BTreeMap::new();
    for (example, said) in held_out.iter().zip(said) {
        let worse = loss(said, example.label) - loss(&example.served, example.label);
        for (column, value) in example.slices.iter().enumerate() {
            let (rows, sum) = sums.entry((column, value)).or_default();
            *rows += 1;
            *sum += worse;
        }
    }
    let mut worst: Option<(f64, String)> = None;
    for ((column, value), (rows, sum)) in sums.into_iter().filter(|(_, (rows, _))| *rows >= gate.min_rows) {
        let worse = sum as f64 * Tally::STEP / rows as f64;
        if worst.as_ref().is_none_or(|(found, _)| worse > *found) {
            worst = Some((worse, format!("{}={value}", gate.by.get(column).map_or("", String::as_str))));
        }
    }
    let (figure, slice) = worst.unzip();
    let passed = figure.is_some_and(|worse| worse <= gate.max_worse);
    Check { check: "slices".to_owned(), passed, figure, limit: gate.max_worse, slice }
}

/// The number of rows held out: the configured share, at least one, and leaving at least one.
fn held_out(job: &Job) -> usize {
    let all = job.examples.len();
    let share = (all as f64 * job.train.holdout).round() as usize;
    share.clamp(1, all.saturating_sub(1).max(1)).min(all)
}

/// The newest rows that a dense estimator takes.
fn newest<'a, 'b>(rows: &'b [&'a Example], width: usize) -> &'b [&'a Example] {
    &rows[rows.len().saturating_sub(Rows::limit(width))..]
}

/// A model with the digest of its artifact, or why it cannot be one.
fn artifact(job: &Job, body: Body) -> Result<(Body, String), FitError> {
    let artifact = Artifact::new(&job.model, &job.features_digest, job.width, body)?;
    let bytes = artifact.to_bytes();
    if bytes.len() > Artifact::MAX_BYTES {
        // It could be written, and never read again.
        return Err(ArtifactError::TooLong { found: bytes.len() }.into());
    }
    let digest = Artifact::digest(&bytes);
    Ok((artifact.body, digest))
}

fn blank(job: &Job, parts: &Parts) -> Report {
    let held_out = parts.held_out;
    let bounds = |rows: &[Arc<Example>]| {
        let (first, last) = (rows.first()?, rows.last()?);
        Some(Bounds { from: first.predicted, to: last.predicted })
    };
    Report {
        examples: job.examples.len() as u64,
        window: bounds(&job.examples),
        calibrated: Some(parts.calibration).filter(|rows| !rows.is_empty()).map(|rows| {
            let known = known_by(rows, held_out).len();
            Calibrated { rows: known as u64, not_yet_known: (rows.len() - known) as u64, window: bounds(rows) }
        }),
        held_out: held_out.len() as u64,
        held_out_window: bounds(held_out),
        fitted: 0,
        not_yet_known: 0,
        over_limit: 0,
        refitted: 0,
        metric: job.gate.metric.name().to_string(),
        margin: job.gate.margin,
        champion: figures(job.task, held_out.iter().map(|example| (&example.served, example.label))),
        live: figures(job.task, held_out.iter().map(|example| (&example.live, example.label))),
        candidates: Vec::new(),
        best: None,
        majority: Figures::new(),
        positive_share: None,
        paired: None,
        checks: Vec::new(),
        importance: Vec::new(),
        without_rolling: None,
        digest: None,
    }
}
