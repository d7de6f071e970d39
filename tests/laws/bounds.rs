//! Rows of windows have a maximum (`max_rows`): what finds no room is counted and has no effect, on all workers alike.

use super::support::{Small, same_lines};
use std::collections::VecDeque;
use std::fmt::Write;
use tidemill::time::{Span, Time};

const PIPELINE: &str = r#"
[pipeline]
name = "small"
max_rows = 25_600
[source.events]
kind = "events"
key = "id"
time = "at"
schema = { id = "text", at = "timestamp", who = "text" }
[source.labels]
kind = "labels"
key = "id"
time = "at"
label = "y"
timeout = "1h"
schema = { id = "text", at = "timestamp", y = "bool" }
[features]
GIVEN
[model.m]
task = "binary"
learner = { kind = "logistic", learning_rate = 0.05 }
[model.m.metrics]
names = ["log_loss"]
"#;

/// Of 25,600 rows each of 256 shards has its share.
const SHARE: usize = 100;
/// The window of the features below, and the day that late rows are exact for.
const KEPT: Span = Span(25 * Span::HOUR.0);

/// Events and labels, the first half densely, then a gap that forgets all, then sparsely enough to have room.
fn streams() -> (Vec<Time>, String, String) {
    let (mut times, mut events, mut labels) = (Vec::new(), String::new(), String::new());
    let start = Time::parse("2024-03-01").expect("an instant");
    for n in 0..600_i64 {
        let at = if n < 300 { n * 5 } else { 4 * 24 * 60 + (n - 300) * 12 };
        let at = Time(start.0 + at * 60_000_000);
        let line = format!("\"id\":\"{n}\",\"at\":\"{at}\"");
        writeln!(events, "{{{line},\"who\":\"{}\"}}", n % 7).expect("memory takes it");
        writeln!(labels, "{{{line},\"y\":{}}}", n % 3 == 0).expect("memory takes it");
        times.push(at);
    }
    (times, events, labels)
}

fn small(name: &str, features: &str) -> (Vec<Time>, Small) {
    let (times, events, labels) = streams();
    let streams: [(&str, &[u8]); 2] = [("events.jsonl", events.as_bytes()), ("labels.jsonl", labels.as_bytes())];
    (times, Small::new(name, &PIPELINE.replace("GIVEN", features), &streams))
}

#[test]
fn rows_that_find_no_room_are_counted() {
    let (times, small) = small("bounds", "recent = { count = \"*\", over = \"1h\" }");
    let (mut kept, mut refused) = (VecDeque::new(), 0);
    for now in times {
        while kept.front().is_some_and(|first: &Time| *first <= now.minus(KEPT)) {
            kept.pop_front();
        }
        if kept.len() < SHARE { kept.push_back(now) } else { refused += 1 }
    }
    assert!((1..600).contains(&refused), "some find room, some do not");
    let run = small.run("out", &[]);
    assert_eq!(run.summary()["no_room"].as_i64(), Some(refused));
}

#[test]
fn what_finds_no_room_is_the_same_everywhere() {
    let (_, small) = small(
        "bounds_everywhere",
        "recent = { count = \"*\", over = \"1h\" }\nthey = { count = \"*\", by = \"who\", over = \"1h\" }\n\
         share = { mean = \"label\", over = \"30 rows\", missing = 0 }",
    );
    let one = small.run("one", &["-w", "1"]);
    for words in [&["-w", "3"][..], &["-n", "2", "-w", "2"], &["--tick-records", "1"]] {
        let other = small.run(&format!("by{}", words.join("")), words);
        assert_eq!(one.summary()["no_room"], other.summary()["no_room"], "{words:?}");
        same_lines(&format!("{words:?}"), &one.text("predictions.jsonl"), &other.text("predictions.jsonl"));
    }
}
