//! Sinks: the edge where predictions, metrics, models, decisions, dead letters and progress go out, and on request
//! features and examples.

pub mod compare;
mod dead_letter;
mod desk;
pub mod file;
pub mod folder;
pub mod kafka;

pub use dead_letter::dead_letter_line;

use crate::config::spec::Publish;
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
    /// On request: vectors as they were served.
    Features,
    /// On request: vectors with their labels.
    Examples,
    /// One record a tick: what it consumed and what it produced.
    Progress,
}

impl Stream {
    /// All, in order.
    pub const ALL: [Stream; 8] = [
        Stream::Predictions,
        Stream::Metrics,
        Stream::Models,
        Stream::Decisions,
        Stream::DeadLetters,
        Stream::Features,
        Stream::Examples,
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
            Stream::Features => "features",
            Stream::Examples => "examples",
            Stream::Progress => "progress",
        }
    }

    /// The streams of a run that publishes these, in order.
    ///
    /// ```
    /// use tidemill::config::spec::Publish;
    /// use tidemill::sink::Stream;
    /// assert_eq!(Stream::of(&[]).len(), 6);
    /// assert_eq!(Stream::of(&[Publish::Examples])[5..], [Stream::Examples, Stream::Progress]);
    /// ```
    pub fn of(publish: &[Publish]) -> Vec<Stream> {
        let written = |stream: &Stream| match stream {
            Stream::Features => publish.contains(&Publish::Features),
            Stream::Examples => publish.contains(&Publish::Examples),
            _ => true,
        };
        Stream::ALL.into_iter().filter(written).collect()
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
        /// The model, by its place in the pipeline file.
        model: u16,
        /// The version's number.
        version: u32,
        /// Its role.
        role: Role,
    },
    /// `source`, `partition`, `offset`, `stage`, `reason`; key and value of the message are the original bytes.
    Dead(Box<DeadLetter>),
}

/// One tick, as it is written.
#[derive(Debug)]
pub struct Written {
    /// Its number.
    pub tick: u64,
    /// Pipeline time after it.
    pub time: Time,
    /// Its pages; entries are in their final order.
    pub pages: Vec<Page>,
    /// Its progress record, a JSON object without line end.
    pub progress: String,
}

impl Written {
    /// About how many bytes it is.
    pub fn bytes(&self) -> usize {
        self.progress.len() + self.pages.iter().map(|page| page.lines.len()).sum::<usize>()
    }
}

/// A place to which a run writes its output streams.
///
/// Ticks are committed in groups, each with its progress records: of a group all is durable or nothing happened.
/// What went wrong with a group is told by a later call.
pub trait Sink: Send {
    /// Takes the next tick.
    fn write(&mut self, written: Written) -> Result<(), SinkError>;

    /// What has gone wrong since, even if nothing is to be written; once it was told it is not told again.
    fn check(&mut self) -> Result<(), SinkError>;

    /// Ticks below this are committed, of those that it was given.
    fn committed(&self) -> u64;

    /// Commits what is not committed yet, and closes.
    fn close(self: Box<Self>) -> Result<(), SinkError>;
}

/// How many bytes of each stream but progress are committed, in the order of [`Stream::ALL`].
pub type Lengths = [u64; 7];

/// Why an output cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The folder or topics hold what is no run of ours that could be resumed.
    #[error("{place} already holds {found}; choose another, or start over with --fresh")]
    Occupied {
        /// The folder or topic prefix.
        place: String,
        /// What was found there.
        found: String,
    },
    /// The folder or topics hold a run of another pipeline.
    #[error("{place} holds a run of another pipeline ({found}); choose another, or start over with --fresh")]
    Foreign {
        /// The folder or topic prefix.
        place: String,
        /// What differs.
        found: String,
    },
    /// There is no run.
    #[error("{place} holds no committed run")]
    Missing {
        /// The folder or topic prefix.
        place: String,
    },
    /// Another run has the folder open.
    #[error("another run is writing {place}; wait for its end, or choose another")]
    Busy {
        /// The folder.
        place: String,
    },
    /// What was committed is not there any more.
    #[error("{place} is damaged: {cause}; start over with --fresh")]
    Damaged {
        /// The file or topic.
        place: String,
        /// What is missing.
        cause: String,
    },
    /// Writing failed.
    #[error("cannot write {place}: {cause}")]
    Write {
        /// The file or topic.
        place: String,
        /// What the system said.
        cause: String,
    },
    /// Whether the last group was committed is not known: what is there says it, to a run that starts again.
    #[error("it is not known whether {place} has the last group of ticks: {cause}; start the run again")]
    Unknown {
        /// The topic prefix.
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
