//! The whole walk over a real broker: what a run over topics writes, what a stranger sees of it while it goes on, and
//! what it refuses.

use crate::project::{Project, ROOT, Running, TIDEMILL, errors, expect_code, headers, values};
use crate::support::{Ground, PATIENCE, Stranger, Told, send};
use rdkafka::producer::Producer;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Instant;
use tidemill::broker::partition_of;
use tidemill::time::Time;

const EVENTS: [&str; 4] = ["predictions", "metrics", "models", "decisions"];

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn millis(time: &Value) -> i64 {
    Time::parse(time.as_str().unwrap()).unwrap().0 / 1000
}

/// Whether what was seen of the predictions, by id, and of the metrics is enough.
type Enough<'a> = dyn FnMut(&BTreeMap<String, (Time, f64)>, &[Value]) -> bool + 'a;

#[test]
fn a_run_over_topics_writes_what_a_run_over_files_writes() {
    let Some(ground) = Ground::find("whole") else { return };
    let project = Project::sea(&ground, "2024-01-04");
    let kafka = ground.broker.bootstrap();
    // The same partitions as files: rows of one instant are in the order of partitions, so these are part of the input.
    let out = project.path("files");
    let mut files = project.command("run", None, &["--quiet", "--out", out.to_str().unwrap()]);
    for part in project.parts("events", 3).into_iter().chain(project.parts("labels", 3)) {
        files.args(["--input", &part]);
    }
    expect_code(&mut files, 0);

    project.feed(&ground, 3);
    ground.topic("predictions", 2);
    let out = project.path("topics");
    let words = ["--until-end", "-n", "2", "--out", out.to_str().unwrap()];
    let output = expect_code(&mut project.command("run", Some(kafka), &[&words[..], &["--fresh"]].concat()), 0);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains(&project.topic("predictions")) && told.contains(kafka), "it says where to look: {told}");

    let read = |stream: &str| ground.messages(&project.topic(stream));
    for stream in EVENTS {
        let messages = read(stream);
        assert!(!messages.is_empty(), "{stream}");
        assert_eq!(values(&messages), project.written("files", stream), "{stream}");
    }
    assert!(read("models").len() > 1, "a version was released on the way");
    assert_eq!(read("dead_letters"), []);

    // Progress: one record a tick, and the same but for the inputs' digest, since a message's key is part of its bytes,
    // and for the links of the records.
    let strip = |line: &String| {
        let mut object = json_of(line);
        for field in ["inputs", "chain"] {
            assert!(object.as_object_mut().unwrap().remove(field).is_some());
        }
        object.to_string()
    };
    let progress = read("progress");
    let told: Vec<String> = progress.iter().map(|m| strip(&m.value_text().to_string())).collect();
    let mut expected: Vec<Value> = project.written("files", "progress").iter().map(|l| json_of(&strip(l))).collect();
    expected.sort_by_key(|p| p["tick"].as_u64());
    assert_eq!(told, expected.iter().map(Value::to_string).collect::<Vec<_>>());
    let ticks: Vec<u64> = progress.iter().map(|m| json_of(m.value_text())["tick"].as_u64().unwrap()).collect();
    assert_eq!(ticks, (0..ticks.len() as u64).collect::<Vec<_>>());

    envelopes(&read("predictions"), &read("metrics"), &progress);
    let (a, b) = (project.summary("files"), project.summary("topics"));
    let counts =
        ["events", "labelled", "expired", "late", "pending", "dead_letters", "balance", "decisions", "metrics"];
    for name in counts {
        assert_eq!(a[name], b[name], "{name}");
    }

    // Once more: it has ended, and nothing is touched; afresh, the partitions of a topic stay.
    let output = expect_code(&mut project.command("run", Some(kafka), &words), 0);
    let told = errors(&output);
    assert!(told.contains("resumes behind") && told.lines().count() == 1, "{told}");
    assert_eq!(read("progress"), progress);
    let again = [&words[..], &["--fresh", "--quiet"]].concat();
    expect_code(&mut project.command("run", Some(kafka), &again), 0);
    assert_eq!(values(&read("predictions")), project.written("files", "predictions"));
    assert_eq!(ground.broker.admin().unwrap().partitions().unwrap()[&project.topic("predictions")], 2);
}

