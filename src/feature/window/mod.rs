//! Rolling aggregates of one key: exact with late rows, retractions and late queries, fast when all is in order.
//!
//! In: rows (event time, `order`, one value or null an argument), retractions of such rows, and queries; each with
//! pipeline time `now`, which never goes back and is not before any event time so far. Out: one result an aggregate.
//!
//! **What a query at `t` sees.** Rows stand by event time; of one time by `order`, which the caller derives from the
//! record's identity, so that a corrected row stands where the wrong one stood; equal in that too, by their values.
//! - Over a time `w`: the rows in `(t - w, t]` that are kept. A row is kept while `time > now - w - slack`.
//! - Over `N rows`: the newest N of the kept rows at or before `t`, their values null or not. All rows with
//!   `time > now - slack` are kept, and the newest N of those at or before it.
//!
//! So every query at `t >= now - slack` is exact however late its rows and corrections came, and an older one sees
//! what is left. `count(*)` counts rows; the others skip null values. Of no value: `count` is 0, the rest null.
//! `std` is that of the population; `last` is the value of the newest row that has one.
//!
//! **Forgetting** is a rule, not an event: it is applied at each call from that call's `now`, so results depend only on
//! the calls, never on when memory is reclaimed, and queries change no later result. A row that was forgotten by all
//! aggregates of the shape is gone for good: retracting it says so, and retracting one of the N newest rows at or before
//! `now - slack` does not bring an older one back.
//!
//! **Exactness.** Sums are integers (`feature::moments`: steps of 2^-40, magnitudes to 2^52): a row inserted and retracted
//! leaves every result bit for bit as if it had never come. To `sum`, `mean` and `std` a greater value is null, and
//! [`Window::insert`] says so. `min`, `max` and `last` give values as they came, except that -0 is 0. NaN and infinity
//! are null.
//!
//! Keeps: the rows kept, 16 bytes and 8 an argument each, in contiguous rings; running results a distinct window.
//! Cost: constant (amortized) for rows and queries in order; a late row or retraction a binary search and the rows
//! moved, a late query the rows between its window and the current one, for `min` and `max` at most its window.
//! Source: the monotone queue for the least value is folklore, here with rows entering in its middle.

mod ring;
mod running;
mod shape;
#[cfg(test)]
mod tests;

pub use shape::{Aggregate, WindowShape};

use super::moments::LIMIT;
use crate::config::spec::{Function, Over};
use crate::time::Time;
use ring::{Place, Ring};
use running::Running;
use serde::{Deserialize, Serialize};
use shape::{Extent, Output};
use smallvec::SmallVec;
use std::ops::Range;

/// The state of one key; every call takes the shape with which it was made.
///
/// ```
/// use tidemill::config::spec::{Function, Over};
/// use tidemill::feature::window::{Aggregate, Window, WindowShape};
/// use tidemill::time::{Span, Time};
///
/// let mean = Aggregate { function: Function::Mean, argument: Some(0), over: Over::Time(Span(10)) };
/// let count = Aggregate { function: Function::Count, argument: None, over: Over::Rows(2) };
/// let shape = WindowShape::new(1, &[mean, count], Span(100));
/// let mut window = Window::new(&shape);
/// window.insert(&shape, Time(1), Time(1), 0, &[Some(4.0)]);
/// window.insert(&shape, Time(9), Time(9), 0, &[Some(6.0)]);
/// let mut out = [None; 2];
/// window.query(&shape, Time(10), Time(10), &mut out);
/// assert_eq!(out, [Some(5.0), Some(2.0)]);
/// window.retract(&shape, Time(11), Time(9), 0, &[Some(6.0)]);
/// window.query(&shape, Time(11), Time(10), &mut out);
/// assert_eq!(out, [Some(4.0), Some(1.0)]);
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Window {
    ring: Ring,
    /// One a distinct extent.
    cursors: Box<[Cursor]>,
    /// One a tally.
    running: Box<[Running]>,
}

/// Which rows the running results of one extent are over: from `start` to the newest.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Cursor {
    start: u64,
    /// Time windows only: all rows after this instant, and no other, are from `start` on. It never goes back.
    after: Time,
}

impl Window {
    /// No rows.
    pub fn new(shape: &WindowShape) -> Window {
        Window {
            ring: Ring::new(shape.arguments),
            cursors: vec![Cursor { start: 0, after: Time(i64::MIN) }; shape.extents.len()].into(),
            running: shape.tallies.iter().map(|t| Running::new(t.what)).collect(),
        }
    }

