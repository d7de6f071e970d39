//! Events out of order are never late: however old, they are counted in every metric that they belong to, with their
//! labels, corrections and withdrawals, by the oracle's recomputation. Only a sliding window that has closed, three
//! times `every` after the last label that it could get, stands as it was published.

use super::oracle::{Input, holds, truth};
use super::support::{Small, text};
use serde_json::Value;
use std::fmt::Write;
use tidemill::time::{Span, Time};

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
label = "y > 0"
timeout = "2h"
schema = { id = "text", at = "timestamp", y = "float?" }
[features]
x = "x"
[model.m]
task = "binary"
learner = { kind = "logistic", learning_rate = 0.05 }
freeze_at = ["2024-03-01T12:00:00Z"]
[model.m.metrics]
windows = ["1h", "3h"]
since = ["2024-03-01T06:30:00Z", "2024-03-01T20:00:00Z"]
names = ["log_loss", "roc_auc", "accuracy", "f1", "kappa", "brier", "ece"]
slices = ["who"]
"#;

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;

/// Thirty hours of an event every three minutes, every tenth of which is followed by one that is up to a day old, then
/// three days of nothing, and three hours more. A straggler gets a label, too, in time if it is not older than that.
fn streams() -> (Input, String, String) {
    let start = Time::parse("2024-03-01").expect("a time").0;
    let mut input = Input::default();
    let mut events = String::new();
    let mut put = |input: &mut Input, id: String, at: i64, came: i64, n: i64| {
        let who = if came > at + 8 * HOUR && n % 3 == 0 { "old" } else { ["a", "b"][(n % 2) as usize] };
        let x = (n * 37 % 101) as f64 / 50.0 - 1.0;
        let line = format!("{{\"id\":\"{id}\",\"at\":\"{}\",\"x\":{x},\"who\":\"{who}\"}}", Time(at));
        writeln!(events, "{line}").expect("memory takes it");
        let right = (x > 0.0) != (n % 7 == 0);
        match n % 5 {
            // Never, wrong and corrected, withdrawn, and only right.
            0 => {}
            1 => {
                input.labels.push((came + 20 * MINUTE, id.clone(), Some(!right)));
                input.labels.push((came + 50 * MINUTE, id.clone(), Some(right)));
            }
            2 => {
                input.labels.push((came + 20 * MINUTE, id.clone(), Some(right)));
                input.labels.push((came + 80 * MINUTE, id.clone(), None));
            }
            _ => input.labels.push((came + 20 * MINUTE, id.clone(), Some(right))),
        }
        if came > at {
            input.came.insert(id.clone(), came);
        }
        input.events.insert(id, (at, vec![("who".to_owned(), who.to_owned())]));
    };
    for n in 0..660_i64 {
        let gap = if n < 600 { 0 } else { 3 * 24 * HOUR };
        let at = start + gap + n * 3 * MINUTE;
        put(&mut input, format!("{n}"), at, at, n);
        if n % 10 == 9 {
            // From a quarter of an hour to 24 hours old, in no order; the last ones fall into the gap.
            let age = (n / 10 * 7 % 97 + 1) * 15 * MINUTE;
            put(&mut input, format!("old{n}"), at - age, at, n / 10);
        }
    }
    input.labels.sort_by_key(|label| label.0);
    let mut labels = String::new();
    for (at, id, label) in &input.labels {
        let y = label.map_or("null".to_owned(), |label| if label { "1" } else { "-1" }.to_owned());
        writeln!(labels, "{{\"id\":\"{id}\",\"at\":\"{}\",\"y\":{y}}}", Time(*at)).expect("memory takes it");
    }
    input.end = input.labels.last().expect("labels").0;
    (input, events, labels)
}

#[test]
fn metrics_count_events_however_old() {
    let (input, events, labels) = streams();
    let streams: [(&str, &[u8]); 2] = [("events.jsonl", events.as_bytes()), ("labels.jsonl", labels.as_bytes())];
    let small = Small::new("stragglers", PIPELINE, &streams);
    for cut in ["1", "100000"] {
        let run = small.run(&format!("out_{cut}"), &["--tick-records", cut]);
        let count = |what: &str| run.summary()[what].as_i64();
        assert_eq!(count("events"), Some(input.events.len() as i64));
        assert!(count("late") > Some(3), "labels of old events are late: {:?}", count("late"));
        holds(&run, &truth(&run, &input, Span(2 * HOUR), Span::HOUR), 1);

        // What was said about the whole run is said anew at the next boundary after an old event, and of no boundary
        // but the last are there slices of the whole run.
        let metrics = run.records("metrics");
        let of = |window: &str| -> Vec<&Value> {
            metrics.iter().filter(|m| m["window"] == window && m["version"] == 1 && m["slice"].is_null()).collect()
        };
        assert!(of("all").is_sorted_by_key(|line| line["n"].as_i64()));
        assert_eq!(of("all").last().expect("a value")["n"].as_u64(), Some(input.events.len() as u64));
        let old = |m: &&Value| m["slice"]["who"] == "old" && m["window"] == "all" && m["version"] == 1;
        let expected = input.events.values().filter(|(_, slices)| slices[0].1 == "old").count() as u64;
        let told: Vec<&Value> = metrics.iter().filter(old).collect();
        assert!(expected > 5 && told.len() == 1 && told[0]["n"] == expected, "{expected} are old: {told:?}");
        assert_eq!(text(told[0], "at"), text(metrics.last().expect("a value"), "at"));
    }
}
