//! One model's part of the registry.

use super::log::champion;
use super::{Card, Entry, RegistryError, files};
use crate::model::Artifact;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the artifacts that were made elsewhere.
const PUSHED: &str = "pushed";
/// What the folders of versions begin with that no committed tick has said.
const ASIDE: &str = "uncommitted";

/// The versions and the log of one model.
#[derive(Clone, Debug)]
pub struct Registry {
    folder: PathBuf,
    model: String,
    /// The lines that the log has.
    lines: Vec<String>,
    /// How many of them were said since it was opened: a run that is taken up again says them all once more.
    said: usize,
    /// The newest version that was released since it was opened.
    newest: u32,
    /// Whether what it is told must be there already.
    compares: bool,
}

impl Registry {
    /// The longest card: its report and offsets are bounded by the pipeline, this is for strangers' files.
    pub const MAX_CARD_BYTES: u64 = 4 << 20;
    /// The longest log, some 300,000 entries.
    pub const MAX_LOG_BYTES: u64 = 64 << 20;

    /// Opens the registry of a model for writing, and makes it if it is not there. A last line of the log that a crash
    /// cut short is taken off: what it was to say is said again.
    pub fn open(root: &Path, model: &str) -> Result<Registry, RegistryError> {
        let mut registry = Registry::place(root, model)?;
        files::at(&registry.folder, fs::create_dir_all(&registry.folder))?;
        files::sync_folder_of(&registry.folder)?;
        files::sync_folder_of(&root.join("registry"))?;
        let log = registry.log_path();
        let bytes = files::read(&log, Registry::MAX_LOG_BYTES)?.unwrap_or_default();
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        if whole < bytes.len() {
            files::cut(&log, whole as u64)?;
        }
        registry.lines = registry.log()?.iter().map(line).collect();
        Ok(registry)
    }

    /// Opens the registry of a model to compare: what it is told must be there already, and nothing is written.
    pub fn compare(root: &Path, model: &str) -> Result<Registry, RegistryError> {
        let mut registry = Registry::read(root, model)?;
        registry.lines = registry.log()?.iter().map(line).collect();
        registry.compares = true;
        Ok(registry)
    }

    /// Opens the registry of a model for reading.
    pub fn read(root: &Path, model: &str) -> Result<Registry, RegistryError> {
        let registry = Registry::place(root, model)?;
        if !registry.folder.is_dir() {
            return Err(registry.missing(format!("model `{model}`"), root));
        }
        Ok(registry)
    }

