//! The rows that an estimator is given: labelled vectors, checked.

use super::FitError;
use crate::config::spec::ClassWeight;
use crate::feature::Vector;
use crate::task::{Label, Task};
use ndarray::Array2;
use std::fmt;

/// Labelled vectors of one width, all finite, whose labels are not all alike.
#[derive(Debug)]
pub struct Rows<'a> {
    vectors: Vec<&'a Vector>,
    labels: Vec<Label>,
    width: usize,
    task: Task,
    /// What the rows of each class weigh; empty if all weigh 1.
    class_weights: Vec<f64>,
    asked: Asked<'a>,
}

/// Whether a fit is still waited for.
struct Asked<'a>(&'a dyn Fn() -> bool);

impl fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("asked")
    }
}

impl<'a> Rows<'a> {
    /// The most cells (rows times slots) that a dense estimator is given: 2^28, 2 GiB of `f64`.
    pub const MAX_CELLS: usize = 1 << 28;

    /// The most rows: boosting counts them in 24 bits, and adds their gradients in 64.
    pub const MAX_ROWS: usize = 1 << 23;

    /// Checks rows, oldest first. What an estimator cannot take is refused here: none has to check again.
    pub fn new(
        rows: impl IntoIterator<Item = (&'a Vector, Label)>,
        width: usize,
        task: Task,
    ) -> Result<Rows<'a>, FitError> {
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
        if labels.iter().all(|label| *label == labels[0]) {
            return Err(FitError::OneLabel { label: labels[0], task, rows: labels.len() });
        }
        let (class_weights, asked) = (Vec::new(), Asked(&|| true));
        Ok(Rows { vectors, labels, width, task, class_weights, asked })
    }

    /// Lets the rows of each class weigh as is said. A class without rows weighs nothing.
    #[must_use]
    pub fn weighed(self, by: &ClassWeight) -> Rows<'a> {
        let class_weights = match by {
            ClassWeight::Even => Vec::new(),
            ClassWeight::Each(weights) => weights.clone(),
            ClassWeight::Balanced => {
                let all = self.len() as f64;
                let by_class = self.by_class();
                let classes = by_class.len() as f64;
                by_class.into_iter().map(|rows| if rows == 0 { 0.0 } else { all / (classes * rows as f64) }).collect()
            }
        };
        Rows { class_weights, ..self }
    }

    /// Lets long fits ask between their steps whether they are still waited for.
    #[must_use]
    pub fn asking(self, waits: &'a dyn Fn() -> bool) -> Rows<'a> {
        Rows { asked: Asked(waits), ..self }
    }

    /// Asked between two steps of a fit.
    ///
    /// # Errors
    /// Nobody waits for it any more.
    pub fn go_on(&self) -> Result<(), FitError> {
        if (self.asked.0)() { Ok(()) } else { Err(FitError::GivenUp) }
    }

    /// Whether some rows weigh more than others.
    pub fn is_weighed(&self) -> bool {
        !self.class_weights.is_empty()
    }

    /// What a row of this label weighs.
    pub fn weight(&self, label: Label) -> f64 {
        if self.class_weights.is_empty() { 1.0 } else { self.class_weights[label.number()] }
    }

    /// What each row weighs.
    pub fn weights(&self) -> Vec<f64> {
        self.labels.iter().map(|label| self.weight(*label)).collect()
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

    /// All slots of all rows.
    pub fn matrix(&self) -> Array2<f64> {
        let mut matrix = Array2::zeros((self.len(), self.width));
        for (x, mut row) in self.vectors.iter().zip(matrix.rows_mut()) {
            row.as_slice_mut().into_iter().for_each(|row| x.write_dense(row));
        }
        matrix
    }

    /// One label a vector; not all are alike.
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// What the labels are of.
    pub fn task(&self) -> Task {
        self.task
    }

    /// The rows of each class.
    pub fn by_class(&self) -> Vec<usize> {
        let mut rows = vec![0; self.task.classes()];
        self.labels.iter().for_each(|label| rows[label.number()] += 1);
        rows
    }

    /// Of a binary task: the rows whose label is true, at least 1 and not all.
    pub fn positives(&self) -> usize {
        self.labels.iter().filter(|label| label.is_true()).count()
    }
}
