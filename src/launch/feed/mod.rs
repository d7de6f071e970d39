//! `feed`: plays a pipeline's files into its sources' topics, in the order and at the pace of event time.
//!
//! In: the pipeline and where to send. Out: one message a record: key, value, event time as timestamp, null for a
//! tombstone; what does not decode is sent as it is, in its place, so that bad input can be fed. Keeps: one batch a
//! file and librdkafka's queue. Limits: a record beyond `max_record_bytes` is cut one byte beyond it, which still makes
//! it too long.

mod message;
mod script;

use crate::broker::{Broker, BrokerError, MESSAGE_BYTES, Narrator, Topic, cause_of, partition_of, stamp_of};
use crate::config::spec::{PipelineSpec, SourceSpec};
use crate::launch::args::Speed;
use crate::record::Kind;
use crate::source::SourceError;
use crate::time::Time;
use message::Message;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use script::Script;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Where and how to play.
#[derive(Clone, Debug)]
pub struct FeedOptions {
    /// The cluster.
    pub broker: Broker,
    /// The project's folder, to which the pipeline's paths are relative; a source that names no file has
    /// `datasets/<pipeline>/<source>.csv` and so on in it.
    pub folder: PathBuf,
    /// The names of the sources to play; none are all. The topics of others are left alone.
    pub sources: Vec<String>,
    /// Stop after so many messages.
    pub limit: Option<u64>,
    /// The pace.
    pub speed: Speed,
    /// Partitions of the topics that are created, at least 1; a table's topic has one.
    pub partitions: u16,
    /// Deletes topics that hold records and makes them again; else they are refused.
    pub fresh: bool,
    /// Set to stop early; what was sent is then acknowledged and reported.
    pub stop: Arc<AtomicBool>,
}

/// What was played.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedReport {
    /// By source that was played, in the order of the pipeline file.
    pub topics: Vec<Fed>,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Whether the files were played to their ends.
    pub complete: bool,
}

impl FeedReport {
    /// All messages.
    pub fn records(&self) -> u64 {
        self.topics.iter().map(|t| t.records).sum()
    }

    /// Messages a second of wall-clock time.
    pub fn records_per_s(&self) -> f64 {
        self.records() as f64 / self.seconds.max(1e-9)
    }
}

/// What one topic got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fed {
    /// The topic.
    pub topic: String,
    /// Its partitions.
    pub partitions: u16,
    /// Messages, all together.
    pub records: u64,
    /// Of these the tombstones.
    pub tombstones: u64,
    /// Of these what does not decode.
    pub undecoded: u64,
}

/// Why nothing more can be played.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// A source to be played is not in the pipeline.
    #[error("there is no source `{name}` (the pipeline has: {known})")]
    Unknown {
        /// What was typed.
        name: String,
        /// The pipeline's sources.
        known: String,
    },
    /// A file.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The cluster or its topics.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// A message was refused.
    #[error("topic `{topic}` does not take a message: {cause}")]
    Send {
        /// The topic.
        topic: String,
        /// What the cluster said.
        cause: String,
    },
}

/// Plays the pipeline's files; returns when all is acknowledged.
///
/// # Errors
/// Files and cluster as [`FeedError`] says; nothing is created or deleted before every file is open.
pub fn feed(options: &FeedOptions, spec: &PipelineSpec) -> Result<FeedReport, FeedError> {
    if let Some(name) = options.sources.iter().find(|name| spec.sources.iter().all(|s| s.name.value != **name)) {
        let known = spec.sources.iter().map(|s| s.name.value.as_str()).collect::<Vec<_>>().join(", ");
        return Err(FeedError::Unknown { name: name.clone(), known });
    }
    let played = |s: &&SourceSpec| options.sources.is_empty() || options.sources.contains(&s.name.value);
    let sources: Vec<&SourceSpec> = spec.sources.iter().filter(played).collect();
    // One byte more than a run takes: what is too long for it must still be too long when it comes back.
    let longest = spec.max_record_bytes.saturating_add(1).min(MESSAGE_BYTES as usize - (64 << 10));
    let mut script = Script::open(&spec.name, &sources, &options.folder, longest)?;
    let topics: Vec<Topic> = sources
        .iter()
        .map(|source| Topic {
            name: source.topic.clone(),
            // Of tables and commands the last word counts.
            partitions: match source.kind {
                Kind::Table | Kind::Control => 1,
                Kind::Context | Kind::Label | Kind::Event => options.partitions.max(1),
            },
        })
        .collect();
    let topics = options.broker.admin()?.prepare(&topics, options.fresh)?;
    let mut stage = Stage::open(&options.broker, topics)?;
    let began = Instant::now();
    let mut first = None;
    let mut sent = 0;
    let mut complete = true;
    while let Some(message) = script.next()? {
        let due = due(options.speed, *first.get_or_insert(message.time), message.time);
        while !options.stop.load(Ordering::Acquire) && began.elapsed() < due {
            stage.serve(due.saturating_sub(began.elapsed()).min(Duration::from_millis(20)))?;
        }
        if options.stop.load(Ordering::Acquire) || options.limit.is_some_and(|limit| sent >= limit) {
            complete = false;
            break;
        }
        stage.send(&message)?;
        sent += 1;
    }
    stage.settle()?;
    Ok(FeedReport { topics: stage.fed, seconds: began.elapsed().as_secs_f64(), complete })
}