    /// Takes a row in; returns how many of its values are null to a sum, mean or deviation, being beyond ±2^52.
    ///
    /// # Panics
    /// If there is not one value an argument.
    pub fn insert(&mut self, shape: &WindowShape, now: Time, time: Time, order: u64, values: &[Option<f64>]) -> usize {
        self.prune(shape, now);
        let values = plain(shape, values);
        let beyond = values.iter().zip(&shape.summed).filter(|(v, summed)| **summed && v.abs() > LIMIT).count();
        let row = self.ring.insert(Place { time, order }, &values);
        if row + 1 == self.ring.end() {
            self.enter_newest(shape, time, row);
        } else {
            self.enter_between(shape, time, row);
        }
        self.prune(shape, now);
        beyond
    }

    /// Takes out a row that was inserted with the same time, order and values; `false` if none such is kept.
    ///
    /// # Panics
    /// If there is not one value an argument.
    pub fn retract(&mut self, shape: &WindowShape, now: Time, time: Time, order: u64, values: &[Option<f64>]) -> bool {
        self.prune(shape, now);
        let Some(row) = self.ring.find(Place { time, order }, &plain(shape, values)) else { return false };
        for (extent, cursor) in shape.extents.iter().zip(&mut self.cursors) {
            let within = row >= cursor.start;
            cursor.start -= u64::from(!within);
            for n in extent.tallies.clone() {
                if within {
                    self.running[n].retract(shape.tallies[n], &self.ring, row);
                }
                self.running[n].move_down(row);
            }
        }
        self.ring.remove(row);
        true
    }

    /// The aggregates as of `time`, in the order in which the shape was given them.
    ///
    /// # Panics
    /// If there is not one place in `out` an aggregate.
    pub fn query(&mut self, shape: &WindowShape, now: Time, time: Time, out: &mut [Option<f64>]) {
        assert!(out.len() == shape.outputs, "a query has one result an aggregate");
        self.prune(shape, now);
        let horizon = now.minus(shape.slack);
        let in_order = self.ring.newest().is_none_or(|newest| newest <= time);
        for (n, extent) in shape.extents.iter().enumerate() {
            let wanted = match extent.over {
                Over::Time(span) => {
                    let after = time.max(horizon).minus(span);
                    if in_order && after >= self.cursors[n].after {
                        self.advance(shape, n, after);
                        None
                    } else {
                        Some(self.ring.after(after)..self.ring.after(time))
                    }
                }
                Over::Rows(rows) => {
                    self.settle(shape, n, rows);
                    (!in_order).then(|| {
                        let end = self.ring.after(time.max(horizon));
                        end.saturating_sub(rows as u64).max(self.ring.first())..self.ring.after(time)
                    })
                }
            };
            let current = self.cursors[n].start..self.ring.end();
            match wanted {
                None => self.answer(shape, extent, current, out),
                Some(wanted) => self.answer_late(shape, extent, &current, wanted, out),
            }
        }
    }

    /// Whether nothing is kept that could matter from `now` on: the state may be dropped, and made anew when needed.
    pub fn is_idle(&self, shape: &WindowShape, now: Time) -> bool {
        let oldest = now.minus(shape.slack).minus(shape.longest);
        self.ring.newest().is_none_or(|newest| shape.most_rows == 0 && newest <= oldest)
    }

    /// How many rows are in memory.
    pub fn rows(&self) -> usize {
        self.ring.len()
    }

    fn enter_newest(&mut self, shape: &WindowShape, time: Time, row: u64) {
        for (n, extent) in shape.extents.iter().enumerate() {
            if matches!(extent.over, Over::Time(_)) && time <= self.cursors[n].after {
                self.cursors[n].start = row + 1;
                continue;
            }
            for n in extent.tallies.clone() {
                self.running[n].append(shape.tallies[n], &self.ring, row);
            }
            self.limit(shape, n);
        }
    }

    fn enter_between(&mut self, shape: &WindowShape, time: Time, row: u64) {
        for (n, extent) in shape.extents.iter().enumerate() {
            let within = match extent.over {
                Over::Time(_) => time > self.cursors[n].after,
                Over::Rows(_) => row >= self.cursors[n].start,
            };
            self.cursors[n].start += u64::from(!within);
            for n in extent.tallies.clone() {
                self.running[n].move_up(row);
                if within {
                    self.running[n].insert(shape.tallies[n], &self.ring, row);
                }
            }
            self.limit(shape, n);
        }
    }

    /// A window by rows has not more than its rows.
    fn limit(&mut self, shape: &WindowShape, extent: usize) {
        if let Over::Rows(rows) = shape.extents[extent].over {
            let start = self.ring.end().saturating_sub(rows as u64);
            if start > self.cursors[extent].start {
                self.evict(shape, extent, start);
            }
        }
    }

