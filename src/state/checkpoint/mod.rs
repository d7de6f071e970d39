//! Checkpoints: named sections of state at a tick, whole or not there, of which three are kept.
//!
//! In: a header (tick, digests) and sections, from any number of writers. Out: the newest checkpoint that is whole. On
//! the disk it is a folder `<tick>-<attempt>` that nothing writes to again:
//!
//! ```text
//! checkpoints/00000000000000004711-1/part-0      the sections of writer 0, end to end
//!                                    part-1
//!                                    MANIFEST    the header; of each section name, shard, schema, length, digest
//! ```
//!
//! **Writing.** Parts are written under temporary names, synced, renamed, their folder synced; the manifest is last, in
//! the same way, and only with it does the checkpoint exist. Writers may be threads of processes with one state
//! folder: who leads calls [`Checkpoints::draft`], each writer [`Checkpoints::part`], and the leader, with what the
//! writers' [`PartWriter::finish`] returned, [`Checkpoints::commit`]. One draft at a time. Older checkpoints are
//! removed after the newer one is durable.
//!
//! **Reading.** [`Checkpoints::load`] takes the newest that is whole, at or below a tick. Every byte of it is compared
//! with a digest first. One that is damaged is passed over, and said; a checkpoint is never read in part.
//!
//! Limits: a manifest of at most [`MOST_MANIFEST_BYTES`]; a section is held in memory as a whole. Cost: two syncs and a
//! rename a writer, as much again for the manifest.

mod changes;
mod error;
mod found;
mod manifest;
mod part;
#[cfg(test)]
mod tests;

pub use changes::Changes;
pub use error::{CheckpointError, Damage, Refusal};
pub use found::Found;
pub use manifest::{Header, MOST_MANIFEST_BYTES, Part, SectionEntry};
pub use part::PartWriter;

use super::Schema;
use super::disk::{self, Disk};
use error::at;
use manifest::{MANIFEST, Manifest};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many checkpoints are kept.
pub const KEPT: usize = 3;

/// The checkpoints of a run, in a folder.
///
/// ```
/// use std::sync::Arc;
/// use tidemill::state::checkpoint::{Checkpoints, Header, Section};
/// use tidemill::state::{Digest, Schema, disk::RealDisk};
///
/// let folder = tempfile::tempdir().unwrap();
/// let checkpoints = Checkpoints::open(Arc::new(RealDisk), folder.path()).unwrap();
/// let header = Header { tick: 7, pipeline: Digest::of(b"p"), inputs: Digest::of(b"i"), outputs: Digest::of(b"o") };
/// let schema = Schema::of("count, 1");
/// checkpoints.write(header, &[Section { operator: "count", shard: 3, schema, bytes: b"42" }]).unwrap();
///
/// let found = checkpoints.load(9, |_| Ok(())).unwrap().expect("one was written");
/// assert_eq!(found.header().tick, 7);
/// assert_eq!(found.sections()[0].operator, "count");
/// assert_eq!(found.read("count", 3, schema).unwrap(), Some(b"42".to_vec()));
/// assert!(checkpoints.load(6, |_| Ok(())).unwrap().is_none());
/// ```
#[derive(Clone, Debug)]
pub struct Checkpoints {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
}

/// The name of a checkpoint: its tick, and which attempt at it, from 1.
///
/// A tick is written again where a run fell back behind it; the attempt before, damaged or not, is never written over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Name {
    /// The tick whose effects are the last in it.
    pub tick: u64,
    /// From 1.
    pub attempt: u32,
}

/// A checkpoint that does not exist yet: where its parts go. It may be sent to other processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    name: Name,
}

impl Draft {
    /// The last tick whose effects will be in it.
    pub fn tick(self) -> u64 {
        self.name.tick
    }
}

/// One piece of state: what an operator keeps of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section<'b> {
    /// The operator, by a name that stays the same when the pipeline changes elsewhere.
    pub operator: &'b str,
    /// The logical shard, or 0 of an operator that has one state.
    pub shard: u32,
    /// What the bytes mean; a change of the operator that makes them useless changes it.
    pub schema: Schema,
    /// A [page](super::page) or [section](super::section), or several pages.
    pub bytes: &'b [u8],
}