/// How long after the beginning an instant of pipeline time is due.
fn due(speed: Speed, first: Time, now: Time) -> Duration {
    match speed {
        Speed::Max => Duration::ZERO,
        Speed::Times(times) => {
            let micros = now.0.saturating_sub(first.0).max(0) as f64 / times;
            Duration::try_from_secs_f64(micros / 1e6).unwrap_or(Duration::MAX)
        }
    }
}

/// The producer and what it sent.
struct Stage {
    producer: BaseProducer<Receipts>,
    fed: Vec<Fed>,
    since_served: usize,
}

impl Stage {
    fn open(broker: &Broker, topics: Vec<Topic>) -> Result<Stage, BrokerError> {
        let bytes = MESSAGE_BYTES.to_string();
        let defaults = [
            ("queue.buffering.max.kbytes", "65536"),
            ("linger.ms", "5"),
            ("message.max.bytes", bytes.as_str()),
            ("message.timeout.ms", "120000"),
        ];
        let fixed = [("enable.idempotence", "true"), ("acks", "all")];
        let producer = broker.client_with(&defaults, &fixed, Receipts::default())?;
        let empty =
            |Topic { name: topic, partitions }| Fed { topic, partitions, records: 0, tombstones: 0, undecoded: 0 };
        Ok(Stage { producer, fed: topics.into_iter().map(empty).collect(), since_served: 0 })
    }

    fn send(&mut self, message: &Message) -> Result<(), FeedError> {
        let fed = &mut self.fed[usize::from(message.source)];
        fed.records += 1;
        fed.tombstones += u64::from(message.value.is_none());
        fed.undecoded += u64::from(message.undecoded);
        let topic = fed.topic.clone();
        let placed_by = message.key.as_deref().unwrap_or_default();
        let mut record: BaseRecord<'_, str, [u8]> = BaseRecord::to(&topic)
            .partition(i32::from(partition_of(placed_by, fed.partitions)))
            .timestamp(stamp_of(message.time));
        record.key = message.key.as_deref();
        record.payload = message.value.as_deref();
        loop {
            match self.producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), same)) => {
                    record = same;
                    self.serve(Duration::from_millis(1))?;
                }
                Err((error, _)) => return Err(FeedError::Send { topic, cause: cause_of(&error) }),
            }
        }
        self.since_served += 1;
        if self.since_served >= 256 { self.serve(Duration::ZERO) } else { Ok(()) }
    }

    fn serve(&mut self, wait: Duration) -> Result<(), FeedError> {
        self.since_served = 0;
        self.producer.poll(wait);
        match self.producer.context().0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            None => Ok(()),
            Some((topic, cause)) => Err(FeedError::Send { topic, cause }),
        }
    }

    fn settle(&mut self) -> Result<(), FeedError> {
        while self.producer.in_flight_count() > 0 {
            self.serve(Duration::from_millis(1))?;
        }
        self.serve(Duration::ZERO)
    }
}

/// The first message that was refused: topic and cause.
#[derive(Default)]
struct Receipts(Mutex<Option<(String, String)>>);

impl ClientContext for Receipts {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        Narrator.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        Narrator.error(error, reason);
    }
}

impl ProducerContext for Receipts {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, message)) = result {
            let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert((message.topic().to_string(), cause_of(error)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_that_of_event_time() {
        let (first, now) = (Time(5_000_000), Time(3_605_000_000));
        assert_eq!(due(Speed::Times(1.0), first, now), Duration::from_secs(3600));
        assert_eq!(due(Speed::Times(100.0), first, now), Duration::from_secs(36));
        assert_eq!(due(Speed::Times(1.0), now, first), Duration::ZERO);
        assert_eq!(due(Speed::Times(1e-300), first, now), Duration::MAX);
        assert_eq!(due(Speed::Max, first, now), Duration::ZERO);
    }
}