    fn place(root: &Path, model: &str) -> Result<Registry, RegistryError> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if model.is_empty() || model.len() > 100 || !model.bytes().all(good) {
            return Err(RegistryError::Name { found: model.chars().take(100).collect() });
        }
        let folder = root.join("registry").join(model);
        Ok(Registry { folder, model: model.to_string(), lines: Vec::new(), said: 0, newest: 0, compares: false })
    }

    /// The model.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Writes a version: the artifact first, its card last, each whole and durable; a version without a card never
    /// happened. Writing the same again changes nothing; writing something else under the number is refused.
    pub fn release(&mut self, artifact: &[u8], card: &Card) -> Result<(), RegistryError> {
        assert_eq!(card.model, self.model, "a card goes to its model's registry");
        assert_eq!(card.digest, Artifact::digest(artifact), "a card has the digest of its artifact");
        let mut bytes = serde_json::to_vec_pretty(card).expect("texts and finite numbers always serialize");
        bytes.push(b'\n');
        for (path, bytes) in [(self.artifact_path(card.number), artifact), (self.card_path(card.number), &bytes)] {
            match self.compares {
                true => files::expect(&path, bytes)?,
                false => files::create(&path, bytes)?,
            }
        }
        self.newest = self.newest.max(card.number);
        Ok(())
    }

    /// Appends to the log, durably; an entry that the log has at this place already is left as it is.
    ///
    /// # Errors
    /// The log has another entry there, or the system refuses.
    pub fn append(&mut self, entry: &Entry) -> Result<(), RegistryError> {
        let line = line(entry);
        match self.lines.get(self.said) {
            Some(found) if *found == line => {}
            Some(_) => {
                let cause = format!("line {}: it is not what the run said there", self.said + 1);
                return Err(RegistryError::Malformed { place: self.log_path(), cause });
            }
            None if self.compares => {
                let cause = format!("line {} is missing", self.said + 1);
                return Err(RegistryError::Malformed { place: self.log_path(), cause });
            }
            None => {
                files::append(&self.log_path(), format!("{line}\n").as_bytes())?;
                self.lines.push(line);
            }
        }
        self.said += 1;
        Ok(())
    }

    /// What was said since it was opened: entries of the log, and the newest version.
    pub fn told(&self) -> (u64, u32) {
        (self.said as u64, self.newest)
    }

    /// Goes on as if so much had been said: a run that goes on from a checkpoint does not say it again.
    ///
    /// # Errors
    /// [`RegistryError::Malformed`] if the log has fewer entries; [`RegistryError::Missing`] without that version.
    pub fn resume(&mut self, (entries, newest): (u64, u32)) -> Result<(), RegistryError> {
        if entries > self.lines.len() as u64 {
            let cause = format!("it has {} entries, the checkpoint knows of {entries}", self.lines.len());
            return Err(RegistryError::Malformed { place: self.log_path(), cause });
        }
        if newest > 0 {
            self.card(newest)?;
        }
        (self.said, self.newest) = (entries as usize, newest);
        Ok(())
    }

    /// Takes back what was not said since the registry was opened: entries and versions of ticks that were never
    /// committed. For a run that has said again all that it had committed. If that was nothing, and there is more than
    /// a first version, they may be all that is left of a run whose progress was lost: they are set aside, in the
    /// folder that is returned.
    ///
    /// # Errors
    /// The system refuses.
    pub fn settle(&mut self) -> Result<Option<PathBuf>, RegistryError> {
        let beyond: Vec<u32> = self.versions()?.into_iter().filter(|number| *number > self.newest).collect();
        // Of one more, which was cut short, there may be an artifact without a card.
        let cut_short = beyond.last().unwrap_or(&self.newest) + 1;
        let numbers = (self.newest + 1..=cut_short).rev();
        if self.newest == 0 && beyond.len() > 1 {
            self.lines.clear();
            return self.set_aside(numbers).map(Some);
        }
        if self.said < self.lines.len() {
            self.lines.truncate(self.said);
            let length: usize = self.lines.iter().map(|line| line.len() + 1).sum();
            files::cut(&self.log_path(), length as u64)?;
        }
        for number in numbers {
            // The card first: a version without one never happened.
            files::remove(&self.card_path(number))?;
            files::remove(&self.artifact_path(number))?;
        }
        Ok(None)
    }

    /// Moves all that the registry has to a folder of its own in it, where nothing looks for versions. The newest
    /// version goes first, so that what is left, should this be cut short, is a registry from its first version on.
    fn set_aside(&self, numbers: impl Iterator<Item = u32>) -> Result<PathBuf, RegistryError> {
        let mut names = (1..).map(|number| self.folder.join(format!("{ASIDE}-{number}")));
        let aside = names.find(|path| !path.exists()).unwrap_or_else(|| self.folder.join(ASIDE));
        files::at(&aside, fs::create_dir(&aside))?;
        let of = |number| [self.card_path(number), self.artifact_path(number)];
        for path in [self.log_path()].into_iter().chain(numbers.flat_map(of)) {
            files::shift(&path, &aside)?;
        }
        Ok(aside)
    }

    /// The log, oldest first; a last line that is not whole is not there.
    pub fn log(&self) -> Result<Vec<Entry>, RegistryError> {
        let place = self.log_path();
        let bytes = files::read(&place, Registry::MAX_LOG_BYTES)?.unwrap_or_default();
        let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        // What stands after the last line end is nothing, or what a crash cut short.
        lines.pop();
        let entry = |(number, line): (usize, &[u8])| {
            serde_json::from_slice(line).map_err(|cause| {
                let cause = format!("line {}: {cause}", number + 1);
                RegistryError::Malformed { place: place.clone(), cause }
            })
        };
        lines.into_iter().enumerate().map(entry).collect()
    }

    /// The version that the log says is champion.
    pub fn champion(&self) -> Result<Option<u32>, RegistryError> {
        Ok(champion(&self.log()?))
    }

    /// The numbers of the versions, ascending.
    pub fn versions(&self) -> Result<Vec<u32>, RegistryError> {
        let mut numbers = Vec::new();
        for entry in files::at(&self.folder, fs::read_dir(&self.folder))? {
            let name = files::at(&self.folder, entry)?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix('v')?.strip_suffix(".card.json"));
            numbers.extend(number.and_then(|number| number.parse::<u32>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// A version's card.
    pub fn card(&self, number: u32) -> Result<Card, RegistryError> {
        let place = self.card_path(number);
        let bytes = files::read(&place, Registry::MAX_CARD_BYTES)?
            .ok_or_else(|| self.missing(format!("version {number} of `{}`", self.model), &self.folder))?;
        let card: Card = serde_json::from_slice(&bytes)
            .map_err(|cause| RegistryError::Malformed { place: place.clone(), cause: cause.to_string() })?;
        if card.number != number || card.model != self.model {
            let cause = format!("it is the card of version {} of `{}`", card.number, card.model);
            return Err(RegistryError::Malformed { place, cause });
        }
        Ok(card)
    }

    /// A version's artifact, checked against its card and itself.
    pub fn artifact(&self, number: u32) -> Result<Artifact, RegistryError> {
        let expected = self.card(number)?.digest;
        let place = self.artifact_path(number);
        let bytes = files::read(&place, Artifact::MAX_BYTES as u64)?
            .ok_or_else(|| self.missing(format!("artifact of version {number}"), &self.folder))?;
        let found = Artifact::digest(&bytes);
        if found != expected {
            return Err(RegistryError::Digest { place, found, expected });
        }
        Artifact::from_bytes(&bytes).map_err(|cause| RegistryError::Artifact { place, cause })
    }

    /// Keeps an artifact that was made elsewhere, durably, by its digest, which is given back. Keeping it again changes
    /// nothing.
    ///
    /// # Errors
    /// The system refuses.
    pub fn keep(&self, artifact: &Artifact) -> Result<String, RegistryError> {
        let bytes = artifact.to_bytes();
        let digest = Artifact::digest(&bytes);
        let path = self.pushed_path(&digest);
        let folder = self.folder.join(PUSHED);
        files::at(&folder, fs::create_dir_all(&folder))?;
        files::sync_folder_of(&folder)?;
        files::create(&path, &bytes)?;
        Ok(digest)
    }

    /// An artifact that was made elsewhere, by its digest.
    ///
    /// # Errors
    /// It is not there, or not of this digest, or no artifact.
    pub fn pushed(&self, digest: &str) -> Result<Artifact, RegistryError> {
        let place = self.pushed_path(digest);
        let named = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        let bytes = if named { files::read(&place, Artifact::MAX_BYTES as u64)? } else { None };
        let bytes = bytes.ok_or_else(|| self.missing(format!("{digest}.json"), &self.folder.join(PUSHED)))?;
        let found = Artifact::digest(&bytes);
        if found != digest {
            let cause = format!("its digest is {found}, which is not its name");
            return Err(RegistryError::Malformed { place, cause });
        }
        Artifact::from_bytes(&bytes).map_err(|cause| RegistryError::Artifact { place, cause })
    }

    fn pushed_path(&self, digest: &str) -> PathBuf {
        self.folder.join(PUSHED).join(format!("{digest}.json"))
    }

    fn missing(&self, what: String, place: &Path) -> RegistryError {
        RegistryError::Missing { what, place: place.to_path_buf() }
    }

    fn artifact_path(&self, number: u32) -> PathBuf {
        self.folder.join(format!("v{number}.json"))
    }

    fn card_path(&self, number: u32) -> PathBuf {
        self.folder.join(format!("v{number}.card.json"))
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join("log.jsonl")
    }
}

fn line(entry: &Entry) -> String {
    serde_json::to_string(entry).expect("texts and numbers always serialize")
}
