//! Reading: everything that was committed, once, in order, to the end that was captured; or a clear word.

use crate::support::{Ground, PATIENCE, send, source};
use rdkafka::producer::Producer;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tidemill::broker::Broker;
use tidemill::record::{Key, Kind, Reason, Value};
use tidemill::source::kafka::{Extent, KafkaSource};
use tidemill::source::{Delivery, Partition, Record, SourceError};

const LIMIT: usize = 1 << 20;

fn until_end() -> Extent {
    Extent { until_end: true, stop: Arc::default() }
}

/// All records of a partition; fails if it ends in anything but an end.
fn drain(partition: Partition) -> Vec<Record> {
    let mut records = Vec::new();
    loop {
        match partition.deliveries.recv_timeout(PATIENCE).expect("a delivery in time") {
            Delivery::Batch(batch) => {
                assert!(!batch.records.is_empty() && batch.records.len() <= 1024);
                records.extend(batch.records);
            }
            Delivery::CaughtUp => panic!("to the end there is no catching up"),
            Delivery::End => return records,
            Delivery::Failed(error) => panic!("{error}"),
        }
    }
}

fn json(id: &str, minute: i64) -> String {
    format!(r#"{{"id":"{id}","at":{},"x":{minute}.5}}"#, minute * 60_000)
}

#[test]
fn what_was_committed_is_seen_once_and_in_order() {
    let Some(ground) = Ground::find("committed") else { return };
    let topic = ground.topic("planes", 3);
    let producer = ground.producer(Some("writer"));
    let mut expected: Vec<Vec<(String, bool)>> = vec![Vec::new(); 3];
    for round in 0..10u16 {
        producer.begin_transaction().unwrap();
        let kept = round % 3 != 1;
        for i in 0..300u16 {
            let (id, partition, deleted) = (format!("{round}-{i}"), i % 3, i % 7 == 0);
            let minute = i64::from(round) * 300 + i64::from(i);
            let value = (!deleted).then(|| json(&id, minute));
            send(&producer, &topic, partition, &id, value.as_deref(), 1 + minute * 60_000);
            if kept {
                expected[usize::from(partition)].push((id, deleted));
            }
        }
        // A plain producer reports deliveries only when asked; ending a transaction waits for them in vain.
        producer.flush(PATIENCE).unwrap();
        if kept { producer.commit_transaction(PATIENCE) } else { producer.abort_transaction(PATIENCE) }.unwrap();
    }
    // The last that the topic holds is what nobody may see: an aborted transaction, and an open one.
    producer.begin_transaction().unwrap();
    (0..3).for_each(|p| send(&producer, &topic, p, "aborted", Some("{}"), 1));
    producer.flush(PATIENCE).unwrap();
    producer.abort_transaction(PATIENCE).unwrap();
    producer.begin_transaction().unwrap();
    (0..3).for_each(|p| send(&producer, &topic, p, "open", Some("{}"), 1));
    producer.flush(PATIENCE).unwrap();

    let woken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&woken);
    let wake = move || {
        counter.fetch_add(1, Ordering::Relaxed);
    };
    let specs = [source("planes", Kind::Table, &topic)];
    let partitions = KafkaSource::open(&ground.broker, &specs, &|_, _| None, &until_end(), LIMIT, wake).unwrap();
    assert_eq!(partitions.iter().map(|p| (p.source, p.partition)).collect::<Vec<_>>(), [(0, 0), (0, 1), (0, 2)]);
    for partition in partitions {
        let expected = &expected[usize::from(partition.partition)];
        let rows: Vec<_> = drain(partition).into_iter().map(|r| r.body.unwrap()).collect();
        assert_eq!(rows.len(), expected.len());
        assert!(rows.windows(2).all(|w| w[0].position.offset < w[1].position.offset));
        for (row, (id, deleted)) in rows.iter().zip(expected) {
            assert_eq!((row.key, row.tombstone), (Key::of_text(id), *deleted));
            // A tombstone has its message's timestamp, a row the time that it says.
            assert_eq!(row.time.0 % 60_000_000, if *deleted { 1_000 } else { 0 });
            if !deleted {
                assert_eq!(row.values[2], Value::Float(row.time.0 as f64 / 60e6 + 0.5));
            }
        }
    }
    assert!(woken.load(Ordering::Relaxed) >= 6, "three batches and three ends wake the reader");
    producer.abort_transaction(PATIENCE).unwrap();
}