/// Key, headers, timestamp and partition say of a message what its value says.
fn envelopes(predictions: &[Told], metrics: &[Told], progress: &[Told]) {
    let last: u64 = progress.len() as u64;
    let tick = |message: &Told| headers(message)["tick"].parse::<u64>().unwrap();
    for message in predictions {
        let value = json_of(message.value_text());
        let told = headers(message);
        assert_eq!(told.keys().copied().collect::<Vec<_>>(), ["model", "role", "tick", "version"]);
        assert_eq!((json!(told["model"]), json!(told["role"])), (value["model"].clone(), value["role"].clone()));
        assert_eq!(told["version"], value["version"].to_string());
        assert_eq!(json!(message.key_text()), value["prediction_id"]);
        assert_eq!(message.stamp_ms, millis(&value["at"]));
        assert_eq!(message.partition, partition_of(message.key_text(), 2));
        assert!(tick(message) < last);
    }
    assert_eq!(predictions.iter().map(|m| m.partition).collect::<BTreeSet<_>>(), BTreeSet::from([0, 1]));
    for message in metrics {
        let value = json_of(message.value_text());
        assert_eq!(headers(message).keys().copied().collect::<Vec<_>>(), ["tick"]);
        assert_eq!((message.key_text(), message.stamp_ms), ("concept", millis(&value["published_at"])));
        let boundary = &progress[tick(message) as usize];
        assert_eq!(json_of(boundary.value_text())["boundary"], value["published_at"], "of the tick that published it");
    }
    for message in progress {
        assert_eq!(message.stamp_ms, millis(&json_of(message.value_text())["pipeline_time"]).max(1));
    }
}

/// On request: what others train from, by topics of their own.
#[test]
fn what_is_published_is_in_topics_too() {
    let Some(ground) = Ground::find("published") else { return };
    let project = Project::sea(&ground, "2024-01-02");
    project.rewrite("every = \"1h\"", "every = \"1h\"\npublish = [\"features\", \"examples\"]");
    let kafka = ground.broker.bootstrap();
    let out = project.path("files");
    expect_code(&mut project.command("run", None, &["--quiet", "--out", out.to_str().unwrap()]), 0);
    project.feed(&ground, 1);
    ground.topic("examples", 2);
    let out = project.path("topics");
    let words = ["--until-end", "--quiet", "--out", out.to_str().unwrap()];
    // Killed while it commits, and taken up again: a reader of what is committed sees each line once.
    let mut first = project.command("run", Some(kafka), &words);
    first.env(tidemill::fault::DIE_AT, "commit.before:1").stderr(Stdio::null());
    assert!(!first.status().unwrap().success());
    expect_code(&mut project.command("run", Some(kafka), &[&words[..], &["-n", "2"]].concat()), 0);
    for stream in ["features", "examples"] {
        let messages = ground.messages(&project.topic(stream));
        let written = project.written("files", stream);
        assert!(written.len() > 1000, "{stream}");
        assert_eq!(values(&messages), written, "{stream}");
        for message in &messages {
            let value = json_of(message.value_text());
            assert_eq!(json!(message.key_text()), value["prediction_id"]);
            let told = headers(message);
            let (stamp, named) = match stream {
                "features" => ("at", vec!["tick"]),
                _ => ("known_at", vec!["model", "role", "tick", "version"]),
            };
            assert_eq!((message.stamp_ms, told.keys().copied().collect::<Vec<_>>()), (millis(&value[stamp]), named));
            let version = told.get("version").map(|version| version.parse::<u64>().unwrap());
            assert_eq!(version, value["version"].as_u64(), "{value}");
        }
    }
    let of: BTreeSet<u16> = ground.messages(&project.topic("examples")).iter().map(|m| m.partition).collect();
    assert_eq!(of, BTreeSet::from([0, 1]), "by the prediction id, as somebody has laid the topic out");
    let verify = ["--out", out.to_str().unwrap(), "--quiet"];
    expect_code(&mut project.command("verify", Some(kafka), &verify), 0);

    // Whose events are to be forgotten is read from their topic.
    let mut forget = Command::new(TIDEMILL);
    forget.args(["forget", "--kafka", kafka, "--where", "id=17", "--pipeline"]).arg(project.pipeline());
    let told = expect_code(forget.arg("--out").arg(&out), 0);
    assert!(String::from_utf8_lossy(&told.stdout).contains("asked to forget 1 ids"), "{told:?}");

    // A line that no tick has written is found.
    let producer = ground.producer(None);
    send(&producer, &project.topic("features"), 0, "mine", Some("{}"), 1);
    producer.flush(PATIENCE).unwrap();
    let told = errors(&expect_code(&mut project.command("verify", Some(kafka), &verify), 1));
    assert!(told.contains(&project.topic("features")) && told.contains("not made again"), "{told}");

    // Who starts over without them has none of their topics left.
    project.rewrite("publish = [\"features\", \"examples\"]", "");
    let words = ["--fresh", "--until-end", "--quiet", "--out", out.to_str().unwrap()];
    expect_code(&mut project.command("run", Some(kafka), &words), 0);
    let known = ground.broker.admin().unwrap().partitions().unwrap();
    let has = |stream: &str| known.contains_key(&project.topic(stream));
    assert_eq!(["predictions", "features", "examples"].map(has), [true, false, false]);
}

