//! Windows by rows and by time, of rows in order.

use std::collections::VecDeque;

/// The newest `N` numbers, their sum exact as they are whole numbers, or multiples of 2^-40.
#[derive(Clone, Default)]
pub struct Newest<const N: usize> {
    values: VecDeque<i64>,
    sum: i64,
}

impl<const N: usize> Newest<N> {
    pub fn push(&mut self, value: i64) {
        self.values.push_back(value);
        self.sum += value;
        if self.values.len() > N {
            self.sum -= self.values.pop_front().unwrap_or(0);
        }
    }

    /// In the units of what was pushed, times `unit`.
    pub fn mean(&self, unit: f64, missing: f64) -> f64 {
        match self.values.len() {
            0 => missing,
            n => self.sum as f64 / (n as f64 * unit),
        }
    }
}

/// The rows of the last `SPAN` microseconds, with a whole number each.
#[derive(Clone, Default)]
pub struct Recent<const SPAN: i64> {
    rows: VecDeque<(i64, i64)>,
    sum: i64,
}

impl<const SPAN: i64> Recent<SPAN> {
    pub fn push(&mut self, time: i64, value: i64) {
        self.rows.push_back((time, value));
        self.sum += value;
    }

    pub fn count(&mut self, now: i64) -> f64 {
        while let Some((time, value)) = self.rows.front()
            && *time <= now - SPAN
        {
            self.sum -= value;
            self.rows.pop_front();
        }
        self.rows.len() as f64
    }

    pub fn mean(&mut self, now: i64) -> f64 {
        let count = self.count(now);
        if count > 0.0 { self.sum as f64 / count } else { 0.0 }
    }
}
