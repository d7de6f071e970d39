//! A Kafka cluster as an address: how clients of it are configured, what topics it has, making and deleting them.
//!
//! In: the bootstrap servers and any properties of librdkafka's, as typed. Out: client configurations and topics.
//! Keeps: no connection between calls, except in an [`Admin`]. Limits: every call has a deadline of [`DEADLINE`].
//! Source: librdkafka's
//! `CONFIGURATION.md`, KIP-4 (administration).

use crate::record::Key;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication, TopicResult};
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// How long a broker may take to answer while a run starts.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// A cluster: where it is, and how to speak to it.
#[derive(Clone)]
pub struct Broker {
    bootstrap: String,
    properties: Vec<(String, String)>,
}

/// Why a cluster cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// A property that a law depends on was typed otherwise.
    #[error("property `{name}` is always `{fixed}` here, not `{value}`")]
    Fixed {
        /// The property.
        name: String,
        /// What it must be.
        fixed: String,
        /// What was typed.
        value: String,
    },
    /// librdkafka does not take the configuration.
    #[error("the Kafka client refuses its configuration: {0}")]
    Configuration(String),
    /// Nobody answers.
    #[error("no Kafka broker answers at {bootstrap} within {seconds} s ({cause})")]
    Unreachable {
        /// The bootstrap servers.
        bootstrap: String,
        /// The deadline.
        seconds: u64,
        /// What librdkafka said last.
        cause: String,
    },
    /// The cluster refused a topic's creation or deletion, or did not carry it out in time.
    #[error("topic `{topic}` cannot be {verb}: {cause}")]
    Topic {
        /// The topic.
        topic: String,
        /// `created`, `deleted`, `read`.
        verb: &'static str,
        /// What the cluster said.
        cause: String,
    },
    /// Topics hold records that nobody allowed to delete.
    #[error("there are records already ({found}); choose another place, or start over with --fresh")]
    Occupied {
        /// The topics, and how many offsets they hold.
        found: String,
    },
}

/// A topic to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its partitions, at least 1.
    pub partitions: u16,
}

impl fmt::Debug for Broker {
    /// Names of properties only: values may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.properties.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Broker").field("bootstrap", &self.bootstrap).field("properties", &names).finish()
    }
}

impl Broker {
    /// A cluster by its bootstrap servers (`host:port,host:port`) and librdkafka properties.
    pub fn new(bootstrap: &str, properties: &[(String, String)]) -> Broker {
        Broker { bootstrap: bootstrap.to_string(), properties: properties.to_vec() }
    }

    /// The bootstrap servers.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// A client of the cluster: `defaults` are overridden by the properties as typed, `fixed` by nothing.
    pub fn client<T>(&self, defaults: &[(&str, &str)], fixed: &[(&str, &str)]) -> Result<T, BrokerError>
    where
        T: FromClientConfigAndContext<Narrator>,
    {
        self.client_with(defaults, fixed, Narrator)
    }

    /// The same with a context of the caller's.
    pub fn client_with<C, T>(
        &self,
        defaults: &[(&str, &str)],
        fixed: &[(&str, &str)],
        context: C,
    ) -> Result<T, BrokerError>
    where
        C: ClientContext,
        T: FromClientConfigAndContext<C>,
    {
        let mut config = ClientConfig::new();
        config.set_log_level(RDKafkaLogLevel::Info);
        config.set("client.id", "tidemill").set("bootstrap.servers", &self.bootstrap);
        for (name, value) in defaults {
            config.set(*name, *value);
        }
        for (name, value) in &self.properties {
            if let Some((_, must)) = fixed.iter().find(|(fixed, must)| fixed == name && must != value) {
                let (name, fixed, value) = (name.clone(), (*must).to_string(), value.clone());
                return Err(BrokerError::Fixed { name, fixed, value });
            }
            config.set(name, value);
        }
        for (name, value) in fixed {
            config.set(*name, *value);
        }
        config.create_with_context(context).map_err(|e| BrokerError::Configuration(cause_of(&e)))
    }

    /// A connection for questions about topics; an error if nobody answers within [`DEADLINE`].
    pub fn admin(&self) -> Result<Admin, BrokerError> {
        // Watermarks are asked for by a consumer: its `read_committed` makes them those of committed records.
        let reader: BaseConsumer<Narrator> = self.client(&[], &[("isolation.level", "read_committed")])?;
        let client: AdminClient<Narrator> = self.client(&[], &[])?;
        let admin = Admin { broker: self.clone(), reader, client };
        admin.partitions()?;
        Ok(admin)
    }

    fn unreachable(&self, cause: &KafkaError) -> BrokerError {
        BrokerError::Unreachable {
            bootstrap: self.bootstrap.clone(),
            seconds: DEADLINE.as_secs(),
            cause: cause_of(cause),
        }
    }

