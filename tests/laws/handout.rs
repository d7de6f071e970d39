//! What is handed out for who trains elsewhere: the streams `features` and `examples` are those of looking at all rows,
//! anew and by hand, with labels that come early, late, twice, changed and withdrawn; no number of workers, no cut of
//! ticks and no kill makes others; and who does not ask for them has nothing of them.

use super::support::{Run, STREAMS, Small, parse, program, same_lines, text, tidemill};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use tidemill::fault::DIE_AT;
use tidemill::time::Time;

const PIPELINE: &str = r#"
[pipeline]
name = "small"
every = "1h"
publish = ["examples", "features"]
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
known = { count = "labels.y", over = "1h" }
who = { one_hot = "who", values = ["a", "b"] }
seen = { count = "*", by = "who", over = "1h" }
half = "x / 2"
[model.first]
task = "binary"
learner = { kind = "logistic", learning_rate = 0.0001 }
retrain = { kind = "gaussian_nb" }
[[model.first.trigger]]
kind = "schedule"
every = "3h"
warm_up = 100
cooldown = "1h"
[model.first.train]
activate_after = "1h"
[model.first.gate]
metric = "log_loss"
margin = 0.0
[model.second]
task = "binary"
learner = { kind = "logistic", learning_rate = 0.05 }
"#;
/// The line that asks for them.
const PUBLISH: &str = "publish = [\"examples\", \"features\"]\n";
const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3600 * SECOND;
const TIMEOUT: i64 = 2 * HOUR;
const EVENTS: i64 = 1800;

fn start() -> i64 {
    Time::parse("2024-03-01").expect("a time").0
}

