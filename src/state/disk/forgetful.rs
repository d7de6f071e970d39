//! A disk in memory that forgets, at a crash, any part of what was not synced: for tests only.
//!
//! It counts its operations and loses power at the one that was asked for; that one may happen, or not, or in part, and
//! none after it does. [`ForgetfulDisk::after_crash`] is what a machine finds when it comes back: of each file what was
//! synced, and of what was written since any subset of the writes, each whole, torn at any byte, or as zeros; of each
//! folder the names that were synced, and since then any subset of new names, renames and removals.
//!
//! Stricter than most file systems, which order the changes of names, and no stricter than what POSIX promises; in the
//! spirit of redb's and TigerBeetle's test disks.

use super::{Disk, Output, folder_of};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// Random bits (SplitMix64): the same from a seed, wherever it runs.
#[derive(Clone, Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// One of `0..n`; 0 if there is none.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.roll() % n.max(1) as u64) as usize
    }

    /// So many bytes.
    pub(crate) fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.roll() as u8).collect()
    }
}

/// The disk; a clone is the same disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct ForgetfulDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    files: Vec<Content>,
    names: BTreeMap<PathBuf, Entry>,
    synced_names: BTreeMap<PathBuf, Entry>,
    /// In the order in which they came.
    renames: Vec<Naming>,
    operations: u64,
    dies_at: Option<u64>,
    dead: bool,
    /// A disk that says it has synced, and has not.
    lies: bool,
}

#[derive(Clone, Debug, Default)]
struct Content {
    now: Vec<u8>,
    synced: Vec<u8>,
    since: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Cut(usize),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Entry {
    File(usize),
    Folder,
}

/// A change of names that a crash keeps or loses as one: what leaves, and what comes.
#[derive(Clone, Debug)]
struct Naming {
    folder: PathBuf,
    leaves: Option<(PathBuf, Entry)>,
    comes: Option<(PathBuf, Entry)>,
}

impl Naming {
    fn apply(&self, names: &mut BTreeMap<PathBuf, Entry>) {
        if let Some((path, entry)) = &self.leaves
            && names.get(path) == Some(entry)
        {
            names.remove(path);
        }
        if let Some((path, entry)) = &self.comes {
            names.insert(path.clone(), *entry);
        }
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Change::Cut(length) => bytes.resize(*length, 0),
            Change::Write { at, bytes: written } => {
                let end = at + written.len();
                bytes.resize(bytes.len().max(end), 0);
                bytes[*at..end].copy_from_slice(written);
            }
        }
    }

    /// What a crash may leave of it.
    fn remains(&self, dice: &mut Dice) -> Option<Change> {
        match (self, dice.below(4)) {
            (_, 0) => None,
            (Change::Write { at, bytes }, 1) => {
                let from = if dice.below(4) == 0 { dice.below(bytes.len()) } else { 0 };
                let to = from + dice.below(bytes.len() - from + 1);
                Some(Change::Write { at: at + from, bytes: bytes[from..to].to_vec() })
            }
            (Change::Write { at, bytes }, 2) if dice.below(4) == 0 => {
                Some(Change::Write { at: *at, bytes: vec![0; bytes.len()] })
            }
            _ => Some(self.clone()),
        }
    }
}

impl ForgetfulDisk {
    /// Loses power at that operation, counted from 1 and from now.
    pub(crate) fn die_at(&self, operation: u64) {
        let mut state = self.state();
        state.dies_at = Some(state.operations + operation);
    }

    /// Syncs nothing from now on, and says that it did.
    pub(crate) fn lie(&self) {
        self.state().lies = true;
    }

    /// Operations so far.
    pub(crate) fn operations(&self) -> u64 {
        self.state().operations
    }

