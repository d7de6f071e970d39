//! The predictions, a JSON line each.

use std::fs::File;
use std::io::{BufWriter, Result, Write};
use std::path::Path;

pub struct Output {
    file: BufWriter<File>,
    line: Vec<u8>,
    model: &'static str,
}

impl Output {
    pub fn create(path: &Path, model: &'static str) -> Result<Output> {
        Ok(Output { file: BufWriter::with_capacity(1 << 20, File::create(path)?), line: Vec::new(), model })
    }

    /// `at` as it is written: an instant in pieces.
    pub fn write(&mut self, id: &str, at: [&str; 2], score: f64, updates: u64) -> Result<()> {
        let line = &mut self.line;
        line.clear();
        line.extend_from_slice(b"{\"prediction_id\":");
        serde_json::to_writer(&mut *line, id)?;
        line.extend_from_slice(b",\"at\":\"");
        line.extend_from_slice(at[0].as_bytes());
        line.extend_from_slice(at[1].as_bytes());
        line.extend_from_slice(b"\",\"model\":\"");
        line.extend_from_slice(self.model.as_bytes());
        line.extend_from_slice(b"\",\"version\":1,\"role\":\"champion\",\"score\":");
        serde_json::to_writer(&mut *line, &score)?;
        line.extend_from_slice(b",\"updates\":");
        serde_json::to_writer(&mut *line, &updates)?;
        line.extend_from_slice(b"}\n");
        self.file.write_all(line)
    }

    pub fn close(mut self) -> Result<()> {
        self.file.flush()
    }
}
