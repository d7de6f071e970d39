//! The producer's thread: takes a run's writes and commits in order, and sees to it that progress comes last.
//!
//! In: commands. Out: messages. Keeps: for every tick that is not yet acknowledged, how many of its messages are on
//! their way. Here is where a transaction a group of ticks will begin and commit: everything that is produced passes
//! [`Desk::take`] and [`Desk::advance`], on one thread, by one producer.

use super::super::{Entry, Headers, Page, SinkError, Stream};
use crate::broker::{Broker, BrokerError, MESSAGE_BYTES, Narrator, Topic, cause_of, partition_of, stamp_of};
use crate::time::Time;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Ticks whose messages are on their way at most; further commands wait.
pub(super) const TICKS: usize = 64;
/// The mark of progress messages; ticks are marked from 1.
const PROGRESS: usize = 0;
/// The longest value of a dead letter that is kept whole.
const VALUE_BYTES: usize = MESSAGE_BYTES as usize - (64 << 10);

/// What the thread is told.
pub(super) enum Command {
    Write { tick: u64, pages: Vec<Page> },
    Commit { tick: u64, time: Time, progress: Vec<u8> },
    Close,
}

/// What numbers stand for in headers.
pub(super) struct Names {
    pub(super) model: String,
    /// By place in the pipeline file.
    pub(super) sources: Vec<String>,
}

/// The thread's state.
pub(super) struct Desk {
    producer: BaseProducer<Ledger>,
    /// By stream, in the order of [`Stream::ALL`].
    topics: Vec<Topic>,
    /// The pipeline's model and sources, for headers.
    names: Names,
    ticks: VecDeque<Tick>,
    /// The mark of the newest tick.
    mark: usize,
    /// Progress messages on their way.
    unsettled: usize,
}

/// A tick whose progress is not produced yet.
struct Tick {
    mark: usize,
    /// Messages on their way.
    outstanding: usize,
    /// Number, pipeline time and progress record, once it is committed.
    progress: Option<(u64, Time, Vec<u8>)>,
}

impl Desk {
    pub(super) fn open(broker: &Broker, topics: Vec<Topic>, names: Names) -> Result<Desk, BrokerError> {
        assert!(topics.len() == Stream::ALL.len(), "a topic for each stream");
        let bytes = MESSAGE_BYTES.to_string();
        let defaults = [
            ("queue.buffering.max.kbytes", "65536"),
            ("linger.ms", "2"),
            ("message.max.bytes", bytes.as_str()),
            ("message.timeout.ms", "120000"),
        ];
        let fixed = [("enable.idempotence", "true"), ("acks", "all")];
        let producer = broker.client_with(&defaults, &fixed, Ledger::default())?;
        Ok(Desk { producer, topics, names, ticks: VecDeque::new(), mark: PROGRESS, unsettled: 0 })
    }

    /// Works until it is told to close and everything is acknowledged, until nobody can tell it anything, or until a
    /// message is refused.
    pub(super) fn run(mut self, commands: &Receiver<Command>) -> Result<(), SinkError> {
        let mut closing = false;
        loop {
            let idle = self.ticks.iter().all(|t| t.outstanding == 0) && self.unsettled == 0;
            if closing && idle {
                return Ok(());
            }
            let command = if closing || self.ticks.len() >= TICKS {
                None
            } else if idle {
                match commands.recv_timeout(Duration::from_millis(100)) {
                    Ok(command) => Some(command),
                    Err(RecvTimeoutError::Timeout) => None,
                    Err(RecvTimeoutError::Disconnected) => return Ok(()),
                }
            } else {
                match commands.try_recv() {
                    Ok(command) => Some(command),
                    Err(TryRecvError::Empty) => None,
                    Err(TryRecvError::Disconnected) => return Ok(()),
                }
            };
            let waiting = command.is_none() && !idle;
            match command {
                Some(Command::Close) => closing = true,
                Some(command) => self.take(command)?,
                None => {}
            }
            self.serve(if waiting { Duration::from_millis(1) } else { Duration::ZERO })?;
            self.advance()?;
        }
    }

