//! A broker that dies and comes back on its data: a live run goes on, and writes what a run over files writes.

use crate::asked::long;
use crate::own::OwnBroker;
use crate::project::{Project, Running, at, expect_code, id, values};
use crate::support::{Ground, PATIENCE, Stranger, send};
use rdkafka::producer::Producer;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs::File;
use std::time::{Duration, Instant};
use tidemill::broker::partition_of;
use tidemill::time::Time;

const PARTITIONS: u16 = 2;

/// A record without the tick of its lineage: the clock cuts a live run's ticks.
fn without_tick(line: &str) -> Value {
    let mut value: Value = serde_json::from_str(line).unwrap();
    if let Some(lineage) = value.get_mut("lineage").and_then(Value::as_object_mut) {
        lineage.remove("tick");
    }
    value
}

#[test]
fn a_run_goes_on_when_the_broker_was_killed_and_is_back() {
    // Where there is one broker there can be another.
    if Ground::find("restart").is_none() {
        return;
    }
    let own = OwnBroker::start();
    let ground = Ground::at(&own.bootstrap, "restart");
    let project = Project::sea(&ground, "2024-01-04");
    // A partition that is silent while the broker is away is waited for.
    project.rewrite("every = \"1h\"", "every = \"1h\"\nidle_ms = 86_400_000");
    let events = project.lines("events");
    let real: BTreeSet<String> = events.iter().map(|line| id(line)).collect();
    // Behind everything, one record a partition: what stands before them goes through once they have all been read.
    let last = |partition: u16, rest: Value| {
        let names = (0..).map(|n| format!("last{n}"));
        let name = names.into_iter().find(|name| partition_of(name, PARTITIONS) == partition).expect("a name");
        let mut line = json!({ "id": name, "at": "2024-01-04T01:00:00Z" });
        line.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        line.to_string()
    };
    let lasts = |rest: Value| (0..PARTITIONS).map(|p| last(p, rest.clone())).collect::<Vec<_>>();
    project.add("events", &lasts(json!({ "x0": 1.0, "x1": 2.0, "x2": 3.0 })));
    project.add("labels", &lasts(json!({ "y": true })));

    let out = project.path("files");
    let mut files = project.command("run", None, &["--quiet", "--out", out.to_str().unwrap()]);
    for part in project.parts("events", PARTITIONS).into_iter().chain(project.parts("labels", PARTITIONS)) {
        files.args(["--input", &part]);
    }
    expect_code(&mut files, 0);

    for source in ["events", "labels"] {
        ground.topic(source, PARTITIONS);
    }
    let put = |from: &str, until: &str| {
        let producer = ground.producer(None);
        for source in ["events", "labels"] {
            for line in project.lines(source).iter().filter(|line| (from..until).contains(&at(line).as_str())) {
                let (key, stamp) = (id(line), Time::parse(&at(line)).unwrap().0 / 1000);
                let partition = partition_of(&key, PARTITIONS);
                send(&producer, &project.topic(source), partition, &key, Some(line), stamp);
            }
            producer.flush(PATIENCE).unwrap();
        }
    };
    // Some stretches of time, each put while the broker is there; then it dies, under load or at rest.
    let long = long();
    let (kills, hours) = if long { (20, 3) } else { (2, 24) };
    let hour = |hours: i64| Time(Time::parse("2024-01-01T00:00:00Z").unwrap().0 + hours * 3_600_000_000).to_string();
    let out = project.path("topics");
    let log = File::create(project.path("errors")).unwrap();
    let words = ["-w", "2", "--quiet", "--out", out.to_str().unwrap()];
    let predictions = [project.topic("predictions")];
    let before = |until: &str| -> BTreeSet<String> {
        events.iter().filter(|line| at(line).as_str() < until).map(|line| id(line)).collect()
    };
    let seen = |wanted: &BTreeSet<String>| {
        let stranger = Stranger::new(&ground, &predictions);
        let mut missing = wanted.clone();
        while !missing.is_empty() {
            let value: Value = serde_json::from_str(stranger.next().value_text()).unwrap();
            missing.remove(value["prediction_id"].as_str().unwrap());
        }
    };
    put("", &hour(hours));
    let mut run = Running::start(project.command("run", Some(&own.bootstrap), &words).stderr(log));
    let told = || std::fs::read_to_string(project.path("errors")).unwrap();
    while !ground.broker.admin().unwrap().partitions().unwrap().contains_key(&project.topic("progress")) {
        assert!(run.runs(), "it makes its topics: {}", told());
    }
    let mut longest = Duration::ZERO;
    for kill in 1..=kills {
        // Under load, with as much more on its way; or at rest, as far as it can be told.
        let next = || put(&hour(hours * kill), &hour(hours * (kill + 1)));
        if kill % 2 == 1 {
            Stranger::new(&ground, &predictions).next();
            next();
        }
        own.kill();
        assert!(run.runs(), "{}", told());
        own.restart();
        let back = Instant::now();
        if kill % 2 == 0 {
            next();
        }
        // Of some partition nothing later than this is known.
        seen(&before(&hour(hours * (kill + 1) - 1)));
        longest = longest.max(back.elapsed());
        assert!(run.runs(), "{}", told());
    }
    println!("the broker was killed {kills} times; {longest:?} at most from its return to the last prediction due");
    put(&hour(hours * (kills + 1)), "2025");
    seen(&real);
    assert!(run.runs(), "{}", told());
    run.signal(rustix::process::Signal::TERM);
    assert!(run.end().success(), "{}", told());
    // Who was asked to stop leaves the end of the input to whoever goes on.
    expect_code(&mut project.command("run", Some(&own.bootstrap), &[&words[..], &["--until-end"]].concat()), 0);

    let summary = project.summary("topics");
    assert_eq!(summary["balance"]["holds"], true);
    let files = project.summary("files");
    for count in ["events", "labelled", "expired", "late", "pending", "dead_letters", "balance", "decisions", "metrics"]
    {
        assert_eq!(summary[count], files[count], "{count}");
    }
    for stream in ["predictions", "metrics", "models", "decisions"] {
        let untimed = |lines: Vec<String>| lines.iter().map(|line| without_tick(line)).collect::<Vec<_>>();
        let found = untimed(values(&ground.messages(&project.topic(stream))));
        let wanted = untimed(project.written("files", stream));
        assert_eq!(found.len(), wanted.len(), "{stream}");
        let differs = found.iter().zip(&wanted).find(|(a, b)| a != b);
        assert_eq!(differs, None, "{stream}");
    }
    assert!(ground.messages(&project.topic("dead_letters")).is_empty());
}
