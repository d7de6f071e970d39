//! The records of a byte stream, cut by [`Framer`] in one large buffer.
//!
//! In: a reader. Out: pieces, as ranges of the buffer. Keeps: 256 KiB, growing to the record limit and as much again;
//! a longer line is skipped while it is counted. A byte order mark at the start and empty lines are no records.

use super::frame::{Frame, Framer};
use memchr::memchr;
use std::io::{ErrorKind, Read};
use std::ops::Range;

/// Bytes asked for at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// What comes next.
#[derive(Debug)]
pub(super) enum Piece {
    /// A record, at this place of [`Lines::bytes`].
    Record(Range<usize>),
    /// A record of `bytes` bytes, more than the limit; the first are at `kept`.
    TooLong {
        /// The bytes held.
        kept: Range<usize>,
        /// All of its bytes.
        bytes: u64,
    },
    /// The stream broke off (a gzip or zstd cut short); what it held of its last record, which may be nothing.
    Torn(Range<usize>),
    /// All that is there now has been handed over; [`Lines::fill`] gets more.
    Dry,
    /// The end.
    End,
}

/// A reader's records.
pub(super) struct Lines<R> {
    input: R,
    framer: Framer,
    limit: usize,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    state: State,
    fresh: bool,
    skipped: Option<Skipped>,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Open,
    Ended,
    Torn,
}

/// A line beyond the limit, on its way to its end: the first bytes of the buffer are kept, the rest is only counted.
#[derive(Clone, Copy)]
struct Skipped {
    bytes: u64,
    cr: bool,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(input: R, quotes: bool, limit: usize) -> Lines<R> {
        Lines {
            input,
            framer: Framer::new(quotes, limit),
            limit,
            buffer: vec![0; CHUNK_BYTES],
            start: 0,
            end: 0,
            state: State::Open,
            fresh: true,
            skipped: None,
        }
    }

