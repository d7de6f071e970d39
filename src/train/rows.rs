//! The rows that an estimator is given: labelled vectors, checked.

use super::FitError;
use crate::feature::Vector;

/// Labelled vectors of one width, all finite, of both classes.
#[derive(Debug)]
pub struct Rows<'a> {
    vectors: Vec<&'a Vector>,
    labels: Vec<bool>,
    width: usize,
}

impl<'a> Rows<'a> {
    /// The most cells (rows times slots) that a dense estimator is given: 2^28, 2 GiB of `f64`.
    pub const MAX_CELLS: usize = 1 << 28;

    /// The most rows: boosting counts them in 24 bits, and adds their gradients in 64.
    pub const MAX_ROWS: usize = 1 << 23;

    /// Checks rows, oldest first. What an estimator cannot take is refused here: none has to check again.
    pub fn new(rows: impl IntoIterator<Item = (&'a Vector, bool)>, width: usize) -> Result<Rows<'a>, FitError> {
        let (vectors, labels): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        if width == 0 || vectors.len() < 2 {
            return Err(FitError::TooFewRows { found: if width == 0 { 0 } else { vectors.len() }, needed: 2 });
        }
        for (row, vector) in vectors.iter().enumerate() {
            let slots = vector.hot.last().map_or(0, |slot| *slot as usize + 1).max(vector.dense.len());
            if slots > width {
                return Err(FitError::Width { row, slot: slots - 1, width });
            }
            if let Some(slot) = vector.dense.iter().position(|x| !x.is_finite()) {
                return Err(FitError::NotFinite { row, slot, found: vector.dense[slot] });
            }
        }
        let positives = labels.iter().filter(|label| **label).count();
        if positives == 0 || positives == labels.len() {
            return Err(FitError::OneClass { label: positives > 0, rows: labels.len() });
        }
        Ok(Rows { vectors, labels, width })
    }

    /// The most rows of `width` slots that an estimator is given.
    pub fn limit(width: usize) -> usize {
        (Rows::MAX_CELLS / width.max(1)).min(Rows::MAX_ROWS)
    }

    /// The number of rows, at least 2.
    pub fn len(&self) -> usize {
        self.vectors.len()
    }

    /// Never.
    pub fn is_empty(&self) -> bool {
        self.vectors.is_empty()
    }

    /// The slots of each vector, at least 1.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The vectors, oldest first.
    pub fn vectors(&self) -> &[&'a Vector] {
        &self.vectors
    }

    /// One label a vector; both classes occur.
    pub fn labels(&self) -> &[bool] {
        &self.labels
    }

    /// The rows whose label is true, at least 1 and not all.
    pub fn positives(&self) -> usize {
        self.labels.iter().filter(|label| **label).count()
    }
}