#[test]
fn a_stranger_follows_a_live_run_and_sees_a_metric_corrected() {
    let Some(ground) = Ground::find("live") else { return };
    let project = Project::sea(&ground, "2024-01-01T09:30:00Z");
    // A busy machine may be slow to fetch: a partition that is passed over as silent has late labels.
    project.rewrite("every = \"1h\"", "every = \"1h\"\nidle_ms = 5000");
    let kafka = ground.broker.bootstrap();
    for source in ["events", "labels"] {
        ground.topic(source, 2);
    }
    let out = project.path("out");
    let words = ["-n", "2", "--quiet", "--out", out.to_str().unwrap()];
    let log = File::create(project.path("errors")).unwrap();
    let mut run = Running::start(project.command("run", Some(kafka), &words).stderr(log));
    let told = || std::fs::read_to_string(project.path("errors")).unwrap();
    // The last of its topics: from then on it reads.
    let admin = ground.broker.admin().unwrap();
    let began = Instant::now();
    while !admin.partitions().unwrap().contains_key(&project.topic("progress")) {
        assert!(run.runs() && began.elapsed() < PATIENCE, "it makes its topics: {}", told());
    }
    let mut watch = Watch::start(kafka, &[project.topic("predictions"), project.topic("metrics")]);
    let stranger = Stranger::new(&ground, &["predictions", "metrics"].map(|stream| project.topic(stream)));
    project.feed(&ground, 2);

    let events = project.lines("events");
    let mut scores: BTreeMap<String, (Time, f64)> = BTreeMap::new();
    let mut published: Vec<Value> = Vec::new();
    let mut follow = |enough: &mut Enough<'_>| {
        while !enough(&scores, &published) {
            let value = json_of(stranger.next().value_text());
            if value["published_at"].is_string() {
                published.push(value);
            } else if value["role"] == "champion" {
                // Read while it is written, the topics may be merged into ticks that make a trigger fire: then a
                // candidate is scored beside the champion, under the same ids.
                let time = Time::parse(value["at"].as_str().unwrap()).unwrap();
                let id = value["prediction_id"].as_str().unwrap().to_string();
                assert!(scores.insert(id, (time, value["score"].as_f64().unwrap())).is_none(), "predicted once");
            }
        }
    };
    // All predictions, and the metrics of the last hour that is over, come while the run goes on.
    let at_nine = |published: &[Value]| published.iter().any(|m| m["published_at"] == "2024-01-01T09:00:00Z");
    follow(&mut |scores, published| scores.len() == events.len() && at_nine(published));
    assert!(run.runs(), "{}", told());
    watch.sees(&["predictions", "metrics"].map(|stream| project.topic(stream)));
    assert!(run.runs(), "{}", told());

    // What everybody knows at nine, and what they know when the labels of the eighth hour turn out to be wrong.
    let mut labels: BTreeMap<String, Option<bool>> = BTreeMap::new();
    for line in project.lines("labels") {
        let value = json_of(&line);
        labels.insert(value["id"].as_str().unwrap().to_string(), value["y"].as_bool());
    }
    let hour = |n: i64| Time::parse("2024-01-01T00:00:00Z").unwrap().plus(tidemill::time::Span(n * 3_600_000_000));
    let known = |id: &str, labels: &BTreeMap<String, Option<bool>>| labels.get(id).copied().flatten();
    let eighth: Vec<String> = events
        .iter()
        .map(|line| crate::project::id(line))
        .filter(|id| known(id, &labels).is_some())
        .filter(|id| predicted_at(id, &events) >= hour(7) && predicted_at(id, &events) < hour(8))
        .collect();
    assert!(eighth.len() > 60);
    let producer = ground.producer(None);
    let topic = project.topic("labels");
    for id in &eighth {
        let y = !known(id, &labels).unwrap();
        let line = json!({ "id": id, "at": "2024-01-01T09:40:00Z", "y": y }).to_string();
        send(&producer, &topic, partition_of(id, 2), id, Some(&line), hour(9).0 / 1000 + 40 * 60_000);
        labels.insert(id.clone(), Some(y));
    }
    let (topic, later) = (project.topic("events"), ["a", "b", "c", "d", "e", "f"]);
    for id in later {
        let line = json!({ "id": id, "at": "2024-01-01T10:01:00Z", "x0": 1.0, "x1": 2.0, "x2": 3.0 }).to_string();
        send(&producer, &topic, partition_of(id, 2), id, Some(&line), hour(10).0 / 1000 + 60_000);
    }
    producer.flush(PATIENCE).unwrap();
    follow(&mut |scores, published| {
        scores.len() == events.len() + later.len()
            && published.iter().any(|m| m["published_at"] == "2024-01-01T10:00:00Z" && m["at"] != m["published_at"])
    });
    // A boundary's metrics are many messages: those wanted are awaited by name.
    let wanted = |m: &Value, at: &str, boundary: &str| {
        m["at"] == at
            && m["published_at"] == boundary
            && m["window"] == "6h"
            && m["role"] == "champion"
            && m["version"].is_null()
            && m["slice"].is_null()
    };
    let (eight, nine, ten) = ("2024-01-01T08:00:00Z", "2024-01-01T09:00:00Z", "2024-01-01T10:00:00Z");
    let mut found = Vec::new();
    follow(&mut |_, published| {
        found = [(eight, eight), (eight, nine), (eight, ten), (nine, nine), (nine, ten)]
            .map(|(at, boundary)| published.iter().find(|m| wanted(m, at, boundary)).cloned())
            .to_vec();
        found.iter().all(Option::is_some)
    });
    // From scratch, by the predictions as they were seen and the labels as they are now.
    let accuracy = |end: i64| {
        let in_window = |time: Time| time >= hour(end - 6) && time < hour(end);
        let labelled: Vec<bool> = scores
            .iter()
            .filter(|(_, (time, _))| in_window(*time))
            .filter_map(|(id, (_, score))| known(id, &labels).map(|y| (*score > 0.5) == y))
            .collect();
        (labelled.len() as i64, labelled.iter().filter(|hit| **hit).count() as f64 / labelled.len() as f64)
    };
    let found: Vec<Value> = found.into_iter().flatten().collect();
    for (corrected, end) in [(&found[2], 8), (&found[4], 9)] {
        let (labelled, share) = accuracy(end);
        assert_eq!(corrected["labelled"], labelled, "{corrected}");
        assert!((corrected["accuracy"].as_f64().unwrap() - share).abs() < 1e-9, "{corrected}, from scratch {share}");
    }
    assert_ne!(found[1]["accuracy"], found[2]["accuracy"]);
    assert_ne!(found[3]["accuracy"], found[4]["accuracy"]);

    run.signal(rustix::process::Signal::TERM);
    assert!(run.end().success(), "{}", told());
    let summary = project.summary("out");
    assert_eq!(summary["balance"]["holds"], true);
    assert_eq!(summary["events"], events.len() + later.len());
    assert_eq!((&summary["dead_letters"], &summary["late"]), (&json!(0), &json!(0)), "{summary}");
    let records = project.lines("labels").len() + eighth.len();
    assert_eq!(summary["records"]["labels"], records, "what was received is used before it ends");
    let predictions = ground.messages(&project.topic("predictions"));
    let champions = predictions.iter().filter(|message| json_of(message.value_text())["role"] == "champion").count();
    assert_eq!(champions, events.len() + later.len());
}