    /// Produces a tick's pages, or takes note of its progress.
    fn take(&mut self, command: Command) -> Result<(), SinkError> {
        match command {
            Command::Close => {}
            Command::Commit { tick, time, progress } => self.open_tick().progress = Some((tick, time, progress)),
            Command::Write { tick, pages } => {
                let mark = self.open_tick().mark;
                let label = tick.to_string();
                for page in &pages {
                    let mut begin = 0;
                    for entry in &page.entries {
                        let end = entry.end as usize;
                        let line = page.lines[begin..end].strip_suffix(b"\n").unwrap_or(&page.lines[begin..end]);
                        begin = end;
                        let message = message_of(entry, line, &label, &self.names);
                        self.send(page.stream, mark, entry.key.as_str(), entry.time, message)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The tick that is being written.
    fn open_tick(&mut self) -> &mut Tick {
        if self.ticks.back().is_none_or(|t| t.progress.is_some()) {
            self.mark += 1;
            self.ticks.push_back(Tick { mark: self.mark, outstanding: 0, progress: None });
        }
        self.ticks.back_mut().unwrap_or_else(|| unreachable!("it was just pushed"))
    }

    /// Produces the progress of ticks whose messages are all acknowledged, in order.
    fn advance(&mut self) -> Result<(), SinkError> {
        while let Some(front) = self.ticks.front_mut().filter(|t| t.outstanding == 0) {
            let Some((tick, time, progress)) = front.progress.take() else { return Ok(()) };
            self.ticks.pop_front();
            let headers = plain(&tick.to_string());
            let message = Content { key: None, value: Some(&progress), headers };
            self.send(Stream::Progress, PROGRESS, "", time, message)?;
        }
        Ok(())
    }

    fn send(
        &mut self,
        stream: Stream,
        mark: usize,
        placed_by: &str,
        time: Time,
        content: Content<'_>,
    ) -> Result<(), SinkError> {
        let topic = self.topics[stream as usize].clone();
        let mut record: BaseRecord<'_, [u8], [u8], usize> = BaseRecord::with_opaque_to(&topic.name, mark)
            .partition(i32::from(partition_of(placed_by, topic.partitions)))
            .timestamp(stamp_of(time))
            .headers(content.headers);
        record.key = content.key;
        record.payload = content.value;
        loop {
            match self.producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), same)) => {
                    record = same;
                    self.serve(Duration::from_millis(1))?;
                }
                Err((error, _)) => return Err(refused(&topic.name, error.rdkafka_error_code(), &cause_of(&error))),
            }
        }
        match self.ticks.iter_mut().rev().find(|t| t.mark == mark) {
            Some(tick) => tick.outstanding += 1,
            None => self.unsettled += 1,
        }
        Ok(())
    }

    /// Lets librdkafka report, and books what was acknowledged.
    fn serve(&mut self, wait: Duration) -> Result<(), SinkError> {
        self.producer.poll(wait);
        let booked = std::mem::take(&mut *self.producer.context().0.lock().unwrap_or_else(PoisonError::into_inner));
        for (mark, acknowledged) in booked.acknowledged {
            match self.ticks.iter_mut().find(|t| t.mark == mark) {
                Some(tick) => tick.outstanding -= acknowledged,
                None => self.unsettled -= acknowledged,
            }
        }
        match booked.failure {
            None => Ok(()),
            Some((topic, code, cause)) => Err(refused(&topic, code, &cause)),
        }
    }
}

fn refused(topic: &str, code: Option<RDKafkaErrorCode>, cause: &str) -> SinkError {
    match code {
        Some(RDKafkaErrorCode::Fenced | RDKafkaErrorCode::ProducerFenced | RDKafkaErrorCode::InvalidProducerEpoch) => {
            SinkError::Fenced { place: format!("topic `{topic}`") }
        }
        _ => SinkError::Write { place: format!("topic `{topic}`"), cause: cause.to_string() },
    }
}

/// Key, value and headers of a message.
struct Content<'a> {
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: OwnedHeaders,
}

fn plain(tick: &str) -> OwnedHeaders {
    OwnedHeaders::new().insert(Header { key: "tick", value: Some(tick) })
}

fn message_of<'a>(entry: &'a Entry, line: &'a [u8], tick: &str, names: &Names) -> Content<'a> {
    let with = |headers: OwnedHeaders, key: &str, value: &str| headers.insert(Header { key, value: Some(value) });
    let headers = plain(tick);
    let key = (!entry.key.is_empty()).then_some(entry.key.as_bytes());
    match &entry.headers {
        Headers::Plain => Content { key, value: Some(line), headers },
        Headers::Version { version, role } => {
            let headers = with(headers, "model", &names.model);
            let headers = with(headers, "version", &version.to_string());
            Content { key, value: Some(line), headers: with(headers, "role", role.word()) }
        }
        Headers::Dead(letter) => {
            let source = names.sources.get(usize::from(letter.position.source)).map_or("", String::as_str);
            let headers = with(headers, "source", source);
            let headers = with(headers, "partition", &letter.position.partition.to_string());
            let headers = with(headers, "offset", &letter.position.offset.to_string());
            let headers = with(headers, "stage", &letter.stage);
            let mut headers = with(headers, "reason", letter.reason.word());
            let mut value = letter.raw.value.as_deref();
            // No topic takes more; what is cut is told.
            if let Some(whole) = value.filter(|v| v.len() > VALUE_BYTES) {
                headers = with(headers, "cut_from", &whole.len().to_string());
                value = Some(&whole[..VALUE_BYTES]);
            }
            Content { key: letter.raw.key.as_deref(), value, headers }
        }
    }
}

/// What librdkafka reported and the thread has not booked yet.
#[derive(Default)]
struct Booked {
    /// Messages acknowledged, by mark.
    acknowledged: BTreeMap<usize, usize>,
    /// The first failure: topic, code, cause.
    failure: Option<(String, Option<RDKafkaErrorCode>, String)>,
}

/// Takes delivery reports down.
#[derive(Default)]
struct Ledger(Mutex<Booked>);

impl ClientContext for Ledger {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        Narrator.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
            let mut booked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            booked.failure.get_or_insert(("*".to_string(), Some(RDKafkaErrorCode::Fatal), reason.to_string()));
        }
        Narrator.error(error, reason);
    }
}

impl ProducerContext for Ledger {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, mark: usize) {
        let mut booked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(_) => *booked.acknowledged.entry(mark).or_default() += 1,
            Err((error, message)) => {
                let failure = (message.topic().to_string(), error.rdkafka_error_code(), cause_of(error));
                booked.failure.get_or_insert(failure);
            }
        }
    }
}
