//! The prequential law: on input in order, wherever ticks are cut, the same is predicted, measured and decided.

use super::support::{Run, Subject, few_flights, flights, plain, run, same_lines, sea, text};
use serde_json::{Value, json};

/// What must not depend on the cuts, beyond the streams that are compared as they are.
fn essence(run: &Run) -> Value {
    let summary = run.summary();
    let versions: Vec<Value> = run
        .records("models")
        .iter()
        .map(|v| json!([v["version"], v["digest"], v["cause"], v["parent"], v["lineage"]["offsets"], v["report"]]))
        .collect();
    let dead: Vec<Value> = run
        .records("dead_letters")
        .iter()
        .map(|d| json!([d["source"], d["partition"], d["offset"], d["reason"], d["value"]]))
        .collect();
    json!({
        "versions": versions,
        "dead": dead,
        "balance": summary["balance"],
        "unknown_categories": summary["unknown_categories"],
        "reasons": summary["reasons"],
        "metrics": summary["metrics"],
        "champions": summary["champions"],
    })
}

fn however_cut(subject: &'static Subject, cuts: &[&str]) {
    let usual = plain(subject);
    for cut in cuts {
        let other = run(&format!("{}_by_{cut}", subject.name), &subject.file, &["--tick-records", cut]);
        let what = format!("{} in ticks of {cut}", subject.name);
        for stream in ["predictions", "metrics", "decisions"] {
            let file = format!("{stream}.jsonl");
            same_lines(&format!("{what}: {file}"), &usual.text(&file), &other.text(&file));
        }
        let pretty = |run: &Run| serde_json::to_string_pretty(&essence(run)).expect("it was JSON");
        same_lines(&what, &pretty(usual), &pretty(&other));
        let ticks = |run: &Run| run.progress().len();
        assert_ne!(ticks(usual), ticks(&other), "{what}: it was cut otherwise");
    }
}

#[test]
fn sea_in_any_ticks() {
    // An hour of `sea`, after which a tick is cut anyway, has some 240 records.
    however_cut(sea(), &["7", "61"]);
}

#[test]
fn flights_in_any_ticks() {
    however_cut(flights(), &["17", "100000"]);
}

#[test]
fn some_flights_one_by_one() {
    let released =
        plain(few_flights()).records("decisions").iter().filter(|d| text(d, "verdict") == "released").count();
    assert!(released > 0, "a version was released in the cut");
    however_cut(few_flights(), &["1", "7"]);
}
