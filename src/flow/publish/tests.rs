//! Both halves of the room of metrics, without timely, against a recomputation of every published value.

use super::*;
use crate::config;
use crate::evaluate::{Calibration, Estimate, Prospect};
use crate::feature::Vector;
use crate::flow::items::{Outcome, Scored, Turn};
use crate::flow::measure::Contributions;
use crate::task::{Label, Task};
use proptest::prelude::*;
use smallvec::smallvec;
use std::rc::Rc;

const PIPELINE: &str = r#"
[pipeline]
name = "small"
every = "1h"
[source.events]
kind = "events"
key = "id"
time = "at"
schema = { id = "text", at = "timestamp", x = "float", who = "text" }
[source.labels]
kind = "labels"
key = "id"
time = "at"
label = "y"
timeout = "90m"
schema = { id = "text", at = "timestamp", y = "bool?" }
[features]
x = "x"
[model.m]
task = "binary"
learner = { kind = "logistic" }
[model.m.metrics]
windows = ["2h", "5h"]
since = ["1970-01-11T05:20:00Z", "1970-01-11"]
slices = ["who"]
estimate = { names = ["log_loss", "roc_auc", "accuracy", "f1", "kappa", "brier"], min_labels = 3 }
"#;

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;
/// The first event comes here.
const START: i64 = 10 * 24 * HOUR;

/// An event, and what becomes of it.
#[derive(Clone, Debug)]
struct Told {
    /// Minutes of pipeline time since the event before.
    wait: i64,
    /// How many minutes out of order it is.
    age: i64,
    score: f64,
    who: u8,
    /// Its label and the label's correction or withdrawal, both at once when the next event comes.
    labels: Vec<Option<bool>>,
}

fn told() -> impl Strategy<Value = Told> {
    let wait = prop_oneof![8 => 0..40_i64, 1 => 600..3000_i64];
    let age = prop_oneof![6 => Just(0_i64), 2 => 0..200_i64, 2 => 200..3000_i64];
    let labels = prop::collection::vec(prop::option::of(any::<bool>()), 0..3);
    (wait, age, 0.0..1.0, 0..2_u8, labels).prop_map(|(wait, age, score, who, labels)| Told {
        wait,
        age,
        score,
        who,
        labels,
    })
}

/// What differential does with the contributions: the counts of every cell, and their changes.
#[derive(Default)]
struct Counts(BTreeMap<Cell, Sums>);

impl Counts {
    fn change(&mut self, updates: Vec<(Cell, Sums)>) -> Vec<((Cell, Sums), Tick, isize)> {
        let mut by_cell: BTreeMap<Cell, Sums> = BTreeMap::new();
        updates.into_iter().for_each(|(cell, sums)| by_cell.entry(cell).or_default().plus_equals(&sums));
        let mut changes = Vec::new();
        for (cell, delta) in by_cell.into_iter().filter(|(_, delta)| !delta.is_zero()) {
            let sums = self.0.entry(cell.clone()).or_default();
            changes.extend((!sums.is_zero()).then(|| ((cell.clone(), sums.clone()), 0, -1)));
            sums.plus_equals(&delta);
            changes.extend((!sums.is_zero()).then(|| ((cell, sums.clone()), 0, 1)));
        }
        self.0.retain(|_, sums| !sums.is_zero());
        changes
    }
}

/// A scored event as the recomputation knows it.
struct Row {
    at: i64,
    /// The boundary at which it was first counted.
    counted: i64,
    score: f64,
    who: u8,
    label: Option<bool>,
    expired: bool,
}

struct Bench {
    plan: Arc<Plan>,
    contributions: Contributions,
    counts: Counts,
    board: Board,
    rows: Vec<(Row, Rc<Scored>)>,
    now: i64,
}

impl Bench {
    fn new() -> Bench {
        let spec = config::read(PIPELINE, "small.toml", &|_| Err("no files".into())).expect("it reads");
        let plan = Arc::new(Plan::new(spec).expect("it compiles"));
        let model = plan.models().remove(0);
        let contributions = Contributions::new(model.clone());
        let board = Board::new(model);
        Bench { plan, contributions, counts: Counts::default(), board, rows: Vec::new(), now: START }
    }

