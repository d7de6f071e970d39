//! What is shown of a run over HTTP, where that was asked for: collected behind every tick, left as a snapshot some
//! times a second, once the tick is committed.
//!
//! In: the account of the run, and what a boundary published. Keeps: the newest [`MOST_DECISIONS`] decisions, the
//! figures of the last boundary, and at most [`MOST_SERIES`] series of metrics. They are no part of a checkpoint: a run
//! that goes on from one has the series from there on. A snapshot shares all of it, and costs pointers.

use super::plan::Plan;
use super::report::RunReport;
use super::ticks::Tick;
use crate::serve::{Counts, Latency, ModelShown, Series, Shown, Snapshot, State};
use crate::time::Time;
use hdrhistogram::Histogram;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A snapshot is taken at most once in this time.
const PERIOD: Duration = Duration::from_millis(250);
/// The newest decisions that are shown.
const MOST_DECISIONS: usize = 200;
/// Series of metrics; further ones are not shown.
const MOST_SERIES: usize = 512;
/// The quantiles of latencies.
const QUANTILES: [f64; 5] = [0.5, 0.9, 0.99, 0.999, 1.0];

/// What is collected for it while ticks are made.
#[derive(Debug, Default)]
pub struct Collected {
    /// Whether a tick was made, or taken up from a checkpoint.
    any: bool,
    /// The names of the metrics.
    names: Vec<&'static str>,
    decisions: VecDeque<Arc<Value>>,
    figures: Vec<Arc<Value>>,
    /// By model, window and contestant.
    series: BTreeMap<[String; 3], Arc<Series>>,
}

impl Collected {
    fn new(plan: &Plan) -> Collected {
        let mut names = Vec::new();
        for measure in plan.spec.models.iter().flat_map(|model| model.metrics.measures()) {
            if !names.contains(&measure.name()) {
                names.push(measure.name());
            }
        }
        Collected { names, ..Collected::default() }
    }

    /// A tick was made.
    pub(super) fn tick(&mut self) {
        self.any = true;
    }

    /// A checkpoint was taken up, with its decisions and its metrics of whole runs.
    pub(super) fn resume(&mut self, decisions: &[Value], metrics: &[Value]) {
        self.any = true;
        decisions.iter().for_each(|decision| self.decision(decision));
        self.figures = metrics.iter().cloned().map(Arc::new).collect();
    }

    /// Something was decided.
    pub(super) fn decision(&mut self, decision: &Value) {
        if self.decisions.len() == MOST_DECISIONS {
            self.decisions.pop_front();
        }
        self.decisions.push_back(Arc::new(decision.clone()));
    }

    /// A boundary published these, without slices.
    pub(super) fn metrics(&mut self, published: &[Value]) {
        if published.is_empty() {
            return;
        }
        // What a later label changed is published with them, and is not the newest.
        let newest = published.iter().filter(|metric| metric["at"] == metric["published_at"]);
        self.figures = newest.cloned().map(Arc::new).collect();
        for metric in published {
            self.point(metric);
        }
    }

    fn point(&mut self, metric: &Value) {
        let text = |name: &str| metric[name].as_str().unwrap_or_default();
        let Some((model, who)) = contestant(metric) else { return };
        let Some(at) = Time::parse(text("at")) else { return };
        let key = [model.to_owned(), text("window").to_owned(), who];
        if self.series.len() >= MOST_SERIES && !self.series.contains_key(&key) {
            return;
        }
        let values = self.names.iter().map(|name| metric[name].as_f64().unwrap_or(f64::NAN)).collect();
        let [model, window, who] = &key;
        let fresh = || Arc::new(Series::new(model, window, who));
        // A snapshot may hold it still: then this is a copy.
        Arc::make_mut(self.series.entry(key.clone()).or_insert_with(fresh)).publish(at, values);
    }
}

/// The model that a metric is about, and whose it is; none for a version's own time as champion, which is a part of
/// what was served.
fn contestant(metric: &Value) -> Option<(&str, String)> {
    let text = |name: &str| metric[name].as_str().unwrap_or_default();
    let (model, role) = (text("model"), text("role"));
    Some(match (role, metric["version"].as_u64()) {
        ("champion", None) => (model, "as served".to_owned()),
        ("champion", Some(_)) => return None,
        ("baseline", _) => (text("beside"), model.to_owned()),
        ("frozen", _) => (model, format!("frozen {}", text("frozen_at").trim_end_matches("T00:00:00Z"))),
        (role, Some(version)) => (model, format!("v{version} {role}")),
        (role, None) => (model, role.to_owned()),
    })
}

