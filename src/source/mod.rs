//! Sources: the edge where bytes come in.
//!
//! A source runs on a thread of its own, one a partition. It reads bytes, decodes them by the declared schema, and
//! hands over batches through a bounded channel; what is malformed is handed over as a dead letter in its place, never
//! lost. The channel's bound is the partition's budget: a reader that is ahead waits.

pub mod file;
mod frame;
pub mod kafka;
mod lines;
mod record;

use crate::record::{DeadLetter, Row};
use std::sync::mpsc::Receiver;
use std::time::Instant;

/// A record as read: a decoded row, or the dead letter that it is.
#[derive(Debug)]
pub struct Record {
    /// [`crate::record::digest64`] of the bytes of key and value: the input digest is chained from these.
    pub digest: u64,
    /// The row, or why there is none.
    pub body: Result<Row, Box<DeadLetter>>,
}

/// Some consecutive records of one partition.
#[derive(Debug)]
pub struct Batch {
    /// When the last of its bytes arrived; used for latency figures only.
    pub arrived: Instant,
    /// The records, by offset.
    pub records: Vec<Record>,
}

/// What a partition's thread hands over.
#[derive(Debug)]
pub enum Delivery {
    /// Records.
    Batch(Batch),
    /// All that was there when the partition was opened has been delivered; said once, by one with a backlog.
    CaughtUp,
    /// The partition is at its end and will deliver nothing more.
    End,
    /// The partition cannot be read on; what was delivered before is good.
    Failed(SourceError),
}

/// One open partition.
#[derive(Debug)]
pub struct Partition {
    /// The source, by its place in the pipeline file.
    pub source: u16,
    /// The partition.
    pub partition: u16,
    /// Whether it may have records that were there before the run: it is waited for, however long it is silent, until
    /// it says [`Delivery::CaughtUp`].
    pub backlog: bool,
    /// Where its deliveries come from. A hang-up without [`Delivery::End`] means that its thread died.
    pub deliveries: Receiver<Delivery>,
}

/// Why a source cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file or topic is not there or cannot be opened.
    #[error("source `{source_name}`: cannot open {place}: {cause}")]
    Open {
        /// The source.
        source_name: String,
        /// The file or topic.
        place: String,
        /// What the system said.
        cause: String,
    },
    /// The header line of a CSV file lacks a declared column.
    #[error("source `{source_name}`: {place} has no column `{column}` (its header has: {header})")]
    Header {
        /// The source.
        source_name: String,
        /// The file.
        place: String,
        /// The missing column.
        column: String,
        /// The columns that are there.
        header: String,
    },
    /// What was consumed before is not there any more.
    #[error(
        "source `{source_name}`: the input is no longer there: {place} was consumed up to offset {end}, and now \
         {found}; give the run the input that it had, or start over with --fresh"
    )]
    Gone {
        /// The source.
        source_name: String,
        /// The file or topic.
        place: String,
        /// The first offset that was not consumed.
        end: u64,
        /// What is there instead.
        found: String,
    },
    /// Reading failed half-way.
    #[error("source `{source_name}`: reading {place} failed at record {offset}: {cause}")]
    Read {
        /// The source.
        source_name: String,
        /// The file or topic.
        place: String,
        /// The record reached.
        offset: u64,
        /// What the system said.
        cause: String,
    },
}
