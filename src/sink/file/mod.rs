//! Files as sinks: a folder with `<stream>.jsonl` for each stream of records that the run has, and `progress.log`.
//!
//! In: ticks. Out: their lines, durable, and then their progress records, durable. What stands in the streams beyond
//! the last progress record never happened, and is cut off when the run is taken up again; so is a progress record
//! without line end. Keeps: a buffer of 1 MiB a stream, and the progress records of the open group.

use super::compare::{Compare, Stored, StoredRecord};
use super::desk::{Desk, Work};
use super::folder::{Folder, cannot_write};
use super::{Lengths, Sink, SinkError, Stream, Written};
use crate::fault::point;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const BUFFER_BYTES: usize = 1 << 20;

/// The file of a stream in an output folder.
pub fn file_name(stream: Stream) -> String {
    match stream {
        Stream::Progress => "progress.log".to_string(),
        _ => format!("{}.jsonl", stream.name()),
    }
}

/// The progress records that are in a folder, without their line ends; none if there is no log. What stands behind the
/// last line end was cut short, and never happened.
///
/// # Errors
/// [`SinkError::Write`] if the log cannot be read.
pub fn progress(folder: &Path) -> Result<Vec<String>, SinkError> {
    let path = folder.join(file_name(Stream::Progress));
    let bytes = match std::fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(|e| cannot_write(&path, &e))?,
    };
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    lines.pop();
    Ok(lines.into_iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect())
}

/// A sink that compares what it is given with these streams of a folder, so many bytes of each.
///
/// # Errors
/// [`SinkError::Write`] if a stream cannot be read.
pub fn compare(folder: &Path, streams: &[Stream], committed: &Lengths) -> Result<Box<dyn Sink>, SinkError> {
    let stored = |(stream, length): (Stream, u64)| -> Result<(Stream, Vec<Stored>), SinkError> {
        let path = folder.join(file_name(stream));
        let file = File::open(&path).map_err(|e| cannot_write(&path, &e))?;
        let lines = BufReader::with_capacity(BUFFER_BYTES, file).take(length).split(b'\n');
        let records = lines.map(|line| match line {
            Ok(value) => Ok(StoredRecord { tick: None, value }),
            Err(error) => Err(error.to_string()),
        });
        Ok((stream, vec![Stored { place: path.display().to_string(), records: Box::new(records) }]))
    };
    let streams: Result<BTreeMap<_, _>, _> = lengths(streams, committed).map(stored).collect();
    Ok(Box::new(Compare::new(streams?, Box::new(|_, _, line| (0, line.to_vec())))))
}

/// The streams but progress, each with its length.
fn lengths(streams: &[Stream], committed: &Lengths) -> impl Iterator<Item = (Stream, u64)> {
    let all = Stream::ALL.into_iter().zip(*committed);
    all.filter(|(stream, _)| streams.contains(stream))
}

/// A run's output folder as a sink.
#[derive(Debug)]
pub struct FileSink {
    outputs: BTreeMap<Stream, Output>,
    log: Output,
    /// The progress records of the open group.
    progress: Vec<u8>,
}

#[derive(Debug)]
struct Output {
    path: PathBuf,
    file: BufWriter<File>,
    /// Whether something was put that is not durable.
    dirty: bool,
}

impl FileSink {
    /// Opens these streams of a folder behind what is committed: so many bytes of each stream, and of the progress log.
    /// What is beyond is cut off.
    ///
    /// # Errors
    /// [`SinkError::Damaged`] if a stream is shorter than that; [`SinkError::Write`] if the system refuses.
    pub fn open(
        folder: &Folder,
        streams: &[Stream],
        committed: &Lengths,
        progress: u64,
    ) -> Result<Box<dyn Sink>, SinkError> {
        let sink = FileSink::behind(folder, streams, committed, progress)?;
        Ok(Box::new(Desk::start(folder.path().display().to_string(), sink)?))
    }

    fn behind(folder: &Folder, streams: &[Stream], committed: &Lengths, progress: u64) -> Result<FileSink, SinkError> {
        let open = |stream: Stream, length: u64| Output::behind(folder.path().join(file_name(stream)), length);
        let outputs: Result<BTreeMap<Stream, Output>, SinkError> =
            lengths(streams, committed).map(|(stream, length)| Ok((stream, open(stream, length)?))).collect();
        let (outputs, log) = (outputs?, open(Stream::Progress, progress)?);
        // The names of new files are durable only with their folder.
        folder.sync()?;
        Ok(FileSink { outputs, log, progress: Vec::new() })
    }
}

impl Work for FileSink {
    fn take(&mut self, written: Written) -> Result<(), SinkError> {
        for page in &written.pages {
            let output = self.outputs.get_mut(&page.stream);
            output.unwrap_or_else(|| unreachable!("a run has pages of its own streams only")).put(&page.lines)?;
        }
        self.progress.extend_from_slice(written.progress.as_bytes());
        self.progress.push(b'\n');
        Ok(())
    }

    fn commit(&mut self) -> Result<(), SinkError> {
        for output in self.outputs.values_mut() {
            output.make_durable(["lines.before", "lines.flushed", "lines.synced"])?;
        }
        self.log.put(&self.progress)?;
        self.progress.clear();
        self.log.make_durable(["progress.before", "progress.flushed", "progress.synced"])
    }
}

impl Output {
    fn behind(path: PathBuf, length: u64) -> Result<Output, SinkError> {
        let open = || -> std::io::Result<(File, u64)> {
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path)?;
            let found = file.metadata()?.len();
            Ok((file, found))
        };
        let (mut file, found) = open().map_err(|e| cannot_write(&path, &e))?;
        if found < length {
            let cause = format!("it has {found} bytes, committed are {length}");
            return Err(SinkError::Damaged { place: path.display().to_string(), cause });
        }
        let cut = file.set_len(length).and_then(|()| file.seek(SeekFrom::End(0)));
        cut.map_err(|e| cannot_write(&path, &e))?;
        point("stream.cut");
        Ok(Output { path, file: BufWriter::with_capacity(BUFFER_BYTES, file), dirty: found > length })
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        self.dirty = true;
        self.file.write_all(bytes).map_err(|e| cannot_write(&self.path, &e))
    }

    fn make_durable(&mut self, [before, flushed, synced]: [&str; 3]) -> Result<(), SinkError> {
        if std::mem::take(&mut self.dirty) {
            point(before);
            self.file.flush().map_err(|e| cannot_write(&self.path, &e))?;
            point(flushed);
            self.file.get_ref().sync_data().map_err(|e| cannot_write(&self.path, &e))?;
            point(synced);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