/// A live partition says when it has delivered what was there, though the last that its topic holds is never shown;
/// once, and before what comes later.
#[test]
fn a_live_partition_says_when_it_has_caught_up() {
    let Some(ground) = Ground::find("caught-up") else { return };
    let topic = ground.topic("t", 2);
    let producer = ground.producer(Some("writer"));
    let rows = 3000_i64;
    producer.begin_transaction().unwrap();
    (0..rows).for_each(|i| send(&producer, &topic, 0, "k", Some(&json("early", i)), 1));
    producer.flush(PATIENCE).unwrap();
    producer.commit_transaction(PATIENCE).unwrap();
    producer.begin_transaction().unwrap();
    send(&producer, &topic, 0, "k", Some("{}"), 1);
    producer.flush(PATIENCE).unwrap();
    producer.abort_transaction(PATIENCE).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let extent = Extent { until_end: false, stop: stop.clone() };
    let specs = [source("t", Kind::Context, &topic)];
    let partitions = KafkaSource::open(&ground.broker, &specs, &|_, _| None, &extent, LIMIT, || {}).unwrap();
    assert!(partitions.iter().all(|p| p.backlog));
    let next = |place: usize| partitions[place].deliveries.recv_timeout(PATIENCE).expect("a delivery in time");
    // The one without records has nothing to catch up with.
    assert!(matches!(next(1), Delivery::CaughtUp));
    let mut seen = 0;
    loop {
        match next(0) {
            Delivery::Batch(batch) => seen += batch.records.len(),
            Delivery::CaughtUp => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen as i64, rows);
    producer.begin_transaction().unwrap();
    (0..2).for_each(|p| send(&producer, &topic, p, "k", Some(&json("later", rows)), 1));
    producer.flush(PATIENCE).unwrap();
    producer.commit_transaction(PATIENCE).unwrap();
    for place in 0..2 {
        assert!(matches!(next(place), Delivery::Batch(batch) if batch.records.len() == 1));
    }
    stop.store(true, Ordering::Release);
    for place in 0..2 {
        assert!(matches!(next(place), Delivery::End));
    }
}

#[test]
fn the_end_is_the_one_at_the_opening() {
    let Some(ground) = Ground::find("end") else { return };
    let topic = ground.topic("t", 1);
    let empty = ground.topic("empty", 2);
    let producer = ground.producer(None);
    (0..5).for_each(|i| send(&producer, &topic, 0, "k", Some(&json("early", i)), 1));
    producer.flush(PATIENCE).unwrap();
    let specs = [source("t", Kind::Context, &topic), source("empty", Kind::Context, &empty)];
    let mut partitions = KafkaSource::open(&ground.broker, &specs, &|_, _| None, &until_end(), LIMIT, || {}).unwrap();
    (0..5000).for_each(|i| send(&producer, &topic, 0, "k", Some(&json("afterwards", i)), 1));
    producer.flush(PATIENCE).unwrap();
    assert_eq!(partitions.len(), 3);
    assert!(drain(partitions.remove(2)).is_empty() && drain(partitions.remove(1)).is_empty());
    let keys: Vec<Key> = drain(partitions.remove(0)).into_iter().map(|r| r.body.unwrap().key).collect();
    assert_eq!(keys, [Key::of_text("early"); 5]);
}

#[test]
fn bad_records_are_dead_letters_in_their_place() {
    let Some(ground) = Ground::find("bad") else { return };
    let topic = ground.topic("t", 1);
    let producer = ground.producer(None);
    for value in [Some(json("a", 1).as_str()), Some("{\"id\":"), Some(r#"{"id":1,"at":0}"#), None, Some("")] {
        send(&producer, &topic, 0, "key", value, 60_000);
    }
    producer.flush(PATIENCE).unwrap();
    let specs = [source("t", Kind::Event, &topic)];
    let partition =
        KafkaSource::open(&ground.broker, &specs, &|_, _| None, &until_end(), LIMIT, || {}).unwrap().remove(0);
    let records = drain(partition);
    let digests: std::collections::BTreeSet<u64> = records.iter().map(|r| r.digest).collect();
    assert_eq!(digests.len(), 5, "other bytes have another digest, the tombstone and the empty value too");
    let told: Vec<_> = records
        .iter()
        .map(|r| match &r.body {
            Ok(row) => (row.position.offset, None),
            Err(letter) => {
                assert_eq!(letter.raw.key.as_deref(), Some(&b"key"[..]));
                (letter.position.offset, Some(letter.reason))
            }
        })
        .collect();
    let reasons =
        [None, Some(Reason::Malformed), Some(Reason::WrongType), Some(Reason::Malformed), Some(Reason::Malformed)];
    assert_eq!(told, (0..5).zip(reasons).collect::<Vec<_>>());
}

#[test]
fn reading_begins_where_it_is_told() {
    let Some(ground) = Ground::find("start") else { return };
    let topic = ground.topic("t", 1);
    let producer = ground.producer(None);
    (0..10).for_each(|i| send(&producer, &topic, 0, "k", Some(&json("k", i)), 1));
    producer.flush(PATIENCE).unwrap();
    let specs = [source("t", Kind::Context, &topic)];
    let open = |start| KafkaSource::open(&ground.broker, &specs, &|_, _| Some(start), &until_end(), LIMIT, || {});
    let offsets = |start| {
        let records = drain(open(start).unwrap().remove(0));
        records.into_iter().map(|r| r.body.unwrap().position.offset).collect::<Vec<_>>()
    };
    assert_eq!(offsets(7), [7, 8, 9]);
    assert_eq!(offsets(10), [0u64; 0]);
}

#[test]
fn a_live_run_reads_until_it_is_stopped() {
    let Some(ground) = Ground::find("live") else { return };
    let topic = ground.topic("t", 1);
    let producer = ground.producer(None);
    let stop = Arc::new(AtomicBool::new(false));
    let extent = Extent { until_end: false, stop: Arc::clone(&stop) };
    let specs = [source("t", Kind::Context, &topic)];
    let partition = KafkaSource::open(&ground.broker, &specs, &|_, _| None, &extent, LIMIT, || {}).unwrap().remove(0);
    let mut next = 0;
    for round in 1..4u64 {
        (0..round).for_each(|i| send(&producer, &topic, 0, "k", Some(&json("k", i as i64)), 1));
        producer.flush(PATIENCE).unwrap();
        let upto = next + round;
        while next < upto {
            match partition.deliveries.recv_timeout(PATIENCE).expect("a delivery in time") {
                Delivery::Batch(batch) => {
                    for record in batch.records {
                        assert_eq!(record.body.unwrap().position.offset, next);
                        next += 1;
                    }
                }
                // Said when the partition was found empty, wherever that was.
                Delivery::CaughtUp => {}
                other => panic!("{other:?} before the stop"),
            }
        }
    }
    stop.store(true, Ordering::Release);
    assert!(matches!(partition.deliveries.recv_timeout(PATIENCE), Ok(Delivery::End)));
}

#[test]
fn a_reader_that_nobody_listens_to_ends() {
    let Some(ground) = Ground::find("deaf") else { return };
    let topic = ground.topic("t", 1);
    let producer = ground.producer(None);
    (0..20_000).for_each(|i| send(&producer, &topic, 0, "k", Some(&json("k", i)), 1));
    producer.flush(PATIENCE).unwrap();
    let alive = Arc::new(());
    let token = Arc::clone(&alive);
    let wake = move || assert!(Arc::strong_count(&token) > 0);
    let specs = [source("t", Kind::Context, &topic)];
    drop(KafkaSource::open(&ground.broker, &specs, &|_, _| None, &until_end(), LIMIT, wake).unwrap());
    let began = std::time::Instant::now();
    while Arc::strong_count(&alive) > 1 {
        assert!(began.elapsed() < PATIENCE, "the partition's thread is gone in time");
        std::thread::yield_now();
    }
}

#[test]
fn a_topic_that_is_not_there_is_told_with_its_remedy() {
    let Some(ground) = Ground::find("missing") else { return };
    let missing = format!("{}.nowhere", ground.prefix);
    let told = open_error(&ground.broker, &[source("flights", Kind::Event, &missing)], until_end());
    assert!(told.contains("source `flights`") && told.contains(&missing) && told.contains("tidemill feed"), "{told}");
    let topics = ground.broker.admin().unwrap().partitions().unwrap();
    assert!(!topics.contains_key(&missing), "asking for a topic must not create it");

    let topic = ground.topic("twice", 1);
    let twice = [source("a", Kind::Event, &topic), source("b", Kind::Event, &topic)];
    let told = open_error(&ground.broker, &twice, until_end());
    assert!(told.contains("source `a` reads it already"), "{told}");
}

#[test]
fn a_deleted_topic_fails_its_partitions() {
    let Some(ground) = Ground::find("deleted") else { return };
    let topic = ground.topic("t", 1);
    // librdkafka doubts that a topic is gone for half a minute, by default.
    let properties = [("topic.metadata.propagation.max.ms", "100"), ("topic.metadata.refresh.interval.ms", "200")];
    let properties = properties.map(|(name, value)| (name.to_string(), value.to_string()));
    let broker = Broker::new(ground.broker.bootstrap(), &properties);
    let extent = Extent { until_end: false, stop: Arc::default() };
    let specs = [source("t", Kind::Context, &topic)];
    let partition = KafkaSource::open(&broker, &specs, &|_, _| None, &extent, LIMIT, || {}).unwrap().remove(0);
    ground.broker.admin().unwrap().delete(&[&topic]).unwrap();
    let delivery = || partition.deliveries.recv_timeout(PATIENCE).expect("a failure in time");
    assert!(matches!(delivery(), Delivery::CaughtUp), "it has nothing");
    match delivery() {
        Delivery::Failed(error @ SourceError::Read { offset: 0, .. }) => {
            assert!(error.to_string().contains(&topic), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_broker_that_is_not_there_is_told() {
    // A port that was free a moment ago; needs no broker.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let broker = Broker::new(&format!("127.0.0.1:{port}"), &[]);
    let told = open_error(&broker, &[source("flights", Kind::Event, "t")], until_end());
    assert!(told.contains(&format!("no Kafka broker answers at 127.0.0.1:{port}")), "{told}");
    let outputs = crate::sink::outputs("nobody", false);
    let told = tidemill::sink::kafka::claim(&broker, &outputs).map(|_| ()).unwrap_err().to_string();
    assert!(told.contains(&format!("no Kafka broker answers at 127.0.0.1:{port}")), "{told}");
}

fn open_error(broker: &Broker, specs: &[tidemill::config::spec::SourceSpec], extent: Extent) -> String {
    KafkaSource::open(broker, specs, &|_, _| None, &extent, LIMIT, || {}).unwrap_err().to_string()
}
