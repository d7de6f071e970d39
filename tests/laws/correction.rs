//! The correction law: a wrong label that is corrected in time, and one that is withdrawn, leave metrics, windows over
//! labels, exact learners and the next retraining as if the label had always been right, or never there.
//!
//! A learner that depends on order has learned the wrong label, and its later scores tell; so after the correction a
//! version takes over that is fitted on the corrected examples by an estimator that starts from nothing (Gaussian
//! naive Bayes). Its artifact and its scores, which depend on windows over labels, must be the same to the byte.

use super::support::{Run, Small, same_lines, text};
use serde_json::Value;
use std::collections::BTreeMap;
use tidemill::time::Time;

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
timeout = "12h"
schema = { id = "text", at = "timestamp", y = "float?" }
[features]
x = "x"
share = { mean = "label", by = "who", over = "20 rows", missing = 0.5 }
newest = { last = "labels.y", by = "who", over = "6h", missing = 0 }
highest = { max = "labels.y", over = "8h", missing = 0 }
spread = { std = "labels.y", over = "50 rows", missing = 0 }
known_3h = { count = "labels.y", by = "who", over = "3h" }
high = { quantile = "labels.y", q = 0.9, by = "who", over = "40 rows", missing = 0 }
different = { distinct = "labels.y", over = "5h" }
[model.m]
task = "binary"
learner = { kind = "logistic", learning_rate = 0.0001 }
retrain = { kind = "gaussian_nb" }
[model.m.metrics]
windows = ["2h", "6h"]
names = ["log_loss", "roc_auc", "accuracy", "f1", "kappa", "brier", "ece"]
slices = ["who"]
[[model.m.trigger]]
kind = "schedule"
every = "9h"
warm_up = 100
cooldown = "1h"
[model.m.train]
window = "30d"
holdout = 0.2
activate_after = "1h"
[model.m.gate]
metric = "log_loss"
margin = 0.0
[model.m.deploy]
strategy = "immediate"
"#;

/// The schedule fires nine hours after the first boundary, and the version is in effect an hour later.
const TAKEN_OVER: &str = "2024-03-01T11:00:00Z";
const MINUTE: i64 = 60_000_000;

/// What becomes of the first label of an event.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Right,
    /// Wrong, or right with a wrong number beside it, and corrected.
    Wrong,
    /// There and taken back, or never there.
    Withdrawn,
}

/// Fifteen hours of an event a minute. From the fourth to the sixth hour labels wait until all events of these hours
/// have been scored; the wrong ones among them come at their place and are corrected before the next event.
fn streams(mistaken: bool) -> (String, String) {
    let start = Time::parse("2024-03-01").expect("a time").0;
    let (mut events, mut labels) = (String::new(), Vec::new());
    for n in 0..900_i64 {
        let at = start + n * MINUTE;
        let (x, who) = ((n * 37 % 101) as f64 / 10.0, ["a", "b", "c"][(n % 3) as usize]);
        events += &format!("{{\"id\":\"{n}\",\"at\":\"{}\",\"x\":{x},\"who\":\"{who}\"}}\n", Time(at));
        let y = if (x > 5.0) != (n % 7 == 0) { 1.0 + x / 3.0 } else { -1.0 - x / 7.0 };
        let held = (240..360).contains(&n);
        let fate = match n % 5 {
            0 if held => Fate::Wrong,
            1 if held => Fate::Withdrawn,
            _ => Fate::Right,
        };
        // Half a minute after an event, so that nothing is scored between a mistake and its correction.
        let known = if held { start + 360 * MINUTE - MINUTE / 2 + n } else { at + 5 * MINUTE + MINUTE / 2 };
        let corrected = known + 10 * 1_000_000;
        match (fate, mistaken) {
            (Fate::Right, _) | (Fate::Wrong, false) => labels.push((known, n, Some(y))),
            (Fate::Wrong, true) => {
                let wrong = if n % 2 == 0 { -y } else { y + 0.5 };
                labels.extend([(known, n, Some(wrong)), (corrected, n, Some(y))]);
            }
            (Fate::Withdrawn, false) => {}
            (Fate::Withdrawn, true) => labels.extend([(known, n, Some(-y)), (corrected, n, None)]),
        }
    }
    labels.sort_by_key(|(known, n, _)| (*known, *n));
    let line = |(at, n, y): (i64, i64, Option<f64>)| {
        let y = y.map_or("null".to_string(), |y| y.to_string());
        format!("{{\"id\":\"{n}\",\"at\":\"{}\",\"y\":{y}}}\n", Time(at))
    };
    (events, labels.into_iter().map(line).collect())
}