fn predicted_at(id: &str, events: &[String]) -> Time {
    // Ids count the lines.
    let line = &events[id.parse::<usize>().unwrap() - 1];
    assert_eq!(crate::project::id(line), id);
    Time::parse(&crate::project::at(line)).unwrap()
}

/// A consumer in another language that prints what it sees as it comes; nothing where there is no Python for it.
struct Watch(Option<(Running, BufReader<std::process::ChildStdout>)>);

impl Watch {
    fn start(bootstrap: &str, topics: &[String]) -> Watch {
        let python = std::env::var("TIDEMILL_PYTHON").unwrap_or_else(|_| "python3".to_string());
        let script = format!("{ROOT}/tests/kafka/watch.py");
        let child = Command::new(python).arg(script).arg(bootstrap).args(topics).stdout(Stdio::piped()).spawn();
        let Ok(mut child) = child else { return Watch::none() };
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        // It says so when it is ready, and ends without a word if it lacks its library.
        lines.read_line(&mut first).unwrap();
        match first.trim() {
            "ready" => Watch(Some((Running(child), lines))),
            other => {
                assert_eq!((other, child.wait().unwrap().code()), ("", Some(42)));
                Watch::none()
            }
        }
    }

    fn none() -> Watch {
        let _ = writeln!(std::io::stderr(), "skipped: no Python with kafka-python-ng (a_stranger_follows)");
        Watch(None)
    }

