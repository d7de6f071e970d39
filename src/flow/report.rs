//! What is told of a run: while it goes on (the progress bar), and at its end (`summary.json`).
//!
//! In: every tick as it was written. Keeps: counts, the decisions and versions, the metrics published last, and two
//! histograms of latency. What is shown is what was published: metrics are read from the pages that were written.

use super::balance::Balance;
use super::control::{Resolution, Trained};
use super::ingest::Minted;
use super::matching::Account;
use super::showing::Collected;
use super::ticks::Tick;
use crate::sink::{Page, Stream};
use crate::time::Time;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Decisions kept for the summary; all are in their stream.
const MOST_DECISIONS: usize = 10_000;

/// The account of a run as it is kept: all but what is measured by the clock. Records are their JSON.
#[derive(Serialize, Deserialize)]
pub struct Kept {
    tick: Tick,
    now: Time,
    first: Option<Time>,
    balance: Balance,
    records: BTreeMap<u16, u64>,
    reasons: BTreeMap<String, u64>,
    others: u64,
    no_room: u64,
    champions: BTreeMap<String, u32>,
    verdicts: BTreeMap<String, u64>,
    trainings: u64,
    /// Records of `models`, decisions, metrics.
    told: [Vec<String>; 3],
}

/// The account of a run.
pub struct RunReport {
    /// The last tick written.
    pub tick: Tick,
    /// Pipeline time.
    pub now: Time,
    /// The first pipeline time.
    pub first: Option<Time>,
    /// The balance.
    pub balance: Balance,
    /// Records by source, by its place.
    pub records: BTreeMap<u16, u64>,
    /// Dead letters by reason.
    pub reasons: BTreeMap<String, u64>,
    /// Categorical values that went to `other`.
    pub others: u64,
    /// Rows and questions that found no room for their key (`max_keys`) or themselves (`max_rows`).
    pub no_room: u64,
    /// The version in production, by model.
    pub champions: BTreeMap<String, u32>,
    /// The records of `models`.
    pub models: Vec<Value>,
    /// The records of decisions and of how trainings ended.
    pub decisions: Vec<Value>,
    /// Of them, by verdict.
    pub verdicts: BTreeMap<String, u64>,
    /// The metrics of whole runs and fixed starts, as published last, without slices.
    pub metrics: Vec<Value>,
    /// Trainings, and the seconds that they took.
    pub trainings: (u64, Duration),
    /// Time for which minting waited for a training.
    pub stalled: Duration,
    /// When the run began.
    pub started: Instant,
    /// The events that it had behind it then.
    began_with: i64,
    pub(super) tick_latency: Histogram<u64>,
    pub(super) event_latency: Histogram<u64>,
    /// What is collected beside it where the run is shown.
    pub(super) collected: Option<Collected>,
}

impl Default for RunReport {
    fn default() -> Self {
        // Microseconds up to an hour at three digits; beyond it is counted as an hour.
        let histogram = || Histogram::new_with_bounds(1, 3_600_000_000, 3);
        let empty = || histogram().unwrap_or_else(|_| unreachable!("the bounds are constants in range"));
        RunReport {
            tick: 0,
            now: Time::default(),
            first: None,
            balance: Balance::default(),
            records: BTreeMap::new(),
            reasons: BTreeMap::new(),
            others: 0,
            no_room: 0,
            champions: BTreeMap::new(),
            models: Vec::new(),
            decisions: Vec::new(),
            verdicts: BTreeMap::new(),
            metrics: Vec::new(),
            trainings: (0, Duration::ZERO),
            stalled: Duration::ZERO,
            started: Instant::now(),
            began_with: 0,
            tick_latency: empty(),
            event_latency: empty(),
            collected: None,
        }
    }
}

impl RunReport {
    /// What of it goes into checkpoints.
    pub(super) fn kept(&self) -> Kept {
        let texts = |records: &[Value]| records.iter().map(Value::to_string).collect();
        Kept {
            tick: self.tick,
            now: self.now,
            first: self.first,
            balance: self.balance,
            records: self.records.clone(),
            reasons: self.reasons.clone(),
            others: self.others,
            no_room: self.no_room,
            champions: self.champions.clone(),
            verdicts: self.verdicts.clone(),
            trainings: self.trainings.0,
            told: [&self.models, &self.decisions, &self.metrics].map(|records| texts(records)),
        }
    }

    /// Goes on from there.
    pub(super) fn resume(&mut self, kept: Kept) {
        let records = |texts: Vec<String>| texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
        (self.tick, self.now, self.first, self.balance) = (kept.tick, kept.now, kept.first, kept.balance);
        (self.records, self.reasons, self.verdicts) = (kept.records, kept.reasons, kept.verdicts);
        (self.others, self.no_room, self.champions) = (kept.others, kept.no_room, kept.champions);
        self.trainings.0 = kept.trainings;
        self.began_with = kept.balance.events;
        [self.models, self.decisions, self.metrics] = kept.told.map(records);
        if let Some(collected) = &mut self.collected {
            collected.resume(&self.decisions, &self.metrics);
        }
    }

