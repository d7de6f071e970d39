//! Rows that the gate asks every model about: what must be said of them is known.

use super::Spanned;

/// `golden = "datasets/flights/golden.jsonl"`
#[derive(Clone, Debug, PartialEq)]
pub struct GoldenSpec {
    /// The file, as it was typed.
    pub path: Spanned<String>,
    /// Its rows, in order.
    pub rows: Vec<GoldenRow>,
}

/// One row of the file: `{"features": {"x0": 1.5, "carrier=UA": 1}, "at_least": 0.5}`
#[derive(Clone, Debug, PartialEq)]
pub struct GoldenRow {
    /// Its line, from 1.
    pub line: u32,
    /// The slots of the vector that are not 0, by name.
    pub slots: Vec<(String, f64)>,
    /// What must be said.
    pub expected: Expected,
}

/// What must be said of a golden row: all that is there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Expected {
    /// This class, by number; of a binary task 1 is true. Not of a regression.
    pub class: Option<usize>,
    /// The probability of true, or the value, is at least this.
    pub at_least: Option<f64>,
    /// It is at most this.
    pub at_most: Option<f64>,
}
