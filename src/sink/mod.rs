//! Sinks: the edge where predictions, metrics, models, decisions, dead letters and progress go out.

mod dead_letter;
pub mod file;
pub mod kafka;

pub use dead_letter::dead_letter_line;

use crate::model::Role;
use crate::record::DeadLetter;
use crate::time::Time;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// The output streams, in the order in which a tick's outputs are written; progress is last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Stream {
    /// One line a score.
    Predictions,
    /// Published metric values.
    Metrics,
    /// Released versions.
    Models,
    /// Decisions of the triggers, the suppressed ones too.
    Decisions,
    /// Records that could not be used.
    DeadLetters,
    /// One record a tick: what it consumed and what it produced.
    Progress,
}

impl Stream {
    /// All, in order.
    pub const ALL: [Stream; 6] = [
        Stream::Predictions,
        Stream::Metrics,
        Stream::Models,
        Stream::Decisions,
        Stream::DeadLetters,
        Stream::Progress,
    ];

    /// The name of its topic (after `<pipeline>.`) and file.
    pub fn name(self) -> &'static str {
        match self {
            Stream::Predictions => "predictions",
            Stream::Metrics => "metrics",
            Stream::Models => "models",
            Stream::Decisions => "decisions",
            Stream::DeadLetters => "dead_letters",
            Stream::Progress => "progress",
        }
    }
}

/// Some records of one stream at one tick: JSON lines, one an entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// Which stream.
    pub stream: Stream,
    /// The lines, each ending in `\n`.
    pub lines: Vec<u8>,
    /// What each line is, in order.
    pub entries: Vec<Entry>,
}

/// One record of a page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Where its line ends in the page's `lines`, the `\n` included.
    pub end: u32,
    /// Its place among the tick's records of the stream: pages of several workers are merged by it.
    pub order: u64,
    /// The record's event time; the timestamp of a Kafka message.
    pub time: Time,
    /// The key of a Kafka message.
    pub key: CompactString,
    /// What else a Kafka message carries.
    pub headers: Headers,
}

/// The headers of an output record, beside `tick`, which all have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Headers {
    /// None.
    Plain,
    /// `model`, `version`, `role`.
    Version {
        /// The version's number.
        version: u32,
        /// Its role.
        role: Role,
    },
    /// `source`, `partition`, `offset`, `stage`, `reason`; key and value of the message are the original bytes.
    Dead(Box<DeadLetter>),
}

/// A place to which a run writes its output streams.
///
/// A tick's pages are written, then its progress record is committed; a tick without one never happened.
pub trait Sink: Send {
    /// Writes the pages of one tick; entries are in their final order.
    fn write(&mut self, tick: u64, pages: &[Page]) -> Result<(), SinkError>;

    /// Commits all that was written up to `tick` with its progress record, a JSON object without line end.
    fn commit(&mut self, tick: u64, time: Time, progress: &[u8]) -> Result<(), SinkError>;

    /// Makes everything committed durable and closes.
    fn close(self: Box<Self>) -> Result<(), SinkError>;
}

/// Why an output cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The folder or topics hold another run.
    #[error("{place} already holds a run (found {found}); choose another, or start over with --fresh")]
    Occupied {
        /// The folder or topic prefix.
        place: String,
        /// What was found there.
        found: String,
    },
    /// Writing failed.
    #[error("cannot write {place}: {cause}")]
    Write {
        /// The file or topic.
        place: String,
        /// What the system said.
        cause: String,
    },
    /// Another run has taken over the output.
    #[error("fenced: another run writes {place}")]
    Fenced {
        /// The topic prefix.
        place: String,
    },
}
