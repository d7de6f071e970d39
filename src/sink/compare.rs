//! What is stored, beside what is made again: a sink that compares and writes nothing.
//!
//! In: ticks that were committed before, made again; the stored records of every stream. Out: an error at the first
//! record that differs, is missing, or is there too much. Keeps: a place in every stream.

use super::{Entry, Sink, SinkError, Stream, Written};
use std::collections::BTreeMap;

/// One stored record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// The tick that it says it is of, if it says one.
    pub tick: Option<u64>,
    /// Its bytes, without a line end.
    pub value: Vec<u8>,
}

/// The stored records of one partition of a stream, in order; a text says why they cannot be read on.
pub type StoredRecords = Box<dyn Iterator<Item = Result<StoredRecord, String>> + Send>;

/// One partition of a stream.
pub struct Stored {
    /// The file, or the topic and partition.
    pub place: String,
    /// What is there.
    pub records: StoredRecords,
}

/// The partition and the bytes of a record, as they are stored: from the stream, its entry and its line.
pub type Placed = Box<dyn Fn(Stream, &Entry, &[u8]) -> (usize, Vec<u8>) + Send>;

/// Compares.
pub struct Compare {
    /// By stream, without progress, then by partition.
    streams: BTreeMap<Stream, Vec<(Stored, u64)>>,
    placed: Placed,
    /// The first tick that has not been compared.
    next: u64,
}

impl Compare {
    /// Beside these streams, without progress, each with its partitions.
    pub fn new(streams: BTreeMap<Stream, Vec<Stored>>, placed: Placed) -> Compare {
        let counted = |(stream, partitions): (Stream, Vec<Stored>)| {
            (stream, partitions.into_iter().map(|stored| (stored, 0)).collect())
        };
        Compare { streams: streams.into_iter().map(counted).collect(), placed, next: 0 }
    }
}

impl Sink for Compare {
    fn write(&mut self, written: Written) -> Result<(), SinkError> {
        for page in &written.pages {
            let mut begin = 0;
            for entry in &page.entries {
                let line = &page.lines[begin..entry.end as usize];
                begin = entry.end as usize;
                let (partition, value) = (self.placed)(page.stream, entry, line.strip_suffix(b"\n").unwrap_or(line));
                let stored = self.streams.get_mut(&page.stream).and_then(|stream| stream.get_mut(partition));
                let Some((stored, count)) = stored else {
                    let cause = format!("partition {partition} is not there");
                    return Err(SinkError::Damaged { place: format!("`{}`", page.stream.name()), cause });
                };
                *count += 1;
                let damaged = |cause| SinkError::Damaged { place: stored.place.clone(), cause };
                let tick = written.tick;
                match stored.records.next() {
                    Some(Ok(found)) if found.value == value && found.tick.is_none_or(|t| t == tick) => {}
                    Some(Ok(_)) => {
                        return Err(damaged(format!("record {count}, of tick {tick}, is not what is made again")));
                    }
                    Some(Err(cause)) => return Err(damaged(cause)),
                    None => return Err(damaged(format!("record {count}, of tick {tick}, is missing"))),
                }
            }
        }
        self.next = written.tick + 1;
        Ok(())
    }

    fn check(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    /// It commits nothing.
    fn committed(&self) -> u64 {
        0
    }

    fn close(mut self: Box<Self>) -> Result<(), SinkError> {
        for (stored, count) in self.streams.values_mut().flatten() {
            let damaged = |cause| SinkError::Damaged { place: stored.place.clone(), cause };
            match stored.records.next() {
                // Those of later ticks are somebody else's matter: the run that is compared may be going on.
                Some(Ok(found)) if found.tick.is_some_and(|tick| tick >= self.next) => {}
                Some(Ok(_)) => return Err(damaged(format!("record {} is one that is not made again", *count + 1))),
                Some(Err(cause)) => return Err(damaged(cause)),
                None => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Headers, Page};
    use super::*;
    use crate::time::Time;

    fn written(tick: u64, lines: &[&str]) -> Written {
        let mut page = Page { stream: Stream::Metrics, lines: Vec::new(), entries: Vec::new() };
        for (order, line) in lines.iter().enumerate() {
            page.lines.extend_from_slice(format!("{line}\n").as_bytes());
            page.entries.push(Entry {
                end: page.lines.len() as u32,
                order: order as u64,
                time: Time(0),
                key: "".into(),
                headers: Headers::Plain,
            });
        }
        Written { tick, time: Time(0), pages: vec![page], progress: String::new() }
    }

    /// Three records of two ticks beside what is stored, with their ticks or without.
    fn compared(stored: &[(Option<u64>, &str)]) -> Result<(), SinkError> {
        let records: Vec<_> =
            stored.iter().map(|(tick, v)| Ok(StoredRecord { tick: *tick, value: v.as_bytes().to_vec() })).collect();
        let stored = Stored { place: "there".to_owned(), records: Box::new(records.into_iter()) };
        let streams = BTreeMap::from([(Stream::Metrics, vec![stored])]);
        let mut sink = Box::new(Compare::new(streams, Box::new(|_, _, line| (0, line.to_vec()))));
        sink.write(written(0, &["a", "b"]))?;
        sink.write(written(1, &["c"]))?;
        sink.close()
    }

    #[test]
    fn what_differs_is_named() {
        assert!(compared(&[(None, "a"), (None, "b"), (None, "c")]).is_ok());
        assert!(compared(&[(Some(0), "a"), (Some(0), "b"), (Some(1), "c"), (Some(2), "d")]).is_ok(), "it goes on");
        for (stored, told) in [
            (&[(None, "a"), (None, "x")][..], "record 2, of tick 0, is not what is made again"),
            (&[(Some(0), "a"), (Some(1), "b")][..], "record 2, of tick 0, is not what is made again"),
            (&[(None, "a"), (None, "b")][..], "record 3, of tick 1, is missing"),
            (&[(None, "a"), (None, "b"), (None, "c"), (None, "c")][..], "record 4 is one that is not made again"),
            (&[(Some(0), "a"), (Some(0), "b"), (Some(1), "c"), (Some(1), "c")][..], "record 4 is one"),
        ] {
            let error = compared(stored).expect_err("it differs").to_string();
            assert!(error.starts_with("there is damaged: ") && error.contains(told), "{error}");
        }
    }
}