    /// Pipeline time goes on: events without label expire, and boundaries are judged, across a gap two.
    fn pass(&mut self, now: i64) {
        let next = (self.now.div_euclid(HOUR) + 1) * HOUR;
        for boundary in
            BTreeSet::from([next, now.div_euclid(HOUR) * HOUR]).into_iter().filter(|b| next <= *b && *b <= now)
        {
            self.expire(boundary);
            self.judge(boundary, false);
        }
        self.now = now;
        self.expire(now);
    }

    fn expire(&mut self, now: i64) {
        let timeout = self.plan.timeout.0;
        for (row, scored) in self.rows.iter_mut().filter(|(row, _)| !row.expired && row.at + timeout < now) {
            row.expired = true;
            let turn = Turn::Settled { labelled: row.label.is_some() };
            self.contributions.take(&Outcome { model: 0, scored: scored.clone(), now: Time(now), turn });
        }
    }

    fn tell(&mut self, told: &Told) {
        self.pass(self.now + told.wait * MINUTE);
        let at = self.now - told.age * MINUTE;
        let scored = Rc::new(Scored {
            id: "".into(),
            time: Time(at),
            vector: Arc::new(Vector::default()),
            scores: smallvec![(Contestant::Champion(1), told.score.into()), (Contestant::Majority, 0.25.into())],
            live: told.score.into(),
            slices: smallvec![told.who.to_string().into()],
        });
        let counted = (self.now.div_euclid(HOUR) + 1) * HOUR;
        let outcome = |turn| Outcome { model: 0, scored: scored.clone(), now: Time(self.now), turn };
        self.contributions.take(&outcome(Turn::Scored));
        let mut label = None;
        // A label after the timeout is late.
        for after in told.labels.iter().filter(|_| at + self.plan.timeout.0 >= self.now) {
            if *after != label {
                self.contributions.take(&outcome(Turn::Labelled {
                    before: label.map(Label::from),
                    after: after.map(Label::from),
                    first: false,
                }));
            }
            label = *after;
        }
        let row = Row { at, counted, score: told.score, who: told.who, label, expired: false };
        self.rows.push((row, scored));
    }

    fn judge(&mut self, boundary: i64, last: bool) {
        let changes = self.counts.change(self.contributions.flush(Time(boundary)));
        self.board.forget(Time(boundary));
        for ((series, stretch), delta) in deltas(changes) {
            self.board.apply(series, stretch, &delta, Time(boundary));
        }
        let published = self.board.publish(Time(boundary), Time(boundary), last);
        let all = published.iter().filter(|p| p.extent == Extent::All && p.series.slice.is_none());
        assert_eq!(all.count(), if self.rows.is_empty() { 0 } else { 3 }, "both contestants, and what was served");
        published.iter().for_each(|one| self.check(one));
    }

    /// A value must be that of all rows so far; only those that came after a window was closed are not in it.
    fn check(&self, one: &Published) {
        let (start, end, open) = match one.extent {
            Extent::Last(window) => (one.end.0 - window.0, one.end.0, one.end.0 + self.plan.timeout.0 + 3 * HOUR),
            Extent::Since(start) => (start.0, i64::MAX, i64::MAX),
            Extent::All => (i64::MIN, i64::MAX, i64::MAX),
        };
        let mine = |who: u8| one.series.slice.as_ref().is_none_or(|(_, value)| *value == who.to_string());
        let (mut tally, mut found) = (Tally::default(), Vec::new());
        for (row, _) in &self.rows {
            if row.at < start || row.at >= end || row.counted >= open || !mine(row.who) {
                continue;
            }
            let score = if one.series.who == Some(Contestant::Majority) { 0.25 } else { row.score };
            tally += Tally::prediction();
            if let Some(label) = row.label {
                tally += Tally::labelled(Task::Binary, &score.into(), label.into());
                found.extend(bins::labelled(score, label));
            } else if row.expired {
                tally += Tally::expired();
            }
        }
        found.sort();
        assert_eq!(one.tally, tally, "{one:?}");
        let all = self.rows.iter().map(|(row, _)| row);
        let within = all.filter(|row| row.at >= start && row.at < end && row.counted < open && mine(row.who));
        let rows: Vec<_> = within.map(|row| (row.score, row.label)).collect();
        assert_eq!(one.estimated, self.estimated(one, &rows, &tally), "{one:?}");
        for (metric, value) in &one.values {
            assert_eq!(
                *value,
                crate::evaluate::value(*metric, Task::Binary, &tally, found.iter().copied()),
                "{metric:?} of {one:?}"
            );
        }
    }
}

