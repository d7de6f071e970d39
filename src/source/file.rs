//! Files as sources: CSV or JSON lines, plain, gzip or zstd, and standard input.
//!
//! In: paths, `-` for standard input; each is a partition with a thread of its own, its records numbered from 0 (empty
//! lines and the CSV header are no records). Out: batches of at most [`BATCH_RECORDS`] records and about
//! [`BATCH_BYTES`] through a channel that holds [`CHANNEL_BATCHES`]; what comes through a pipe is handed over as soon
//! as the pipe has no more for now. Gzip and zstd are told by their first bytes, and may have several members or
//! frames. Keeps: one buffer (`lines.rs`), and of a packed stream its window (zstd's is refused beyond 128 MiB).
//!
//! Limits: a line beyond `max_record_bytes` becomes a dead letter `too_long` with its first bytes and is never held
//! whole. A gzip or zstd cut short is an end with a warning: all whole records are used, the torn one is a dead letter
//! `truncated`. Any other reading error ends the partition with [`Delivery::Failed`].

use super::lines::{Lines, Piece};
use super::{Batch, Delivery, Partition, Record, SourceError};
use crate::config::spec::{Format, SourceSpec};
use crate::feature::check::Checks;
use crate::record::Position;
use crate::record::decode::Decoder;
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Instant;

/// A batch has at most so many records.
pub const BATCH_RECORDS: usize = 1024;

/// A batch of records with more bytes than this is handed over as it is.
pub const BATCH_BYTES: usize = 1 << 20;

/// A partition's channel holds so many batches; then its thread waits.
pub const CHANNEL_BATCHES: usize = 4;

/// The endings tried for a source without a `path`, in this order.
const ENDINGS: [&str; 6] = ["csv", "csv.gz", "csv.zst", "jsonl", "jsonl.gz", "jsonl.zst"];

/// The file of a source that names none: `<folder>/<pipeline>/<source>.csv`, else the next of `.csv.gz`, `.csv.zst`,
/// `.jsonl`, `.jsonl.gz` and `.jsonl.zst`. If none of them exists it is the first, which [`open`] will then report as
/// missing.
pub fn default_paths(folder: &Path, pipeline: &str, source: &str) -> Vec<PathBuf> {
    let path = |ending| folder.join(pipeline).join(format!("{source}.{ending}"));
    let found = ENDINGS.into_iter().map(path).find(|path| path.is_file());
    vec![found.unwrap_or_else(|| path(ENDINGS[0]))]
}

/// The format of a file: as the source says, else by the ending (`.csv`, `.json`, `.jsonl`, `.ndjson`, each with or
/// without `.gz` or `.zst`); standard input and unknown endings are JSON lines.
pub fn format_of(spec: &SourceSpec, path: &Path) -> Format {
    let name = path.to_string_lossy().to_lowercase();
    let plain = [".gz", ".zst"].into_iter().find_map(|packed| name.strip_suffix(packed)).unwrap_or(&name);
    let by_ending = || match plain.ends_with(".csv") {
        true => Format::Csv,
        false => Format::Json,
    };
    spec.format.unwrap_or_else(by_ending)
}

/// Opens all files of a source and starts a thread for each, with `start` by partition; see [`open_one`].
///
/// # Errors
/// As [`open_one`], or if there are more files than partitions can be numbered.
pub fn open(
    source: u16,
    spec: &SourceSpec,
    paths: &[PathBuf],
    start: &dyn Fn(u16) -> u64,
    max_record_bytes: usize,
    wake: impl Fn() + Send + Clone + 'static,
) -> Result<Vec<Partition>, SourceError> {
    let mut partitions = Vec::with_capacity(paths.len());
    for (number, path) in paths.iter().enumerate() {
        let partition = u16::try_from(number).map_err(|_| cannot_open(spec, path, "more than 65536 files".into()))?;
        let from = (source, partition, start(partition));
        partitions.push(open_one(from, spec, path, max_record_bytes, wake.clone())?);
    }
    Ok(partitions)
}

/// Opens one file and starts its thread, which calls `wake` after each delivery and once more when it has hung up.
/// Records before the third of its numbers, which were consumed already, are passed over without being decoded.
///
/// # Errors
/// [`SourceError::Open`] if the file cannot be opened; [`SourceError::Header`] if a CSV file lacks a declared column.
/// On standard input, whose header may come later, these are delivered as [`Delivery::Failed`], and so is
/// [`SourceError::Gone`] if there are fewer records than were consumed.
pub fn open_one(
    (source, partition, start): (u16, u16, u64),
    spec: &SourceSpec,
    path: &Path,
    max_record_bytes: usize,
    wake: impl Fn() + Send + 'static,
) -> Result<Partition, SourceError> {
    let format = format_of(spec, path);
    let (input, live): (Box<dyn Read + Send>, bool) = if path == Path::new("-") {
        (Box::new(std::io::stdin()), true)
    } else {
        let file = File::open(path).map_err(|e| cannot_open(spec, path, e.to_string()))?;
        let kind = file.metadata().map_err(|e| cannot_open(spec, path, e.to_string()))?;
        if kind.is_dir() {
            return Err(cannot_open(spec, path, "it is a folder".into()));
        }
        (Box::new(file), !kind.is_file())
    };
    let next = Position { source, partition, offset: 0 };
    let mut reader = Reader::new(input, live, spec, format, max_record_bytes, next);
    reader.start = start;
    reader.place = if path == Path::new("-") { "standard input".into() } else { path.display().to_string() };
    if !live {
        reader.read_header()?;
    }
    reader.start(wake).map_err(|e| cannot_open(spec, path, e.to_string()))
}

