//! Files that are whole or not there.

use super::RegistryError;
use crate::fault::point;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

/// Says which file the system's answer is about.
pub(super) fn at<T>(place: &Path, result: io::Result<T>) -> Result<T, RegistryError> {
    result.map_err(|cause| RegistryError::System { place: place.to_path_buf(), cause })
}

/// Creates a file with all its bytes, durably; it may be there already with the same bytes, and with no other.
pub(super) fn create(path: &Path, bytes: &[u8]) -> Result<(), RegistryError> {
    if at(path, path.try_exists())? {
        return expect(path, bytes);
    }
    let temporary = path.with_extension("tmp");
    let mut file = at(&temporary, File::create(&temporary))?;
    at(&temporary, file.write_all(bytes))?;
    point("version.written");
    at(&temporary, file.sync_all())?;
    point("version.synced");
    at(path, fs::rename(&temporary, path))?;
    point("version.renamed");
    sync_folder_of(path)
}

/// Expects a file with these bytes.
pub(super) fn expect(path: &Path, bytes: &[u8]) -> Result<(), RegistryError> {
    // Not read whole unless it can be equal: what is there may be anything.
    let same = at(path, fs::metadata(path))?.len() == bytes.len() as u64 && at(path, fs::read(path))? == bytes;
    if same { Ok(()) } else { Err(RegistryError::Immutable { place: path.to_path_buf() }) }
}

/// Makes a file's name durable: the folder is what holds it.
pub(super) fn sync_folder_of(path: &Path) -> Result<(), RegistryError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    at(folder, File::open(folder).and_then(|folder| folder.sync_all()))
}

/// Appends to a file, durably.
pub(super) fn append(path: &Path, bytes: &[u8]) -> Result<(), RegistryError> {
    let new = !at(path, path.try_exists())?;
    let mut file = at(path, OpenOptions::new().create(true).append(true).open(path))?;
    at(path, file.write_all(bytes))?;
    point("log.appended");
    at(path, file.sync_data())?;
    point("log.synced");
    if new { sync_folder_of(path) } else { Ok(()) }
}

/// Cuts a file off, durably.
pub(super) fn cut(path: &Path, length: u64) -> Result<(), RegistryError> {
    let file = at(path, OpenOptions::new().write(true).open(path))?;
    at(path, file.set_len(length).and_then(|()| file.sync_all()))
}

/// Removes a file, durably, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), RegistryError> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => at(path, removed).and_then(|()| sync_folder_of(path)),
    }
}

/// Moves a file to a folder beside it, durably, if it is there.
pub(super) fn shift(path: &Path, folder: &Path) -> Result<(), RegistryError> {
    let Some(name) = path.file_name() else { return Ok(()) };
    match fs::rename(path, folder.join(name)) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        moved => {
            at(path, moved)?;
            sync_folder_of(&folder.join(name))?;
            sync_folder_of(path)
        }
    }
}

/// Reads a file of at most `allowed` bytes; `None` if it is not there.
pub(super) fn read(path: &Path, allowed: u64) -> Result<Option<Vec<u8>>, RegistryError> {
    let file = match File::open(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => at(path, other)?,
    };
    let found = at(path, file.metadata())?.len();
    let mut bytes = Vec::new();
    // The length is what the system says now; the reading is bounded by itself.
    at(path, file.take(allowed + 1).read_to_end(&mut bytes))?;
    if found > allowed || bytes.len() as u64 > allowed {
        let found = found.max(bytes.len() as u64);
        return Err(RegistryError::TooLong { place: path.to_path_buf(), found, allowed });
    }
    Ok(Some(bytes))
}