    /// A tick was made.
    pub(super) fn tick(&mut self, tick: Tick, minted: &Minted, balance: &Balance, counted: &Account, pages: &[Page]) {
        self.tick = tick;
        self.now = minted.now;
        self.first = self.first.or(minted.began);
        self.balance = *balance;
        self.others += counted.others;
        self.no_room += counted.no_room;
        self.stalled += minted.stalled;
        for (source, count) in &minted.records {
            *self.records.entry(*source).or_default() += count;
        }
        if minted.boundary.is_some() {
            self.metrics(pages);
        }
        self.collected.iter_mut().for_each(Collected::tick);
        for page in pages {
            match page.stream {
                Stream::Decisions => objects(page).for_each(|decision| self.decision(decision)),
                Stream::DeadLetters => {
                    for letter in objects(page) {
                        let reason = letter["reason"].as_str().unwrap_or_default().to_owned();
                        *self.reasons.entry(reason).or_default() += 1;
                    }
                }
                _ => {}
            }
        }
    }

    /// A tick is written, and not just made again.
    pub(super) fn written(&mut self, minted: &Minted) {
        if let Some(cut) = minted.cut {
            self.tick_latency.saturating_record(micros(cut.elapsed()));
        }
        for (arrived, events) in &minted.arrivals {
            self.event_latency.saturating_record_n(micros(arrived.elapsed()), u64::from(*events));
        }
    }

    /// A version was released.
    pub(super) fn version(&mut self, version: Value) {
        if version["role"] == "champion" {
            let model = version["model"].as_str().unwrap_or_default().to_owned();
            self.champions.insert(model, version["version"].as_u64().unwrap_or_default() as u32);
        }
        self.models.push(version);
    }

    /// The records of released versions, and of changes of roles those of the version that each is about.
    pub fn versions(&self) -> impl Iterator<Item = &Value> {
        // A turn's further records stand behind its first.
        let told = |record: &Value| [&record["model"], &record["decision"], &record["at"]].map(Clone::clone);
        let mut before = None;
        self.models.iter().filter(move |record| {
            let turn = record["kind"].is_null().then(|| told(record));
            let further = turn.is_some() && before == turn;
            before = turn;
            !further
        })
    }

    /// A training ended; `lines` has the version's record, if there is one.
    pub(super) fn training(&mut self, resolution: &Resolution, trained: &Trained, lines: &[Value], outcome: &Value) {
        self.trainings.0 += 1;
        self.trainings.1 += trained.took;
        tracing::info!(
            at = %resolution.at,
            verdict = resolution.word(),
            version = outcome["version"].as_u64(),
            cause = resolution.cause,
            reason = outcome["reason"].as_str(),
            "training ended"
        );
        lines.iter().for_each(|line| self.version(line.clone()));
    }

    /// Roles changed; `lines` are the records of the versions, first of that which it is about.
    pub(super) fn turn(&mut self, resolution: &Resolution, lines: Vec<Value>) {
        tracing::info!(at = %resolution.at, turn = resolution.word(), cause = resolution.cause, "roles changed");
        lines.into_iter().for_each(|line| self.version(line));
    }

    fn decision(&mut self, decision: Value) {
        let verdict = decision["verdict"].as_str().unwrap_or_default().to_owned();
        *self.verdicts.entry(verdict).or_default() += 1;
        if let Some(collected) = &mut self.collected {
            collected.decision(&decision);
        }
        if self.decisions.len() < MOST_DECISIONS {
            self.decisions.push(decision);
        }
    }

    fn metrics(&mut self, pages: &[Page]) {
        let published = pages.iter().filter(|page| page.stream == Stream::Metrics).flat_map(objects);
        let mut metrics: Vec<Value> = published.filter(|metric| metric["slice"].is_null()).collect();
        if let Some(collected) = &mut self.collected {
            collected.metrics(&metrics);
        }
        metrics.retain(|metric| {
            let window = metric["window"].as_str().unwrap_or_default();
            window == "all" || window.starts_with("since")
        });
        if !metrics.is_empty() {
            self.metrics = metrics;
        }
    }

    /// The last published metrics of what the first model served, over the whole run.
    pub fn served(&self) -> Option<&Value> {
        self.metrics.iter().find(|m| m["role"] == "champion" && m["version"].is_null() && m["window"] == "all")
    }

    /// The events since the run began, without those that it had behind it then.
    pub fn fresh_events(&self) -> u64 {
        u64::try_from(self.balance.events - self.began_with).unwrap_or(0)
    }

    /// Events a second since the run began; those that it had behind it then do not count.
    pub fn events_per_s(&self) -> f64 {
        self.fresh_events() as f64 / self.started.elapsed().as_secs_f64().max(1e-3)
    }

    /// Latencies in microseconds: of ticks from cut to written, and of events from arrival to written.
    pub fn latency_us(&self) -> Value {
        json!({ "tick": percentiles(&self.tick_latency), "event": percentiles(&self.event_latency) })
    }
}

fn percentiles(histogram: &Histogram<u64>) -> Value {
    let at = |quantile: f64| histogram.value_at_quantile(quantile);
    json!({ "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "p99_9": at(0.999), "max": histogram.max() })
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn objects(page: &Page) -> impl Iterator<Item = Value> + '_ {
    let lines = page.lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.filter_map(|line| serde_json::from_slice(line).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_turn_the_summary_has_the_version_that_it_is_about() {
        let release = |version: u32, decision: &str| json!({ "model": "m", "version": version, "kind": "logistic", "at": "1", "decision": decision });
        let turn = |version: u32, at: &str, decision: &str| json!({ "model": "m", "version": version, "role": "champion", "at": at, "decision": decision });
        let told = [release(1, "a"), release(2, "a"), turn(2, "2", "b"), turn(1, "2", "b"), turn(1, "3", "b")];
        let report = RunReport { models: told.to_vec(), ..RunReport::default() };
        let versions: Vec<&Value> = report.versions().collect();
        assert_eq!(versions, [&told[0], &told[1], &told[2], &told[4]]);
    }
}