/// A row, as whoever looks at all of them knows it.
#[derive(Clone, Debug)]
enum Row {
    Event { id: String, x: f64, who: &'static str },
    Label { id: String, y: Option<f64> },
}

/// An event every twenty seconds and what is said of it, by time; no two rows are of one instant.
fn rows() -> BTreeMap<i64, Row> {
    let mut rows = BTreeMap::new();
    for n in 0..EVENTS {
        let (at, x) = (start() + n * 20 * SECOND, (n * 37 % 101) as f64 / 8.0);
        let event = |id: String| Row::Event { id, x, who: ["a", "b", "c"][(n % 3) as usize] };
        rows.insert(at, event(format!("e{n}")));
        // The same id once more is no event.
        if n % 100 == 50 {
            rows.insert(at + 5 * SECOND, event(format!("e{n}")));
        }
        let y = if x > 6.0 { 1.5 } else { -1.5 };
        let said: &[(i64, Option<f64>)] = match n % 20 {
            0 => &[],
            1 => &[(600, Some(y)), (1800, Some(-y))],
            2 => &[(600, Some(y)), (1800, None)],
            3 => &[(600, Some(y)), (1800, None), (3000, Some(-y)), (3600, Some(y))],
            // The same truth again, by another value: nothing is new.
            4 => &[(600, Some(y)), (1800, Some(2.0 * y))],
            // Nothing is withdrawn.
            5 => &[(600, None)],
            // Ahead of its event.
            6 => &[(-300, Some(y))],
            // Behind the timeout.
            7 => &[(600, Some(y)), (7400, Some(-y))],
            8 => &[(7300, Some(y))],
            _ => &[(600, Some(y))],
        };
        for (place, (after, y)) in said.iter().enumerate() {
            let known = at + after * SECOND + n * 7 + place as i64 + 1;
            assert!(rows.insert(known, Row::Label { id: format!("e{n}"), y: *y }).is_none());
        }
    }
    rows
}

fn streams() -> (String, String) {
    let (mut events, mut labels) = (String::new(), String::new());
    for (at, row) in rows() {
        let at = Time(at).to_string();
        match row {
            Row::Event { id, x, who } => {
                events += &json!({ "id": id, "at": at, "x": x, "who": who }).to_string();
                events.push('\n');
            }
            Row::Label { id, y } => {
                labels += &json!({ "id": id, "at": at, "y": y }).to_string();
                labels.push('\n');
            }
        }
    }
    (events, labels)
}

fn small(name: &str, pipeline: &str) -> Small {
    let (events, labels) = streams();
    let streams: [(&str, &[u8]); 2] = [("events.jsonl", events.as_bytes()), ("labels.jsonl", labels.as_bytes())];
    Small::new(&format!("handout_{name}"), pipeline, &streams)
}

/// An event, once it came.
struct Event {
    at: i64,
    vector: String,
    /// When its label in force was known first, and the label.
    label: Option<(i64, bool)>,
}

/// Of a line of `examples` what does not depend on the models: prediction id, event time, label, when it was known, the
/// vector.
type Told = (String, String, Value, String, String);

/// The lines of `features`, and what is told by those of `examples`.
fn looked_at() -> (Vec<String>, Vec<Told>) {
    let (mut features, mut examples) = (Vec::new(), Vec::new());
    let mut known: BTreeMap<String, Event> = BTreeMap::new();
    let mut waiting: BTreeMap<String, (i64, Option<f64>)> = BTreeMap::new();
    let mut came: Vec<(i64, &str)> = Vec::new();
    let mut tell = |id: &str, event: &Event, now: i64| {
        let label = event.label.map_or(Value::Null, |(_, label)| json!(label));
        let told = (id.to_string(), Time(event.at).to_string(), label, Time(now).to_string(), event.vector.clone());
        examples.push(told);
    };
    let says = |y: Option<f64>| y.map(|y| y > 0.0);
    for (now, row) in rows() {
        match row {
            Row::Event { id, x, who } => {
                if known.contains_key(&id) {
                    continue;
                }
                let hour = |at: i64| at > now - HOUR && at <= now;
                let labels = known.values().filter(|event| event.label.is_some_and(|(since, _)| hour(since))).count();
                let seen = came.iter().filter(|(at, of)| hour(*at) && *of == who).count();
                let is = |value: &str| f64::from(u8::from(who == value));
                let other = f64::from(u8::from(who == "c"));
                let vector = format!(
                    "{{\"known\":{:?},\"seen\":{:?},\"half\":{:?},\"who=a\":{:?},\"who=b\":{:?},\"who=other\":{other:?}}}",
                    labels as f64,
                    seen as f64,
                    x / 2.0,
                    is("a"),
                    is("b")
                );
                features
                    .push(format!("{{\"prediction_id\":\"{id}\",\"at\":\"{}\",\"features\":{vector}}}\n", Time(now)));
                came.push((now, who));
                let mut event = Event { at: now, vector, label: None };
                if let Some((landed, y)) = waiting.remove(&id) {
                    event.label = says(y).map(|label| (landed, label));
                    tell(&id, &event, now);
                }
                known.insert(id, event);
            }
            Row::Label { id, y } => {
                let Some(event) = known.get_mut(&id) else {
                    waiting.insert(id, (now, y));
                    continue;
                };
                if event.at + TIMEOUT < now || event.label.map(|(_, label)| label) == says(y) {
                    continue;
                }
                event.label = says(y).map(|label| (event.label.map_or(now, |(since, _)| since), label));
                tell(&id, event, now);
            }
        }
    }
    (features, examples)
}

/// The vector of a line, as it is written.
fn vector(line: &str) -> &str {
    let (_, vector) = line.split_once(",\"features\":").expect("features");
    vector.strip_suffix('}').expect("an object")
}

/// What was answered: version and score of each event by model.
fn answers(run: &Run) -> BTreeMap<(String, String), (Value, Value)> {
    let answered = run.records("predictions").into_iter().filter(|p| p["role"] == "champion");
    let of = |p: &Value| (text(p, "model").to_string(), text(p, "prediction_id").to_string());
    answered.map(|p| (of(&p), (p["version"].clone(), p["score"].clone()))).collect()
}

#[test]
fn they_are_those_of_looking_at_all_rows() {
    let small = small("naive", PIPELINE);
    let run = small.run("out", &["-w", "1"]);
    let (features, examples) = looked_at();
    assert_eq!(features.len(), EVENTS as usize);
    same_lines("features", &features.concat(), &run.text("features.jsonl"));

    let answers = answers(&run);
    let found = run.text("examples.jsonl");
    let mut lines = found.lines();
    for (id, at, label, known_at, wanted) in &examples {
        for model in ["first", "second"] {
            let line = lines.next().unwrap_or_else(|| panic!("{id}, {known_at}: there is no more"));
            let (version, score) = &answers[&(model.to_string(), id.clone())];
            assert_eq!(vector(line), wanted, "{line}");
            let mut found = parse(line).remove(0);
            found.as_object_mut().and_then(|fields| fields.remove("features")).expect("features");
            let wanted = json!({
                "prediction_id": id, "at": at, "model": model, "version": version, "score": score,
                "label": label, "known_at": known_at,
            });
            assert_eq!(found, wanted);
        }
    }
    assert_eq!(lines.next(), None);
    // The stream has what it is to show.
    let count = |label: &Value| examples.iter().filter(|(_, _, known, _, _)| known == label).count();
    assert!(count(&Value::Null) >= 180 && count(&json!(true)) > 500 && count(&json!(false)) > 500);
    let ids: BTreeSet<&String> = examples.iter().map(|(id, ..)| id).collect();
    assert!(examples.len() > ids.len() + 400, "labels change");
    let versions: BTreeSet<String> = answers.values().map(|(version, _)| version.to_string()).collect();
    assert!(versions.len() > 1, "{versions:?}");
    // Slots are named as they are when examples are exported.
    let words =
        ["export", "examples", small.file.to_str().expect("a path"), "--out", run.out.to_str().expect("a path")];
    let exported = tidemill(words.into_iter().chain(["--format", "jsonl", "--model", "second", "--quiet"]));
    assert_eq!(exported.code, 0, "{}", exported.stderr);
    let exported: Vec<&str> = exported.stdout.lines().map(vector).collect();
    let written = run.text("features.jsonl");
    assert_eq!(exported, written.lines().map(vector).collect::<Vec<_>>());
    // Whoever keeps the newest line of an event has the labels that are in force.
    let newest: BTreeMap<&String, &Value> = examples.iter().map(|(id, _, label, _, _)| (id, label)).collect();
    let labelled = newest.values().filter(|label| !label.is_null()).count();
    assert_eq!(run.summary()["balance"]["counts"]["labelled"], labelled);
}

#[test]
fn they_are_the_same_by_any_workers_and_made_again() {
    let small = small("placed", PIPELINE);
    let one = small.run("one", &["-w", "1"]);
    let verify = |run: &Run, words: &[&str]| {
        let all =
            ["verify", small.file.to_str().expect("a path"), "--out", run.out.to_str().expect("a path"), "--quiet"];
        tidemill(all.iter().chain(words))
    };
    for (out, words) in [("two", &["-w", "2"][..]), ("four", &["-n", "2", "-w", "2"])] {
        let other = small.run(out, words);
        for file in ["features.jsonl", "examples.jsonl", "progress.log"] {
            same_lines(&format!("{file} of {out}"), &one.text(file), &other.text(file));
        }
        assert_eq!(verify(&other, &["-w", "1"]).code, 0);
    }
    // Their bytes are counted, and what somebody changes is named.
    let last = one.progress().pop().expect("a record");
    for stream in ["features", "examples"] {
        let (file, written) = (format!("{stream}.jsonl"), one.text(&format!("{stream}.jsonl")));
        assert_eq!(last["bytes"][stream], written.len());
        assert_eq!(verify(&one, &["-w", "2"]).code, 0);
        let first = written.find('\n').expect("a line") + 1;
        fs::write(one.out.join(&file), &written[first..]).expect("it is written");
        let told = verify(&one, &[]);
        assert_eq!(told.code, 1, "{told:?}");
        assert!(told.stderr.contains(&format!("{file} is damaged: record 1, of tick")), "{told:?}");
        fs::write(one.out.join(&file), &written).expect("it is written");
    }
    // Other ticks, the same lines.
    let cut = small.run("cut", &["--tick-records", "37"]);
    for file in ["features.jsonl", "examples.jsonl"] {
        same_lines(file, &one.text(file), &cut.text(file));
    }
    // Killed between the lines and their progress, or behind both, and taken up by others. Without trainings: how much
    // is in the first group that is committed depends on the clock, and a registry with versions of which no progress
    // tells is refused as another run's.
    let small = self::small("killed", &PIPELINE.replace("every = \"3h\"", "every = \"1000h\""));
    let cut = small.run("cut", &["--tick-records", "37"]);
    for (point, words) in [("lines.synced:1", ["-w", "2"]), ("progress.synced:1", ["-n", "2"])] {
        let out = small.folder.join("killed");
        let mut command = program();
        command.arg("run").arg(&small.file).arg("--out").arg(&out).args(["--quiet", "--tick-records", "37"]);
        command.args(["--checkpoint-every", "5 ticks"]);
        assert!(!command.env(DIE_AT, point).status().expect("it starts").success(), "{point}");
        let run = small.run("killed", &[&words[..], &["--tick-records", "37"]].concat());
        for file in ["features.jsonl", "examples.jsonl", "progress.log"] {
            same_lines(&format!("{file} behind {point}"), &cut.text(file), &run.text(file));
        }
        fs::remove_dir_all(&run.out).expect("it is there");
    }
}

#[test]
fn who_does_not_ask_has_nothing_of_them() {
    let asked = small("asked", PIPELINE).run("out", &[]);
    let never = small("never", &PIPELINE.replace(PUBLISH, "")).run("out", &[]);
    for stream in STREAMS {
        let file = format!("{stream}.jsonl");
        same_lines(&file, &never.text(&file), &asked.text(&file));
    }
    assert!(!never.out.join("features.jsonl").exists() && !never.out.join("examples.jsonl").exists());
    assert!(!never.text("manifest.json").contains("publish"));
    let mut wanted = STREAMS.to_vec();
    wanted.sort_unstable();
    for record in never.progress() {
        let named: Vec<&String> = record["bytes"].as_object().expect("bytes").keys().collect();
        assert_eq!(named, wanted);
    }
    // One of them alone.
    let one = PIPELINE.replace(PUBLISH, "publish = [\"features\"]\n");
    let alone = small("alone", &one).run("out", &["-w", "2"]);
    same_lines("features", &asked.text("features.jsonl"), &alone.text("features.jsonl"));
    assert!(!alone.out.join("examples.jsonl").exists());
}
