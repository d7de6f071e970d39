//! Where a record ends in a buffer that is still being filled.
//!
//! In: the bytes from a record's start on, more of them at each call. Out: its length, or that more bytes are needed,
//! or that it is too long. Keeps: how far it has looked, so that no byte is searched twice. Lines end in LF or CR LF. A
//! CSV record may run over several lines inside quotes; if its quotes do not close properly within the limit, its first
//! line alone is taken for the record (decoding will refuse it) and the next line begins another: one stray quote costs
//! one record, not the rest of the file.

use memchr::memchr;

/// What a buffer begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// Nothing whole yet.
    More,
    /// A record of `length` bytes; with its line end it takes up `consumed`.
    Record {
        /// Without the line end.
        length: usize,
        /// With it.
        consumed: usize,
    },
    /// A line of which more than the limit is there, and no end.
    TooLong,
}

/// The search for the end of the record at the buffer's start.
#[derive(Debug)]
pub(super) struct Framer {
    quotes: bool,
    limit: usize,
    /// No line end before this place, apart from those inside quotes.
    searched: usize,
    /// Where the record's present line starts.
    line: usize,
    /// The frame of the first line alone, if the record has a second.
    first: Option<Frame>,
}

impl Framer {
    /// `quotes`: line ends inside CSV quotes do not end the record. `limit`: a record's bytes at most.
    pub(super) fn new(quotes: bool, limit: usize) -> Framer {
        Framer { quotes, limit, searched: 0, line: 0, first: None }
    }

    /// The record at the start of `buffer`. After anything but [`Frame::More`] the search begins anew; after it, the
    /// next `buffer` must begin with the bytes of this one. `last`: no more bytes will come.
    #[inline]
    pub(super) fn next(&mut self, buffer: &[u8], last: bool) -> Frame {
        loop {
            let end = match memchr(b'\n', &buffer[self.searched..]) {
                Some(n) => self.searched + n,
                None if last => buffer.len(),
                None => {
                    self.searched = buffer.len();
                    // The last byte may turn out to be the CR of a line end.
                    if buffer.len() <= self.limit + 1 {
                        return Frame::More;
                    }
                    let frame = self.first.unwrap_or(Frame::TooLong);
                    return self.found(frame);
                }
            };
            let line = frame(buffer, end);
            if !self.quotes {
                return self.found(line);
            }
            // The same answer as if the bytes had come one by one, when the limit is felt before the line's end is
            // seen.
            if let Some(first) = self.first.filter(|_| end > self.limit + 1) {
                return self.found(first);
            }
            let at_end = end == buffer.len();
            let frame = match close(&buffer[self.line..end], self.first.is_some()) {
                Quotes::Closed => line,
                Quotes::Open if !at_end && end <= self.limit => {
                    self.first = self.first.or(Some(line));
                    (self.line, self.searched) = (end + 1, end + 1);
                    continue;
                }
                Quotes::Open | Quotes::Wrong => self.first.unwrap_or(line),
            };
            return self.found(frame);
        }
    }

    /// Forgets how far it has looked: the next buffer begins with another record.
    pub(super) fn reset(&mut self) {
        (self.searched, self.line, self.first) = (0, 0, None);
    }

    fn found(&mut self, frame: Frame) -> Frame {
        self.reset();
        frame
    }
}

/// The frame of a record that ends at the line end `end`, or at the end of the buffer.
fn frame(buffer: &[u8], end: usize) -> Frame {
    let cr = buffer[..end].last() == Some(&b'\r');
    Frame::Record { length: end - usize::from(cr), consumed: (end + 1).min(buffer.len()) }
}

enum Quotes {
    Closed,
    Open,
    Wrong,
}

/// How the quotes stand at the end of a line, which began inside quotes if `open`.
fn close(line: &[u8], open: bool) -> Quotes {
    let mut at = 0;
    let mut open = open;
    if !open && memchr(b'"', line).is_none() {
        return Quotes::Closed;
    }
    loop {
        if !open {
            if line.get(at) == Some(&b'"') {
                open = true;
                at += 1;
                continue;
            }
            match memchr(b',', &line[at..]) {
                Some(n) => at += n + 1,
                None => return Quotes::Closed,
            }
            continue;
        }
        match memchr(b'"', &line[at..]) {
            Some(n) => at += n + 1,
            None => return Quotes::Open,
        }
        match &line[at..] {
            [b'"', ..] => at += 1,
            [] | [b'\r'] => return Quotes::Closed,
            [b',', ..] => {
                open = false;
                at += 1;
            }
            _ => return Quotes::Wrong,
        }
    }
}
