//! The folder of a run: who may write it, and what it is of.
//!
//! In: the folder, the pipeline's identity, whether to start over. Out: a claim that nobody else has while it lives.
//! Keeps, in the folder: `lock`, held as long as the claim (the system lets go of it when the process dies, however);
//! `manifest.json`, written once, which names the pipeline whose run it is.

use super::{SinkError, Stream, file};
use crate::config::spec::Publish;
use crate::fault::point;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// How long a process that was killed a moment ago may take to let go of its lock.
const DYING: Duration = Duration::from_secs(1);
/// The summary's name.
pub const SUMMARY: &str = "summary.json";
const MANIFEST: &str = "manifest.json";
const LOCK: &str = "lock";
/// What `--fresh` removes whole.
const FOLDERS: [&str; 2] = ["registry", "state"];

/// What a run is of: two runs with the same identity write the same from the same input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The pipeline's name.
    pub pipeline: String,
    /// The digest of the pipeline as it was declared, comments and layout aside: 64 hex digits.
    pub spec: String,
    /// Where its streams are: `files` or `topics`.
    pub outputs: String,
    /// What the pipeline was before it was changed, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Former>,
    /// What is or was published beside the streams of every run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub publish: Vec<Publish>,
}

/// What a run's pipeline was before it was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Former {
    /// As [`Identity::spec`].
    pub spec: String,
    /// Ticks below this were made by it, or by those before it.
    pub ticks: u64,
}

impl Identity {
    /// Takes over what the run was of before. If it was of another pipeline until now, which `may_change`, that is
    /// noted down, with no ticks yet, and true is returned.
    pub fn follow(&mut self, found: Option<Identity>, may_change: bool) -> bool {
        let Some(found) = found.filter(|f| f.pipeline == self.pipeline && f.outputs == self.outputs) else {
            return false;
        };
        self.before = found.before;
        self.publish.extend(found.publish);
        self.publish.sort_unstable();
        self.publish.dedup();
        let changed = may_change && found.spec != self.spec;
        if changed {
            self.before.push(Former { spec: found.spec, ticks: 0 });
        }
        changed
    }

    /// The streams that the run has, or had before it was changed.
    pub fn streams(&self) -> Vec<Stream> {
        Stream::of(&self.publish)
    }

    /// What differs from what was found, for a person; `None` if nothing does.
    pub fn differs(&self, found: &Identity) -> Option<String> {
        if self.pipeline != found.pipeline {
            Some(format!("`{}`, not `{}`", found.pipeline, self.pipeline))
        } else if self.outputs != found.outputs {
            Some(format!("its streams are {}, not {}", found.outputs, self.outputs))
        } else if self.spec != found.spec && self.before.last().is_none_or(|former| former.spec != found.spec) {
            Some(format!("the pipeline file of `{}` was another", self.pipeline))
        } else {
            None
        }
    }
}

/// A folder that this run alone writes.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    identity: Identity,
    fresh: bool,
    _lock: File,
}

