//! What a room writes its state to, and reads it from.
//!
//! In: values by serde, and pages of window rows, each an operator's of one logical shard. Out: the same, in a run with
//! any number of workers: a worker reads the shards that are its own.

use super::Operator;
use crate::record::Key;
use crate::state::Schema;
use crate::state::checkpoint::Found;
use crate::state::section;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::sync::mpsc::Sender;

/// A room as checkpoints see it.
pub trait Keeps {
    /// Writes all that it keeps. Changes nothing.
    fn save(&self, to: &Sections);

    /// Takes up what was written; it is as new.
    ///
    /// # Errors
    /// What cannot be read, in words.
    fn restore(&mut self, from: &Shares<'_>) -> Result<(), String>;
}

/// Rooms of one kind, one a model.
impl<R: Keeps> Keeps for Vec<R> {
    fn save(&self, to: &Sections) {
        self.iter().for_each(|room| room.save(to));
    }

    fn restore(&mut self, from: &Shares<'_>) -> Result<(), String> {
        self.iter_mut().try_for_each(|room| room.restore(from))
    }
}

/// A section on its way to the disk.
pub(super) struct Written {
    pub(super) operator: String,
    pub(super) shard: u32,
    pub(super) schema: Schema,
    pub(super) bytes: Vec<u8>,
}

/// Where one worker's sections go.
pub struct Sections {
    pub(super) to: Sender<Result<Written, String>>,
}

impl Sections {
    /// A value.
    pub fn value(&self, operator: &Operator, shard: u32, value: &impl Serialize) {
        match section::encode(operator.schema, value) {
            Ok(bytes) => self.bytes(operator, shard, bytes),
            Err(error) => {
                let _ = self.to.send(Err(format!("{}: {error}", operator.name)));
            }
        }
    }

    /// Pages, end to end.
    pub fn bytes(&self, operator: &Operator, shard: u32, bytes: Vec<u8>) {
        let Operator { name, schema } = operator.clone();
        // Who writes them may have given up; it says so itself.
        let _ = self.to.send(Ok(Written { operator: name, shard, schema, bytes }));
    }
}

/// What is there for one worker.
pub struct Shares<'f> {
    found: &'f Found,
    index: usize,
    peers: usize,
    /// Operators that begin anew.
    dropped: &'f BTreeSet<String>,
}

impl<'f> Shares<'f> {
    /// Of a checkpoint, for one of so many workers; operators in `dropped` have nothing there.
    pub fn of(found: &'f Found, (index, peers): (usize, usize), dropped: &'f BTreeSet<String>) -> Shares<'f> {
        Shares { found, index, peers, dropped }
    }

    /// The logical shards that live here.
    pub fn mine(&self) -> impl Iterator<Item = u32> {
        (0..Key::SHARDS as u32).skip(self.index).step_by(self.peers)
    }

    /// How many times as much as one shard holds a worker may expect: what it reserves with the first is enough.
    pub fn many(&self) -> usize {
        (Key::SHARDS as usize).div_ceil(self.peers)
    }

    /// The shards that an operator has written.
    pub fn written(&self, operator: &Operator) -> impl Iterator<Item = u32> {
        let sections = self.found.sections().iter();
        sections.filter(move |section| section.operator == operator.name).map(|section| section.shard)
    }

    /// A section's bytes; `None` if there is none.
    ///
    /// # Errors
    /// It is not what it was when the checkpoint was found whole.
    pub fn bytes(&self, operator: &Operator, shard: u32) -> Result<Option<Vec<u8>>, String> {
        if self.dropped.contains(&operator.name) {
            return Ok(None);
        }
        self.found.read(&operator.name, shard, operator.schema).map_err(|error| error.to_string())
    }

    /// A section's value; `None` if there is none.
    ///
    /// # Errors
    /// As [`Shares::bytes`]; or it is no such value.
    pub fn value<T: DeserializeOwned>(&self, operator: &Operator, shard: u32) -> Result<Option<T>, String> {
        let Some(bytes) = self.bytes(operator, shard)? else { return Ok(None) };
        let value = section::decode(operator.schema, &bytes);
        value.map(Some).map_err(|error| format!("section {} of shard {shard}: {error}", operator.name))
    }
}