impl Checkpoints {
    /// The checkpoints of this folder, which is made if it is not there.
    ///
    /// # Errors
    /// [`CheckpointError::System`].
    pub fn open(disk: Arc<dyn Disk>, folder: &Path) -> Result<Checkpoints, CheckpointError> {
        at(folder, disk::make_folders(&*disk, folder))?;
        Ok(Checkpoints { disk, folder: folder.to_path_buf() })
    }

    /// Begins a checkpoint of a tick.
    ///
    /// # Errors
    /// [`CheckpointError::System`].
    pub fn draft(&self, tick: u64) -> Result<Draft, CheckpointError> {
        let last = self.names()?.into_iter().filter(|name| name.tick == tick).map(|name| name.attempt).max();
        let name = Name { tick, attempt: last.unwrap_or(0).saturating_add(1) };
        let folder = self.folder_of(name);
        at(&folder, self.disk.make_folder(&folder))?;
        at(&self.folder, self.disk.sync_folder(&self.folder))?;
        Ok(Draft { name })
    }

    /// Begins the part of one writer of a draft; writers are told apart by their numbers.
    ///
    /// # Errors
    /// [`CheckpointError::System`].
    pub fn part(&self, draft: Draft, writer: u32) -> Result<PartWriter, CheckpointError> {
        PartWriter::create(self.disk.clone(), &self.folder_of(draft.name), writer)
    }

    /// Makes the draft a checkpoint: with this it exists. Then what is too old, and what other runs left, is removed;
    /// that includes newer checkpoints, which are of a history that this one has replaced.
    ///
    /// # Errors
    /// [`CheckpointError::System`]: whether the checkpoint exists is unknown, older ones do.
    /// [`CheckpointError::Parts`] if two writers had one number, or two sections of an operator and shard were written.
    ///
    /// # Panics
    /// If the header is of another tick than the draft.
    pub fn commit(&self, draft: Draft, header: Header, parts: Vec<Part>) -> Result<(), CheckpointError> {
        assert!(header.tick == draft.name.tick, "a draft is committed as what it was begun as");
        let manifest = Manifest { name: draft.name, header, parts };
        manifest.check().map_err(|why| CheckpointError::Parts { name: draft.name, why })?;
        let bytes = manifest.encode().map_err(|why| CheckpointError::Parts { name: draft.name, why })?;
        let place = self.folder_of(draft.name).join(MANIFEST);
        at(&place, disk::put(&*self.disk, &place, &bytes))?;
        if let Err(error) = self.remove_others(draft.name) {
            // What could not be removed is removed the next time; the checkpoint stands.
            tracing::warn!(tick = header.tick, %error, "an old checkpoint could not be removed");
        }
        Ok(())
    }

    /// Removes a draft that will not be committed.
    ///
    /// # Errors
    /// [`CheckpointError::System`]; what is left of it goes with the next commit.
    pub fn discard(&self, draft: Draft) -> Result<(), CheckpointError> {
        self.remove(draft.name)
    }