    /// Partitions of every topic of the cluster, asked by `consumer`.
    ///
    /// All topics are asked for, never one by its name: a broker that creates topics on demand would create it.
    pub fn partitions<C: ConsumerContext>(
        &self,
        consumer: &BaseConsumer<C>,
    ) -> Result<BTreeMap<String, u16>, BrokerError> {
        let metadata = consumer.fetch_metadata(None, DEADLINE).map_err(|e| self.unreachable(&e))?;
        let topics = metadata.topics().iter().filter(|t| t.error().is_none());
        Ok(topics.map(|t| (t.name().to_string(), u16::try_from(t.partitions().len()).unwrap_or(u16::MAX))).collect())
    }
}

/// What librdkafka said, without the names of its own types.
pub fn cause_of(error: &KafkaError) -> String {
    match error {
        // The value is left out: it may be secret.
        KafkaError::ClientConfig(_, description, name, _) => format!("{description} (property `{name}`)"),
        KafkaError::ClientCreation(text) => text.clone(),
        other => match other.rdkafka_error_code() {
            Some(code) => code.to_string(),
            None => other.to_string(),
        },
    }
}

/// The partition, below `partitions`, of a message by its key: the pinned hash, the same for every client of ours.
pub fn partition_of(key: &str, partitions: u16) -> u16 {
    assert!(partitions > 0, "a topic has at least one partition");
    // The low half of the hash: the high bits place the key among workers, and must not line up with partitions.
    ((Key::of_text(key).0 as u64) % u64::from(partitions)) as u16
}

/// An instant as a message's timestamp: milliseconds, at least 1, because librdkafka takes 0 for "now".
pub fn stamp_of(time: crate::time::Time) -> i64 {
    time.0.div_euclid(1000).max(1)
}

/// An open connection for questions about topics.
pub struct Admin {
    broker: Broker,
    reader: BaseConsumer<Narrator>,
    client: AdminClient<Narrator>,
}

impl Admin {
    /// Partitions of every topic of the cluster.
    pub fn partitions(&self) -> Result<BTreeMap<String, u16>, BrokerError> {
        self.broker.partitions(&self.reader)
    }

    /// How many offsets the topic holds, over its partitions: an upper bound of its records, 0 only without any.
    pub fn held(&self, topic: &str, partitions: u16) -> Result<u64, BrokerError> {
        (0..partitions).try_fold(0, |sum, partition| {
            let marks = self.reader.fetch_watermarks(topic, i32::from(partition), DEADLINE);
            let (low, high) = marks.map_err(|e| BrokerError::Topic {
                topic: topic.to_string(),
                verb: "read",
                cause: cause_of(&e),
            })?;
            Ok(sum + high.saturating_sub(low).max(0) as u64)
        })
    }

    /// Sees to it that the topics are there and empty; as many partitions as they then have.
    ///
    /// Topics that hold records are deleted and made again if `fresh`, else [`BrokerError::Occupied`]. Topics that are
    /// there and empty stay as they are.
    pub fn prepare(&self, topics: &[Topic], fresh: bool) -> Result<Vec<Topic>, BrokerError> {
        let known = self.partitions()?;
        let mut occupied = Vec::new();
        for topic in topics {
            if let Some(&partitions) = known.get(&topic.name) {
                let held = self.held(&topic.name, partitions)?;
                if held > 0 {
                    occupied.push((topic.name.as_str(), held));
                }
            }
        }
        if !fresh && !occupied.is_empty() {
            let found: Vec<String> = occupied.iter().map(|(t, n)| format!("{n} offsets in `{t}`")).collect();
            return Err(BrokerError::Occupied { found: found.join(", ") });
        }
        self.delete(&occupied.iter().map(|(t, _)| *t).collect::<Vec<_>>())?;
        self.create(topics)?;
        // What is there counts, not what was asked for: a topic may have been made by somebody else.
        let known = self.partitions()?;
        let partitions = |t: &Topic| known.get(&t.name).copied().unwrap_or(t.partitions).max(1);
        Ok(topics.iter().map(|t| Topic { partitions: partitions(t), name: t.name.clone() }).collect())
    }