fn made(name: &str, mistaken: bool, cut: &str) -> Run {
    made_of(PIPELINE, name, mistaken, cut)
}

fn made_of(pipeline: &str, name: &str, mistaken: bool, cut: &str) -> Run {
    let (events, labels) = streams(mistaken);
    let streams: [(&str, &[u8]); 2] = [("events.jsonl", events.as_bytes()), ("labels.jsonl", labels.as_bytes())];
    Small::new(name, pipeline, &streams).run("out", &["--tick-records", cut])
}

/// The lines of a stream that say yes, whole.
fn lines(run: &Run, file: &str, kept: impl Fn(&Value) -> bool) -> String {
    let all = run.text(file);
    let parsed = |line: &&str| kept(&serde_json::from_str(line).expect("JSON"));
    all.lines().filter(parsed).map(|line| line.to_string() + "\n").collect()
}

/// The last value published of each window and series, without when that was.
fn newest(run: &Run, kept: impl Fn(&Value) -> bool) -> String {
    let mut newest: BTreeMap<String, String> = BTreeMap::new();
    for mut line in run.records("metrics").into_iter().filter(kept) {
        let name = ["model", "version", "role", "slice", "window", "at"].map(|field| line[field].to_string()).join(" ");
        line.as_object_mut().and_then(|fields| fields.remove("published_at")).expect("it was published");
        newest.insert(name, line.to_string());
    }
    newest.into_iter().map(|(name, line)| format!("{name}: {line}\n")).collect()
}

#[test]
fn a_corrected_label_leaves_everything_as_if_it_had_been_right() {
    for cut in ["1", "100000"] {
        let right = made(&format!("right_{cut}"), false, cut);
        let corrected = made(&format!("corrected_{cut}"), true, cut);
        let count = |what: &str| corrected.summary()["balance"]["counts"][what].as_i64();
        assert_eq!((count("corrected"), count("withdrawn")), (Some(24), Some(24)));

        // The mistakes were made: they are to be seen in what was published meanwhile, and in the learner that they
        // misled.
        let online = |p: &Value| !p["updates"].is_null();
        assert_ne!(lines(&right, "predictions.jsonl", online), lines(&corrected, "predictions.jsonl", online));

        // The next version, fitted on the corrected examples, and all it predicts from windows over corrected labels.
        let version = |run: &Run| run.records("models").into_iter().find(|v| v["version"] == 2).expect("a version 2");
        let (a, b) = (version(&right), version(&corrected));
        assert_eq!((text(&a, "source"), text(&a, "kind")), ("batch", "gaussian_nb"));
        assert_eq!(a["digest"], b["digest"], "the artifact of version 2");
        assert_eq!(a["report"]["candidates"], b["report"]["candidates"], "its figures at the gate");
        let taken_over = |p: &Value| p["version"] == 2 && p["role"] == "champion";
        let served = lines(&right, "predictions.jsonl", taken_over);
        assert!(served.lines().count() > 200, "{}", served.lines().count());
        same_lines("predictions of version 2", &served, &lines(&corrected, "predictions.jsonl", taken_over));

        // Metrics: of windows over predictions that were the same, and of the exact baseline everywhere.
        let same = |m: &Value| {
            let sliding = m["window"] != "all";
            let untouched = text(m, "at") <= "2024-03-01T06:00:00Z" && m["role"] != "baseline";
            let exact = m["model"] == "majority" || m["version"] == 2;
            exact || sliding && untouched
        };
        let metrics = newest(&right, same);
        assert!(metrics.lines().count() > 100, "{}", metrics.lines().count());
        assert!(metrics.contains("\"window\":\"all\"") && metrics.contains("{\"who\":\"b\"}"));
        same_lines("metrics", &metrics, &newest(&corrected, same));
        assert_eq!(text(&a, "at"), TAKEN_OVER);
    }
}

