//! The oracle: every published metric is recomputed from the predictions that were written and the labels as they were
//! read, by sorting and counting, with no code of the engine but its clock's arithmetic.
//!
//! A value must be what the labels known before its publication make of it; and the last value published for a window
//! must be what all labels of the run make of it, or it should have been published again.

use super::support::{Run, Subject, few_flights, flights, number, parse, plain, read, sea, text, whole};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tidemill::time::{Span, Time};

/// What came of an event: the labels in force, each from an instant of pipeline time on.
type Labels = BTreeMap<String, Vec<(i64, Option<bool>)>>;

/// One score of a contestant, by event time.
struct Score {
    at: i64,
    /// Pipeline time when the event came; beyond `at` if it was out of order.
    came: i64,
    id: String,
    score: f64,
}

/// A run's predictions by series, and the truth about them.
pub(super) struct Truth {
    series: BTreeMap<String, Vec<Score>>,
    labels: Labels,
    /// Pipeline time at the end.
    end: i64,
    timeout: i64,
    every: i64,
}

pub(super) fn micros(text: &str) -> i64 {
    Time::parse(text).unwrap_or_else(|| panic!("{text} is no time")).0
}

/// The name of a series in both worlds: who, and which slice.
fn series(version: &Value, role: &str, frozen_at: &Value, slice: &Value) -> String {
    json!([version, role, frozen_at, slice]).to_string()
}

/// What a run reads.
#[derive(Default)]
pub(super) struct Input {
    /// As (pipeline time, id, label), in order.
    pub(super) labels: Vec<(i64, String, Option<bool>)>,
    /// Event time and slice columns, by id.
    pub(super) events: BTreeMap<String, (i64, Vec<(String, String)>)>,
    /// Pipeline time at which an event out of order came, by id.
    pub(super) came: BTreeMap<String, i64>,
    /// Pipeline time at the end.
    pub(super) end: i64,
}

impl Input {
    fn in_order(
        labels: Vec<(i64, String, Option<bool>)>,
        events: BTreeMap<String, (i64, Vec<(String, String)>)>,
    ) -> Input {
        let end = labels.iter().map(|l| l.0).chain(events.values().map(|e| e.0)).max().expect("rows");
        Input { labels, events, came: BTreeMap::new(), end }
    }

    /// When an event came.
    fn came(&self, id: &str) -> Option<i64> {
        self.came.get(id).copied().or_else(|| self.events.get(id).map(|event| event.0))
    }
}

fn input_of_sea() -> Input {
    let rows = |stream: &str| parse(&read(&sea().data.join(format!("{stream}.jsonl.gz"))));
    let labels: Vec<_> = rows("labels")
        .iter()
        .map(|row| (micros(text(row, "at")), text(row, "id").to_string(), row["y"].as_bool()))
        .collect();
    let events: BTreeMap<_, _> =
        rows("events").iter().map(|row| (text(row, "id").to_string(), (micros(text(row, "at")), Vec::new()))).collect();
    Input::in_order(labels, events)
}

fn input_of_flights(subject: &Subject) -> Input {
    let rows = |stream: &str| -> Vec<Vec<String>> {
        let text = read(&subject.data.join(format!("{stream}.csv.gz")));
        text.lines().skip(1).map(|line| line.split(',').map(str::to_string).collect()).collect()
    };
    let labels: Vec<_> = rows("arrivals")
        .iter()
        .map(|row| (micros(&row[0]), row[2].clone(), Some(row[1].parse::<f64>().expect("a delay") > 15.0)))
        .collect();
    let slices = |row: &[String]| vec![("carrier".to_string(), row[4].clone()), ("origin".to_string(), row[5].clone())];
    let events: BTreeMap<_, _> =
        rows("departures").iter().map(|row| (row[3].clone(), (micros(&row[0]), slices(row)))).collect();
    let others = ["takeoffs", "weather"].map(|stream| rows(stream).last().map_or(0, |row| micros(&row[0])));
    let mut input = Input::in_order(labels, events);
    input.end = others.into_iter().chain([input.end]).max().expect("rows");
    input
}

/// The labels in force: one before its event holds from the event on, one after the timeout never.
fn labels(input: &Input, timeout: i64) -> Labels {
    let mut all = Labels::new();
    for (at, id, label) in &input.labels {
        let (Some((event, _)), Some(came)) = (input.events.get(id), input.came(id)) else { continue };
        let known = (*at).max(came);
        if known <= event + timeout {
            all.entry(id.clone()).or_default().push((known, *label));
        }
    }
    all
}

