//! What flows: typed values, schemas, rows, keys, and the reasons for which a record becomes a dead letter.

pub mod decode;
mod key;
mod reason;
mod value;

pub use key::{FastMap, Key, KeyMap, digest64};
pub use reason::Reason;
pub use value::{Type, Value};

use crate::time::Time;
use serde::{Deserialize, Serialize};

/// What a source's records are, in the law's order inside one event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A changelog: the last row per key is current, a tombstone deletes.
    Table,
    /// Not scored, but feeds aggregates.
    Context,
    /// The truth about an event.
    #[serde(rename = "labels")]
    Label,
    /// To be scored.
    #[serde(rename = "events")]
    Event,
    /// A command to the run.
    Control,
}

/// One column of a declared schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// The name in the record and in expressions.
    pub name: String,
    /// The type, without its nullability.
    pub kind: Type,
    /// Whether `?` was declared: null or absent is allowed.
    pub nullable: bool,
}

/// The declared columns of a source, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// The columns; a row's values stand in this order.
    pub columns: Vec<Column>,
}

impl Schema {
    /// The place of a column by name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == name)
    }
}

/// The place of a record in the input: (source, partition, offset).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The source, by its place in the pipeline file.
    pub source: u16,
    /// The partition; files count from 0 in the order given.
    pub partition: u16,
    /// The offset; for files the record's number from 0.
    pub offset: u64,
}

/// One decoded record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Where it came from.
    pub position: Position,
    /// Its own event time.
    pub time: Time,
    /// One value a column of the source's schema. Empty for a tombstone, whose key is all that it has.
    pub values: Box<[Value]>,
    /// Identity of the key columns; see [`Key`].
    pub key: Key,
    /// A tombstone: deletes a table's row, withdraws a label.
    pub tombstone: bool,
    /// The bytes as received (key, then value), kept whole: the row may still become a dead letter.
    pub raw: Raw,
}

/// A record's bytes as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raw {
    /// The key's bytes, if the transport has keys.
    pub key: Option<Box<[u8]>>,
    /// The value's bytes; `None` is a tombstone.
    pub value: Option<Box<[u8]>>,
}

/// A record that could not be used, whole, with the reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Where it came from.
    pub position: Position,
    /// The step that refused it: `decode`, `check`, `ingest`, `match`.
    pub stage: std::borrow::Cow<'static, str>,
    /// Why.
    pub reason: Reason,
    /// The field at fault and what was found there, for a person.
    pub detail: String,
    /// The bytes as received.
    pub raw: Raw,
}