    /// What is there after a crash now.
    pub(crate) fn after_crash(&self, dice: &mut Dice) -> ForgetfulDisk {
        let state = self.state();
        let mut names = state.synced_names.clone();
        // Some crashes lose nearly everything, some nearly nothing.
        let often = dice.below(5);
        for naming in &state.renames {
            if dice.below(4) < often {
                naming.apply(&mut names);
            }
        }
        let found = names.clone();
        names.retain(|path, _| path.ancestors().skip(1).all(|folder| is_root(folder) || found.contains_key(folder)));
        let mut remaining = |content: &Content| {
            let mut bytes = content.synced.clone();
            content.since.iter().filter_map(|change| change.remains(dice)).for_each(|change| change.apply(&mut bytes));
            Content { now: bytes.clone(), synced: bytes, since: Vec::new() }
        };
        let files = state.files.iter().map(&mut remaining).collect();
        ForgetfulDisk(Arc::new(Mutex::new(State { files, synced_names: names.clone(), names, ..State::default() })))
    }

    /// All files with their bytes, as they are now.
    pub(crate) fn contents(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = self.state();
        let file = |entry: &Entry| match entry {
            Entry::File(file) => Some(state.files[*file].now.clone()),
            Entry::Folder => None,
        };
        state.names.iter().filter_map(|(path, entry)| Some((path.clone(), file(entry)?))).collect()
    }

    /// A disk with these files and the folders that hold them.
    pub(crate) fn with(contents: &BTreeMap<PathBuf, Vec<u8>>) -> ForgetfulDisk {
        let mut state = State::default();
        for (path, bytes) in contents {
            let folders = path.ancestors().skip(1).filter(|folder| !is_root(folder));
            state.names.extend(folders.map(|folder| (folder.to_path_buf(), Entry::Folder)));
            state.names.insert(path.clone(), Entry::File(state.files.len()));
            state.files.push(Content { now: bytes.clone(), synced: bytes.clone(), since: Vec::new() });
        }
        state.synced_names = state.names.clone();
        ForgetfulDisk(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn file(&self, path: &Path, cut: bool) -> io::Result<Box<dyn Output>> {
        self.state().change(|state| {
            let file = match state.names.get(path) {
                Some(Entry::Folder) => return Err(ErrorKind::IsADirectory.into()),
                Some(Entry::File(file)) => *file,
                None => {
                    state.folder(folder_of(path))?;
                    state.files.push(Content::default());
                    let entry = Entry::File(state.files.len() - 1);
                    state.name(Naming {
                        folder: folder_of(path).to_path_buf(),
                        leaves: None,
                        comes: Some((path.to_path_buf(), entry)),
                    });
                    state.files.len() - 1
                }
            };
            if cut && !state.files[file].now.is_empty() {
                state.files[file].change(Change::Cut(0));
            }
            Ok(Box::new(Handle { disk: self.clone(), file }) as Box<dyn Output>)
        })
    }
}

fn is_root(path: &Path) -> bool {
    path.as_os_str().is_empty() || path.parent().is_none()
}

fn no_power() -> io::Error {
    io::Error::other("no power")
}

impl Content {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.now);
        self.since.push(change);
    }
}

impl State {
    /// An operation that a crash may keep, lose or tear.
    fn change<T>(&mut self, act: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let dies = self.count()?;
        let done = act(self);
        if dies { Err(no_power()) } else { done }
    }

    /// An operation that makes durable; it has not if power was lost in it.
    fn settle(&mut self, act: impl FnOnce(&mut State) -> io::Result<()>) -> io::Result<()> {
        match (self.count()?, self.lies) {
            (true, _) => Err(no_power()),
            (false, true) => Ok(()),
            (false, false) => act(self),
        }
    }

    fn count(&mut self) -> io::Result<bool> {
        if self.dead {
            return Err(no_power());
        }
        self.operations += 1;
        self.dead = self.dies_at.is_some_and(|at| self.operations >= at);
        Ok(self.dead)
    }

    fn look(&self) -> io::Result<&State> {
        if self.dead { Err(no_power()) } else { Ok(self) }
    }

    fn name(&mut self, naming: Naming) {
        naming.apply(&mut self.names);
        self.renames.push(naming);
    }