pub(super) fn truth(run: &Run, input: &Input, timeout: Span, every: Span) -> Truth {
    let mut all: BTreeMap<String, Vec<Score>> = BTreeMap::new();
    for p in run.records("predictions") {
        let id = text(&p, "prediction_id").to_string();
        let role = if p["frozen_at"].is_null() { text(&p, "role") } else { "frozen" };
        let version = if role == "frozen" { &Value::Null } else { &p["version"] };
        let mut names = vec![series(version, role, &p["frozen_at"], &Value::Null)];
        for (column, value) in &input.events[&id].1 {
            names.push(series(version, role, &p["frozen_at"], &json!({ column: value })));
        }
        if role == "champion" {
            names.push(series(&Value::Null, "champion", &Value::Null, &Value::Null));
        }
        for name in names {
            let (at, score) = (micros(text(&p, "at")), number(&p, "score"));
            assert_eq!(at, input.events[&id].0);
            let came = input.came(&id).expect("an event");
            all.entry(name).or_default().push(Score { at, came, id: id.clone(), score });
        }
    }
    all.values_mut().for_each(|scores| scores.sort_by_key(|score| score.at));
    let labels = labels(input, timeout.0);
    Truth { series: all, labels, end: input.end, timeout: timeout.0, every: every.0 }
}

impl Truth {
    /// The scores in a window, each with its label as known before `by`.
    fn rows(&self, name: &str, window: &Window, by: i64) -> Vec<(f64, Option<bool>)> {
        let label = |id: &str| {
            let known = self.labels.get(id)?;
            known.iter().rev().find(|(at, _)| *at < by).and_then(|(_, label)| *label)
        };
        let scores = self.scores(name, window).filter(|score| score.came < by);
        scores.map(|score| (score.score, label(&score.id))).collect()
    }

    /// The scores in a window: a sliding one takes none that is counted after it has closed.
    fn scores<'a>(&'a self, name: &str, window: &Window) -> impl Iterator<Item = &'a Score> {
        let Window { start, end, sliding } = *window;
        let scores = self.series.get(name).map_or(&[][..], Vec::as_slice);
        let from = scores.partition_point(|score| score.at < start);
        let to = scores.partition_point(|score| score.at < end);
        let counted = |score: &Score| (score.came.div_euclid(self.every) + 1) * self.every;
        scores[from..to].iter().filter(move |s| !sliding || counted(s) < end + self.timeout + 3 * self.every)
    }
}

/// The window of a published value.
struct Window {
    start: i64,
    end: i64,
    /// Whether it has a fixed end, and so a time at which it closes.
    sliding: bool,
}

impl Window {
    fn of(line: &Value) -> Window {
        let (name, end) = (text(line, "window"), micros(text(line, "at")));
        match (name, name.strip_prefix("since ")) {
            ("all", _) => Window { start: i64::MIN, end, sliding: false },
            (_, Some(since)) => Window { start: micros(since), end, sliding: false },
            _ => Window { start: end - span(name), end, sliding: true },
        }
    }
}

