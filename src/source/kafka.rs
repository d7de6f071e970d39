//! Kafka topics as sources: every partition of every topic, read by static assignment, one thread a partition.
//!
//! In: a cluster, the declared sources, where to begin. Out: partitions, as [`super`] says. Keeps: one consumer for
//! all, and per partition at most [`QUEUED_BYTES`] of fetched messages and [`CHANNEL`] batches of [`BATCH`] records or
//! about [`BATCH_BYTES`]. No consumer group is joined and no offset is committed: where a run stands is in its own
//! progress. Only committed records are seen. Source: KIP-98 (transactions), librdkafka's `rd_kafka_assign` and
//! `rd_kafka_queue_get_partition`.

use super::{Batch, Delivery, Partition, Record, SourceError};
use crate::broker::{Broker, BrokerError, Narrator, cause_of};
use crate::config::spec::{Format, SourceSpec};
use crate::feature::check::Checks;
use crate::record::Position;
use crate::record::decode::Decoder;
use crate::time::Time;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Records in a batch at most.
const BATCH: usize = 1024;
/// Batches that wait to be taken at most, a partition.
const CHANNEL: usize = 4;
/// A batch of records with more bytes than this is handed over as it is.
const BATCH_BYTES: usize = 1 << 20;
/// Fetched messages that wait at most, a partition.
pub const QUEUED_BYTES: usize = 16 << 20;
/// How long a record waits for others to share its batch.
const LINGER: Duration = Duration::from_millis(2);
/// How often a silent partition looks whether the run is to stop.
const IDLE: Duration = Duration::from_millis(50);

/// Where a partition is read to.
#[derive(Clone, Debug)]
pub struct Extent {
    /// To the end as it is when the source is opened (of committed records), and no further.
    pub until_end: bool,
    /// Set when the run is to stop: what was received is handed over, then the end.
    pub stop: Arc<AtomicBool>,
}

/// The Kafka source.
#[derive(Debug)]
pub struct KafkaSource;

impl KafkaSource {
    /// Opens every partition of each source's topic.
    ///
    /// `start(source, partition)` is the first offset wanted, `None` for the topic's beginning. `wake` is called after
    /// each delivery, from the partition's thread. An offset that is no longer there, a missing topic and a cluster
    /// that does not answer in time are [`SourceError::Open`].
    pub fn open(
        broker: &Broker,
        sources: &[SourceSpec],
        start: &dyn Fn(u16, u16) -> Option<u64>,
        extent: &Extent,
        max_record_bytes: usize,
        wake: impl Fn() + Send + Clone + 'static,
    ) -> Result<Vec<Partition>, SourceError> {
        let consumer = Arc::new(connect(broker).map_err(|e| whole(sources, broker, &e))?);
        let known = broker.partitions(&consumer).map_err(|e| whole(sources, broker, &e))?;
        let plans = plan(&consumer, sources, start, &known, broker)?;

        let mut assignment = TopicPartitionList::new();
        let mut readers = Vec::with_capacity(plans.len());
        let mut partitions = Vec::with_capacity(plans.len());
        for plan in plans {
            let topic = &sources[usize::from(plan.source)].topic;
            // Split first, assign afterwards: a queue that is split is left alone by the assignment, while the other
            // order lets the first messages go to the consumer's own queue.
            let queue = consumer.split_partition_queue(topic, i32::from(plan.partition));
            let queue = queue.ok_or_else(|| plan.refused(sources, "the client has no queue for it"))?;
            assignment
                .add_partition_offset(topic, i32::from(plan.partition), Offset::Offset(plan.next as i64))
                .map_err(|e| plan.refused(sources, &cause_of(&e)))?;
            let spec = &sources[usize::from(plan.source)];
            let (sender, deliveries) = sync_channel(CHANNEL);
            let (source, partition, backlog) = (plan.source, plan.partition, !extent.until_end);
            partitions.push(Partition { source, partition, backlog, deliveries });
            readers.push(Reader {
                decoder: Decoder::new(spec, spec.format.unwrap_or(Format::Json), max_record_bytes),
                checks: Checks::of(spec),
                name: spec.name.value.clone(),
                place: format!("{topic}/{}", plan.partition),
                plan,
                until_end: extent.until_end,
                stop: Arc::clone(&extent.stop),
                queue,
                outlet: Outlet { sender, wake: wake.clone() },
            });
        }
        if !assignment.elements().is_empty() {
            consumer.assign(&assignment).map_err(|e| whole(sources, broker, &e))?;
        }
        start_threads(consumer, readers).map_err(|e| whole(sources, broker, &e))?;
        Ok(partitions)
    }
}

