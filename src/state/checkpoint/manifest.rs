//! The list of what a checkpoint consists of; with it a checkpoint exists.
//!
//! Parts are named by their writers' numbers, never by a path, so no manifest names a file outside of its folder.

use super::{Damage, Name};
use crate::state::frame::Kind;
use crate::state::section::{self, SectionError};
use crate::state::{Digest, Schema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// No longer manifest is read: some 500,000 sections.
pub const MOST_MANIFEST_BYTES: usize = 64 << 20;

/// Its name in the checkpoint's folder.
pub(super) const MANIFEST: &str = "MANIFEST";

/// What a checkpoint is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The last tick whose effects are in it.
    pub tick: u64,
    /// The digest of the pipeline file that was run.
    pub pipeline: Digest,
    /// The chained digest of all inputs up to the tick, as in its progress record.
    pub inputs: Digest,
    /// The chained digest of all outputs up to the tick, as in its progress record.
    pub outputs: Digest,
}

/// What one writer wrote: its sections, end to end in one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub(super) writer: u32,
    pub(super) sections: Vec<SectionEntry>,
}

/// A section without its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SectionEntry {
    /// The operator.
    pub operator: String,
    /// The logical shard.
    pub shard: u32,
    /// What the bytes mean.
    pub schema: Schema,
    /// How many they are.
    pub length: u64,
    /// Their digest.
    pub digest: Digest,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// That of the folder, so that a manifest moved to another one is known.
    pub(super) name: Name,
    pub(super) header: Header,
    pub(super) parts: Vec<Part>,
}

impl Part {
    /// The file's name in the checkpoint's folder.
    pub(super) fn file(&self) -> String {
        file_of(self.writer)
    }

    /// The bytes of all sections, and so of the file.
    pub(super) fn length(&self) -> Result<u64, Damage> {
        let sum = self.sections.iter().try_fold(0u64, |sum, section| sum.checked_add(section.length));
        sum.ok_or_else(|| Damage::Endless { file: self.file() })
    }
}

/// The file of a writer.
pub(super) fn file_of(writer: u32) -> String {
    format!("part-{writer}")
}

impl Manifest {
    pub(super) fn encode(&self) -> Result<Vec<u8>, Damage> {
        Ok(section::encode_as(Kind::Manifest, schema(), self)?)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Manifest, SectionError> {
        section::decode_as(Kind::Manifest, schema(), bytes)
    }

    /// Whether it can be that of a checkpoint.
    pub(super) fn check(&self) -> Result<(), Damage> {
        let mut writers = BTreeSet::new();
        let mut sections = BTreeSet::new();
        for part in &self.parts {
            if !writers.insert(part.writer) {
                return Err(Damage::WriterTwice { writer: part.writer });
            }
            part.length()?;
            for SectionEntry { operator, shard, .. } in &part.sections {
                if !sections.insert((operator, *shard)) {
                    return Err(Damage::SectionTwice { operator: operator.clone(), shard: *shard });
                }
            }
        }
        Ok(())
    }
}

fn schema() -> Schema {
    Schema::of("manifest of a checkpoint, 1: name, header, parts")
}
