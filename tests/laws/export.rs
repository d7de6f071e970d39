//! Exported examples are what was served: the vectors are those of looking at all rows, the labels those in force at
//! the end, the scores those of the predictions; and no number of workers makes another file.

use super::support::{Run, parse, plain, read, run, scratch, sea, text, tidemill};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use tidemill::time::Time;

const HOUR: i64 = 3_600_000_000;
const TIMEOUT: i64 = 6 * HOUR;

fn export(run: &Run, name: &str, options: &[&str]) -> String {
    let file = scratch(&format!("export_{name}")).join(name);
    let (out, to) = (run.out.to_str().expect("a path"), file.to_str().expect("a path"));
    let pipeline = sea().file.to_str().expect("a path");
    let words = ["export", "examples", pipeline, "--out", out, "--to-file", to, "--quiet"];
    let ended = tidemill(words.iter().chain(options));
    assert_eq!(ended.code, 0, "{options:?}: {}", ended.stderr);
    fs::read_to_string(file).expect("the examples")
}

/// A label as its windows know it: since when, and what it says.
type Label = Option<(i64, bool)>;

/// What is known of the labels, row by row.
#[derive(Default)]
struct Labels {
    /// By id: the event's time and the label in force.
    known: BTreeMap<String, (i64, Label)>,
    /// Labels whose event has not come.
    waiting: BTreeMap<String, (i64, Option<bool>)>,
    /// Those in force, by when they landed.
    landed: BTreeMap<(i64, String), bool>,
}

impl Labels {
    fn event(&mut self, id: &str, at: i64) {
        self.known.insert(id.to_string(), (at, None));
        if let Some((landed, label)) = self.waiting.remove(id) {
            self.label(id, landed, label, at);
        }
    }

    fn label(&mut self, id: &str, landed: i64, label: Option<bool>, now: i64) {
        let Some((at, in_force)) = self.known.get_mut(id) else {
            self.waiting.insert(id.to_string(), (landed, label));
            return;
        };
        if *at + TIMEOUT < now {
            return;
        }
        if let Some((since, _)) = *in_force {
            self.landed.remove(&(since, id.to_string()));
        }
        // A correction keeps the time of what it corrects.
        *in_force = label.map(|label| (in_force.map_or(landed, |(since, _)| since), label));
        if let Some((since, label)) = *in_force {
            self.landed.insert((since, id.to_string()), label);
        }
    }

    /// The share of true ones among those that landed in the hour up to `at`.
    fn share(&self, at: i64) -> f64 {
        let hour = self.landed.range((at - HOUR + 1, String::new())..(at + 1, String::new()));
        let labels: Vec<f64> = hour.map(|(_, label)| f64::from(u8::from(*label))).collect();
        if labels.is_empty() { 0.4 } else { labels.iter().sum::<f64>() / labels.len() as f64 }
    }
}

fn micros(row: &Value) -> i64 {
    Time::parse(text(row, "at")).expect("a time").0
}

/// Mean and deviation of all so far, anew.
fn standardized(seen: &[[f64; 4]], place: usize) -> f64 {
    let n = seen.len() as f64;
    let mean = seen.iter().map(|row| row[place]).sum::<f64>() / n;
    let deviation = (seen.iter().map(|row| (row[place] - mean).powi(2)).sum::<f64>() / n).sqrt();
    let all_equal = seen.iter().all(|row| row[place] == seen[0][place]);
    if all_equal { 0.0 } else { (seen[seen.len() - 1][place] - mean) / deviation }
}

