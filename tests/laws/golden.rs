//! Golden rows of the gate: a candidate that is better but fails one of them answers nobody, and the record says which.

use super::support::{Run, Small, text};
use serde_json::Value;
use tidemill::time::Time;

const PIPELINE: &str = r#"
[pipeline]
name = "small"
every = "1h"
[source.events]
kind = "events"
key = "id"
time = "at"
schema = { id = "text", at = "timestamp", x = "float" }
[source.labels]
kind = "labels"
key = "id"
time = "at"
label = "y"
timeout = "2h"
schema = { id = "text", at = "timestamp", y = "bool" }
[features]
x = "x"
[model.m]
task = "binary"
learner = { kind = "logistic", learning_rate = 0.00001 }
retrain = { kind = "logistic" }
[[model.m.trigger]]
kind = "schedule"
every = "4h"
warm_up = 100
[model.m.train]
holdout = 0.2
min_examples = 100
activate_after = "1h"
[model.m.gate]
metric = "log_loss"
margin = 0.0
golden = "datasets/small/golden.jsonl"
"#;

/// An event a minute, for eight hours; it is true above 5.
fn run(name: &str, golden: &str) -> Run {
    let (mut events, mut labels) = (String::new(), String::new());
    let at = |minute: i64| Time(Time::parse("2024-03-01").expect("a time").0 + minute * 60_000_000);
    for n in 0..480 {
        let x = (n * 37 % 101) as f64 / 10.0;
        events += &format!("{{\"id\":\"e{n}\",\"at\":\"{}\",\"x\":{x}}}\n", at(n));
        labels += &format!("{{\"id\":\"e{n}\",\"at\":\"{}\",\"y\":{}}}\n", at(n + 10), (x > 5.0) != (n % 9 == 0));
    }
    let streams: [(&str, &[u8]); 3] =
        [("events.jsonl", events.as_bytes()), ("labels.jsonl", labels.as_bytes()), ("golden.jsonl", golden.as_bytes())];
    Small::new(&format!("golden_{name}"), PIPELINE, &streams).run("out", &["-w", "2"])
}

/// What the first training came to, and the check.
fn check(run: &Run) -> (String, Value) {
    let decisions = run.records("decisions");
    let end = decisions.iter().find(|d| d["kind"] == "release").expect("a training");
    let checks = end["report"]["checks"].as_array().expect("checks");
    let golden = checks.iter().find(|check| check["check"] == "golden").expect("it was asked");
    (text(end, "verdict").to_owned(), golden.clone())
}

#[test]
fn who_fails_a_golden_row_answers_nobody() {
    let known =
        "{\"features\":{\"x\":9},\"class\":true,\"why\":\"anybody knows\"}\n{\"features\":{\"x\":1},\"at_most\":0.4}\n";
    let met = run("met", known);
    let (verdict, golden) = check(&met);
    assert_eq!((verdict.as_str(), &golden["passed"], &golden["figure"]), ("released", &true.into(), &0.0.into()));
    assert!(met.records("predictions").iter().any(|p| p["version"] == 2 && p["role"] == "champion"));

    let failed = run("failed", &format!("{known}{{\"features\":{{\"x\":0}},\"class\":true}}\n"));
    let (verdict, golden) = check(&failed);
    assert_eq!((verdict.as_str(), &golden["passed"], &golden["figure"]), ("rejected", &false.into(), &1.0.into()));
    assert!(text(&golden, "slice").starts_with("line 3 (0."), "{golden}");
    assert!(failed.records("predictions").iter().all(|p| p["version"] == 1));
}
