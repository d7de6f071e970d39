//! Reading back what is committed in a topic, to an end that is fixed beforehand.
//!
//! In: a topic's partition that nobody writes any more, the producers of earlier runs being fenced. Out: its committed
//! records. The end is reached or it is an error: a cluster that is slow to answer must not look like a topic without
//! records.

use crate::broker::{Broker, DEADLINE, Narrator, cause_of};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::thread;
use std::time::{Duration, Instant};

/// A committed record.
pub(super) struct Committed {
    /// Its bytes; none for a tombstone.
    pub(super) value: Vec<u8>,
    /// Its header `pipeline`.
    pub(super) pipeline: Option<String>,
    /// Its header `tick`.
    pub(super) tick: Option<u64>,
}

/// Shows the committed records of a partition to `see`, from the oldest, until it wants no more.
pub(super) fn read(
    broker: &Broker,
    topic: &str,
    partition: u16,
    mut see: impl FnMut(Committed) -> bool,
) -> Result<(), String> {
    let told = |error: KafkaError| cause_of(&error);
    let partition = i32::from(partition);
    let open = |isolation: &str| -> Result<BaseConsumer<Narrator>, String> {
        let fixed = [
            ("isolation.level", isolation),
            ("enable.partition.eof", "true"),
            ("enable.auto.commit", "false"),
            ("allow.auto.create.topics", "false"),
            ("auto.offset.reset", "error"),
        ];
        broker.client(&[("group.id", "tidemill")], &fixed).map_err(|error| error.to_string())
    };
    let consumer = open("read_committed")?;
    let (low, end) = stable(&consumer, &open("read_uncommitted")?, topic, partition)?;
    if low >= end {
        return Ok(());
    }
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, partition, Offset::Offset(low)).map_err(told)?;
    consumer.assign(&assignment).map_err(told)?;
    loop {
        match consumer.poll(DEADLINE) {
            None => return Err(format!("no answer within {} s", DEADLINE.as_secs())),
            // Offsets at the end may be marks of transactions, which are never shown: this is how they are passed.
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
            Some(Err(error)) => return Err(told(error)),
            Some(Ok(message)) => {
                let header = |name: &str| {
                    let header = message.headers()?.iter().find(|header| header.key == name)?;
                    Some(String::from_utf8_lossy(header.value?).into_owned())
                };
                let tick = header("tick").and_then(|tick| tick.parse().ok());
                let value = message.payload().unwrap_or_default().to_vec();
                if !see(Committed { value, pipeline: header("pipeline"), tick }) || message.offset() + 1 >= end {
                    return Ok(());
                }
            }
        }
    }
}

/// The first offset of a partition and its end, once no transaction is open in it. The coordinator has ended what a
/// fenced producer left open before it answers, but a partition's leader may show it a little later.
fn stable(
    committed: &BaseConsumer<Narrator>,
    all: &BaseConsumer<Narrator>,
    topic: &str,
    partition: i32,
) -> Result<(i64, i64), String> {
    let began = Instant::now();
    loop {
        let marks = |consumer: &BaseConsumer<Narrator>| {
            consumer.fetch_watermarks(topic, partition, DEADLINE).map_err(|error| cause_of(&error))
        };
        // In this order: the first can only fall behind the second.
        let (low, end) = marks(committed)?;
        let (_, high) = marks(all)?;
        if end >= high {
            return Ok((low, end));
        }
        if began.elapsed() > DEADLINE {
            let seconds = DEADLINE.as_secs();
            return Err(format!("a transaction is open after {seconds} s (committed up to {end} of {high})"));
        }
        // The cluster tells nobody; asking again is all there is.
        thread::sleep(Duration::from_millis(20));
    }
}