impl Bench {
    /// The estimates for some rows, of all rows that were settled before them.
    fn estimated(&self, one: &Published, rows: &[(f64, Option<bool>)], known: &Tally) -> Option<Estimated> {
        let settled = one.end.0 - self.plan.timeout.0;
        let cut = match one.extent {
            Extent::Last(window) => (one.end.0 - window.0).min(settled.div_euclid(HOUR) * HOUR),
            Extent::Since(start) if start.0 <= settled => start.0,
            Extent::Since(_) => settled.div_euclid(HOUR) * HOUR,
            Extent::All => return None,
        };
        if one.series.who == Some(Contestant::Majority) {
            return None;
        }
        let histogram = |rows: &[(f64, bool)]| {
            let mut all: Vec<_> = rows.iter().flat_map(|(score, label)| bins::labelled(*score, *label)).collect();
            all.sort_by_key(|(bin, _)| *bin);
            let mut whole = BTreeMap::<u16, Bin>::new();
            all.into_iter().for_each(|(bin, one)| *whole.entry(bin).or_default() += one);
            whole
        };
        let before = self.rows.iter().filter(|(row, _)| row.at < cut);
        let reference: Vec<_> = before.filter_map(|(row, _)| Some((row.score, row.label?))).collect();
        let map = Calibration::of(histogram(&reference)).filter(|_| reference.len() >= 3);
        let labelled: Vec<_> = rows.iter().filter_map(|(score, label)| Some((*score, (*label)?))).collect();
        let figure = |metric: Metric| {
            let estimate = |scores: &mut dyn Iterator<Item = f64>| {
                let mut estimate = Estimate::default();
                for score in scores {
                    estimate.add(Prospect::of(Task::Binary, &score.into()), map.as_ref()?);
                }
                estimate.value(metric, Task::Binary)
            };
            let all = estimate(&mut rows.iter().map(|row| row.0));
            let of_labelled = estimate(&mut labelled.iter().map(|row| row.0));
            let known = value(metric, Task::Binary, known, histogram(&labelled));
            (metric, all, all.and_then(|_| Some(of_labelled? - known?)))
        };
        let values = Metric::estimated_of(Task::Binary).into_iter().map(|(_, metric)| figure(metric)).collect();
        Some(Estimated { reference: reference.len() as i64, values })
    }
}

proptest! {
    #[test]
    fn published_values_are_those_of_all_rows(all in prop::collection::vec(told(), 1..120)) {
        let mut bench = Bench::new();
        all.iter().for_each(|told| bench.tell(told));
        let end = (bench.now.div_euclid(HOUR) + 1) * HOUR;
        bench.judge(end, true);
    }
}

#[test]
fn what_is_kept_does_not_grow_with_events_out_of_reach() {
    let mut bench = Bench::new();
    let mut kept = BTreeSet::new();
    for n in 0..3000 {
        let age = if n % 3 == 0 { 60 * 24 * 7 - n } else { 0 };
        bench.tell(&Told { wait: 5, age, score: 0.5, who: (n % 2) as u8, labels: vec![Some(n % 5 == 0)] });
        if n >= 500 && n % 100 == 0 {
            let beyond = bench.counts.0.keys().filter(|(_, stretch)| matches!(stretch, Stretch::Beyond(_))).count();
            let buckets = bench.board.tracks.values().map(|track| track.buckets.len()).max().unwrap_or(0);
            kept.insert((beyond, bench.counts.0.len() - beyond, buckets));
        }
    }
    let (beyond, within, buckets) = kept.iter().fold((0, 0, 0), |m, k| (m.0.max(k.0), m.1.max(k.1), m.2.max(k.2)));
    // Five series; before, between and after the two instants of `since`; the reach is 9.5 hours.
    assert!(beyond <= 5 * 3 && within <= 5 * 12 && buckets <= 12, "{kept:?}");
}