    fn folder(&self, path: &Path) -> io::Result<()> {
        match self.names.get(path) {
            _ if is_root(path) => Ok(()),
            Some(Entry::Folder) => Ok(()),
            Some(Entry::File(_)) => Err(ErrorKind::NotADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn found(&self, path: &Path) -> io::Result<usize> {
        match self.names.get(path) {
            Some(Entry::File(file)) => Ok(*file),
            Some(Entry::Folder) => Err(ErrorKind::IsADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn listed(&self, folder: &Path) -> impl Iterator<Item = &str> {
        self.names
            .keys()
            .filter(move |path| path.parent() == Some(folder))
            .map(|path| path.file_name().and_then(|name| name.to_str()).expect("names in tests are UTF-8"))
    }
}

impl Disk for ForgetfulDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Output>> {
        self.file(path, true)
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn Output>> {
        self.file(path, false)
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        let state = self.state();
        let file = state.look()?.found(path)?;
        Ok(state.files[file].now.len() as u64)
    }

    fn read(&self, path: &Path, from: u64, length: usize) -> io::Result<Vec<u8>> {
        let state = self.state();
        let bytes = &state.files[state.look()?.found(path)?].now;
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let wanted = bytes.get(from..from.saturating_add(length)).ok_or(ErrorKind::UnexpectedEof)?;
        Ok(wanted.to_vec())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.state().change(|state| {
            let entry = Entry::File(state.found(from)?);
            state.folder(folder_of(to))?;
            let leaves = Some((from.to_path_buf(), entry));
            let comes = Some((to.to_path_buf(), entry));
            let folder = folder_of(to).to_path_buf();
            if folder_of(from) == folder {
                state.name(Naming { folder, leaves, comes });
            } else {
                // Each folder is durable by itself.
                state.name(Naming { folder, leaves: None, comes });
                state.name(Naming { folder: folder_of(from).to_path_buf(), leaves, comes: None });
            }
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.state().change(|state| {
            let leaves = Some((path.to_path_buf(), Entry::File(state.found(path)?)));
            state.name(Naming { folder: folder_of(path).to_path_buf(), leaves, comes: None });
            Ok(())
        })
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        self.state().change(|state| {
            if state.folder(path).is_ok() {
                return Ok(());
            }
            state.folder(folder_of(path))?;
            let comes = Some((path.to_path_buf(), Entry::Folder));
            state.name(Naming { folder: folder_of(path).to_path_buf(), leaves: None, comes });
            Ok(())
        })
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.state().change(|state| {
            state.folder(path)?;
            if state.listed(path).next().is_some() {
                return Err(ErrorKind::DirectoryNotEmpty.into());
            }
            let leaves = Some((path.to_path_buf(), Entry::Folder));
            state.name(Naming { folder: folder_of(path).to_path_buf(), leaves, comes: None });
            Ok(())
        })
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.state().settle(|state| {
            state.folder(path)?;
            let State { renames, synced_names, .. } = state;
            renames.retain(|naming| {
                let ours = naming.folder == path;
                if ours {
                    naming.apply(synced_names);
                }
                !ours
            });
            Ok(())
        })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        state.look()?.folder(path)?;
        Ok(state.listed(path).map(str::to_string).collect())
    }
}

struct Handle {
    disk: ForgetfulDisk,
    file: usize,
}

impl Write for Handle {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.disk.state().change(|state| {
            let content = &mut state.files[self.file];
            content.change(Change::Write { at: content.now.len(), bytes: bytes.to_vec() });
            Ok(bytes.len())
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output for Handle {
    fn sync(&mut self) -> io::Result<()> {
        self.disk.state().settle(|state| {
            let content = &mut state.files[self.file];
            content.synced = content.now.clone();
            content.since.clear();
            Ok(())
        })
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.disk.state().change(|state| {
            state.files[self.file].change(Change::Cut(length as usize));
            Ok(())
        })
    }
}