impl Folder {
    /// Claims a folder for a run, and makes it if it is not there. What is in it stays as it is until
    /// [`Folder::begin`].
    ///
    /// # Errors
    /// [`SinkError::Busy`] if another run has it; unless `fresh`, [`SinkError::Foreign`] if it holds a run of something
    /// else, [`SinkError::Occupied`] if it holds streams that no manifest names, [`SinkError::Damaged`] if the manifest
    /// cannot be read; [`SinkError::Write`] if the system refuses.
    pub fn claim(path: &Path, identity: &Identity, fresh: bool) -> Result<Folder, SinkError> {
        std::fs::create_dir_all(path).map_err(|e| cannot_write(path, &e))?;
        let lock = path.join(LOCK);
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&lock);
        let file = file.map_err(|e| cannot_write(&lock, &e))?;
        let began = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if began.elapsed() < DYING => thread::sleep(Duration::from_millis(20)),
                Err(TryLockError::WouldBlock) => return Err(SinkError::Busy { place: path.display().to_string() }),
                Err(TryLockError::Error(e)) => return Err(cannot_write(&lock, &e)),
            }
        }
        let folder = Folder { path: path.to_path_buf(), identity: identity.clone(), fresh, _lock: file };
        if !fresh {
            identify(path, identity)?;
        }
        Ok(folder)
    }

    /// Checks that a folder holds a run of this identity, whoever may be writing it.
    ///
    /// # Errors
    /// [`SinkError::Missing`] if it holds no run; else as [`Folder::claim`].
    pub fn check(path: &Path, identity: &Identity) -> Result<(), SinkError> {
        identify(path, identity)?;
        match path.join(MANIFEST).exists() {
            true => Ok(()),
            false => Err(SinkError::Missing { place: path.display().to_string() }),
        }
    }

    /// The identity of the run that a folder holds, if it holds one.
    ///
    /// # Errors
    /// [`SinkError::Damaged`] if its manifest cannot be read; [`SinkError::Write`] if the system refuses.
    pub fn found(path: &Path) -> Result<Option<Identity>, SinkError> {
        let path = path.join(MANIFEST);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| SinkError::Damaged { place: path.display().to_string(), cause: error.to_string() }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(cannot_write(&path, &error)),
        }
    }

    /// What it is of from now on, once it is begun.
    pub fn becomes(&mut self, identity: Identity) {
        self.identity = identity;
    }

    /// Whether what it holds is to be removed.
    pub fn fresh(&self) -> bool {
        self.fresh
    }

    /// Makes it this run's. If it is to start over, a former run's streams, summary, registry, state and manifest are
    /// removed, and nothing else.
    ///
    /// # Errors
    /// [`SinkError::Write`] if the system refuses.
    pub fn begin(&self) -> Result<(), SinkError> {
        if self.fresh {
            self.clear()?;
        }
        if Folder::found(&self.path)?.is_some_and(|found| found == self.identity) {
            return Ok(());
        }
        let mut bytes = serde_json::to_vec_pretty(&self.identity).unwrap_or_default();
        bytes.push(b'\n');
        self.replace(MANIFEST, &bytes)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file of the folder, whole and durably: it is the old one or the new one, whatever happens meanwhile.
    ///
    /// # Errors
    /// [`SinkError::Write`] if the system refuses.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), SinkError> {
        let (path, temporary) = (self.path.join(name), self.path.join(format!("{name}.tmp")));
        let written = File::create(&temporary).and_then(|mut file| {
            file.write_all(bytes)?;
            point("folder.written");
            file.sync_all()
        });
        written.map_err(|e| cannot_write(&temporary, &e))?;
        point("folder.synced");
        std::fs::rename(&temporary, &path).map_err(|e| cannot_write(&path, &e))?;
        point("folder.renamed");
        self.sync()
    }

    /// Makes the names in it durable.
    pub(super) fn sync(&self) -> Result<(), SinkError> {
        File::open(&self.path).and_then(|folder| folder.sync_all()).map_err(|e| cannot_write(&self.path, &e))
    }

    /// The manifest goes last: without it nothing that is left could be told to be a run of ours.
    fn clear(&self) -> Result<(), SinkError> {
        for path in FOLDERS.map(|name| self.path.join(name)) {
            gone(std::fs::remove_dir_all(&path)).map_err(|e| cannot_write(&path, &e))?;
        }
        let mut identity = self.identity.clone();
        identity.publish.extend(Folder::found(&self.path).ok().flatten().into_iter().flat_map(|found| found.publish));
        let files = files(identity.streams()).chain([SUMMARY, MANIFEST].map(str::to_owned));
        for path in files.map(|name| self.path.join(name)) {
            gone(std::fs::remove_file(&path)).map_err(|e| cannot_write(&path, &e))?;
        }
        self.sync()
    }
}

/// Refuses a folder that holds another pipeline's run, or what is no run of ours.
fn identify(folder: &Path, identity: &Identity) -> Result<(), SinkError> {
    let place = || folder.display().to_string();
    match Folder::found(folder)? {
        Some(found) => {
            if let Some(found) = identity.differs(&found) {
                return Err(SinkError::Foreign { place: place(), found });
            }
            // What a stream's file holds that the run has not had so far is somebody else's, and would be cut off.
            let (had, has) = (found.streams(), identity.streams());
            let new: Vec<Stream> = has.into_iter().filter(|stream| !had.contains(stream)).collect();
            let there = files(new).find(|name| folder.join(name).exists());
            there.map_or(Ok(()), |name| Err(SinkError::Occupied { place: place(), found: name }))
        }
        None => {
            let there = files(identity.streams()).filter(|name| folder.join(name).exists()).collect::<Vec<_>>();
            let found = format!("a run without a manifest ({})", there.join(", "));
            if there.is_empty() { Ok(()) } else { Err(SinkError::Occupied { place: place(), found }) }
        }
    }
}

