//! Why a run did not end well.

use super::ticks::Tick;
use crate::registry::RegistryError;
use crate::sink::SinkError;
use crate::source::SourceError;

/// Why a run did not end well.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The input cannot be read on.
    #[error("{0}")]
    Source(#[from] SourceError),
    /// The outputs cannot be written.
    #[error("{0}")]
    Sink(#[from] SinkError),
    /// The registry cannot be written.
    #[error("{0}")]
    Registry(#[from] RegistryError),
    /// The process holds more memory than it may.
    #[error(
        "the run holds {} MiB, allowed are {} MiB (--memory-limit): it has stopped behind its last tick and can be \
         taken up again with more, or with lower max_pending, max_keys, max_rows, max_examples or shorter windows",
        held >> 20, allowed >> 20
    )]
    Memory {
        /// Bytes.
        held: u64,
        /// Bytes.
        allowed: u64,
    },
    /// A checkpoint that was found whole could not be taken up.
    #[error("cannot go on from the checkpoint: {0}; start the run again")]
    Checkpoint(String),
    /// A tick came out otherwise than it was committed.
    #[error(
        "determinism is broken: tick {tick} comes out with other {what} than were committed (committed {recorded}, now \
         {computed}); nothing was written. Was the input changed, or is this another build or kind of processor? \
         --fresh starts over"
    )]
    Diverged {
        /// The tick.
        tick: Tick,
        /// The first field of its progress record that differs.
        what: String,
        /// Its value as committed.
        recorded: String,
        /// Its value now.
        computed: String,
    },
    /// The input that a committed tick consumed is not there any more.
    #[error(
        "the input is no longer there: tick {tick} consumed `{partition}` up to offset {end}, which now {found}; give \
         the run the input that it had, or start over with --fresh"
    )]
    Gone {
        /// The tick.
        tick: Tick,
        /// `source/partition`.
        partition: String,
        /// The first offset not consumed.
        end: u64,
        /// What is there instead.
        found: String,
    },
    /// A model that a committed tick took from elsewhere is not there any more.
    #[error(
        "the input is no longer there: tick {tick} took a model that was pushed, and now {cause}; put the file back, or \
         start over with --fresh"
    )]
    Pushed {
        /// The tick.
        tick: Tick,
        /// What is wrong with it, and where it should be.
        cause: String,
    },
    /// The run had come to the end of its input, and now there is more.
    #[error(
        "the run has ended: it published the end of its input at tick {tick}, and now `{partition}` goes on; start \
         over with --fresh"
    )]
    Grown {
        /// The last tick.
        tick: Tick,
        /// `source/partition`.
        partition: String,
    },
}
