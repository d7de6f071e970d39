//! A slow reference for `sea` over a generated stream: balance, online predictions and metrics of the whole run, by
//! plain loops over floats and maps, with nothing of the engine. Beside byte identity and replay it is the third oracle.

use super::files::Subject;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};

/// Seconds: an event may get a label for so long, and the share of labels is over so long.
const TIMEOUT: f64 = 6.0 * 3600.0;
const WINDOW: f64 = 3600.0;
const RATE: f64 = 0.05;
/// River's learning rate of the bias.
const BIAS_RATE: f64 = 0.01;

/// Seconds since 1970 of `2024-01-01T00:00:00Z` and the like.
fn seconds(text: &str) -> f64 {
    let number = |range: std::ops::Range<usize>| text[range].parse::<i64>().expect("a number");
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    let months: [i64; 12] = [31, if year % 4 == 0 { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let years: i64 = (1970..year).map(|year| if year % 4 == 0 { 366 } else { 365 }).sum();
    let days = years + months[..month as usize - 1].iter().sum::<i64>() + day - 1;
    (days * 86_400 + number(11..13) * 3600 + number(14..16) * 60 + number(17..19)) as f64
}

/// Mean and deviation of all numbers so far (Welford 1962).
#[derive(Default)]
struct Standard {
    n: f64,
    mean: f64,
    squares: f64,
}

impl Standard {
    fn push(&mut self, x: f64) -> f64 {
        self.n += 1.0;
        let before = x - self.mean;
        self.mean += before / self.n;
        self.squares += before * (x - self.mean);
        let deviation = (self.squares / self.n).sqrt();
        if deviation > 0.0 { (x - self.mean) / deviation } else { 0.0 }
    }
}

struct Event {
    at: f64,
    vector: [f64; 4],
    score: f64,
    updates: u64,
    /// The label in force, and the time at which it was first known.
    label: Option<(bool, f64)>,
    learned: bool,
}

/// What the reference makes of the two streams.
#[derive(Default)]
struct Reference {
    events: HashMap<String, Event>,
    counts: BTreeMap<&'static str, i64>,
    weights: [f64; 4],
    bias: f64,
    updates: u64,
    standards: [Standard; 4],
    /// Labels in force by the time at which they were known; of one time, by event.
    labels: BTreeMap<(u64, String), bool>,
    now: f64,
}

impl Reference {
    fn of(lines: &[String; 2]) -> Reference {
        let parse = |line: &str| serde_json::from_str::<Value>(line).expect("it is JSON");
        let mut rows: Vec<(f64, u8, Value)> = Vec::new();
        for (kind, text) in [(1, &lines[0]), (0, &lines[1])] {
            rows.extend(text.lines().map(parse).map(|row| (seconds(row["at"].as_str().expect("a time")), kind, row)));
        }
        // A label goes before an event of its time. The sort is stable: lines of one stream stay in order.
        rows.sort_by(|a, b| (a.0, a.1).partial_cmp(&(b.0, b.1)).expect("times are numbers"));
        let mut reference = Reference::default();
        for (at, kind, row) in rows {
            reference.now = reference.now.max(at);
            *reference.counts.entry("records").or_default() += 1;
            match kind {
                0 => reference.label(at, &row),
                _ => reference.event(at, &row),
            }
        }
        reference
    }

    fn event(&mut self, at: f64, row: &Value) {
        let (mut n, mut sum) = (0.0, 0.0);
        for label in self.labels.range((((at - WINDOW) as u64 + 1), String::new())..).map(|(_, label)| *label) {
            n += 1.0;
            sum += f64::from(u8::from(label));
        }
        let share = if n > 0.0 { sum / n } else { 0.4 };
        let mut vector = [0.0; 4];
        for (place, name) in ["x0", "x1", "x2"].iter().enumerate() {
            vector[place] = self.standards[place].push(row[*name].as_f64().expect("a number"));
        }
        vector[3] = self.standards[3].push(share);
        let score = self.score(&vector);
        let event = Event { at, vector, score, updates: self.updates, label: None, learned: false };
        self.events.insert(row["id"].as_str().expect("an id").to_owned(), event);
        *self.counts.entry("events").or_default() += 1;
    }

    fn score(&self, x: &[f64; 4]) -> f64 {
        let z: f64 = self.bias + x.iter().zip(&self.weights).map(|(x, w)| x * w).sum::<f64>();
        1.0 / (1.0 + (-z).exp())
    }

    fn label(&mut self, at: f64, row: &Value) {
        let id = row["id"].as_str().expect("an id").to_owned();
        let said = row["y"].as_bool().expect("a truth value");
        let event = self.events.get_mut(&id).expect("its event was before it");
        assert!(at <= event.at + TIMEOUT, "no label of this stream is late");
        let known = match event.label {
            Some((label, _)) if label == said => {
                *self.counts.entry("repeated").or_default() += 1;
                return;
            }
            Some((_, known)) => {
                *self.counts.entry("corrected").or_default() += 1;
                known
            }
            None => at,
        };
        event.label = Some((said, known));
        self.labels.insert((known as u64, id.clone()), said);
        if event.learned {
            return;
        }
        event.learned = true;
        let x = event.vector;
        let error = self.score(&x) - f64::from(u8::from(said));
        self.bias -= BIAS_RATE * error;
        self.weights.iter_mut().zip(&x).for_each(|(w, x)| *w -= RATE * error * x);
        self.updates += 1;
    }

    /// The counts of the balance that are not nothing.
    fn balance(&self) -> BTreeMap<&'static str, i64> {
        let mut counts = self.counts.clone();
        let mut count = |name, which: &dyn Fn(&Event) -> bool| {
            counts.insert(name, self.events.values().filter(|event| which(event)).count() as i64);
        };
        let over = |event: &Event| event.at + TIMEOUT < self.now;
        count("labelled", &|event| event.label.is_some());
        count("expired", &|event| event.label.is_none() && over(event));
        count("unlabelled", &|event| event.label.is_none() && !over(event));
        counts.insert("used", counts["records"]);
        counts
    }
}

/// Compares what a run left with what the reference makes of its input, by id.
pub fn compare(subject: &Subject, out: &str, lines: &[String; 2]) {
    let reference = Reference::of(lines);
    let file = File::open(subject.out(out).join("predictions.jsonl")).expect("it is there");
    let (mut online, mut served) = (HashMap::new(), HashMap::new());
    for line in BufReader::new(file).lines() {
        let line: Value = serde_json::from_str(&line.expect("it is text")).expect("it is JSON");
        let (id, score) = (line["prediction_id"].as_str().expect("an id"), line["score"].as_f64().expect("a number"));
        if let Some(updates) = line["updates"].as_u64() {
            assert_eq!(online.insert(id.to_owned(), (score, updates)), None, "{id} is scored once by the learner");
        }
        if line["role"] == "champion" {
            assert_eq!(served.insert(id.to_owned(), score), None, "{id} is answered once");
        }
    }
    assert_eq!((online.len(), served.len()), (reference.events.len(), reference.events.len()), "each event once");
    let mut farthest = 0.0_f64;
    for (id, event) in &reference.events {
        let (score, updates) = online[id];
        assert_eq!(updates, event.updates, "what the learner knew of {id}");
        farthest = farthest.max((score - event.score).abs());
        assert!((score - event.score).abs() < 1e-7, "{id}: {score}, not {}", event.score);
    }

    let summary: Value =
        serde_json::from_slice(&fs::read(subject.out(out).join("summary.json")).expect("a summary")).expect("JSON");
    let balance = summary["balance"]["counts"].as_object().expect("a balance");
    let expected = reference.balance();
    for (name, count) in balance.iter().filter(|(_, count)| count.is_i64()) {
        assert_eq!(count.as_i64(), Some(expected.get(name.as_str()).copied().unwrap_or(0)), "{name}");
    }

    let metrics = summary["metrics"]["by"].as_array().expect("metrics");
    let all = |m: &&Value| m["window"] == "all" && m["role"] == "champion" && m["version"].is_null();
    let found = metrics.iter().find(all).expect("what was served, over the whole run");
    let labelled = |(id, event): (&String, &Event)| event.label.map(|(label, _)| (served[id], label));
    let rows: Vec<(f64, bool)> = reference.events.iter().filter_map(labelled).collect();
    let mean = |of: &dyn Fn(f64, bool) -> f64| rows.iter().map(|(s, l)| of(*s, *l)).sum::<f64>() / rows.len() as f64;
    let loss = |score: f64, label: bool| {
        let p = score.clamp(1e-4, 1.0 - 1e-4);
        -(if label { p } else { 1.0 - p }).ln()
    };
    assert_eq!(found["n"], reference.events.len());
    assert_eq!(found["labelled"], rows.len());
    for (name, value) in [
        ("log_loss", mean(&loss)),
        ("accuracy", mean(&|score, label| f64::from(u8::from((score > 0.5) == label)))),
        ("brier", mean(&|score, label| (score - f64::from(u8::from(label))).powi(2))),
    ] {
        let told = found[name].as_f64().expect("a number");
        assert!((told - value).abs() < 1e-9, "{name}: {told}, not {value}");
    }
    println!("{} events as the reference has them, scores to {farthest:.1e}", reference.events.len());
}