    /// A whole checkpoint by one writer.
    ///
    /// # Errors
    /// As [`Checkpoints::commit`].
    pub fn write(&self, header: Header, sections: &[Section<'_>]) -> Result<(), CheckpointError> {
        let draft = self.draft(header.tick)?;
        let mut part = self.part(draft, 0)?;
        for section in sections {
            part.section(*section)?;
        }
        let part = part.finish()?;
        self.commit(draft, header, vec![part])
    }

    /// The newest whole checkpoint at or below a tick whose header the judge accepts; `None` if none was ever committed
    /// there. The judge compares the header with the progress record of its tick, and says what differs.
    ///
    /// All bytes of the checkpoint are read once here, a section at a time. Damage, and a file that cannot be read, is
    /// passed over: [`Found::refused`] has what and why.
    ///
    /// # Errors
    /// [`CheckpointError::NoneLeft`] if there are checkpoints and all are refused; [`CheckpointError::System`] if the
    /// folder cannot be listed.
    pub fn load(
        &self,
        at_most: u64,
        judge: impl Fn(&Header) -> Result<(), String>,
    ) -> Result<Option<Found>, CheckpointError> {
        let mut refused = Vec::new();
        for name in self.names()?.into_iter().rev().filter(|name| name.tick <= at_most) {
            match Found::check(self.disk.clone(), self.folder_of(name), name, &judge) {
                Ok(found) => return Ok(Some(found.after(refused))),
                Err(why) => refused.push(Refusal { name, why }),
            }
        }
        if refused.iter().all(|refusal| matches!(refusal.why, Damage::Unfinished)) {
            return Ok(None);
        }
        Err(CheckpointError::NoneLeft { folder: self.folder.clone(), at_most, refused })
    }

    /// A checkpoint that somebody else has found whole, by its name: its sections are compared with their digests when
    /// they are read.
    ///
    /// # Errors
    /// [`CheckpointError::Changed`] if it is not there, or its manifest or the length of a part is wrong.
    pub fn open_found(&self, name: Name) -> Result<Found, CheckpointError> {
        let found = Found::open(self.disk.clone(), self.folder_of(name), name);
        found.map_err(|why| CheckpointError::Changed { name, why })
    }

    /// The ticks that have a committed checkpoint, damaged or not, oldest first: progress is needed from the oldest on.
    ///
    /// # Errors
    /// [`CheckpointError::System`].
    pub fn ticks(&self) -> Result<Vec<u64>, CheckpointError> {
        let mut ticks = Vec::new();
        for name in self.names()? {
            if self.is_committed(name)? && ticks.last() != Some(&name.tick) {
                ticks.push(name.tick);
            }
        }
        Ok(ticks)
    }

    /// All names there are, ascending, committed or not. What is named otherwise is not ours.
    fn names(&self) -> Result<Vec<Name>, CheckpointError> {
        let listed = at(&self.folder, self.disk.list(&self.folder))?;
        let mut names: Vec<Name> = listed.iter().filter_map(|name| Name::read(name)).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn is_committed(&self, name: Name) -> Result<bool, CheckpointError> {
        let folder = self.folder_of(name);
        Ok(at(&folder, self.disk.list(&folder))?.iter().any(|file| file == MANIFEST))
    }

    /// Keeps this one and the newest before it.
    fn remove_others(&self, newest: Name) -> Result<(), CheckpointError> {
        let mut kept = 0;
        for name in self.names()?.into_iter().rev() {
            if kept < KEPT && name <= newest && self.is_committed(name)? {
                kept += 1;
            } else {
                self.remove(name)?;
            }
        }
        Ok(())
    }

    /// The manifest goes first, durably: what a crash leaves is unfinished, not damaged.
    fn remove(&self, name: Name) -> Result<(), CheckpointError> {
        let folder = self.folder_of(name);
        if self.is_committed(name)? {
            at(&folder, self.disk.remove(&folder.join(MANIFEST)))?;
            at(&folder, self.disk.sync_folder(&folder))?;
        }
        for file in at(&folder, self.disk.list(&folder))? {
            let file = folder.join(file);
            at(&file, self.disk.remove(&file))?;
        }
        at(&folder, self.disk.remove_folder(&folder))?;
        at(&self.folder, self.disk.sync_folder(&self.folder))
    }

    fn folder_of(&self, name: Name) -> PathBuf {
        self.folder.join(name.to_string())
    }
}

impl Name {
    /// The name that a folder is called by, if it is written just as we write it.
    fn read(text: &str) -> Option<Name> {
        let (tick, attempt) = text.split_once('-')?;
        let name = Name { tick: tick.parse().ok()?, attempt: attempt.parse().ok()? };
        (name.to_string() == text).then_some(name)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As wide as the greatest tick, so that a listing is in order.
        write!(f, "{:020}-{}", self.tick, self.attempt)
    }
}
