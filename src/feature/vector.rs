//! A feature vector: what is served to a model, and later learned from, byte for byte the same.
//!
//! In: numbers and the places of the slots that are 1. Keeps: the dense numbers first, in the order of `[features]`,
//! then the one-hot slots. A vector's length is that of its layout; no NaN or infinity is ever in it.

use serde::{Deserialize, Serialize};

/// One feature vector of `dense.len()` numbers followed by 0/1 slots of which only the ones are stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Vector {
    /// The values of slots `0 .. dense.len()`.
    pub dense: Box<[f64]>,
    /// The slots that are 1, each at least `dense.len()`, ascending; all other slots are 0.
    pub hot: Box<[u32]>,
}

impl Vector {
    /// The value of a slot.
    ///
    /// ```
    /// use tidemill::feature::Vector;
    /// let x = Vector { dense: [2.0].into(), hot: [3].into() };
    /// assert_eq!([0, 1, 2, 3].map(|slot| x.slot(slot)), [2.0, 0.0, 0.0, 1.0]);
    /// ```
    pub fn slot(&self, slot: u32) -> f64 {
        match self.dense.get(slot as usize) {
            Some(value) => *value,
            None => f64::from(u8::from(self.hot.contains(&slot))),
        }
    }

    /// The inner product with `weights` (one a slot).
    ///
    /// ```
    /// use tidemill::feature::Vector;
    /// let x = Vector { dense: [2.0].into(), hot: [3].into() };
    /// assert_eq!(x.dot(&[0.5, 1.0, 1.0, 0.25]), 1.25);
    /// ```
    pub fn dot(&self, weights: &[f64]) -> f64 {
        let dense: f64 = self.dense.iter().zip(weights).map(|(x, w)| x * w).sum();
        self.hot.iter().fold(dense, |sum, slot| sum + weights[*slot as usize])
    }

    /// Its inner product with itself.
    ///
    /// ```
    /// use tidemill::feature::Vector;
    /// assert_eq!(Vector { dense: [2.0, 1.0].into(), hot: [3].into() }.squared(), 6.0);
    /// ```
    pub fn squared(&self) -> f64 {
        self.dense.iter().map(|x| x * x).sum::<f64>() + self.hot.len() as f64
    }

    /// Adds `factor` times this vector to `weights` (one a slot).
    pub fn add_to(&self, weights: &mut [f64], factor: f64) {
        for (w, x) in weights.iter_mut().zip(&self.dense) {
            *w += factor * x;
        }
        for slot in &self.hot {
            weights[*slot as usize] += factor;
        }
    }

    /// Writes all `row.len()` slots to a dense row, which is overwritten.
    pub fn write_dense(&self, row: &mut [f64]) {
        row.fill(0.0);
        row[..self.dense.len()].copy_from_slice(&self.dense);
        for slot in &self.hot {
            row[*slot as usize] = 1.0;
        }
    }
}