fn cannot_open(spec: &SourceSpec, path: &Path, cause: String) -> SourceError {
    let name = &spec.name.value;
    SourceError::Open {
        source_name: name.clone(),
        place: path.display().to_string(),
        cause: format!("{cause}; name its file with `path` in [source.{name}] or with --input {name}=FILE"),
    }
}

/// A stream of which it is not known yet whether it is packed.
enum Opening {
    Unread(Box<dyn Read + Send>),
    Plain(Box<dyn Read + Send>),
    Gzip(Box<MultiGzDecoder<Box<dyn Read + Send>>>),
    Zstd(Box<zstd::Decoder<'static, BufReader<Box<dyn Read + Send>>>>),
}

/// How gzip begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// How zstd begins, unless it is with a frame to be skipped.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Whether zstd begins so. A frame to be skipped has any of sixteen first bytes.
fn begins_zstd(head: &[u8]) -> bool {
    let mut plain = head.to_vec();
    if let [first @ 0x50..=0x5f, 0x2a, ..] = &mut plain[..] {
        *first = 0x50;
    }
    !head.is_empty() && (ZSTD.starts_with(head) || [0x50, 0x2a, 0x4d, 0x18].starts_with(&plain))
}

impl Read for Opening {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            match self {
                Opening::Plain(input) => return input.read(buffer),
                Opening::Gzip(input) => return input.read(buffer),
                Opening::Zstd(input) => return input.read(buffer),
                Opening::Unread(input) => {
                    let mut head = Vec::with_capacity(2);
                    input.take(2).read_to_end(&mut head)?;
                    // No more than needed: a pipe may have no more for now.
                    if head.len() == 2 && begins_zstd(&head) {
                        input.take(2).read_to_end(&mut head)?;
                    }
                    let (gzip, zstd) = (head == GZIP, head.len() >= 2 && begins_zstd(&head));
                    let rest = std::mem::replace(input, Box::new(std::io::empty()));
                    let whole: Box<dyn Read + Send> = Box::new(Cursor::new(head).chain(rest));
                    *self = match (gzip, zstd) {
                        (true, _) => Opening::Gzip(Box::new(MultiGzDecoder::new(whole))),
                        (_, true) => Opening::Zstd(Box::new(zstd::Decoder::new(whole)?)),
                        _ => Opening::Plain(whole),
                    };
                }
            }
        }
    }
}

/// Where deliveries go. Dropping it hangs up before it wakes, so that a thread that died is noticed.
struct Outlet<W: Fn()> {
    sender: Option<SyncSender<Delivery>>,
    wake: W,
}

impl<W: Fn()> Outlet<W> {
    /// False if nobody listens any more.
    fn send(&self, delivery: Delivery) -> bool {
        let sent = self.sender.as_ref().is_some_and(|sender| sender.send(delivery).is_ok());
        (self.wake)();
        sent
    }
}

impl<W: Fn()> Drop for Outlet<W> {
    fn drop(&mut self) {
        self.sender = None;
        (self.wake)();
    }
}

/// One partition being read.
struct Reader {
    lines: Lines<Opening>,
    decoder: Decoder,
    checks: Checks,
    source_name: String,
    place: String,
    next: Position,
    /// Records before this offset are passed over.
    start: u64,
    header_due: bool,
    live: bool,
}

impl Reader {
    fn new(
        input: Box<dyn Read + Send>,
        live: bool,
        spec: &SourceSpec,
        format: Format,
        max_record_bytes: usize,
        next: Position,
    ) -> Reader {
        Reader {
            lines: Lines::new(Opening::Unread(input), format == Format::Csv, max_record_bytes),
            decoder: Decoder::new(spec, format, max_record_bytes),
            checks: Checks::of(spec),
            source_name: spec.name.value.clone(),
            place: String::new(),
            next,
            start: 0,
            header_due: format == Format::Csv,
            live,
        }
    }

    /// Reads on a thread of its own.
    fn start(self, wake: impl Fn() + Send + 'static) -> std::io::Result<Partition> {
        let Position { source, partition, .. } = self.next;
        let (sender, deliveries) = sync_channel(CHANNEL_BATCHES);
        let outlet = Outlet { sender: Some(sender), wake };
        let name = format!("{}/{partition}", self.source_name);
        std::thread::Builder::new().name(name).spawn(move || self.run(&outlet))?;
        Ok(Partition { source, partition, backlog: false, deliveries })
    }

