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
    /// The stream broke off (a gzip cut short); what it held of its last record, which may be nothing.
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

    /// Reads once; an error is told as it is, except for a broken gzip, whose last piece is then [`Piece::Torn`].
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
