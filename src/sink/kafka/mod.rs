//! Kafka topics as a sink: one topic a stream, one idempotent producer on a thread of its own.
//!
//! In: a tick's pages, then its progress. Out: messages of `<pipeline>.<stream>` with explicit key, partition,
//! timestamp and headers; a tick's progress record is produced when all the tick's messages are acknowledged by all
//! in-sync replicas. Keeps: at most [`COMMANDS`] calls not yet taken, [`desk::TICKS`] ticks not yet acknowledged, and
//! librdkafka's queue (64 MiB). At least once: a run that is killed may leave messages of a tick that has no progress
//! record. Failures come up at the next call. Source: KIP-98 (idempotent producer), KIP-42 and 82 (timestamps,
//! headers).

mod desk;

use super::{Page, Sink, SinkError, Stream};
use crate::broker::{Broker, BrokerError, Topic};
use crate::time::Time;
use desk::{Command, Desk, Names};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

/// Calls that wait for the producer's thread at most; one more waits in [`Sink::write`].
const COMMANDS: usize = 16;

/// A run's output topics.
#[derive(Debug)]
pub struct KafkaSink {
    place: String,
    commands: SyncSender<Command>,
    thread: Option<JoinHandle<Result<(), SinkError>>>,
}

/// What a run writes to.
#[derive(Clone, Debug)]
pub struct Outputs<'a> {
    /// The pipeline's name: the prefix of the topics.
    pub pipeline: &'a str,
    /// The model's name, for the header `model`.
    pub model: &'a str,
    /// The sources' names, in the order of the pipeline file, for the header `source`.
    pub sources: &'a [String],
    /// Deletes topics that hold records, and begins anew.
    pub fresh: bool,
    /// Partitions of `predictions` when it is created, at least 1; the other topics have one. Topics that are there
    /// already keep theirs, also when they are made again, except `progress`, which must have one.
    pub partitions: u16,
}

impl KafkaSink {
    /// Creates the topics that are missing and opens the producer.
    ///
    /// Topics that hold records are [`SinkError::Occupied`] unless `fresh`; a cluster that does not answer in time is
    /// [`SinkError::Write`].
    pub fn create(broker: &Broker, outputs: &Outputs<'_>) -> Result<KafkaSink, SinkError> {
        let place = format!("topics `{}.*` at {}", outputs.pipeline, broker.bootstrap());
        let failed = |error: BrokerError| match error {
            BrokerError::Occupied { found } => SinkError::Occupied { place: place.clone(), found },
            other => SinkError::Write { place: place.clone(), cause: other.to_string() },
        };
        let admin = broker.admin().map_err(failed)?;
        let known = admin.partitions().map_err(failed)?;
        let topic = |stream: &Stream| {
            let name = format!("{}.{}", outputs.pipeline, stream.name());
            let partitions = match stream {
                Stream::Progress => 1,
                // Made again, a topic keeps what somebody chose for it.
                _ if known.contains_key(&name) => known[&name],
                Stream::Predictions => outputs.partitions.max(1),
                _ => 1,
            };
            Topic { name, partitions }
        };
        let topics: Vec<Topic> = Stream::ALL.iter().map(topic).collect();
        let topics = admin.prepare(&topics, outputs.fresh).map_err(failed)?;
        if let Some(progress) = topics.last().filter(|t| t.partitions != 1) {
            let cause = format!("topic `{}` has {} partitions, it must have 1", progress.name, progress.partitions);
            return Err(SinkError::Write { place, cause });
        }
        let names = Names { model: outputs.model.to_string(), sources: outputs.sources.to_vec() };
        let desk = Desk::open(broker, topics, names).map_err(failed)?;
        let (commands, receiver) = sync_channel(COMMANDS);
        let thread = thread::Builder::new()
            .name("kafka producer".to_string())
            .spawn(move || desk.run(&receiver))
            .map_err(|e| SinkError::Write { place: place.clone(), cause: e.to_string() })?;
        Ok(KafkaSink { place, commands, thread: Some(thread) })
    }

    fn order(&mut self, command: Command) -> Result<(), SinkError> {
        if self.commands.send(command).is_ok() { Ok(()) } else { self.outcome() }
    }

    /// Waits for the thread and says how it ended.
    fn outcome(&mut self) -> Result<(), SinkError> {
        let broken = |cause: &str| SinkError::Write { place: self.place.clone(), cause: cause.to_string() };
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(broken("the producer's thread panicked")),
            None => Err(broken("it failed before and is closed")),
        }
    }
}

impl Sink for KafkaSink {
    fn write(&mut self, tick: u64, pages: &[Page]) -> Result<(), SinkError> {
        self.order(Command::Write { tick, pages: pages.to_vec() })
    }

    fn commit(&mut self, tick: u64, time: Time, progress: &[u8]) -> Result<(), SinkError> {
        self.order(Command::Commit { tick, time, progress: progress.to_vec() })
    }

    fn close(mut self: Box<Self>) -> Result<(), SinkError> {
        self.order(Command::Close)?;
        self.outcome()
    }
}
