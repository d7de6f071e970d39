//! What the tests share: the broker, topics of a test's own, and plain clients that are none of ours.

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message, Timestamp};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::io::Write;
use std::time::Duration;
use tidemill::broker::{Broker, Topic};
use tidemill::config::spec::{SourceSpec, Spanned};
use tidemill::record::{Column, Kind, Schema, Type};

/// How long anything may take before a test fails rather than hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Topics of one test.
pub struct Ground {
    pub broker: Broker,
    pub prefix: String,
}

impl Ground {
    /// `None`, said aloud, where there is no broker.
    pub fn find(test: &str) -> Option<Ground> {
        let Ok(bootstrap) = std::env::var("TIDEMILL_KAFKA") else {
            // Not by a macro: the test harness would keep it to itself.
            let _ = writeln!(std::io::stderr(), "skipped: TIDEMILL_KAFKA not set ({test})");
            return None;
        };
        Some(Ground::at(&bootstrap, test))
    }

    /// At a broker that is there.
    pub fn at(bootstrap: &str, test: &str) -> Ground {
        let broker = Broker::new(bootstrap, &[]);
        let admin = broker.admin().expect("the broker answers");
        // A number that no other run has: the process's, and a name that no other test has.
        let prefix = format!("test-{}-{test}", std::process::id());
        let stale: Vec<String> = admin.partitions().unwrap().into_keys().filter(|t| t.starts_with(&prefix)).collect();
        admin.delete(&stale.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        Ground { broker, prefix }
    }

    pub fn topic(&self, name: &str, partitions: u16) -> String {
        let topic = format!("{}.{name}", self.prefix);
        self.broker.admin().unwrap().create(&[Topic { name: topic.clone(), partitions }]).unwrap();
        topic
    }

    /// A producer of the test's own; transactional if it gets a name.
    pub fn producer(&self, transactional: Option<&str>) -> BaseProducer {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.broker.bootstrap()).set("linger.ms", "0");
        if let Some(name) = transactional {
            config.set("transactional.id", format!("{}-{name}", self.prefix));
        }
        let producer: BaseProducer = config.create().unwrap();
        if transactional.is_some() {
            producer.init_transactions(PATIENCE).unwrap();
        }
        producer
    }

    /// All messages of a topic, by partition and offset, read to its end.
    pub fn messages(&self, topic: &str) -> Vec<Told> {
        let stranger = Stranger::new(self, &[topic.to_string()]);
        let (mut told, mut ended) = (Vec::new(), 0);
        while ended < stranger.partitions {
            match stranger.poll() {
                Some(message) => told.push(message),
                None => ended += 1,
            }
        }
        told.sort_by_key(|m| (m.partition, m.offset));
        told
    }
}

/// A plain consumer of some topics, from their beginnings.
pub struct Stranger {
    consumer: BaseConsumer,
    partitions: u16,
}

impl Stranger {
    pub fn new(ground: &Ground, topics: &[String]) -> Stranger {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", ground.broker.bootstrap())
            .set("group.id", "test")
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "true")
            .create()
            .unwrap();
        let known = ground.broker.admin().unwrap().partitions().unwrap();
        let mut assignment = TopicPartitionList::new();
        for topic in topics {
            for partition in 0..i32::from(known[topic]) {
                assignment.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
            }
        }
        consumer.assign(&assignment).unwrap();
        Stranger { consumer, partitions: topics.iter().map(|topic| known[topic]).sum() }
    }

    /// The next message, however long its topic stays at its end.
    pub fn next(&self) -> Told {
        loop {
            if let Some(message) = self.poll() {
                return message;
            }
        }
    }

    /// The next message, or that a partition is at its end.
    fn poll(&self) -> Option<Told> {
        match self.consumer.poll(PATIENCE).expect("a message, or the end, in time") {
            Ok(message) => Some(Told {
                partition: message.partition() as u16,
                offset: message.offset() as u64,
                key: message.key().map(<[u8]>::to_vec),
                value: message.payload().map(<[u8]>::to_vec),
                stamp_ms: match message.timestamp() {
                    Timestamp::CreateTime(ms) => ms,
                    other => panic!("{other:?} is not a time of creation"),
                },
                headers: message.headers().map_or(Vec::new(), |headers| {
                    let text = |v: Option<&[u8]>| String::from_utf8(v.unwrap_or_default().to_vec()).unwrap();
                    headers.iter().map(|h| (h.key.to_string(), text(h.value))).collect()
                }),
            }),
            Err(rdkafka::error::KafkaError::PartitionEOF(_)) => None,
            Err(error) => panic!("{error}"),
        }
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if let Ok(admin) = self.broker.admin()
            && let Ok(topics) = admin.partitions()
        {
            let ours: Vec<&str> = topics.keys().filter(|t| t.starts_with(&self.prefix)).map(String::as_str).collect();
            let _ = admin.delete(&ours);
        }
    }
}

/// A message as an outsider sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub partition: u16,
    pub offset: u64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub stamp_ms: i64,
    pub headers: Vec<(String, String)>,
}

impl Told {
    pub fn value_text(&self) -> &str {
        std::str::from_utf8(self.value.as_deref().expect("a value")).unwrap()
    }

    pub fn key_text(&self) -> &str {
        std::str::from_utf8(self.key.as_deref().expect("a key")).unwrap()
    }
}

/// Sends one message and does not wait for it.
pub fn send(producer: &BaseProducer, topic: &str, partition: u16, key: &str, value: Option<&str>, stamp_ms: i64) {
    let mut record: BaseRecord<'_, str, str> =
        BaseRecord::to(topic).partition(i32::from(partition)).key(key).timestamp(stamp_ms);
    record.payload = value;
    producer.send(record).map_err(|(e, _)| e).unwrap();
}

/// A source of events or of a table with columns `id`, `at`, `x`.
pub fn source(name: &str, kind: Kind, topic: &str) -> SourceSpec {
    let column = |name: &str, kind, nullable| Column { name: name.to_string(), kind, nullable };
    SourceSpec {
        name: Spanned { value: name.to_string(), span: 0..0 },
        kind,
        key: vec!["id".to_string()],
        time: "at".to_string(),
        schema: Schema {
            columns: vec![
                column("id", Type::Text, false),
                column("at", Type::Timestamp, false),
                column("x", Type::Float, true),
            ],
        },
        path: Vec::new(),
        format: None,
        topic: topic.to_string(),
        refuse_unknown: false,
        check: Vec::new(),
        label: None,
        classes: Vec::new(),
        timeout: None,
        erasable: None,
    }
}
