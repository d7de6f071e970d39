//! Kafka topics as a sink: one topic a stream, one transactional producer on a thread of its own.
//!
//! In: ticks. Out: messages of `<pipeline>.<stream>` with explicit key, partition, timestamp and headers; all messages
//! of a group of ticks and their progress records are one transaction. A reader with `read_committed` sees a tick whole
//! or not at all, and each once. Keeps: the open group, librdkafka's queue (64 MiB).
//!
//! A run first *claims* its topics: from then on no other producer of the pipeline can commit anything (it is fenced),
//! so what is read of `progress` afterwards is all there will ever be of earlier runs. Source: KIP-98 and 360
//! (transactions), KIP-42 and 82 (timestamps, headers).

mod committed;
mod message;
mod transactions;

use super::compare::{Compare, Stored, StoredRecord};
use super::desk::Desk;
use super::folder::Former;
use super::{Sink, SinkError, Stream};
use crate::broker::{Admin, Broker, BrokerError, MESSAGE_BYTES, Topic, cause_of, partition_of};
use crate::config::spec::Publish;
use crate::fault::point;
use message::message_of;
use rdkafka::producer::{BaseProducer, Producer};
use std::collections::BTreeMap;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;
use transactions::{Ledger, Transactions, is_fenced};

/// How long a coordinator may take to end what a predecessor left open.
const FENCING: Duration = Duration::from_secs(60);
/// Records of a partition that are read before they are compared.
const READ_AHEAD: usize = 1024;

/// What a run writes to.
#[derive(Clone, Debug)]
pub struct Outputs<'a> {
    /// The pipeline's name: the prefix of the topics.
    pub pipeline: &'a str,
    /// The models' names, for the header `model`.
    pub models: &'a [String],
    /// The sources' names, in the order of the pipeline file, for the header `source`.
    pub sources: &'a [String],
    /// The digest of the pipeline as it was declared; a progress record has it as its header `pipeline`.
    pub spec: &'a str,
    /// Those of what it was before it was changed.
    pub before: &'a [Former],
    /// What is published beside the streams of every run.
    pub publish: &'a [Publish],
    /// What the run that is there published beside them.
    pub former: &'a [Publish],
    /// Deletes topics that hold records, those of `former` too, and begins anew.
    pub fresh: bool,
    /// Partitions of `predictions` when it is created, at least 1; the other topics have one. Topics that are there
    /// already keep theirs, also when they are made again, except `progress`, which must have one.
    pub partitions: u16,
}

/// What numbers stand for in headers, and what is said of the run.
struct Names {
    models: Vec<String>,
    /// By place in the pipeline file.
    sources: Vec<String>,
    spec: String,
}

/// The topics of a run, which no earlier run can write any more.
pub struct Claim {
    place: String,
    admin: Admin,
    producer: BaseProducer<Ledger>,
    /// As they are to be.
    topics: BTreeMap<Stream, Topic>,
    names: Names,
    /// The topics of the former run which this one has not; they go if it is `fresh`.
    gone: Vec<String>,
    fresh: bool,
    progress: Vec<String>,
}

/// Claims the output topics of a pipeline and reads what is committed there; nothing is created yet.
///
/// # Errors
/// [`SinkError::Occupied`] if there are records that no progress tells of, and [`SinkError::Foreign`] if they are
/// another pipeline's, unless `fresh`; [`SinkError::Write`] if the cluster does not answer in time.
pub fn claim(broker: &Broker, outputs: &Outputs<'_>) -> Result<Claim, SinkError> {
    let place = format!("topics `{}.*` at {}", outputs.pipeline, broker.bootstrap());
    let failed = |error: BrokerError| SinkError::Write { place: place.clone(), cause: error.to_string() };
    let admin = broker.admin().map_err(failed)?;
    let producer = producer(broker, outputs.pipeline).map_err(failed)?;
    point("init.before");
    producer.init_transactions(FENCING).map_err(|error| match is_fenced(&error) {
        true => SinkError::Fenced { place: place.clone() },
        false => SinkError::Write { place: place.clone(), cause: cause_of(&error) },
    })?;
    point("init.after");
    let known = admin.partitions().map_err(failed)?;
    let topics = topics(outputs, &known);
    if let Some(progress) = topics.get(&Stream::Progress).filter(|t| t.partitions != 1) {
        let cause = format!("topic `{}` has {} partitions, it must have 1", progress.name, progress.partitions);
        return Err(SinkError::Write { place, cause });
    }
    let progress = match outputs.fresh {
        true => Vec::new(),
        false => read_progress(broker, outputs, &place, &topics, &known)?,
    };
    if let Some(last) = progress.last() {
        // Asked for since then.
        let new = |stream: Stream| !Stream::of(&[]).contains(&stream) && !counts(last, stream);
        let begun = topics.iter().filter(|(stream, topic)| new(**stream) && known.contains_key(&topic.name));
        begun.map(|(_, topic)| topic).try_for_each(|topic| check_empty(broker, topic, &place))?;
    }
    let names = outputs.names();
    let gone = Stream::of(outputs.former).into_iter().filter(|stream| !topics.contains_key(stream));
    let gone = gone.map(|stream| topic(outputs, stream)).filter(|name| known.contains_key(name)).collect();
    Ok(Claim { place, admin, producer, topics, names, gone, fresh: outputs.fresh, progress })
}

