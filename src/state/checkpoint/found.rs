//! A checkpoint that was found whole: its sections, by name.

use super::manifest::{MANIFEST, MOST_MANIFEST_BYTES, Manifest};
use super::{Changes, CheckpointError, Damage, Header, Name, Refusal, SectionEntry};
use crate::state::disk::{self, Disk};
use crate::state::{Digest, Schema};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// A whole checkpoint. Its bytes stay on the disk until they are read, and are compared with their digest again then.
#[derive(Debug)]
pub struct Found {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    name: Name,
    header: Header,
    /// By operator, then shard.
    sections: Vec<SectionEntry>,
    /// Where each of them is.
    places: Vec<Place>,
    refused: Vec<Refusal>,
}

#[derive(Clone, Debug)]
struct Place {
    file: Arc<str>,
    from: u64,
}

impl Found {
    /// What the checkpoint is of.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Its name.
    pub fn name(&self) -> Name {
        self.name
    }

    /// All sections, by operator, then shard.
    pub fn sections(&self) -> &[SectionEntry] {
        &self.sections
    }

    /// The newer ones that were passed over, newest first, each with its reason; unfinished ones too.
    pub fn refused(&self) -> &[Refusal] {
        &self.refused
    }

    /// How its operators differ from those of a run that is starting, given by name and schema.
    pub fn changes<'n>(&self, operators: impl IntoIterator<Item = (&'n str, Schema)>) -> Changes {
        Changes::between(&self.sections, operators)
    }

    /// The bytes of a section; `None` if there is no such section, or it has another schema.
    ///
    /// # Errors
    /// [`CheckpointError::Changed`] if the bytes are no longer those that were checked.
    pub fn read(&self, operator: &str, shard: u32, schema: Schema) -> Result<Option<Vec<u8>>, CheckpointError> {
        let found = self.sections.binary_search_by(|s| (s.operator.as_str(), s.shard).cmp(&(operator, shard)));
        let Some(i) = found.ok().filter(|i| self.sections[*i].schema == schema) else {
            return Ok(None);
        };
        let bytes = section(&*self.disk, &self.folder, &self.sections[i], &self.places[i]);
        bytes.map(Some).map_err(|why| CheckpointError::Changed { name: self.name, why })
    }

    /// Reads all of a checkpoint, and finds it whole or says what is wrong.
    pub(super) fn check(
        disk: Arc<dyn Disk>,
        folder: PathBuf,
        name: Name,
        judge: &impl Fn(&Header) -> Result<(), String>,
    ) -> Result<Found, Damage> {
        let found = Found::open(disk, folder, name)?;
        judge(&found.header).map_err(Damage::Foreign)?;
        for (entry, place) in found.sections.iter().zip(&found.places) {
            section(&*found.disk, &found.folder, entry, place)?;
        }
        Ok(found)
    }

    /// Reads the manifest of a checkpoint, and compares the lengths of its parts.
    pub(super) fn open(disk: Arc<dyn Disk>, folder: PathBuf, name: Name) -> Result<Found, Damage> {
        let manifest = match disk::read_whole(&*disk, &folder.join(MANIFEST), MOST_MANIFEST_BYTES) {
            Ok(bytes) => Manifest::decode(&bytes)?,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Err(Damage::Unfinished),
            Err(cause) => return Err(Damage::Unreadable { file: MANIFEST.to_string(), cause }),
        };
        if manifest.name != name || manifest.header.tick != name.tick {
            return Err(Damage::Misplaced { found: manifest.name });
        }
        manifest.check()?;
        let mut sections = BTreeMap::new();
        for part in manifest.parts {
            let file: Arc<str> = part.file().into();
            let unreadable = |cause| Damage::Unreadable { file: file.to_string(), cause };
            let (found, expected) = (disk.length(&folder.join(&*file)).map_err(unreadable)?, part.length()?);
            if found != expected {
                return Err(Damage::Length { file: file.to_string(), found, expected });
            }
            let mut from = 0;
            for entry in part.sections {
                let place = Place { file: file.clone(), from };
                from += entry.length;
                sections.insert((entry.operator.clone(), entry.shard), (entry, place));
            }
        }
        let (sections, places) = sections.into_values().unzip();
        Ok(Found { disk, folder, name, header: manifest.header, sections, places, refused: Vec::new() })
    }

    pub(super) fn after(self, refused: Vec<Refusal>) -> Found {
        Found { refused, ..self }
    }
}

/// The bytes of a section, which are what its digest says.
fn section(disk: &dyn Disk, folder: &std::path::Path, entry: &SectionEntry, place: &Place) -> Result<Vec<u8>, Damage> {
    let file = || place.file.to_string();
    let length = usize::try_from(entry.length).map_err(|_| Damage::Endless { file: file() })?;
    let bytes = disk.read(&folder.join(&*place.file), place.from, length);
    let bytes = bytes.map_err(|cause| Damage::Unreadable { file: file(), cause })?;
    if Digest::of(&bytes) != entry.digest {
        return Err(Damage::Section { operator: entry.operator.clone(), shard: entry.shard, file: file() });
    }
    Ok(bytes)
}
