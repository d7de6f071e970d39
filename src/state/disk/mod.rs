//! The file operations that durability is made of, so that a disk that forgets can be put under what claims to survive.
//!
//! A file's bytes are durable once the file was synced, its name once its folder was. Nothing else is: a write, a new
//! name, a rename or a removal that was not synced may be lost or kept, each by itself, and a write be kept in part.
//! What builds on this trait and keeps its promise on the tests' disk keeps it on any file system that honours syncs.
//!
//! After a failed sync the bytes are unknown, and so is whether syncing again says the truth: give the file up.

#[cfg(test)]
pub(crate) mod forgetful;
mod real;
#[cfg(test)]
mod tests;

pub use real::RealDisk;

use std::fmt::Debug;
use std::io::{self, Write};
use std::path::Path;

/// A disk. Errors are those of the operating system; a missing file is `NotFound`.
pub trait Disk: Debug + Send + Sync {
    /// A file to be written from its beginning: new, or with what it held cut off.
    fn create(&self, path: &Path) -> io::Result<Box<dyn Output>>;
    /// A file to be written from its end, new if it is not there.
    fn append(&self, path: &Path) -> io::Result<Box<dyn Output>>;
    /// The bytes of a file.
    fn length(&self, path: &Path) -> io::Result<u64>;
    /// These bytes of a file, all of them, or `UnexpectedEof`; nothing is allocated for bytes that are not there.
    fn read(&self, path: &Path, from: u64, length: usize) -> io::Result<Vec<u8>>;
    /// Gives a file another name, which it takes from whatever had it. Within a folder it is one step, also in a crash.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes a folder in one that is there; it may be there already.
    fn make_folder(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty folder.
    fn remove_folder(&self, path: &Path) -> io::Result<()>;
    /// Makes durable which names a folder has.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
    /// The names in a folder, files and folders, in order. A name that is not UTF-8 is none of ours and left out.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
}

/// A file that is being written, at its end.
pub trait Output: Write + Send {
    /// Makes durable what was written, not the file's name.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the file off behind so many bytes; what is written next stands there.
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

/// Writes a file that is whole or not there: under a temporary name, synced, renamed, the folder synced.
///
/// # Errors
/// Those of the disk; then the file is as it was before, or as it should be, and which of the two is unknown.
pub fn put(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(path);
    let mut file = disk.create(&temporary)?;
    file.write_all(bytes)?;
    file.sync()?;
    drop(file);
    disk.rename(&temporary, path)?;
    disk.sync_folder(folder_of(path))
}

/// Makes a folder durably, with all folders on the way to it.
///
/// # Errors
/// Those of the disk.
pub fn make_folders(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.make_folder(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound && path.parent().is_some() => {
            make_folders(disk, folder_of(path))?;
            disk.make_folder(path)?;
        }
        other => other?,
    }
    // Also of a folder that was there: whoever made it may have died before it was durable.
    if path.file_name().is_some() { disk.sync_folder(folder_of(path)) } else { Ok(()) }
}

/// A file as a whole, if it has at most `allowed` bytes.
///
/// # Errors
/// Those of the disk; `FileTooLarge` for a longer file.
pub fn read_whole(disk: &dyn Disk, path: &Path, allowed: usize) -> io::Result<Vec<u8>> {
    let found = disk.length(path)?;
    match usize::try_from(found).ok().filter(|length| *length <= allowed) {
        Some(length) => disk.read(path, 0, length),
        None => {
            let what = format!("{found} bytes, allowed: {allowed}");
            Err(io::Error::new(io::ErrorKind::FileTooLarge, what))
        }
    }
}

/// The name under which a file is written before it has its own.
pub(super) fn temporary(path: &Path) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    name.into()
}

/// The folder that holds a name.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