    pub(super) fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.buffer[range]
    }

    /// The next piece of what was read so far.
    #[inline]
    pub(super) fn next(&mut self) -> Piece {
        if self.fresh && !self.skip_mark() {
            return Piece::Dry;
        }
        if self.skipped.is_some() {
            return self.skip();
        }
        loop {
            let rest = &self.buffer[self.start..self.end];
            match self.framer.next(rest, self.state == State::Ended && !rest.is_empty()) {
                Frame::More => return self.dry(),
                Frame::Record { length: 0, consumed } => self.start += consumed,
                Frame::Record { length, consumed } => {
                    let start = self.start;
                    self.start += consumed;
                    if length > self.limit {
                        return Piece::TooLong { kept: start..start + self.limit, bytes: length as u64 };
                    }
                    return Piece::Record(start..start + length);
                }
                Frame::TooLong => {
                    self.skipped = Some(Skipped { bytes: 0, cr: false });
                    self.buffer.copy_within(self.start..self.end, 0);
                    (self.start, self.end) = (0, self.end - self.start);
                    return self.skip();
                }
            }
        }
    }

    /// Reads once; an error is told as it is, except for a gzip or zstd cut short, whose last piece is then
    /// [`Piece::Torn`].
    pub(super) fn fill(&mut self) -> std::io::Result<()> {
        if self.state != State::Open {
            return Ok(());
        }
        let kept = if self.skipped.is_some() { 0 } else { self.start };
        if kept > 0 && self.buffer.len() - self.end < CHUNK_BYTES {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.buffer.len() == self.end {
            let grown = (self.buffer.len() * 2).min(self.limit + 2 * CHUNK_BYTES).max(self.end + CHUNK_BYTES);
            self.buffer.resize(grown, 0);
        }
        loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.state = State::Ended,
                Ok(n) => self.end += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) if e.kind() == ErrorKind::UnexpectedEof => self.state = State::Torn,
                Err(e) => return Err(e),
            }
            return Ok(());
        }
    }

    /// Undoes a [`Piece::Torn`]: it comes again.
    pub(super) fn put_back_torn(&mut self, range: Range<usize>) {
        self.start = range.start;
        self.state = State::Torn;
    }

    /// Nothing whole is left in the buffer.
    fn dry(&mut self) -> Piece {
        match self.state {
            State::Open => Piece::Dry,
            State::Ended => Piece::End,
            State::Torn => {
                self.state = State::Ended;
                let rest = self.start..self.end;
                self.start = self.end;
                self.framer.reset();
                Piece::Torn(rest)
            }
        }
    }

    /// Skips a byte order mark; false if it cannot be told yet whether there is one.
    fn skip_mark(&mut self) -> bool {
        const MARK: &[u8] = b"\xef\xbb\xbf";
        let there = &self.buffer[self.start..self.end];
        if self.state == State::Open && there.len() < MARK.len() && MARK.starts_with(there) {
            return false;
        }
        self.start += if there.starts_with(MARK) { MARK.len() } else { 0 };
        self.fresh = false;
        true
    }

    /// Looks for the end of a line beyond the limit.
    fn skip(&mut self) -> Piece {
        let Some(mut skipped) = self.skipped else {
            return Piece::Dry;
        };
        // The first `limit` bytes stay; what was read behind them is counted and forgotten.
        let from = if skipped.bytes == 0 { 0 } else { self.limit };
        let read = &self.buffer[from..self.end];
        let end = memchr(b'\n', read);
        let line = &read[..end.unwrap_or(read.len())];
        skipped.bytes += line.len() as u64;
        if let Some(last) = line.last() {
            skipped.cr = *last == b'\r';
        }
        let kept = 0..self.limit;
        match end {
            Some(n) => {
                self.start = from + n + 1;
                self.skipped = None;
                Piece::TooLong { kept, bytes: skipped.bytes - u64::from(skipped.cr) }
            }
            None if self.state != State::Open => {
                self.start = self.end;
                self.skipped = None;
                Piece::TooLong { kept, bytes: skipped.bytes - u64::from(skipped.cr) }
            }
            None => {
                self.end = self.limit;
                self.skipped = Some(skipped);
                Piece::Dry
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A stream that comes in given pieces.
    struct Chunks(Vec<Vec<u8>>);

    impl Read for Chunks {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            let chunk = self.0.remove(0);
            buffer[..chunk.len()].copy_from_slice(&chunk);
            Ok(chunk.len())
        }
    }

    /// Each record's bytes; with its full length if it is too long.
    fn read(chunks: Vec<Vec<u8>>, quotes: bool, limit: usize) -> Vec<(Vec<u8>, Option<u64>)> {
        let mut lines = Lines::new(Chunks(chunks), quotes, limit);
        let mut out = Vec::new();
        loop {
            match lines.next() {
                Piece::Record(range) => out.push((lines.bytes(range).to_vec(), None)),
                Piece::TooLong { kept, bytes } => out.push((lines.bytes(kept).to_vec(), Some(bytes))),
                Piece::Torn(_) => unreachable!("nothing tears"),
                Piece::Dry => assert!(lines.fill().is_ok()),
                Piece::End => return out,
            }
        }
    }

    fn at_every_place(text: &[u8], quotes: bool, limit: usize) -> Result<(), TestCaseError> {
        let whole = read(vec![text.to_vec()], quotes, limit);
        for at in 1..text.len() {
            let (a, b) = text.split_at(at);
            prop_assert_eq!(&read(vec![a.to_vec(), b.to_vec()], quotes, limit), &whole, "cut at {}", at);
        }
        prop_assert_eq!(&read(text.iter().map(|b| vec![*b]).collect(), quotes, limit), &whole, "byte by byte");
        Ok(())
    }

    fn texts(records: &[(Vec<u8>, Option<u64>)]) -> Vec<&str> {
        records.iter().map(|(bytes, _)| std::str::from_utf8(bytes).unwrap_or("?")).collect()
    }

    #[test]
    fn line_ends_marks_and_empty_lines_are_no_records() {
        let all = b"\xef\xbb\xbfa\r\n\r\n\nb\nc\r";
        assert_eq!(texts(&read(vec![all.to_vec()], false, 100)), ["a", "b", "c"]);
        assert_eq!(read(vec![], false, 100), []);
        assert_eq!(texts(&read(vec![b"\xef\xbb".to_vec()], false, 100)), ["?"]);
    }

    #[test]
    fn a_quoted_field_may_have_lines_and_a_stray_quote_costs_one_record() {
        let read = |text: &str| read(vec![text.as_bytes().to_vec()], true, 20);
        assert_eq!(texts(&read("a,\"b\nc\"\"\",d\r\ne\n")), ["a,\"b\nc\"\"\",d", "e"]);
        assert_eq!(texts(&read("a,\"b\nc\nd\n")), ["a,\"b", "c", "d"], "never closed");
        assert_eq!(texts(&read("a,\"b\nc,\"d\"\ne\n")), ["a,\"b", "c,\"d\"", "e"], "closed by another's opening");
        assert_eq!(
            texts(&read("a,\"b\nccccccccccc\nddddddddddd\n\"\n")),
            ["a,\"b", "ccccccccccc", "ddddddddddd", "\""]
        );
        assert_eq!(texts(&read("a\"b\nc\n")), ["a\"b", "c"], "inside a field a quote is a character");
    }

    #[test]
    fn a_line_of_100_mb_is_counted_and_not_held() {
        const BYTES: u64 = 100_000_000;
        let long = std::io::repeat(b'x').take(BYTES);
        let input = std::io::Cursor::new(b"a\n").chain(long).chain(std::io::Cursor::new(b"\r\nb\n"));
        let mut lines = Lines::new(input, false, 1 << 20);
        let mut out = Vec::new();
        loop {
            match lines.next() {
                Piece::Record(range) => out.push((range.len(), None)),
                Piece::TooLong { kept, bytes } => out.push((kept.len(), Some(bytes))),
                Piece::Dry => assert!(lines.fill().is_ok()),
                _ => break,
            }
            assert!(lines.buffer.len() <= (1 << 20) + 2 * CHUNK_BYTES);
        }
        assert_eq!(out, [(1, None), (1 << 20, Some(BYTES)), (1, None)]);
    }

    proptest! {
        #[test]
        fn where_the_reads_end_does_not_matter(
            text in "(\u{feff})?[a\",\r\n]{0,40}", quotes in any::<bool>(),
            limit in prop_oneof![Just(1usize), 2usize..12, Just(100)],
        ) {
            at_every_place(text.as_bytes(), quotes, limit)?;
        }

        #[test]
        fn lines_are_those_of_a_plain_split(text in "[ab\r\n]{0,60}", limit in 1usize..6) {
            let expected: Vec<(Vec<u8>, Option<u64>)> = text.split('\n')
                .map(|line| line.strip_suffix('\r').unwrap_or(line).as_bytes())
                .filter(|line| !line.is_empty())
                .map(|line| match line.len() > limit {
                    true => (line[..limit].to_vec(), Some(line.len() as u64)),
                    false => (line.to_vec(), None),
                })
                .collect();
            prop_assert_eq!(read(vec![text.into_bytes()], false, limit), expected);
        }

        #[test]
        fn well_formed_csv_is_cut_between_its_records(
            records in proptest::collection::vec(proptest::collection::vec("[a\",\r\n]{0,6}", 1..4), 0..6),
            crlf in any::<bool>(),
        ) {
            let quote = |field: &String| format!("\"{}\"", field.replace('"', "\"\""));
            let records: Vec<String> = records.iter()
                .map(|fields| fields.iter().map(quote).collect::<Vec<_>>().join(",")).collect();
            let text = records.join(if crlf { "\r\n" } else { "\n" });
            let found = read(vec![text.into_bytes()], true, 1000);
            prop_assert_eq!(texts(&found), records);
        }
    }
}
