//! A file's lines, unpacked if its name says so.

use flate2::read::GzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Result};
use std::path::Path;

const BUFFER_BYTES: usize = 1 << 16;

pub struct Lines {
    input: BufReader<Box<dyn Read>>,
}

impl Lines {
    pub fn open(path: &Path) -> Result<Lines> {
        let file = File::open(path).map_err(|e| std::io::Error::other(format!("{}: {e}", path.display())))?;
        let gzip = path.extension().is_some_and(|e| e == "gz");
        let input: Box<dyn Read> = if gzip { Box::new(GzDecoder::new(file)) } else { Box::new(file) };
        Ok(Lines { input: BufReader::with_capacity(BUFFER_BYTES, input) })
    }

    /// Reads the next line into `line`, without its end; false at the end of the file.
    pub fn next(&mut self, line: &mut Vec<u8>) -> Result<bool> {
        line.clear();
        if self.input.read_until(b'\n', line)? == 0 {
            return Ok(false);
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        Ok(true)
    }
}