    /// A window by rows has all of its rows again, after retractions.
    fn settle(&mut self, shape: &WindowShape, extent: usize, rows: usize) {
        let start = self.ring.end().saturating_sub(rows as u64).max(self.ring.first());
        let regained = start..self.cursors[extent].start;
        if !regained.is_empty() {
            for n in shape.extents[extent].tallies.clone() {
                self.running[n].readmit(shape.tallies[n], &self.ring, regained.clone());
            }
            self.cursors[extent].start = start;
        }
    }

    /// Moves a time window on, to the rows after an instant.
    fn advance(&mut self, shape: &WindowShape, extent: usize, after: Time) {
        let cursor = &mut self.cursors[extent];
        cursor.after = cursor.after.max(after);
        let (mut start, end) = (cursor.start, self.ring.end());
        while start < end && self.ring.time(start) <= after {
            start += 1;
        }
        if start > self.cursors[extent].start {
            self.evict(shape, extent, start);
        }
    }

    fn evict(&mut self, shape: &WindowShape, extent: usize, start: u64) {
        for n in shape.extents[extent].tallies.clone() {
            self.running[n].evict(shape.tallies[n], &self.ring, self.cursors[extent].start..start);
        }
        self.cursors[extent].start = start;
    }

    /// Reclaims the rows that the rule forgets; these are always the oldest.
    #[inline]
    fn prune(&mut self, shape: &WindowShape, now: Time) {
        let horizon = now.minus(shape.slack);
        if self.ring.oldest().is_some_and(|oldest| oldest <= horizon.minus(shape.longest)) {
            self.forget(shape, horizon);
        }
    }

    fn forget(&mut self, shape: &WindowShape, horizon: Time) {
        for (n, extent) in shape.extents.iter().enumerate() {
            if let Over::Time(span) = extent.over {
                self.advance(shape, n, horizon.minus(span));
            }
        }
        let oldest = horizon.minus(shape.longest);
        let most = shape.most_rows as u64;
        while self.ring.oldest().is_some_and(|time| time <= oldest) {
            // Enough newer ones at or before the horizon; rows are sorted, so one look tells.
            let kept_for_rows =
                self.ring.first() + most >= self.ring.end() || self.ring.time(self.ring.first() + most) > horizon;
            if most > 0 && kept_for_rows {
                return;
            }
            debug_assert!(self.cursors.iter().all(|c| c.start > self.ring.first()), "a forgotten row is in no window");
            self.ring.remove_oldest();
        }
    }

    fn answer(&mut self, shape: &WindowShape, extent: &Extent, window: Range<u64>, out: &mut [Option<f64>]) {
        for output in &extent.outputs {
            out[output.place] = match output.tally {
                None => Some((window.end - window.start) as f64),
                Some(n) => {
                    let tally = shape.tallies[n];
                    self.running[n].refresh(tally, &self.ring, window.clone());
                    self.result(output, &self.running[n], tally.argument)
                }
            };
        }
    }

    /// The same for a window that is not the current one, which stays as it is.
    fn answer_late(
        &self,
        shape: &WindowShape,
        extent: &Extent,
        current: &Range<u64>,
        wanted: Range<u64>,
        out: &mut [Option<f64>],
    ) {
        let wanted = wanted.start.min(wanted.end)..wanted.end;
        for output in &extent.outputs {
            out[output.place] = match output.tally {
                None => Some((wanted.end - wanted.start) as f64),
                Some(n) => {
                    let tally = shape.tallies[n];
                    let over = self.running[n].over(tally, &self.ring, current, wanted.clone());
                    self.result(output, &over, tally.argument)
                }
            };
        }
    }

    #[inline]
    fn result(&self, output: &Output, running: &Running, argument: usize) -> Option<f64> {
        match (running, output.function) {
            (Running::Values(count), _) => Some(*count as f64),
            (Running::Sum(sum), Function::Sum) => sum.sum(),
            (Running::Sum(sum), _) => sum.mean(),
            (Running::Moments(moments), Function::Sum) => moments.sum.sum(),
            (Running::Moments(moments), Function::Mean) => moments.sum.mean(),
            (Running::Moments(moments), _) => moments.deviation(),
            (Running::Best(best), _) => best.row().map(|row| self.ring.value(row, argument)),
        }
    }
}

/// Nulls, and what is not finite, as NaN; -0 as 0.
#[inline]
fn plain(shape: &WindowShape, values: &[Option<f64>]) -> SmallVec<[f64; 4]> {
    assert!(values.len() == shape.arguments, "a row has one value an argument");
    values.iter().map(|v| v.filter(|v| v.is_finite()).map_or(f64::NAN, |v| v + 0.0)).collect()
}