/// The pipeline with another task and learner, without retraining, and without features that need a truth value.
fn exact(task: &str, label: &str, learner: &str) -> String {
    let (before, _) = PIPELINE.split_once("retrain =").expect("the learner's line");
    let changed = [
        ("task = \"binary\"", format!("task = \"{task}\"")),
        ("label = \"y > 0\"", label.to_owned()),
        ("share = { mean = \"label\",", "share = { mean = \"labels.y\",".to_owned()),
        ("{ kind = \"logistic\", learning_rate = 0.0001 }", learner.to_owned()),
    ];
    changed.iter().fold(before.to_owned(), |pipeline, (from, to)| {
        assert!(pipeline.contains(from), "{from} was found");
        pipeline.replace(from, to)
    })
}

/// An exact learner needs no retraining: nothing was scored between a mistake and its correction, so every score is
/// that of a learner which never saw it; with one worker, and with two processes of two.
#[test]
fn an_exact_learner_never_saw_what_was_corrected_or_withdrawn() {
    let classes = "label = \"case when y > 2 then 'high' when y > 0 then 'fair' when y <= 0 then 'low' end\"\n\
                   classes = [\"low\", \"fair\", \"high\"]";
    let (truth, value) = ("label = \"y > 0\"", "label = \"y\"");
    let counts = "{ kind = \"multinomial_nb\" }";
    for (name, pipeline) in [
        ("gaussian", exact("binary", truth, "{ kind = \"gaussian_nb\" }")),
        ("gaussian_classes", exact("multiclass", classes, "{ kind = \"gaussian_nb\" }")),
        ("multinomial", exact("binary", truth, counts).replace("x = \"x\"", "x = \"abs(x)\"")),
        ("multinomial_classes", exact("multiclass", classes, counts).replace("x = \"x\"", "x = \"abs(x)\"")),
        ("ridge", exact("regression", value, "{ kind = \"ridge\" }")),
    ] {
        for (shape, words) in [
            ("one by one", &["--tick-records", "1"][..]),
            ("at once", &["--tick-records", "100000"]),
            ("processes", &["-n", "2", "-w", "2"]),
        ] {
            let run = |mistaken: bool| {
                let (events, labels) = streams(mistaken);
                let streams: [(&str, &[u8]); 2] =
                    [("events.jsonl", events.as_bytes()), ("labels.jsonl", labels.as_bytes())];
                Small::new(&format!("exact_{name}_{}_{mistaken}", words.len()), &pipeline, &streams).run("out", words)
            };
            let (right, corrected) = (run(false), run(true));
            let count = |what: &str| corrected.summary()["balance"]["counts"][what].as_i64();
            assert_eq!((count("corrected"), count("withdrawn")), (Some(24), Some(24)), "{name}, {shape}");
            let said: std::collections::BTreeSet<String> =
                right.records("predictions").iter().map(|p| p["score"].to_string()).collect();
            assert!(said.len() > 300, "{name} learns: {} scores", said.len());
            let what = format!("predictions of {name}, {shape}");
            same_lines(&what, &right.text("predictions.jsonl"), &corrected.text("predictions.jsonl"));
        }
    }
}