/// What is committed in the output topics of a pipeline, whoever may be writing there: the progress records.
///
/// # Errors
/// As [`claim`], or a transaction that stays open.
pub fn committed(broker: &Broker, outputs: &Outputs<'_>) -> Result<Vec<String>, SinkError> {
    let place = format!("topics `{}.*` at {}", outputs.pipeline, broker.bootstrap());
    let failed = |error: BrokerError| SinkError::Write { place: place.clone(), cause: error.to_string() };
    let known = broker.admin().and_then(|admin| admin.partitions()).map_err(failed)?;
    read_progress(broker, outputs, &place, &topics(outputs, &known), &known)
}

/// A sink that compares what it is given with what is committed in the output topics of a pipeline.
///
/// # Errors
/// [`SinkError::Write`] if the cluster does not answer in time.
pub fn compare(broker: &Broker, outputs: &Outputs<'_>) -> Result<Box<dyn Sink>, SinkError> {
    let place = || format!("topics `{}.*` at {}", outputs.pipeline, broker.bootstrap());
    let failed = |error: BrokerError| SinkError::Write { place: place(), cause: error.to_string() };
    let known = broker.admin().and_then(|admin| admin.partitions()).map_err(failed)?;
    let topics = topics(outputs, &known);
    let all = |(stream, topic): (&Stream, &Topic)| {
        let partitions = (0..topic.partitions).map(|partition| stored(broker, &topic.name, partition));
        Ok((*stream, partitions.collect::<Result<Vec<Stored>, SinkError>>()?))
    };
    let outputs_only = topics.iter().filter(|(stream, _)| **stream != Stream::Progress);
    let streams: Result<BTreeMap<Stream, Vec<Stored>>, SinkError> = outputs_only.map(all).collect();
    let names = outputs.names();
    let placed = move |stream: Stream, entry: &super::Entry, line: &[u8]| {
        let partition = partition_of(entry.key.as_str(), topics.get(&stream).map_or(1, |topic| topic.partitions));
        (usize::from(partition), message_of(entry, line, "", &names).value.unwrap_or_default().to_vec())
    };
    Ok(Box::new(Compare::new(streams?, Box::new(placed))))
}

/// The committed records of a partition, read on a thread of their own for as long as somebody wants them.
fn stored(broker: &Broker, topic: &str, partition: u16) -> Result<Stored, SinkError> {
    let place = format!("topic `{topic}`, partition {partition}");
    let (sender, records) = sync_channel(READ_AHEAD);
    let (broker, topic) = (broker.clone(), topic.to_owned());
    let read = move || {
        let see = |message: committed::Committed| {
            sender.send(Ok(StoredRecord { tick: message.tick, value: message.value })).is_ok()
        };
        if let Err(cause) = committed::read(&broker, &topic, partition, see) {
            // Nobody wants to know it any more if nobody listens.
            let _ = sender.send(Err(cause));
        }
    };
    let started = thread::Builder::new().name(format!("stored-{partition}")).spawn(read);
    started.map_err(|error| SinkError::Write { place: place.clone(), cause: error.to_string() })?;
    Ok(Stored { place, records: Box::new(records.into_iter()) })
}

impl Outputs<'_> {
    fn names(&self) -> Names {
        Names { models: self.models.to_vec(), sources: self.sources.to_vec(), spec: self.spec.to_owned() }
    }
}

impl Claim {
    /// The progress records that are committed.
    pub fn progress(&mut self) -> Vec<String> {
        std::mem::take(&mut self.progress)
    }

    /// Creates the topics that are missing, and opens them for writing.
    ///
    /// # Errors
    /// The cluster refuses, or does not answer in time.
    pub fn open(self) -> Result<Box<dyn Sink>, SinkError> {
        let failed = |error: BrokerError| SinkError::Write { place: self.place.clone(), cause: error.to_string() };
        let all: Vec<Topic> = self.topics.values().cloned().collect();
        if self.fresh {
            self.admin.prepare(&all, true).map_err(failed)?;
            self.admin.delete(&self.gone.iter().map(String::as_str).collect::<Vec<_>>()).map_err(failed)?;
        }
        self.admin.create(&all).map_err(failed)?;
        point("topics.created");
        // What is there counts, not what was asked for: a topic may have been made by somebody else.
        let known = self.admin.partitions().map_err(failed)?;
        let found =
            |t: Topic| Topic { partitions: known.get(&t.name).copied().unwrap_or(t.partitions).max(1), name: t.name };
        let topics = self.topics.into_iter().map(|(stream, topic)| (stream, found(topic)));
        let transactions = Transactions::new(self.place.clone(), self.producer, topics.collect(), self.names);
        Ok(Box::new(Desk::start(self.place, transactions)?))
    }
}

