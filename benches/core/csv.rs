//! A CSV stream without quotes, one row ahead: its time is read, its other fields lie where they lie.

use super::lines::Lines;
use super::time::micros;
use memchr::memchr_iter;
use std::io::{Error, Result};
use std::path::Path;

const FIELDS: usize = 9;

pub struct Csv {
    lines: Lines,
    line: Vec<u8>,
    /// Where each field ends.
    ends: [usize; FIELDS],
    time_column: usize,
    /// Of the row that is there; the greatest number at the end.
    pub time: i64,
}

impl Csv {
    /// Opens a file whose header must be this one, and reads its first row.
    pub fn open(path: &Path, header: &str, time_column: usize) -> Result<Csv> {
        let mut lines = Lines::open(path)?;
        let mut line = Vec::new();
        lines.next(&mut line)?;
        if line != header.as_bytes() {
            return Err(Error::other(format!("{}: its header is not {header}", path.display())));
        }
        let mut csv = Csv { lines, line, ends: [0; FIELDS], time_column, time: 0 };
        csv.advance()?;
        Ok(csv)
    }

    pub fn advance(&mut self) -> Result<()> {
        if !self.lines.next(&mut self.line)? {
            self.time = i64::MAX;
            return Ok(());
        }
        let mut field = 0;
        for comma in memchr_iter(b',', &self.line) {
            self.ends[field] = comma;
            field += 1;
        }
        self.ends[field] = self.line.len();
        self.time = micros(self.text(self.time_column));
        Ok(())
    }

    pub fn text(&self, field: usize) -> &str {
        let start = if field == 0 { 0 } else { self.ends[field - 1] + 1 };
        std::str::from_utf8(&self.line[start..self.ends[field]]).expect("the input is ASCII")
    }

    /// `None` if the field is empty.
    pub fn number(&self, field: usize) -> Option<f64> {
        let text = self.text(field);
        (!text.is_empty()).then(|| text.parse().expect("the field is a number"))
    }
}