/// Leaves snapshots of a run.
pub(super) struct Showing {
    shown: Shown,
    plan: Arc<Plan>,
    /// Ticks below this were committed by earlier runs.
    history: Tick,
    /// Taken, and shown once its tick is committed.
    waiting: Option<Snapshot>,
    taken: Option<Instant>,
    /// The tick and state that were taken last.
    last: Option<(Tick, State)>,
    /// The records of `models`, by model, and how many the account had then.
    models: (usize, Vec<ModelShown>),
}

impl Showing {
    /// Over the ticks that earlier runs have committed; the account is told to collect.
    pub(super) fn new(shown: Shown, plan: &Arc<Plan>, history: Tick, report: &mut RunReport) -> Showing {
        report.collected = Some(Collected::new(plan));
        let model = |name: &String| ModelShown { name: name.clone(), champion: None, records: Vec::new() };
        let models = (0, plan.spec.models.iter().map(|spec| model(&spec.name)).collect());
        Showing { shown, plan: plan.clone(), history, waiting: None, taken: None, last: None, models }
    }

    /// Looks whether there is something to show; ticks below `committed` are committed by this run.
    pub(super) fn look(&mut self, report: &RunReport, committed: Tick) {
        let committed = committed.max(self.history);
        if self.waiting.is_none() && self.taken.is_none_or(|taken| taken.elapsed() >= PERIOD) {
            let state = if report.tick + 1 < self.history { State::Resuming } else { State::Running };
            if self.last != Some((report.tick, state)) {
                self.take(report, state);
            }
        }
        if let Some(snapshot) = self.waiting.take_if(|snapshot| snapshot.tick < committed) {
            self.shown.put(snapshot);
        }
    }

    /// Shows the end: all is committed.
    pub(super) fn end(mut self, report: &RunReport) {
        self.take(report, State::Ended);
        self.waiting.into_iter().for_each(|snapshot| self.shown.put(snapshot));
    }

    fn take(&mut self, report: &RunReport, state: State) {
        let Some(collected) = report.collected.as_ref().filter(|collected| collected.any) else { return };
        self.follow(report);
        (self.taken, self.last) = (Some(Instant::now()), Some((report.tick, state)));
        let source = |place: &u16| self.plan.spec.sources[usize::from(*place)].name.value.clone();
        self.waiting = Some(Snapshot {
            state,
            tick: report.tick,
            time: report.now,
            first: report.first,
            counts: counts(report),
            sources: report.records.iter().map(|(place, count)| (source(place), *count)).collect(),
            reasons: report.reasons.clone(),
            others: report.others,
            no_room: report.no_room,
            verdicts: report.verdicts.clone(),
            trainings: report.trainings.0,
            training_s: (report.trainings.1.as_secs_f64(), report.stalled.as_secs_f64()),
            models: self.models.1.clone(),
            decisions: collected.decisions.iter().cloned().collect(),
            names: collected.names.clone(),
            figures: collected.figures.clone(),
            series: collected.series.values().cloned().collect(),
            event_latency: latency(&report.event_latency),
            tick_latency: latency(&report.tick_latency),
            started: report.started,
            fresh_events: report.fresh_events(),
        });
    }

    /// Takes over the records of `models` that are new, and who is champion.
    fn follow(&mut self, report: &RunReport) {
        let (known, models) = &mut self.models;
        for record in report.models.iter().skip(*known) {
            if let Some(model) = models.iter_mut().find(|model| record["model"] == *model.name) {
                model.records.push(Arc::new(record.clone()));
            }
        }
        *known = report.models.len();
        for model in models {
            model.champion = report.champions.get(&model.name).copied();
        }
    }
}

fn counts(report: &RunReport) -> Counts {
    let balance = &report.balance;
    Counts {
        records: balance.records,
        used: balance.used,
        dead_letters: balance.dead_letters,
        late: balance.late,
        pending: balance.pending,
        events: balance.events,
        labelled: balance.labelled,
        expired: balance.expired,
        open: balance.unlabelled,
        repeated: balance.repeated,
        corrected: balance.corrected,
        withdrawn: balance.withdrawn,
    }
}

/// In seconds, of a histogram in microseconds.
fn latency(histogram: &Histogram<u64>) -> Latency {
    let at = |quantile: f64| (quantile, histogram.value_at_quantile(quantile) as f64 / 1e6);
    Latency {
        count: histogram.len(),
        sum_s: histogram.mean() * histogram.len() as f64 / 1e6,
        quantiles_s: QUANTILES.map(at).into(),
    }
}
