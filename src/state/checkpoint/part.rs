//! Writing one part of a checkpoint: sections, end to end, durable once it is finished.

use super::error::at;
use super::manifest::file_of;
use super::{CheckpointError, Part, Section, SectionEntry};
use crate::state::Digest;
use crate::state::disk::{self, Disk, Output};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const BUFFER_BYTES: usize = 1 << 20;

/// The part of one writer. Dropped unfinished it leaves a temporary file, which the next commit removes.
pub struct PartWriter {
    disk: Arc<dyn Disk>,
    file: BufWriter<Box<dyn Output>>,
    temporary: PathBuf,
    path: PathBuf,
    part: Part,
}

impl PartWriter {
    pub(super) fn create(disk: Arc<dyn Disk>, folder: &Path, writer: u32) -> Result<PartWriter, CheckpointError> {
        let path = folder.join(file_of(writer));
        let temporary = disk::temporary(&path);
        let file = BufWriter::with_capacity(BUFFER_BYTES, at(&temporary, disk.create(&temporary))?);
        Ok(PartWriter { disk, file, temporary, path, part: Part { writer, sections: Vec::new() } })
    }

    /// Appends a section.
    ///
    /// # Errors
    /// [`CheckpointError::System`]; the draft is then to be given up.
    pub fn section(&mut self, section: Section<'_>) -> Result<(), CheckpointError> {
        at(&self.temporary, self.file.write_all(section.bytes))?;
        self.part.sections.push(SectionEntry {
            operator: section.operator.to_string(),
            shard: section.shard,
            schema: section.schema,
            length: section.bytes.len() as u64,
            digest: Digest::of(section.bytes),
        });
        Ok(())
    }

    /// Makes the part durable; what it returns goes to whoever commits.
    ///
    /// # Errors
    /// [`CheckpointError::System`]; the draft is then to be given up.
    pub fn finish(self) -> Result<Part, CheckpointError> {
        let PartWriter { disk, file, temporary, path, part } = self;
        let mut file = at(&temporary, file.into_inner().map_err(std::io::IntoInnerError::into_error))?;
        at(&temporary, file.sync())?;
        drop(file);
        at(&path, disk.rename(&temporary, &path))?;
        let folder = disk::folder_of(&path);
        at(folder, disk.sync_folder(folder))?;
        Ok(part)
    }
}