    /// Reads until a message of each topic was printed.
    fn sees(&mut self, topics: &[String]) {
        let Some((_, lines)) = &mut self.0 else { return };
        let mut missing: BTreeSet<&str> = topics.iter().map(String::as_str).collect();
        while !missing.is_empty() {
            let mut line = String::new();
            assert!(lines.read_line(&mut line).unwrap() > 0, "it never saw {missing:?}");
            let (topic, value) = line.split_once(' ').unwrap();
            assert!(json_of(value)["model"].is_string(), "{line}");
            missing.remove(topic);
        }
    }
}

#[test]
fn what_is_missing_is_told_with_its_remedy() {
    let Some(ground) = Ground::find("refused") else { return };
    let project = Project::sea(&ground, "2024-01-01T00:10:00Z");
    let out = project.path("out");
    let words = ["--until-end", "--out", out.to_str().unwrap()];
    for processes in ["1", "2"] {
        let words = [&words[..], &["-n", processes]].concat();
        let output = expect_code(&mut project.command("run", Some(ground.broker.bootstrap()), &words), 2);
        let told = errors(&output);
        assert!(told.contains("tidemill feed") && told.contains(&project.topic("events")), "{told}");
    }
    let topics = ground.broker.admin().unwrap().partitions().unwrap();
    assert!(topics.keys().all(|t| !t.starts_with(&project.name)), "nothing was created: {topics:?}");
}

#[test]
fn a_broker_that_does_not_answer_is_told() {
    let Some(ground) = Ground::find("unreachable") else { return };
    let project = Project::sea(&ground, "2024-01-01T00:10:00Z");
    let out = project.path("out");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nowhere = format!("127.0.0.1:{port}");
    let run = ["-n", "2", "--out", out.to_str().unwrap()];
    for (what, words) in [("run", &run[..]), ("feed", &["--speed", "max"])] {
        let mut command = project.command(what, Some(&nowhere), words);
        command.stdout(Stdio::null()).stderr(File::create(project.path("errors")).unwrap());
        assert_eq!(Running::start(&mut command).end().code(), Some(2));
        let told = std::fs::read_to_string(project.path("errors")).unwrap();
        assert!(told.contains(&format!("no Kafka broker answers at {nowhere}")), "{told}");
    }
}