fn files(streams: Vec<Stream>) -> impl Iterator<Item = String> {
    streams.into_iter().map(file::file_name)
}

/// What is not there need not be removed.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

pub(super) fn cannot_write(place: &Path, cause: &io::Error) -> SinkError {
    SinkError::Write { place: place.display().to_string(), cause: cause.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(spec: &str) -> Identity {
        let (before, publish) = (Vec::new(), Vec::new());
        Identity { pipeline: "sea".to_owned(), spec: spec.to_owned(), outputs: "files".to_owned(), before, publish }
    }

    #[test]
    fn a_file_that_was_no_stream_is_neither_cut_nor_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        Folder::claim(path, &identity("a"), false).and_then(|f| f.begin()).expect("it is empty");
        std::fs::write(path.join("examples.jsonl"), "mine\n").expect("a file");
        Folder::claim(path, &identity("a"), true).and_then(|f| f.begin()).expect("it starts over");
        assert_eq!(names(path), ["examples.jsonl", "lock", "manifest.json"]);
        let publishing = || {
            let found = Folder::found(path).expect("it reads");
            let mut other = Identity { publish: vec![Publish::Examples], ..identity("b") };
            other.follow(found, true);
            other
        };
        let error = Folder::claim(path, &publishing(), false).map(|_| ()).expect_err("it is there").to_string();
        assert!(error.contains("already holds examples.jsonl"), "{error}");
        std::fs::remove_file(path.join("examples.jsonl")).expect("it is there");
        Folder::claim(path, &publishing(), false).and_then(|f| f.begin()).expect("nothing is in the way");
        std::fs::write(path.join("examples.jsonl"), "ours\n").expect("a file");
        Folder::claim(path, &publishing(), false).expect("it is the run's now");
        Folder::claim(path, &identity("c"), true).and_then(|f| f.begin()).expect("it starts over");
        assert_eq!(names(path), ["lock", "manifest.json"], "what was published goes, whoever starts over");
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn one_run_at_a_time_and_the_same_one_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("new/out");
        let first = Folder::claim(&path, &identity("a"), false).expect("nobody has it");
        first.begin().expect("it is empty");
        let second = Folder::claim(&path, &identity("a"), true);
        assert!(matches!(second, Err(SinkError::Busy { .. })), "{second:?}");
        drop(first);
        Folder::claim(&path, &identity("a"), false).and_then(|f| f.begin()).expect("nobody has it any more");
        let other = Folder::claim(&path, &identity("b"), false).map(|_| ()).expect_err("another pipeline").to_string();
        assert!(other.contains("--fresh") && other.contains("`sea` was another"), "{other}");
        Folder::claim(&path, &identity("b"), true).and_then(|f| f.begin()).expect("it starts over");
        assert_eq!(names(&path), ["lock", "manifest.json"]);
        Folder::claim(&path, &identity("b"), false).expect("it is of the new one");
    }

    #[test]
    fn what_is_no_run_of_ours_is_refused_unless_fresh() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        std::fs::write(path.join("notes.txt"), "mine").expect("a file");
        std::fs::write(path.join("models.jsonl"), "old\n").expect("a file");
        std::fs::write(path.join(SUMMARY), "old\n").expect("a file");
        std::fs::create_dir_all(path.join("registry/1")).expect("a folder");
        let refused = Folder::claim(path, &identity("a"), false).map(|_| ()).expect_err("no manifest").to_string();
        assert!(refused.contains("models.jsonl") && refused.contains("--fresh"), "{refused}");
        let fresh = Folder::claim(path, &identity("a"), true).expect("it starts over");
        assert_eq!(names(path), ["lock", "models.jsonl", "notes.txt", "registry", "summary.json"], "but not yet");
        fresh.begin().expect("it starts over");
        assert_eq!(names(path), ["lock", "manifest.json", "notes.txt"]);
        drop(fresh);
        std::fs::write(path.join(MANIFEST), "{}").expect("a file");
        let damaged = Folder::claim(path, &identity("a"), false).map(|_| ()).expect_err("no identity").to_string();
        assert!(damaged.contains("manifest.json is damaged"), "{damaged}");
    }
}
