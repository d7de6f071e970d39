//! The order of play: the files of all sources merged by event time.
//!
//! In: the pipeline's files. Out: messages in the law's order: event time, kind, source, partition, place in the file.
//! A record that is late in its file, or does not decode, follows the one before it. Keeps: a batch a file.

use super::message::{Message, lenient, of_letter, of_row};
use crate::config::spec::{Format, SourceSpec};
use crate::record::decode::DELETED;
use crate::record::{Kind, Row};
use crate::source::file::{default_paths, format_of, open_one};
use crate::source::{Delivery, Partition, Record, SourceError};
use crate::time::Time;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::{Path, PathBuf};

/// The files being played.
pub(super) struct Script<'a> {
    reels: Vec<Reel<'a>>,
    /// The next record of every file that has one, the least first.
    heads: BinaryHeap<Reverse<(Time, Kind, usize)>>,
}

/// One file.
struct Reel<'a> {
    spec: &'a SourceSpec,
    read: SourceSpec,
    format: Format,
    partition: Partition,
    place: String,
    waiting: std::vec::IntoIter<Record>,
    head: Option<Record>,
    /// The greatest event time so far.
    time: Time,
}

impl<'a> Script<'a> {
    /// Opens all files, and reads the first record of each.
    pub(super) fn open(
        pipeline: &str,
        sources: &[&'a SourceSpec],
        folder: &Path,
        longest: usize,
    ) -> Result<Script<'a>, SourceError> {
        let mut script = Script { reels: Vec::new(), heads: BinaryHeap::new() };
        for (index, source) in sources.iter().enumerate() {
            let paths: Vec<PathBuf> = match source.path.is_empty() {
                true => default_paths(&folder.join("datasets"), pipeline, &source.name.value),
                // Standard input is no file of the folder's.
                false => {
                    source.path.iter().map(|p| if p == Path::new("-") { p.clone() } else { folder.join(p) }).collect()
                }
            };
            for (number, path) in paths.iter().enumerate() {
                let place = (index as u16, u16::try_from(number).unwrap_or(u16::MAX));
                script.reels.push(Reel::open(source, path, place, longest)?);
            }
        }
        for reel in 0..script.reels.len() {
            script.wind(reel)?;
        }
        Ok(script)
    }

    /// The next message, `None` at the end of all files.
    pub(super) fn next(&mut self) -> Result<Option<Message>, SourceError> {
        let Some(Reverse((time, _, index))) = self.heads.pop() else { return Ok(None) };
        let reel = &mut self.reels[index];
        let source = reel.partition.source;
        let message = reel.head.take().map(|record| match record.body {
            Ok(row) => of_row(source, reel.spec, &reel.read, reel.format, row),
            Err(letter) => of_letter(source, time, *letter),
        });
        self.wind(index)?;
        Ok(message)
    }

    /// Brings a file's next record to its head.
    fn wind(&mut self, index: usize) -> Result<(), SourceError> {
        let reel = &mut self.reels[index];
        if let Some(record) = reel.advance()? {
            if let Ok(Row { time, .. }) = &record.body {
                reel.time = reel.time.max(*time);
            }
            reel.head = Some(record);
            self.heads.push(Reverse((reel.time, reel.spec.kind, index)));
        }
        Ok(())
    }
}

impl<'a> Reel<'a> {
    fn open(spec: &'a SourceSpec, path: &Path, place: (u16, u16), limit: usize) -> Result<Reel<'a>, SourceError> {
        let format = format_of(spec, path);
        let open = |marked| {
            let read = lenient(spec, marked);
            open_one((place.0, place.1, 0), &read, path, limit, || {}).map(|partition| (read, partition))
        };
        // A CSV file may have no column that marks tombstones; standard input cannot be opened twice to find out.
        let opened = match open(format == Format::Json || path != Path::new("-")) {
            Err(SourceError::Header { column, .. }) if column == DELETED => open(false),
            other => other,
        };
        let (read, partition) = opened?;
        let place = path.display().to_string();
        let waiting = Vec::new().into_iter();
        Ok(Reel { spec, read, format, partition, place, waiting, head: None, time: Time::EARLIEST })
    }

    fn advance(&mut self) -> Result<Option<Record>, SourceError> {
        loop {
            if let Some(record) = self.waiting.next() {
                return Ok(Some(record));
            }
            match self.partition.deliveries.recv() {
                Ok(Delivery::Batch(batch)) => self.waiting = batch.records.into_iter(),
                Ok(Delivery::CaughtUp) => {}
                Ok(Delivery::End) => return Ok(None),
                Ok(Delivery::Failed(error)) => return Err(error),
                Err(_) => {
                    return Err(SourceError::Read {
                        source_name: self.spec.name.value.clone(),
                        place: self.place.clone(),
                        offset: 0,
                        cause: "its thread died".to_string(),
                    });
                }
            }
        }
    }
}
