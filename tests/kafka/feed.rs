//! Playing files into topics: a run that reads the topics reads what the files say, in the order of event time.

use crate::support::{Ground, PATIENCE, source};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tidemill::broker::BrokerError;
use tidemill::config::spec::{
    DeploySpec, GateSpec, LearnerSpec, Metric, MetricsSpec, ModelSpec, PipelineSpec, SourceSpec, Strategy, TrainSpec,
};
use tidemill::launch::args::Speed;
use tidemill::launch::feed::{FeedError, FeedOptions, feed};
use tidemill::record::{Key, Kind, Position, Row};
use tidemill::source::kafka::{Extent, KafkaSource};
use tidemill::source::{Delivery, Partition};
use tidemill::task::Task;
use tidemill::time::{Span, Time};

fn pipeline(name: &str, sources: Vec<SourceSpec>) -> PipelineSpec {
    PipelineSpec {
        name: name.to_string(),
        every: Span::HOUR,
        tick_records: 1000,
        tick_ms: 5,
        max_ahead: Span::DAY,
        idle_ms: 500,
        max_record_bytes: 1 << 20,
        max_pending: 1000,
        max_keys: 1000,
        max_rows: 256_000,
        publish: Vec::new(),
        sources,
        features: Vec::new(),
        models: vec![ModelSpec {
            name: "m".to_string(),
            task: Task::Binary,
            learner: LearnerSpec::GaussianNb,
            retrain: Vec::new(),
            metrics: MetricsSpec::default(),
            triggers: Vec::new(),
            train: TrainSpec {
                window: Span::DAY,
                calibration: 0.3,
                deadline: None,
                max_memory_mib: None,
                holdout: 0.2,
                activate_after: Span::DAY,
                max_examples: 10,
                min_examples: 1,
                ablate: false,
            },
            gate: GateSpec::of(Metric::LogLoss, 0.0),
            deploy: DeploySpec::of(Strategy::Immediate, Task::Binary),
            freeze_at: Vec::new(),
        }],
    }
}

fn options(ground: &Ground, folder: &Path, fresh: bool) -> FeedOptions {
    let (broker, folder, stop) = (ground.broker.clone(), folder.to_path_buf(), Arc::default());
    FeedOptions { broker, folder, sources: Vec::new(), limit: None, speed: Speed::Max, partitions: 4, fresh, stop }
}

/// An event in JSON lines, with a bad line in its middle; a table in CSV, with tombstones.
fn write_files(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let mut events = String::new();
    for i in 0..2000 {
        events += &format!("{{\"x\": {i}.25, \"id\": \"e{i}\", \"at\": \"{}\"}}\n", Time(i * 60_000_000));
        if i == 1000 {
            events += "{\"id\": \"broken\n";
        }
    }
    std::fs::write(folder.join("events.jsonl"), events).unwrap();
    let mut table = "at,extra,id,x,_deleted\n".to_string();
    for i in 0..600 {
        let (at, deleted) = (Time(i * 180_000_000), if i % 10 == 9 { "true" } else { "" });
        table += &format!("{at},ignored,k{},{i}.5,{deleted}\n", i % 50);
    }
    std::fs::write(folder.join("table.csv"), table).unwrap();
}

/// The rows of some partitions and the count of dead letters.
fn rows(partitions: Vec<Partition>) -> (Vec<Row>, usize) {
    let (mut rows, mut refused) = (Vec::new(), 0);
    for partition in partitions {
        loop {
            match partition.deliveries.recv_timeout(PATIENCE).expect("a delivery in time") {
                Delivery::Batch(batch) => {
                    let times = rows.len();
                    for record in batch.records {
                        match record.body {
                            Ok(row) => rows.push(row),
                            Err(_) => refused += 1,
                        }
                    }
                    assert!(rows[times..].windows(2).all(|w| w[0].time <= w[1].time), "in the order of event time");
                }
                Delivery::End => break,
                Delivery::CaughtUp => panic!("to the end there is no catching up"),
                Delivery::Failed(error) => panic!("{error}"),
            }
        }
    }
    // Where a row stands differs between a file and a topic, and a topic's rows have the message's key beside.
    for row in &mut rows {
        row.position = Position { source: row.position.source, ..Position::default() };
        row.raw.key = None;
        if row.position.source == 1 {
            // Its file is CSV, its topic JSON.
            row.raw.value = None;
        }
    }
    rows.sort_by_key(|row| (row.position.source, row.time, row.key));
    (rows, refused)
}