    /// Creates topics that are not there yet and waits until the cluster shows them.
    ///
    /// They are kept for ever, and take any event time: a broker's default would delete what is stamped a week ago, and
    /// refuse what is stamped an hour ahead. A message may be as long as [`MESSAGE_BYTES`], so that a dead letter holds
    /// whatever a source's topic could.
    pub fn create(&self, topics: &[Topic]) -> Result<(), BrokerError> {
        let known = self.partitions()?;
        let missing: Vec<&Topic> = topics.iter().filter(|t| !known.contains_key(&t.name)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let bytes = MESSAGE_BYTES.to_string();
        let new: Vec<NewTopic<'_>> = missing
            .iter()
            .map(|t| {
                // -1: the cluster's own default.
                NewTopic::new(&t.name, i32::from(t.partitions), TopicReplication::Fixed(-1))
                    .set("retention.ms", "-1")
                    .set("message.timestamp.type", "CreateTime")
                    .set("message.timestamp.after.max.ms", "9223372036854775807")
                    .set("max.message.bytes", &bytes)
            })
            .collect();
        let outcome = block_on(self.client.create_topics(&new, &options()));
        // Somebody else may create the same topic meanwhile, which is as good.
        self.settle(outcome, "created", RDKafkaErrorCode::TopicAlreadyExists, |known| {
            missing.iter().all(|t| known.contains_key(&t.name))
        })
    }

    /// Deletes topics and waits until the cluster no longer shows them.
    pub fn delete(&self, topics: &[&str]) -> Result<(), BrokerError> {
        if topics.is_empty() {
            return Ok(());
        }
        let outcome = block_on(self.client.delete_topics(topics, &options()));
        self.settle(outcome, "deleted", RDKafkaErrorCode::UnknownTopicOrPartition, |known| {
            topics.iter().all(|t| !known.contains_key(*t))
        })
    }

    fn settle(
        &self,
        outcome: Result<Vec<TopicResult>, KafkaError>,
        verb: &'static str,
        as_good: RDKafkaErrorCode,
        done: impl Fn(&BTreeMap<String, u16>) -> bool,
    ) -> Result<(), BrokerError> {
        let outcome = outcome.map_err(|e| self.broker.unreachable(&e))?;
        let mut last = String::new();
        for result in outcome {
            match result {
                Err((topic, code)) if code != as_good => {
                    return Err(BrokerError::Topic { topic, verb, cause: code.to_string() });
                }
                Ok(topic) | Err((topic, _)) => last = topic,
            }
        }
        let began = Instant::now();
        while !done(&self.partitions()?) {
            if began.elapsed() > DEADLINE {
                let cause = format!("the cluster does not show it after {} s", DEADLINE.as_secs());
                return Err(BrokerError::Topic { topic: last, verb, cause });
            }
            // The cluster tells nobody when its metadata has spread; asking again is all there is.
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// The longest message of a topic of ours: 16 MiB and room for headers.
pub const MESSAGE_BYTES: u32 = (16 << 20) + (64 << 10);

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(DEADLINE)).operation_timeout(Some(DEADLINE))
}

/// Waits for one future: the administrative calls are all that is asynchronous here, and need no runtime.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// Tells librdkafka's log lines and errors to `tracing`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Narrator;

impl ClientContext for Narrator {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        match level {
            // One set of properties serves consumers and producers; that some are not for this client is no news.
            // So is a broker that just started and cannot give out a producer's id yet: librdkafka asks again.
            _ if facility == "CONFWARN" || facility == "GETPID" => {
                tracing::debug!(target: "librdkafka", facility, "{line}")
            }
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", facility, "{line}"),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => tracing::info!(target: "librdkafka", facility, "{line}"),
            RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, "{line}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            // Events of the protocol, not errors.
            Some(RDKafkaErrorCode::PartitionEOF) => {}
            _ => tracing::warn!(target: "librdkafka", cause = cause_of(&error), "{reason}"),
        }
    }
}

impl ConsumerContext for Narrator {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Time;
    use proptest::prelude::*;

    #[test]
    fn partitions_are_pinned() {
        // A change here sends the later records of a key to another partition than its earlier ones.
        let of = |key| (partition_of(key, 3), partition_of(key, 4), partition_of(key, 7));
        assert_eq!([of(""), of("EWR"), of("2013-01-01/UA/1545")], [(0, 1, 2), (2, 1, 5), (2, 0, 5)]);
        assert_eq!(partition_of("anything", 1), 0);
    }

    #[test]
    fn the_first_instant_is_not_taken_for_now() {
        assert_eq!([stamp_of(Time(0)), stamp_of(Time(-5)), stamp_of(Time(1_999)), stamp_of(Time(2_000))], [1, 1, 1, 2]);
    }

    #[test]
    fn what_a_law_depends_on_cannot_be_typed_otherwise() {
        let typed = |name: &str, value: &str| vec![(name.to_string(), value.to_string())];
        let make = |properties: Vec<(String, String)>| {
            let fixed = [("isolation.level", "read_committed")];
            Broker::new("127.0.0.1:1", &properties).client::<BaseConsumer<Narrator>>(&[], &fixed).err()
        };
        assert!(make(typed("isolation.level", "read_committed")).is_none());
        let told = make(typed("isolation.level", "read_uncommitted")).map(|e| e.to_string()).unwrap_or_default();
        assert!(told.contains("`isolation.level` is always `read_committed`"), "{told}");
        let told = make(typed("no.such.property", "secret")).map(|e| e.to_string()).unwrap_or_default();
        assert!(told.contains("no.such.property") && !told.contains("secret"), "{told}");
        assert!(!format!("{:?}", Broker::new("h:1", &typed("sasl.password", "secret"))).contains("secret"));
    }

    proptest! {
        #[test]
        fn a_partition_is_below_the_count(key in ".*", partitions in 1u16..500) {
            prop_assert!(partition_of(&key, partitions) < partitions);
        }
    }
}