#[test]
fn bad_records_come_out_whole_and_nobody_is_down() {
    let Some(ground) = Ground::find("bad") else { return };
    let project = Project::sea(&ground, "2024-01-01T00:00:00Z");
    let (events, labels) = (ground.topic("events", 1), ground.topic("labels", 1));
    let producer = ground.producer(None);
    let noon = Time::parse("2024-01-01T12:00:00Z").unwrap().0 / 1000;
    let event = |id: &str, minute: i64| {
        let at = Time((noon + minute * 60_000) * 1000);
        let line = json!({ "id": id, "at": at.to_string(), "x0": 1.0, "x1": 2.0, "x2": 3.0 }).to_string();
        send(&producer, &events, 0, id, Some(&line), noon + minute * 60_000);
    };
    let label = |id: &str, minute: i64, y: bool| {
        let at = Time((noon + minute * 60_000) * 1000);
        let line = json!({ "id": id, "at": at.to_string(), "y": y }).to_string();
        send(&producer, &labels, 0, id, Some(&line), noon + minute * 60_000);
    };
    let of_2262 = r#"{"id":"later","at":"2262-01-01T00:00:00Z","x0":1,"x1":1,"x2":1}"#;
    let next_year = r#"{"id":"later","at":"2025-01-01T00:00:00Z","x0":1,"x1":1,"x2":1}"#;
    // Events at offsets 0 to 9.
    event("a", 0);
    send(&producer, &events, 0, "a", Some("{\"id\":\"a\",\"at\":"), noon);
    send(&producer, &events, 0, "b", Some(r#"{"id":"b","at":"2024-01-01T12:01:00Z","x0":"wide","x1":1,"x2":1}"#), noon);
    send(&producer, &events, 0, "b", Some(r#"{"id":"b","at":"2024-01-01T12:01:00Z","x0":1}"#), noon);
    send(&producer, &events, 0, "c", None, noon);
    send(&producer, &events, 0, "later", Some(of_2262), noon);
    event("b", 2);
    send(&producer, &events, 0, "later", Some(next_year), noon);
    event("a", 3);
    event("c", 4);
    // Labels at offsets 0 to 4: known, withdrawn by a tombstone, malformed, of the wrong type, of an event that never
    // comes.
    label("a", 5, true);
    label("b", 5, true);
    send(&producer, &labels, 0, "b", None, noon + 6 * 60_000);
    send(&producer, &labels, 0, "b", Some("\u{1}"), noon);
    send(&producer, &labels, 0, "b", Some(r#"{"id":"b","at":"2024-01-01T12:07:00Z","y":"yes"}"#), noon);
    label("nobody", 7, true);
    // Past the timeout of six hours, and past a boundary.
    event("z", 7 * 60 + 30);
    label("z", 7 * 60 + 31, false);
    label("a", 7 * 60 + 32, false);
    producer.flush(PATIENCE).unwrap();

    let out = project.path("out");
    let words = ["--until-end", "-n", "2", "--quiet", "--out", out.to_str().unwrap()];
    expect_code(&mut project.command("run", Some(ground.broker.bootstrap()), &words), 0);
    let summary = project.summary("out");
    let counts = ["events", "labelled", "expired", "late", "pending", "dead_letters"].map(|name| summary[name].clone());
    assert_eq!(json!(counts), json!([4, 2, 2, 1, 0, 10]), "{summary:#}");
    assert_eq!(summary["balance"]["holds"], true);

    let letters = ground.messages(&project.topic("dead_letters"));
    let mut told: Vec<_> = letters
        .iter()
        .map(|m| {
            let headers = headers(m);
            assert_eq!((headers["partition"], headers.contains_key("tick")), ("0", true));
            let offset = headers["offset"].parse::<usize>().unwrap();
            (headers["source"], offset, headers["stage"], headers["reason"])
        })
        .collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            ("events", 1, "decode", "malformed"),
            ("events", 2, "decode", "wrong_type"),
            ("events", 3, "decode", "missing_field"),
            ("events", 4, "decode", "malformed"),
            ("events", 5, "decode", "time_out_of_range"),
            ("events", 7, "ingest", "time_ahead"),
            ("events", 8, "match", "duplicate"),
            ("labels", 3, "decode", "malformed"),
            ("labels", 4, "decode", "wrong_type"),
            ("labels", 5, "match", "orphan"),
        ]
    );
    // Key and value are the original's, bit by bit.
    let originals: BTreeMap<&str, Vec<Told>> =
        [("events", ground.messages(&events)), ("labels", ground.messages(&labels))].into();
    for letter in &letters {
        let headers = headers(letter);
        let original = &originals[headers["source"]][headers["offset"].parse::<usize>().unwrap()];
        assert_eq!((&letter.key, &letter.value), (&original.key, &original.value));
    }
}