/// The metrics of some labelled scores, from their definitions.
fn metrics(rows: &[(f64, Option<bool>)]) -> BTreeMap<&'static str, f64> {
    let rows: Vec<(f64, bool)> = rows.iter().filter_map(|(score, label)| Some((*score, (*label)?))).collect();
    let mut found = BTreeMap::new();
    if rows.is_empty() {
        return found;
    }
    let n = rows.len() as f64;
    let count = |said: bool, is: bool| rows.iter().filter(|(s, l)| (*s > 0.5) == said && *l == is).count() as f64;
    let (tp, fp, r#fn, tn) = (count(true, true), count(true, false), count(false, true), count(false, false));
    let loss = |(s, l): &(f64, bool)| {
        let p = s.clamp(1e-4, 1.0 - 1e-4);
        -(if *l { p.ln() } else { (1.0 - p).ln() })
    };
    let truth = |l: bool| if l { 1.0 } else { 0.0 };
    found.insert("log_loss", rows.iter().map(loss).sum::<f64>() / n);
    found.insert("brier", rows.iter().map(|(s, l)| (s - truth(*l)).powi(2)).sum::<f64>() / n);
    found.insert("accuracy", (tp + tn) / n);
    found.insert("f1", if tp + fp + r#fn == 0.0 { 0.0 } else { 2.0 * tp / (2.0 * tp + fp + r#fn) });
    let chance = ((tp + fp) * (tp + r#fn) + (tn + r#fn) * (tn + fp)) / (n * n);
    let agreed = (tp + tn) / n;
    found.insert("kappa", if chance == 1.0 { 0.0 } else { (agreed - chance) / (1.0 - chance) });
    let mut bins = [(0.0, 0.0); 10];
    for (s, l) in &rows {
        let bin = &mut bins[((s * 10.0) as usize).min(9)];
        (bin.0, bin.1) = (bin.0 + s, bin.1 + truth(*l));
    }
    found.insert("ece", bins.iter().map(|(scores, labels)| f64::abs(scores - labels)).sum::<f64>() / n);
    // The area under the curve by ranks, with the mean rank for ties.
    let mut sorted = rows;
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let positives = tp + r#fn;
    let (mut ranks, mut from) = (0.0, 0);
    while from < sorted.len() {
        let to = from + sorted[from..].iter().take_while(|row| row.0 == sorted[from].0).count();
        let mean_rank = (from + 1 + to) as f64 / 2.0;
        ranks += sorted[from..to].iter().filter(|row| row.1).count() as f64 * mean_rank;
        from = to;
    }
    if positives > 0.0 && positives < n {
        found.insert("roc_auc", (ranks - positives * (positives + 1.0) / 2.0) / (positives * (n - positives)));
    }
    found
}

fn span(window: &str) -> i64 {
    Span::parse(window).unwrap_or_else(|| panic!("{window} is no window")).0
}

fn agree(line: &Value, rows: &[(f64, Option<bool>)], why: &str) {
    let labelled = rows.iter().filter(|(_, label)| label.is_some()).count() as i64;
    assert_eq!(whole(line, "n"), rows.len() as i64, "{why}: {line}");
    assert_eq!(whole(line, "labelled"), labelled, "{why}: {line}");
    assert!((number(line, "label_coverage") - labelled as f64 / rows.len() as f64).abs() < 1e-12, "{why}: {line}");
    let expected = metrics(rows);
    for name in ["log_loss", "brier", "accuracy", "f1", "kappa", "ece", "roc_auc"] {
        match (line[name].as_f64(), expected.get(name)) {
            (None, None) => {}
            (Some(found), Some(expected)) => {
                let bound = if name == "roc_auc" { number(line, "roc_auc_bound") } else { 0.0 };
                assert!((found - expected).abs() <= 1e-9 + bound, "{why}: {name} is {expected}, not as in {line}");
            }
            (found, expected) => panic!("{why}: {name} is {expected:?}, not {found:?} as in {line}"),
        }
    }
}

/// Checks every value that was published last for its window, and every `sparse`th of the others.
pub(super) fn holds(run: &Run, truth: &Truth, sparse: usize) {
    let lines: Vec<Value> =
        run.records("metrics").into_iter().filter(|line| text(line, "role") != "baseline").collect();
    let boundaries: BTreeSet<i64> = run.progress().iter().filter_map(|p| p["boundary"].as_str().map(micros)).collect();
    let last_boundary = *boundaries.last().expect("a boundary");
    let name = |line: &Value| series(&line["version"], text(line, "role"), &line["frozen_at"], &line["slice"]);
    let mut newest: BTreeMap<(String, String, i64), usize> = BTreeMap::new();
    for (place, line) in lines.iter().enumerate() {
        let sliding = Span::parse(text(line, "window")).is_some();
        // A window that does not slide is the same one at every end.
        let end = if sliding { micros(text(line, "at")) } else { i64::MAX };
        newest.insert((name(line), text(line, "window").to_string(), end), place);
        assert!(sliding || line["at"] == line["published_at"], "{line}");
    }
    let newest_places: BTreeSet<usize> = newest.values().copied().collect();
    let mut again = 0;
    for (place, line) in lines.iter().enumerate() {
        let (end, published) = (micros(text(line, "at")), micros(text(line, "published_at")));
        assert!(boundaries.contains(&published) && end <= published, "{line}");
        let now = if published == last_boundary { truth.end } else { published };
        assert_eq!(line["final"], end + truth.timeout < now, "{line}");
        again += usize::from(end < published);
        let newest = newest_places.contains(&place);
        if newest || place % sparse == 0 {
            agree(line, &truth.rows(&name(line), &Window::of(line), published), "as known when published");
        }
        if newest {
            agree(line, &truth.rows(&name(line), &Window::of(line), i64::MAX), "as known at the end");
        }
    }
    assert!(again > 0, "later labels had values published again");
    complete(truth, &newest, &boundaries, &lines);
}

/// Every series has a value for every window that ends at a boundary and has predictions.
fn complete(
    truth: &Truth,
    newest: &BTreeMap<(String, String, i64), usize>,
    boundaries: &BTreeSet<i64>,
    lines: &[Value],
) {
    let windows: BTreeSet<&str> = lines.iter().map(|line| text(line, "window")).collect();
    assert!(windows.contains("all") && windows.len() >= 2, "{windows:?}");
    let sliding: Vec<&str> = windows.iter().copied().filter(|window| Span::parse(window).is_some()).collect();
    for name in truth.series.keys() {
        assert!(newest.contains_key(&(name.clone(), "all".to_string(), i64::MAX)), "nothing on {name}");
        for boundary in boundaries {
            assert_eq!(boundary % truth.every, 0);
            for window in &sliding {
                let window_to = Window { start: boundary - span(window), end: *boundary, sliding: true };
                let there = truth.scores(name, &window_to).next().is_some();
                let told = newest.contains_key(&(name.clone(), window.to_string(), *boundary));
                assert_eq!(there, told, "{name}, {window} to {}", Time(*boundary));
            }
        }
    }
    let known: BTreeSet<&String> = truth.series.keys().collect();
    let told: BTreeSet<&String> = newest.keys().map(|(name, ..)| name).collect();
    assert_eq!(known, told, "series");
}

#[test]
fn metrics_of_sea_are_those_of_its_predictions() {
    let run = plain(sea());
    holds(run, &truth(run, &input_of_sea(), Span(6 * Span::HOUR.0), Span::HOUR), 29);
}

#[test]
fn metrics_of_flights_are_those_of_their_predictions() {
    let run = plain(flights());
    holds(run, &truth(run, &input_of_flights(flights()), Span(2 * Span::DAY.0), Span::DAY), 5);
}

#[test]
fn metrics_of_some_flights_by_the_hour() {
    let run = plain(few_flights());
    holds(run, &truth(run, &input_of_flights(few_flights()), Span(2 * Span::DAY.0), Span::HOUR), 5);
}

/// The baselines are not told but measured: their scores are those of two loops over events and labels.
#[test]
fn baselines_of_sea_are_those_of_a_loop() {
    let input = input_of_sea();
    let timeout = 6 * Span::HOUR.0;
    let known = labels(&input, timeout);
    // Labels in the order in which they take effect: an early one right behind its event.
    let mut turns: Vec<(i64, u8, usize, String, Option<bool>)> = Vec::new();
    for (place, (at, id, label)) in input.labels.iter().enumerate() {
        let event = input.events[id].0;
        if *at <= event + timeout {
            let early = *at < event;
            turns.push(((*at).max(event), if early { 2 } else { 0 }, place, id.clone(), *label));
        }
    }
    let number = |id: &str| id.parse::<usize>().expect("ids of sea are numbers");
    turns.extend(input.events.iter().map(|(id, (at, _))| (*at, 1, number(id), id.clone(), None)));
    // An early label has its event's place: events stand 30 s apart, so no other event has that time.
    turns.sort();
    let (mut positives, mut labelled, mut last) = (0.0, 0.0, None);
    let mut now: BTreeMap<String, Option<bool>> = BTreeMap::new();
    let mut learned = BTreeSet::new();
    let mut scores: BTreeMap<&str, Vec<(f64, Option<bool>)>> = BTreeMap::new();
    for (_, kind, _, id, label) in turns {
        if kind == 1 {
            let truth = known.get(&id).and_then(|all| all.last()).and_then(|(_, label)| *label);
            let share: f64 = if labelled == 0.0 { 0.5 } else { positives / labelled };
            let same = last.map_or(0.5, |last| if last { 1.0 } else { 0.0 });
            scores.entry("majority").or_default().push((share, truth));
            scores.entry("no_change").or_default().push((same, truth));
            continue;
        }
        let before = now.insert(id.clone(), label).flatten();
        if before == label {
            continue;
        }
        for (label, sign) in [(before, -1.0), (label, 1.0)] {
            if let Some(label) = label {
                positives += if label { sign } else { 0.0 };
                labelled += sign;
            }
        }
        if let (Some(label), true) = (label, learned.insert(id)) {
            last = Some(label);
        }
    }
    let run = plain(sea());
    for (model, rows) in scores {
        let told = run.records("metrics");
        let line = told.iter().rfind(|line| line["model"] == model && line["window"] == "all").expect("a baseline");
        agree(line, &rows, model);
    }
}