#[test]
fn a_run_on_topics_reads_what_the_files_say() {
    let Some(ground) = Ground::find("feed") else { return };
    let folder = tempfile::tempdir().unwrap();
    write_files(&folder.path().join("datasets").join(&ground.prefix));
    let topic = |name: &str| format!("{}.{name}", ground.prefix);
    let sources = vec![source("events", Kind::Event, &topic("events")), source("table", Kind::Table, &topic("table"))];
    let spec = pipeline(&ground.prefix, sources);
    let report = feed(&options(&ground, folder.path(), false), &spec).unwrap();
    let told: Vec<_> = report.topics.iter().map(|t| (t.partitions, t.records, t.tombstones, t.undecoded)).collect();
    assert_eq!((told, report.complete), (vec![(4, 2001, 0, 1), (1, 600, 60, 0)], true));

    let limit = spec.max_record_bytes;
    let mut files = Vec::new();
    for (index, source) in spec.sources.iter().enumerate() {
        let paths =
            tidemill::source::file::default_paths(&folder.path().join("datasets"), &spec.name, &source.name.value);
        files.extend(tidemill::source::file::open(index as u16, source, &paths, &|_| 0, limit, || {}).unwrap());
    }
    let extent = Extent { until_end: true, stop: Arc::default() };
    let topics = KafkaSource::open(&ground.broker, &spec.sources, &|_, _| None, &extent, limit, || {}).unwrap();
    assert_eq!(topics.len(), 5);
    let (by_topic, by_file) = (rows(topics), rows(files));
    assert_eq!((by_topic.0.len(), by_topic.1), (2600, 1));
    assert_eq!(by_topic, by_file);

    // What an outsider sees: keys, tombstones without a value, event times as timestamps, lines as they were.
    let table = ground.messages(&topic("table"));
    assert_eq!(table.iter().filter(|m| m.value.is_none()).count(), 60);
    let deleted = table.iter().find(|m| m.value.is_none()).unwrap();
    assert_eq!((deleted.key_text(), deleted.stamp_ms), ("k9", 9 * 180_000));
    assert_eq!(table[0].value_text(), r#"{"at":"1970-01-01T00:00:00Z","id":"k0","x":0.5}"#);
    let events = ground.messages(&topic("events"));
    let of: BTreeMap<Vec<u8>, &crate::support::Told> =
        events.iter().filter_map(|m| m.key.clone().map(|key| (key, m))).collect();
    let message = of[&b"e7"[..]];
    assert_eq!(message.value_text(), r#"{"x": 7.25, "id": "e7", "at": "1970-01-01T00:07:00Z"}"#);
    assert_eq!(message.partition, tidemill::broker::partition_of("e7", 4));
    let broken = events.iter().find(|m| m.key.is_none()).unwrap();
    assert_eq!((broken.value_text(), broken.stamp_ms), ("{\"id\": \"broken", 1000 * 60_000));
    assert_eq!(Key::of_text("e7").0 as u64 % 4, u64::from(message.partition));

    // Again: refused, then afresh.
    let refused = feed(&options(&ground, folder.path(), false), &spec).unwrap_err();
    assert!(matches!(refused, FeedError::Broker(BrokerError::Occupied { .. })), "{refused}");
    assert!(refused.to_string().contains("--fresh") && refused.to_string().contains(&topic("events")), "{refused}");
    feed(&options(&ground, folder.path(), true), &spec).unwrap();
    assert_eq!(ground.messages(&topic("table")).len(), 600);

    // Some of it only.
    let part = |sources: &[&str], limit| {
        let sources = sources.iter().map(ToString::to_string).collect();
        feed(&FeedOptions { sources, limit, ..options(&ground, folder.path(), true) }, &spec)
    };
    assert_eq!((part(&["table"], Some(70)).unwrap().records(), ground.messages(&topic("table")).len()), (70, 70));
    assert_eq!(ground.messages(&topic("events")).len(), 2001, "the other topic is left alone");
    let told = part(&["tables"], None).unwrap_err().to_string();
    assert!(told.contains("no source `tables`") && told.contains("events, table"), "{told}");
}

/// Stops the feed when it is dropped.
struct StopAtLast(Arc<AtomicBool>);

impl Drop for StopAtLast {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn a_feed_that_is_stopped_reports_what_it_sent() {
    let Some(ground) = Ground::find("stopped") else { return };
    let folder = tempfile::tempdir().unwrap();
    write_files(&folder.path().join("datasets").join(&ground.prefix));
    let spec = pipeline(&ground.prefix, vec![source("table", Kind::Table, &format!("{}.table", ground.prefix))]);
    // At once the second record would be due in a hundred years.
    let speed = Speed::Times(1e-6);
    let options = FeedOptions { speed, ..options(&ground, folder.path(), false) };
    let stop = StopAtLast(Arc::clone(&options.stop));
    let report = std::thread::scope(|scope| {
        let feeding = scope.spawn(|| feed(&options, &spec).unwrap());
        // Moved in, so that the feed ends also where a step below fails: the scope waits for it before it tells.
        let stop = stop;
        let topic = &spec.sources[0].topic;
        let admin = ground.broker.admin().unwrap();
        let began = std::time::Instant::now();
        // A topic that was made a moment ago has no leader yet, and does not say how much it holds.
        let sent = || admin.held(topic, 1).is_ok_and(|held| held > 0);
        while !sent() && began.elapsed() < PATIENCE {
            std::thread::yield_now();
        }
        drop(stop);
        feeding.join().unwrap()
    });
    assert_eq!((report.records(), report.complete), (1, false));
}

#[test]
fn a_file_that_is_not_there_is_told_before_anything_is_deleted() {
    let Some(ground) = Ground::find("nofile") else { return };
    let folder = tempfile::tempdir().unwrap();
    let topic = ground.topic("events", 1);
    let producer = ground.producer(None);
    crate::support::send(&producer, &topic, 0, "k", Some("{}"), 1);
    rdkafka::producer::Producer::flush(&producer, PATIENCE).unwrap();
    let spec = pipeline(&ground.prefix, vec![source("events", Kind::Event, &topic)]);
    let told = feed(&options(&ground, folder.path(), true), &spec).unwrap_err().to_string();
    assert!(told.contains("events.csv"), "{told}");
    assert_eq!(ground.messages(&topic).len(), 1);
}
