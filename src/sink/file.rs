//! Files as sinks: a folder with `<stream>.jsonl` for each stream of records, and `progress.log`.
//!
//! In: pages and progress records. Keeps: a buffer of 1 MiB a stream. What a tick wrote reaches the system before its
//! progress record does; the disk is waited for when the sink is closed. A tick whose lines are there without its
//! progress record never happened.

use super::{Page, Sink, SinkError, Stream};
use crate::time::Time;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

const BUFFER_BYTES: usize = 1 << 20;

/// What `--fresh` removes beside the streams.
const SUMMARY: &str = "summary.json";
const REGISTRY: &str = "registry";

/// The file of a stream in an output folder.
pub fn file_name(stream: Stream) -> String {
    match stream {
        Stream::Progress => "progress.log".to_string(),
        _ => format!("{}.jsonl", stream.name()),
    }
}

/// A run's output folder.
#[derive(Debug)]
pub struct FileSink {
    folder: PathBuf,
    /// In the order of [`Stream::ALL`].
    outputs: Vec<Output>,
}

#[derive(Debug)]
struct Output {
    path: PathBuf,
    file: BufWriter<File>,
}

impl FileSink {
    /// Creates the folder if it is not there, and the files of all streams in it. With `fresh` a former run's streams,
    /// `summary.json` and `registry/` are removed first, and nothing else.
    ///
    /// # Errors
    /// [`SinkError::Occupied`] if one of the files is there already and `fresh` is not set; [`SinkError::Write`] if
    /// something cannot be created or removed.
    pub fn create(folder: &Path, fresh: bool) -> Result<FileSink, SinkError> {
        std::fs::create_dir_all(folder).map_err(|e| cannot_write(folder, &e))?;
        if fresh {
            clear(folder)?;
        }
        let occupied = |found: String| SinkError::Occupied { place: folder.display().to_string(), found };
        let there: Vec<String> =
            Stream::ALL.into_iter().map(file_name).filter(|name| folder.join(name).exists()).collect();
        if !there.is_empty() {
            return Err(occupied(there.join(", ")));
        }
        let mut outputs = Vec::with_capacity(Stream::ALL.len());
        for stream in Stream::ALL {
            let path = folder.join(file_name(stream));
            // Two runs that start together in one folder: the second one is refused here.
            let file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(|e| match e.kind() {
                ErrorKind::AlreadyExists => occupied(file_name(stream)),
                _ => cannot_write(&path, &e),
            })?;
            outputs.push(Output { path, file: BufWriter::with_capacity(BUFFER_BYTES, file) });
        }
        Ok(FileSink { folder: folder.to_path_buf(), outputs })
    }

    fn output(&mut self, stream: Stream) -> &mut Output {
        // The order of the declaration is the order of `Stream::ALL`.
        &mut self.outputs[stream as usize]
    }
}

impl Sink for FileSink {
    fn write(&mut self, _tick: u64, pages: &[Page]) -> Result<(), SinkError> {
        pages.iter().try_for_each(|page| self.output(page.stream).put(&page.lines))
    }

    fn commit(&mut self, _tick: u64, _time: Time, progress: &[u8]) -> Result<(), SinkError> {
        for output in &mut self.outputs {
            output.flush()?;
        }
        let log = self.output(Stream::Progress);
        log.put(progress)?;
        log.put(b"\n")?;
        log.flush()
    }

    fn close(mut self: Box<Self>) -> Result<(), SinkError> {
        for output in &mut self.outputs {
            output.flush()?;
            output.file.get_ref().sync_all().map_err(|e| cannot_write(&output.path, &e))?;
        }
        // The names of new files are durable only with their folder.
        File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(|e| cannot_write(&self.folder, &e))
    }
}

impl Output {
    fn put(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        self.file.write_all(bytes).map_err(|e| cannot_write(&self.path, &e))
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.file.flush().map_err(|e| cannot_write(&self.path, &e))
    }
}

fn clear(folder: &Path) -> Result<(), SinkError> {
    let names = Stream::ALL.into_iter().map(file_name).chain([SUMMARY.to_string()]);
    for path in names.map(|name| folder.join(name)) {
        gone(std::fs::remove_file(&path)).map_err(|e| cannot_write(&path, &e))?;
    }
    let registry = folder.join(REGISTRY);
    gone(std::fs::remove_dir_all(&registry)).map_err(|e| cannot_write(&registry, &e))
}