#[test]
fn vectors_and_labels_of_sea_are_those_of_looking_at_all_rows() {
    let run = plain(sea());
    let exported = parse(&export(run, "all.jsonl", &["--format", "jsonl"]));
    let rows = |stream: &str| parse(&read(&sea().data.join(format!("{stream}.jsonl.gz"))));
    let (labels, events) = (rows("labels"), rows("events"));
    // What is stamped alike: labels before events.
    let mut all: Vec<(i64, bool, &Value)> = labels.iter().map(|row| (micros(row), false, row)).collect();
    all.extend(events.iter().map(|row| (micros(row), true, row)));
    all.sort_by_key(|(at, event, _)| (*at, *event));

    let (mut known, mut seen) = (Labels::default(), Vec::new());
    for (at, event, row) in &all {
        let id = text(row, "id");
        if !event {
            known.label(id, *at, row["y"].as_bool(), *at);
            continue;
        }
        let x = |name: &str| row[name].as_f64().expect("a number");
        seen.push([x("x0"), x("x1"), x("x2"), known.share(*at)]);
        known.event(id, *at);
        let found = &exported[seen.len() - 1];
        assert_eq!((text(found, "prediction_id"), micros(found)), (id, *at));
        // All rows are looked at for some.
        if seen.len() < 300 || seen.len() % 97 == 0 {
            for (place, name) in ["x0", "x1", "x2", "share_1h"].into_iter().enumerate() {
                let (found, wanted) = (found["features"][name].as_f64().expect("a number"), standardized(&seen, place));
                assert!((found - wanted).abs() < 1e-9, "{name} of {id}: {found} is not {wanted}");
            }
        }
    }
    assert_eq!(exported.len(), seen.len());

    let end = all.last().expect("rows").0;
    let mut labelled = 0;
    for found in &exported {
        let (at, label) = known.known[text(found, "prediction_id")];
        assert_eq!(found["label"].as_bool(), label.map(|(_, label)| label), "{found}");
        assert_eq!(found["settled"], at + TIMEOUT < end, "{found}");
        labelled += usize::from(label.is_some());
    }
    assert!(labelled > 50_000 && labelled < exported.len(), "{labelled}");
}

#[test]
fn scores_and_versions_of_sea_are_those_that_were_served() {
    let run = plain(sea());
    let exported = parse(&export(run, "served.jsonl", &["--format", "jsonl"]));
    let served: Vec<Value> = run
        .records("predictions")
        .into_iter()
        .filter(|p| p["role"] == "champion" && p["frozen_at"].is_null())
        .collect();
    assert_eq!(served.len(), exported.len());
    for (found, wanted) in exported.iter().zip(&served) {
        for name in ["prediction_id", "at", "model", "version", "role", "score"] {
            assert_eq!(found[name], wanted[name], "{name} of {found}");
        }
    }
    let ticks: Vec<u64> = exported.iter().map(|found| found["tick"].as_u64().expect("a tick")).collect();
    assert!(ticks.is_sorted() && ticks.last() < Some(&(run.progress().len() as u64)));
}

#[test]
fn no_number_of_workers_exports_otherwise() {
    let one = plain(sea());
    let two = run("export_two", &sea().file, &["-w", "2"]);
    let csv = export(one, "one.csv", &["-w", "1"]);
    assert!(csv == export(one, "again.csv", &["-w", "2"]), "the same run, made again by two");
    assert!(csv == export(&two, "two.csv", &["-w", "2"]), "a run of two");
    let header = csv.lines().next().expect("a header");
    assert!(header.ends_with(",tick,features.x0,features.x1,features.x2,features.share_1h"), "{header}");

    // The same numbers, and a part of them.
    let day = ["--from", "2024-01-03", "--to", "2024-01-04"];
    let part = parse(&export(one, "day.jsonl", &[&["--format", "jsonl", "-w", "2"], &day[..]].concat()));
    let lines: Vec<Vec<&str>> = csv.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let that_day: Vec<&Vec<&str>> = lines.iter().filter(|cells| cells[1].starts_with("2024-01-03T")).collect();
    assert!(!part.is_empty());
    assert_eq!(part.len(), that_day.len());
    for (found, cells) in part.iter().zip(that_day) {
        assert_eq!(
            (text(found, "prediction_id"), found["features"]["x1"].to_string()),
            (cells[0], cells[11].to_string())
        );
    }

    // What cannot be written whole leaves nothing.
    let (out, pipeline) = (one.out.to_str().expect("a path"), sea().file.to_str().expect("a path"));
    let refused = tidemill(["export", "examples", pipeline, "--out", out, "--to-file", "/dev/full/x", "--quiet"]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    let refused = tidemill(["export", "examples", pipeline, "--out", out, "--model", "concpet", "--quiet"]);
    assert!(refused.code == 2 && refused.stderr.contains("did you mean `concept`?"), "{}", refused.stderr);
}