fn producer(broker: &Broker, pipeline: &str) -> Result<BaseProducer<Ledger>, BrokerError> {
    let bytes = MESSAGE_BYTES.to_string();
    let defaults = [
        ("queue.buffering.max.kbytes", "65536"),
        ("linger.ms", "2"),
        ("message.max.bytes", bytes.as_str()),
        ("transaction.timeout.ms", "60000"),
        // One request a broker at a time. A broker that has nothing of this producer for a partition yet, as of a topic
        // made a moment ago, takes a batch whatever its number is (KIP-360), so one that overtakes another is not told.
        ("max.in.flight.requests.per.connection", "1"),
    ];
    let name = format!("tidemill.{pipeline}");
    let fixed = [("transactional.id", name.as_str()), ("enable.idempotence", "true"), ("acks", "all")];
    broker.client_with(&defaults, &fixed, Ledger::default())
}

/// The name of a stream's topic.
fn topic(outputs: &Outputs<'_>, stream: Stream) -> String {
    format!("{}.{}", outputs.pipeline, stream.name())
}

fn topics(outputs: &Outputs<'_>, known: &BTreeMap<String, u16>) -> BTreeMap<Stream, Topic> {
    let topic = |stream: Stream| {
        let name = topic(outputs, stream);
        let partitions = match stream {
            // Made again, a topic keeps what somebody chose for it.
            Stream::Progress if outputs.fresh => 1,
            _ if known.contains_key(&name) => known[&name],
            Stream::Predictions => outputs.partitions.max(1),
            _ => 1,
        };
        (stream, Topic { name, partitions })
    };
    Stream::of(outputs.publish).into_iter().map(topic).collect()
}

/// The committed progress records, if they are this pipeline's; without any, no other topic may hold a record.
fn read_progress(
    broker: &Broker,
    outputs: &Outputs<'_>,
    place: &str,
    topics: &BTreeMap<Stream, Topic>,
    known: &BTreeMap<String, u16>,
) -> Result<Vec<String>, SinkError> {
    let mut lines = Vec::new();
    let ours = |spec: &str| spec == outputs.spec || outputs.before.iter().any(|former| former.spec == spec);
    for (stream, topic) in topics.iter().rev().filter(|(_, t)| known.contains_key(&t.name)) {
        let cannot_read = |cause: String| SinkError::Write { place: format!("topic `{}`", topic.name), cause };
        let progress = *stream == Stream::Progress;
        let mut foreign = None;
        for partition in 0..topic.partitions {
            committed::read(broker, &topic.name, partition, |message| {
                if progress {
                    foreign = foreign.take().or_else(|| message.pipeline.filter(|spec| !ours(spec)));
                    lines.push(String::from_utf8_lossy(&message.value).into_owned());
                    return true;
                }
                foreign = Some(topic.name.clone());
                false
            })
            .map_err(cannot_read)?;
        }
        if progress && foreign.is_some() {
            let found = format!("the pipeline file of `{}` was another", outputs.pipeline);
            return Err(SinkError::Foreign { place: place.to_owned(), found });
        }
        if progress && !lines.is_empty() {
            break;
        }
        if let Some(name) = foreign {
            let found = format!("records without progress (in `{name}`)");
            return Err(SinkError::Occupied { place: place.to_owned(), found });
        }
    }
    Ok(lines)
}

/// Whether a progress record counts the bytes of a stream.
fn counts(line: &str, stream: Stream) -> bool {
    let record: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
    record["bytes"].get(stream.name()).is_some()
}

/// Refuses the topic of a stream that the run has not had so far, if it holds records: they are somebody else's.
fn check_empty(broker: &Broker, topic: &Topic, place: &str) -> Result<(), SinkError> {
    let mut any = false;
    for partition in 0..topic.partitions {
        let read = committed::read(broker, &topic.name, partition, |_| {
            any = true;
            false
        });
        read.map_err(|cause| SinkError::Write { place: format!("topic `{}`", topic.name), cause })?;
    }
    let found = format!("records that are of no run (in `{}`)", topic.name);
    if any { Err(SinkError::Occupied { place: place.to_owned(), found }) } else { Ok(()) }
}