/// What is not there need not be removed.
fn gone(removed: std::io::Result<()>) -> std::io::Result<()> {
    match removed {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn cannot_write(place: &Path, cause: &std::io::Error) -> SinkError {
    SinkError::Write { place: place.display().to_string(), cause: cause.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::read_to_string;

    fn page(stream: Stream, lines: &str) -> Page {
        Page { stream, lines: lines.as_bytes().to_vec(), entries: Vec::new() }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn lines_stand_in_their_streams_and_before_their_progress() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let folder = folder.path().join("new/out");
        let mut sink = FileSink::create(&folder, false)?;
        sink.write(1, &[page(Stream::Predictions, "{\"p\":1}\n{\"p\":2}\n"), page(Stream::Metrics, "{\"m\":1}\n")])?;
        sink.commit(1, Time(5), b"{\"tick\":1}")?;
        assert_eq!(read_to_string(folder.join("predictions.jsonl"))?, "{\"p\":1}\n{\"p\":2}\n");
        assert_eq!(read_to_string(folder.join("progress.log"))?, "{\"tick\":1}\n");
        sink.write(2, &[page(Stream::Predictions, "{\"p\":3}\n")])?;
        sink.commit(2, Time(6), b"{\"tick\":2}")?;
        Box::new(sink).close()?;
        assert_eq!(read_to_string(folder.join("predictions.jsonl"))?, "{\"p\":1}\n{\"p\":2}\n{\"p\":3}\n");
        assert_eq!(read_to_string(folder.join("metrics.jsonl"))?, "{\"m\":1}\n");
        assert_eq!(read_to_string(folder.join("progress.log"))?, "{\"tick\":1}\n{\"tick\":2}\n");
        let all = [
            "dead_letters.jsonl",
            "decisions.jsonl",
            "metrics.jsonl",
            "models.jsonl",
            "predictions.jsonl",
            "progress.log",
        ];
        assert_eq!(names(&folder), all);
        Ok(())
    }

    #[test]
    fn another_runs_folder_is_refused_unless_fresh() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let folder = folder.path();
        std::fs::write(folder.join("notes.txt"), "mine")?;
        std::fs::write(folder.join("models.jsonl"), "old\n")?;
        std::fs::write(folder.join("summary.json"), "old\n")?;
        std::fs::create_dir_all(folder.join("registry/1"))?;
        let refused = FileSink::create(folder, false).map(|_| ());
        assert!(matches!(&refused, Err(SinkError::Occupied { found, .. }) if found == "models.jsonl"), "{refused:?}");
        assert!(refused.is_err_and(|e| e.to_string().contains("--fresh")));
        assert_eq!(
            names(folder),
            ["models.jsonl", "notes.txt", "registry", "summary.json"],
            "refusing changes nothing"
        );
        FileSink::create(folder, true)?;
        assert_eq!(read_to_string(folder.join("models.jsonl"))?, "");
        assert!(!folder.join("registry").exists() && !folder.join("summary.json").exists());
        assert_eq!(read_to_string(folder.join("notes.txt"))?, "mine");
        Ok(())
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error_that_names_the_file() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let mut sink = FileSink::create(folder.path(), false)?;
        let path = folder.path().join("predictions.jsonl");
        sink.outputs[0].file =
            BufWriter::with_capacity(BUFFER_BYTES, OpenOptions::new().write(true).open("/dev/full")?);
        sink.write(1, &[page(Stream::Predictions, "{}\n")])?;
        let error = sink.commit(1, Time(0), b"{}");
        assert!(
            matches!(&error, Err(SinkError::Write { place, .. }) if *place == path.display().to_string()),
            "{error:?}"
        );
        assert_eq!(read_to_string(folder.path().join("progress.log"))?, "", "no progress without its outputs");
        Ok(())
    }

    #[test]
    fn the_outputs_stand_in_the_order_of_the_streams() {
        assert!(Stream::ALL.into_iter().enumerate().all(|(at, stream)| stream as usize == at));
    }
}
