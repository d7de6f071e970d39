//! The producer at work: a group of ticks as one transaction.
//!
//! In: ticks, and when to commit. Out: messages, which nobody with `read_committed` sees before the commit. A producer
//! is not used again after any failure: what was not committed is aborted, here or by the coordinator, and made again
//! by whoever starts next. Limits: a commit must be through within [`COMMIT`].

use super::super::desk::Work;
use super::Names;
use super::message::{Content, message_of, progress_of};
use crate::broker::{Narrator, Topic, cause_of, partition_of, stamp_of};
use crate::fault::point;
use crate::sink::{SinkError, Stream, Written};
use crate::time::Time;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long the messages of a group, and then its commit, may take.
const COMMIT: Duration = Duration::from_secs(60);
/// How long taking back a group may take, which the coordinator does by itself in the end.
const ABORT: Duration = Duration::from_secs(10);

/// The thread's state.
pub(super) struct Transactions {
    place: String,
    producer: BaseProducer<Ledger>,
    topics: BTreeMap<Stream, Topic>,
    names: Names,
    open: bool,
}

impl Transactions {
    /// With a producer that has claimed its name.
    pub(super) fn new(
        place: String,
        producer: BaseProducer<Ledger>,
        topics: BTreeMap<Stream, Topic>,
        names: Names,
    ) -> Transactions {
        Transactions { place, producer, topics, names, open: false }
    }

    fn send(&self, stream: Stream, placed_by: &str, time: Time, content: Content<'_>) -> Result<(), SinkError> {
        let topic = self.topics.get(&stream);
        let topic = topic.unwrap_or_else(|| unreachable!("a run has records of its own streams only"));
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&topic.name)
            .partition(i32::from(partition_of(placed_by, topic.partitions)))
            .timestamp(stamp_of(time))
            .headers(content.headers);
        record.key = content.key;
        record.payload = content.value;
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), same)) => {
                    record = same;
                    self.producer.poll(Duration::from_millis(1));
                }
                Err((error, _)) => return Err(self.give_up(&error, Some(&topic.name))),
            }
        }
    }

    /// What a failure comes to, after the group was taken back if it can be.
    fn give_up(&self, error: &KafkaError, topic: Option<&str>) -> SinkError {
        // The aborting itself fails all messages: what was reported before it is the cause.
        let reported = self.producer.context().failure();
        let fenced = || SinkError::Fenced { place: self.place.clone() };
        if is_fenced(error) || self.is_fenced() {
            return fenced();
        }
        let committing = matches!(error, KafkaError::Transaction(e) if !e.txn_requires_abort());
        if committing {
            return SinkError::Unknown { place: self.place.clone(), cause: cause_of(error) };
        }
        // A producer whose successor has started may learn it only here.
        let aborted = self.producer.abort_transaction(ABORT);
        if aborted.is_err_and(|e| is_fenced(&e)) || self.is_fenced() {
            return fenced();
        }
        let (topic, code, cause) = match reported {
            Some((topic, code, cause)) => (Some(topic), code, cause),
            None => (topic.map(str::to_owned), error.rdkafka_error_code(), cause_of(error)),
        };
        let place = topic.map_or_else(|| self.place.clone(), |topic| format!("topic `{topic}`"));
        match code.is_some_and(passes) {
            true => SinkError::Unknown { place, cause },
            false => SinkError::Write { place, cause },
        }
    }

    fn is_fenced(&self) -> bool {
        self.producer.client().fatal_error().is_some_and(|(code, _)| is_fencing(code))
    }
}

impl Work for Transactions {
    fn take(&mut self, written: Written) -> Result<(), SinkError> {
        if !self.open {
            self.producer.begin_transaction().map_err(|error| self.give_up(&error, None))?;
            self.open = true;
        }
        let label = written.tick.to_string();
        for page in &written.pages {
            let mut begin = 0;
            for entry in &page.entries {
                let end = entry.end as usize;
                let line = page.lines[begin..end].strip_suffix(b"\n").unwrap_or(&page.lines[begin..end]);
                begin = end;
                let message = message_of(entry, line, &label, &self.names);
                self.send(page.stream, entry.key.as_str(), entry.time, message)?;
            }
        }
        point("tick.produced");
        let progress = progress_of(written.progress.as_bytes(), &label, &self.names);
        self.send(Stream::Progress, "", written.time, progress)?;
        point("progress.produced");
        // Lets librdkafka report what is acknowledged.
        self.producer.poll(Duration::ZERO);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), SinkError> {
        point("commit.before");
        self.producer.commit_transaction(COMMIT).map_err(|error| self.give_up(&error, None))?;
        point("commit.after");
        self.open = false;
        Ok(())
    }
}

/// Whether another producer has taken the name over.
pub(super) fn is_fenced(error: &KafkaError) -> bool {
    let code = match error {
        KafkaError::Transaction(error) => Some(error.code()),
        other => other.rdkafka_error_code(),
    };
    code.is_some_and(is_fencing)
}

fn is_fencing(code: RDKafkaErrorCode) -> bool {
    matches!(code, RDKafkaErrorCode::Fenced | RDKafkaErrorCode::ProducerFenced)
}

/// Whether the same may go well another time.
fn passes(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::MessageTimedOut
            | Code::OperationTimedOut
            | Code::RequestTimedOut
            | Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::NetworkException
            | Code::Resolve
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::NotEnoughReplicas
            | Code::NotEnoughReplicasAfterAppend
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::NotCoordinator
            | Code::InvalidProducerEpoch
            | Code::InvalidProducerIdMapping
            | Code::InvalidTransactionalState
            | Code::UnknownProducerId
            | Code::PurgeQueue
            | Code::PurgeInflight
    )
}

/// A message that was not taken: topic, code, cause.
type Refused = (String, Option<RDKafkaErrorCode>, String);

/// Takes down the first message that was not taken.
#[derive(Default)]
pub(super) struct Ledger(Mutex<Option<Refused>>);

impl Ledger {
    fn failure(&self) -> Option<Refused> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ClientContext for Ledger {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        Narrator.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        Narrator.error(error, reason);
    }
}

impl ProducerContext for Ledger {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, message)) = result {
            let mut refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            refused.get_or_insert_with(|| (message.topic().to_owned(), error.rdkafka_error_code(), cause_of(error)));
        }
    }
}
