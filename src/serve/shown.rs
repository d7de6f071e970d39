//! What is shown of a run: a snapshot behind a committed tick, and the place where it is left and found.

use super::series::Series;
use crate::time::Time;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The place where the walk leaves its newest snapshot and the server finds it. Held for the exchange of a pointer
/// only, so neither waits for the other.
#[derive(Clone, Debug, Default)]
pub struct Shown(Arc<Mutex<Option<Arc<Snapshot>>>>);

impl Shown {
    /// Leaves a snapshot in the place of the one before.
    pub fn put(&self, snapshot: Snapshot) {
        let snapshot = Some(Arc::new(snapshot));
        let before = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), snapshot);
        // Freed when nobody is kept waiting by it.
        drop(before);
    }

    /// The newest snapshot; none before the first tick is committed.
    pub fn get(&self) -> Option<Arc<Snapshot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It makes committed ticks again.
    Resuming,
    /// It goes on, or waits for its input.
    Running,
    /// It has come to its end.
    Ended,
}

impl State {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            State::Resuming => "resuming",
            State::Running => "running",
            State::Ended => "ended",
        }
    }
}

/// A run as of a committed tick.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What it is doing.
    pub state: State,
    /// The tick.
    pub tick: u64,
    /// Pipeline time.
    pub time: Time,
    /// The first pipeline time.
    pub first: Option<Time>,
    /// The balance.
    pub counts: Counts,
    /// Records by source.
    pub sources: Vec<(String, u64)>,
    /// Dead letters by reason.
    pub reasons: BTreeMap<String, u64>,
    /// Categorical values that went to `other`.
    pub others: u64,
    /// Rows and questions that found no room.
    pub no_room: u64,
    /// Decisions by verdict.
    pub verdicts: BTreeMap<String, u64>,
    /// Trainings that ended.
    pub trainings: u64,
    /// The seconds that those of this process took, and for which minting waited for them.
    pub training_s: (f64, f64),
    /// The models, in the order of the pipeline file.
    pub models: Vec<ModelShown>,
    /// The newest records of `decisions`, oldest first.
    pub decisions: Vec<Arc<Value>>,
    /// The names of the metrics that are published.
    pub names: Vec<&'static str>,
    /// The records of `metrics` that the last boundary published for itself, without slices.
    pub figures: Vec<Arc<Value>>,
    /// The metrics over pipeline time.
    pub series: Vec<Arc<Series>>,
    /// From the arrival of an event to its being written.
    pub event_latency: Latency,
    /// From the cut of a tick to its being written.
    pub tick_latency: Latency,
    /// When the process began.
    pub started: Instant,
    /// The events since then.
    pub fresh_events: u64,
}

impl Snapshot {
    /// Events a second since the process began.
    pub fn events_per_s(&self) -> f64 {
        self.fresh_events as f64 / self.started.elapsed().as_secs_f64().max(1e-3)
    }
}

/// Where records and events are: `records = used + dead_letters + late + pending` and
/// `events = labelled + expired + open`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Records read.
    pub records: i64,
    /// Records that did what they were sent for.
    pub used: i64,
    /// Records that could not be used.
    pub dead_letters: i64,
    /// Labels after the timeout of their event.
    pub late: i64,
    /// Labels that wait for their event.
    pub pending: i64,
    /// Events accepted.
    pub events: i64,
    /// Events with a label now.
    pub labelled: i64,
    /// Events whose timeout passed without a label.
    pub expired: i64,
    /// Events that may still get a label.
    pub open: i64,
    /// Labels that said what was known already.
    pub repeated: i64,
    /// Labels that changed a known one.
    pub corrected: i64,
    /// Labels that withdrew one.
    pub withdrawn: i64,
}

/// One model's versions.
#[derive(Clone, Debug)]
pub struct ModelShown {
    /// Its name.
    pub name: String,
    /// The version in production.
    pub champion: Option<u32>,
    /// Its records of `models`, in their order.
    pub records: Vec<Arc<Value>>,
}

/// How long something took, by the wall clock, since the process began.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Latency {
    /// How often it was measured.
    pub count: u64,
    /// All together, in seconds.
    pub sum_s: f64,
    /// Quantiles and their seconds.
    pub quantiles_s: Vec<(f64, f64)>,
}