/// One partition to be read.
struct Plan {
    source: u16,
    partition: u16,
    next: u64,
    /// The end of what is committed when the source is opened.
    end: u64,
}

impl Plan {
    fn gone(&self, sources: &[SourceSpec], end: u64, found: String) -> SourceError {
        let spec = &sources[usize::from(self.source)];
        let place = format!("topic `{}` partition {}", spec.topic, self.partition);
        SourceError::Gone { source_name: spec.name.value.clone(), place, end, found }
    }

    fn refused(&self, sources: &[SourceSpec], cause: &str) -> SourceError {
        let spec = &sources[usize::from(self.source)];
        open_error(spec, format!("topic `{}` partition {}", spec.topic, self.partition), cause)
    }
}

fn open_error(spec: &SourceSpec, place: String, cause: &str) -> SourceError {
    SourceError::Open { source_name: spec.name.value.clone(), place, cause: cause.to_string() }
}

/// What keeps all sources from being opened, told of the first.
fn whole(sources: &[SourceSpec], broker: &Broker, cause: &dyn std::fmt::Display) -> SourceError {
    let (source_name, topic) = sources.first().map_or((String::new(), String::new()), |s| {
        (s.name.value.clone(), format!("topic `{}` at {}", s.topic, broker.bootstrap()))
    });
    SourceError::Open { source_name, place: topic, cause: cause.to_string() }
}

fn connect(broker: &Broker) -> Result<BaseConsumer<Narrator>, BrokerError> {
    let defaults = [
        // Static assignment needs a name of a group, but joins none.
        ("group.id", "tidemill"),
        ("queued.max.messages.kbytes", &(QUEUED_BYTES >> 10).to_string()),
        ("queued.min.messages", "10000"),
        ("fetch.wait.max.ms", "100"),
    ];
    let fixed = [
        ("isolation.level", "read_committed"),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("allow.auto.create.topics", "false"),
        // An offset that is not there is told, never skipped.
        ("auto.offset.reset", "error"),
        ("enable.partition.eof", "true"),
    ];
    broker.client(&defaults, &fixed)
}

/// Which partitions there are, and from where to where each is read.
fn plan(
    consumer: &BaseConsumer<Narrator>,
    sources: &[SourceSpec],
    start: &dyn Fn(u16, u16) -> Option<u64>,
    known: &BTreeMap<String, u16>,
    broker: &Broker,
) -> Result<Vec<Plan>, SourceError> {
    let mut plans = Vec::new();
    for (index, spec) in sources.iter().enumerate() {
        let topic = format!("topic `{}`", spec.topic);
        if let Some(other) = sources[..index].iter().find(|s| s.topic == spec.topic) {
            let cause = format!("source `{}` reads it already", other.name.value);
            return Err(open_error(spec, topic, &cause));
        }
        let Some(&partitions) = known.get(&spec.topic) else {
            let cause = format!(
                "there is no such topic at {}; create it, or fill it with `tidemill feed PIPELINE --kafka {0}`",
                broker.bootstrap()
            );
            return Err(open_error(spec, topic, &cause));
        };
        for partition in 0..partitions {
            let source = u16::try_from(index).unwrap_or(u16::MAX);
            let mut plan = Plan { source, partition, next: 0, end: 0 };
            // With read_committed the second mark is the end of what is committed: a transaction that is open now is
            // not waited for.
            let marks = consumer.fetch_watermarks(&spec.topic, i32::from(partition), crate::broker::DEADLINE);
            let (low, high) = marks.map_err(|e| plan.refused(sources, &cause_of(&e)))?;
            let (low, high) = (low.max(0) as u64, high.max(0) as u64);
            plan.next = match start(source, partition) {
                None => low,
                Some(wanted) if wanted < low => return Err(plan.gone(sources, wanted, format!("begins at {low}"))),
                Some(wanted) if wanted > high => return Err(plan.gone(sources, wanted, format!("ends at {high}"))),
                Some(wanted) => wanted,
            };
            plan.end = high;
            plans.push(plan);
        }
    }
    Ok(plans)
}

/// Starts the partitions' threads, and one that serves the consumer's own events for as long as any of them runs.
fn start_threads<W: Fn() + Send + 'static>(
    consumer: Arc<BaseConsumer<Narrator>>,
    readers: Vec<Reader<W>>,
) -> std::io::Result<()> {
    let running = Arc::new(());
    for reader in readers {
        let token = Arc::clone(&running);
        thread::Builder::new().name(format!("read {}", reader.place)).spawn(move || {
            reader.run();
            drop(token);
        })?;
    }
    // It drops the consumer last: a consumer is closed by its last owner, which must not be a thread that still holds a
    // queue of its.
    thread::Builder::new().name("kafka events".to_string()).spawn(move || {
        while Arc::strong_count(&running) > 1 {
            match consumer.poll(IDLE) {
                None => {}
                // Every partition was split before it was assigned.
                Some(Ok(message)) => tracing::error!(topic = message.topic(), "kafka message outside its partition"),
                // Of the whole client; librdkafka tries again by itself, and a partition's own errors come by its
                // queue.
                Some(Err(error)) => tracing::debug!(cause = cause_of(&error), "kafka consumer"),
            }
        }
    })?;
    Ok(())
}