    /// Reads until the header line was taken, the stream is at its end, or something else comes first.
    fn read_header(&mut self) -> Result<(), SourceError> {
        while self.header_due {
            match self.lines.next() {
                Piece::Dry => self.fill()?,
                Piece::Record(range) => {
                    self.header_due = false;
                    let line = self.lines.bytes(range);
                    self.decoder.header(line).map_err(|column| SourceError::Header {
                        source_name: self.source_name.clone(),
                        place: self.place.clone(),
                        column,
                        header: String::from_utf8_lossy(&line[..line.len().min(400)]).into_owned(),
                    })?;
                }
                Piece::TooLong { bytes, .. } => {
                    return Err(self.failed(format!("its header line has {bytes} bytes, more than max_record_bytes")));
                }
                Piece::Torn(range) => {
                    self.header_due = false;
                    self.lines.put_back_torn(range);
                }
                Piece::End => self.header_due = false,
            }
        }
        Ok(())
    }

    fn run<W: Fn()>(mut self, outlet: &Outlet<W>) {
        let last = match self.deliver(outlet) {
            Ok(true) => Delivery::End,
            Ok(false) => return,
            Err(error) => Delivery::Failed(error),
        };
        outlet.send(last);
    }

    /// Delivers all batches; false if nobody listens any more.
    fn deliver<W: Fn()>(&mut self, outlet: &Outlet<W>) -> Result<bool, SourceError> {
        self.read_header()?;
        let mut arrived = Instant::now();
        let mut records = Vec::with_capacity(BATCH_RECORDS);
        let mut bytes = 0;
        loop {
            let piece = self.lines.next();
            let full = match &piece {
                Piece::Dry => self.live,
                Piece::End => true,
                Piece::Record(range) | Piece::TooLong { kept: range, .. } | Piece::Torn(range) => {
                    bytes += range.len();
                    records.len() == BATCH_RECORDS || bytes > BATCH_BYTES
                }
            };
            if full && !records.is_empty() {
                bytes = 0;
                let records = std::mem::replace(&mut records, Vec::with_capacity(BATCH_RECORDS));
                if !outlet.send(Delivery::Batch(Batch { arrived, records })) {
                    return Ok(false);
                }
            }
            match piece {
                Piece::Dry => {
                    // What was read before is good, whatever becomes of the rest.
                    if let Err(error) = self.fill() {
                        let rest = Batch { arrived, records };
                        return match rest.records.is_empty() || outlet.send(Delivery::Batch(rest)) {
                            true => Err(error),
                            false => Ok(false),
                        };
                    }
                    arrived = Instant::now();
                }
                Piece::End if self.next.offset < self.start => return Err(self.gone()),
                Piece::End => return Ok(true),
                Piece::Record(range) | Piece::TooLong { kept: range, .. } | Piece::Torn(range)
                    if self.next.offset < self.start =>
                {
                    // A stream that broke off between two records has none of its own there.
                    self.next.offset += u64::from(!range.is_empty());
                }
                piece => {
                    if let Some(record) = self.record(piece) {
                        records.push(record);
                        self.next.offset += 1;
                    }
                }
            }
        }
    }

    #[inline]
    fn record(&mut self, piece: Piece) -> Option<Record> {
        match piece {
            Piece::Record(range) => {
                let reading = (&mut self.decoder, &self.checks);
                Some(Record::decode(reading, self.next, None, Some(self.lines.bytes(range)), None))
            }
            Piece::TooLong { kept, bytes } => {
                Some(Record::too_long(&self.decoder, self.next, self.lines.bytes(kept), bytes))
            }
            Piece::Torn(range) => {
                tracing::warn!(
                    source = self.source_name,
                    place = self.place,
                    record = self.next.offset,
                    "the packed stream is cut short; the records before the cut are used"
                );
                let detail = format!("the packed stream of {} is cut short inside this record", self.place);
                let kept = self.lines.bytes(range);
                (!kept.is_empty()).then(|| Record::truncated(&self.decoder, self.next, kept, detail))
            }
            Piece::Dry | Piece::End => None,
        }
    }

    fn fill(&mut self) -> Result<(), SourceError> {
        self.lines.fill().map_err(|e| self.failed(e.to_string()))
    }

    fn gone(&self) -> SourceError {
        SourceError::Gone {
            source_name: self.source_name.clone(),
            place: self.place.clone(),
            end: self.start,
            found: format!("ends at {}", self.next.offset),
        }
    }

    fn failed(&self, cause: String) -> SourceError {
        SourceError::Read {
            source_name: self.source_name.clone(),
            place: self.place.clone(),
            offset: self.next.offset,
            cause,
        }
    }
}

#[cfg(test)]
mod tests;