/// Where a partition's batches go.
struct Outlet<W> {
    sender: SyncSender<Delivery>,
    wake: W,
}

impl<W: Fn()> Outlet<W> {
    /// Waits for room; whether anybody still listens.
    fn hand_over(&self, delivery: Delivery) -> bool {
        let taken = self.sender.send(delivery).is_ok();
        (self.wake)();
        taken
    }
}

/// One partition's thread.
struct Reader<W> {
    decoder: Decoder,
    checks: Checks,
    name: String,
    place: String,
    plan: Plan,
    until_end: bool,
    stop: Arc<AtomicBool>,
    queue: PartitionQueue<Narrator>,
    outlet: Outlet<W>,
}

impl<W: Fn()> Reader<W> {
    fn run(mut self) {
        let last = match self.read() {
            Ok(()) => Delivery::End,
            Err(error) => Delivery::Failed(error),
        };
        // Nobody listens any more: then nobody misses it.
        let _ = self.outlet.hand_over(last);
    }

    fn read(&mut self) -> Result<(), SourceError> {
        let (mut records, mut bytes) = (Vec::new(), 0);
        let mut first = Instant::now();
        let mut told = false;
        loop {
            let caught_up = self.plan.next >= self.plan.end;
            let ended = self.until_end && caught_up || self.stop.load(Ordering::Acquire);
            let due = records.len() >= BATCH || bytes >= BATCH_BYTES || first.elapsed() >= LINGER || caught_up && !told;
            if (ended || due) && !records.is_empty() {
                let batch = Batch { arrived: Instant::now(), records: std::mem::take(&mut records) };
                bytes = 0;
                if !self.outlet.hand_over(Delivery::Batch(batch)) {
                    return Ok(());
                }
            }
            if ended {
                return Ok(());
            }
            if caught_up && !told {
                told = true;
                if !self.outlet.hand_over(Delivery::CaughtUp) {
                    return Ok(());
                }
            }
            let wait = if records.is_empty() { IDLE } else { LINGER.saturating_sub(first.elapsed()) };
            match self.queue.poll(wait) {
                None => {}
                Some(Ok(message)) => {
                    let offset = message.offset().max(0) as u64;
                    self.plan.next = offset + 1;
                    // The last offsets before the end may be marks of transactions or aborted records, which are never
                    // shown: then the first record past the end tells that it was passed.
                    if !self.until_end || offset < self.plan.end {
                        if records.is_empty() {
                            first = Instant::now();
                        }
                        bytes += message.key_len() + message.payload_len();
                        records.push(record((&mut self.decoder, &self.checks), &self.plan, &message));
                    }
                }
                // All that was committed has been shown, at least as much as when the source was opened.
                Some(Err(KafkaError::PartitionEOF(_))) => self.plan.next = self.plan.next.max(self.plan.end),
                Some(Err(error)) if passes(&error) => {
                    tracing::warn!(place = self.place, cause = cause_of(&error), "kafka partition");
                }
                Some(Err(error)) => {
                    if !records.is_empty() {
                        let batch = Batch { arrived: Instant::now(), records };
                        self.outlet.hand_over(Delivery::Batch(batch));
                    }
                    return Err(SourceError::Read {
                        source_name: self.name.clone(),
                        place: format!("topic {}", self.place),
                        offset: self.plan.next,
                        cause: cause_of(&error),
                    });
                }
            }
        }
    }
}

fn record(reading: (&mut Decoder, &Checks), plan: &Plan, message: &BorrowedMessage<'_>) -> Record {
    let position = Position { source: plan.source, partition: plan.partition, offset: message.offset().max(0) as u64 };
    let stamp = message.timestamp().to_millis().and_then(|ms| ms.checked_mul(1000)).map(Time);
    Record::decode(reading, position, message.key(), message.payload(), stamp)
}

/// Whether librdkafka tries again by itself.
fn passes(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::RequestTimedOut
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::NetworkException
                | RDKafkaErrorCode::CoordinatorLoadInProgress
                | RDKafkaErrorCode::CoordinatorNotAvailable
                | RDKafkaErrorCode::FencedLeaderEpoch
                | RDKafkaErrorCode::UnknownLeaderEpoch
        )
    )
}
