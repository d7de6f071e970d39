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
//! what is left. `count(*)` counts rows; the others skip null values. Of no value: `count` and `distinct` are
//! 0, the rest null. `std` is that of the population; `last` is the value of the newest row that has one; `quantile` is
//! exact, between two values in proportion, as numpy's default; `distinct` counts the values that differ.
//!
//! **Forgetting** is a rule, not an event: it holds at each call from that call's `now`, so results depend only on the
//! calls, never on when memory is reclaimed, and queries change no later result. A row that was forgotten by all
//! aggregates of the shape is gone for good: retracting it says so, and retracting one of the N newest rows at or
//! before
//! `now - slack` does not bring an older one back.
//!
//! **Exactness.** Sums are integers (`feature::moments`: steps of 2^-40, magnitudes to 2^52): a row inserted and
//! retracted leaves every result bit for bit as if it had never come. To `sum`, `mean` and `std` a greater value is
//! null. `min`, `max`, `last`, `quantile` and `distinct` take values as they came, except that -0 is 0. NaN and
//! infinity are null.
//!
//! Keeps: the rows kept, 16 bytes and 8 an argument each, in contiguous rings; running results a distinct window.
//! Cost: constant (amortized) for rows and queries in order; a late row or retraction a binary search and the rows
//! moved, a late query the rows between its window and the current one, for `min` and `max` at most its window. For
//! `quantile` and `distinct` a row costs a binary search, a late query a copy of the window, and the state 8 bytes more
//! a row.
//! Source: the monotone queue for the least value is folklore, here with rows entering in its middle.

mod ring;
mod running;
mod shape;
mod sorted;
#[cfg(test)]
mod tests;
mod words;

pub use shape::{Aggregate, WindowShape};

use crate::config::spec::Over;
use crate::time::Time;
use ring::{Place, Ring};
use running::Running;
use shape::Extent;
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
#[derive(Clone, Debug)]
pub struct Window {
    ring: Ring,
    /// One a distinct extent; one is the common case, and lies in the same cache lines.
    cursors: SmallVec<[Cursor; 1]>,
}

/// The running results of one extent, and which rows they are over: from `start` to the newest.
#[derive(Clone, Debug)]
struct Cursor {
    start: u64,
    /// Time windows only: all rows after this instant, and no other, are from `start` on. It never goes back.
    after: Time,
    /// One a tally.
    running: SmallVec<[Running; 1]>,
}

impl Window {
    /// No rows.
    pub fn new(shape: &WindowShape) -> Window {
        let cursor = |extent: &Extent| Cursor {
            start: 0,
            after: Time(i64::MIN),
            running: extent.tallies.iter().map(|t| Running::new(t.what)).collect(),
        };
        Window { ring: Ring::new(shape.arguments), cursors: shape.extents.iter().map(cursor).collect() }
    }

    /// Takes a row in.
    ///
    /// # Panics
    /// If there is not one value an argument.
    pub fn insert(&mut self, shape: &WindowShape, now: Time, time: Time, order: u64, values: &[Option<f64>]) {
        assert!(values.len() == shape.arguments, "a row has one value an argument");
        self.prune(shape, now);
        if shape.most_rows == 0 && time <= now.minus(shape.slack).minus(shape.longest) {
            return;
        }
        let place = Place { time, order };
        if self.ring.would_be_newest(place) {
            let row = self.ring.push(place, values.iter().copied().map(plain));
            self.enter_newest(shape, time, row);
        } else {
            let values: SmallVec<[f64; 4]> = values.iter().copied().map(plain).collect();
            let row = self.ring.insert(place, &values);
            self.enter_between(shape, time, row);
        }
    }

    /// Takes out a row that was inserted with the same time, order and values; `false` if none such is kept.
    ///
    /// # Panics
    /// If there is not one value an argument.
    pub fn retract(&mut self, shape: &WindowShape, now: Time, time: Time, order: u64, values: &[Option<f64>]) -> bool {
        assert!(values.len() == shape.arguments, "a row has one value an argument");
        // A row that the rule forgets is not to be found, and does not come back for one that goes.
        self.prune(shape, now);
        let values: SmallVec<[f64; 4]> = values.iter().copied().map(plain).collect();
        let Window { ring, cursors } = self;
        let Some(row) = ring.find(Place { time, order }, &values) else { return false };
        for (extent, cursor) in shape.extents.iter().zip(cursors) {
            let within = row >= cursor.start;
            cursor.start -= u64::from(!within);
            for (tally, running) in extent.tallies.iter().zip(&mut cursor.running) {
                if within {
                    running.retract(tally, ring, row);
                }
                running.move_down(row);
            }
        }
        ring.remove(row);
        true
    }

    /// The aggregates as of `time`, in the order in which the shape was given them.
    ///
    /// # Panics
    /// If there is not one place in `out` an aggregate.
    pub fn query(&mut self, shape: &WindowShape, now: Time, time: Time, out: &mut [Option<f64>]) {
        assert!(out.len() == shape.outputs, "a query has one result an aggregate");
        let Window { ring, cursors } = self;
        let horizon = now.minus(shape.slack);
        let in_order = ring.newest().is_none_or(|newest| newest <= time);
        for (extent, cursor) in shape.extents.iter().zip(cursors) {
            let wanted = match extent.over {
                Over::Time(span) => {
                    let after = time.max(horizon).minus(span);
                    if in_order && after >= cursor.after {
                        advance(extent, cursor, ring, after);
                        None
                    } else {
                        Some(ring.after(after)..ring.after(time))
                    }
                }
                Over::Rows(rows) => {
                    settle(extent, cursor, ring, rows);
                    (!in_order).then(|| {
                        let start = ring.after(time.max(horizon)).saturating_sub(rows as u64);
                        start.max(ring.first())..ring.after(time)
                    })
                }
            };
            let current = cursor.start..ring.end();
            match wanted {
                None => answer(extent, cursor, ring, current, out),
                Some(wanted) => answer_late(extent, cursor, ring, &current, wanted, out),
            }
        }
    }

    /// Whether nothing is kept that could matter from `now` on: the state may be dropped, and made anew when needed.
    pub fn is_idle(&self, shape: &WindowShape, now: Time) -> bool {
        let oldest = now.minus(shape.slack).minus(shape.longest);
        self.ring.newest().is_none_or(|newest| shape.most_rows == 0 && newest <= oldest)
    }

    /// Reclaims the memory of what the rule forgets; changes no answer. Rows that come do so too, queries do not.
    #[inline]
    pub fn prune(&mut self, shape: &WindowShape, now: Time) {
        let horizon = now.minus(shape.slack);
        // The rows that go are always the oldest.
        if self.ring.oldest().is_some_and(|oldest| oldest <= horizon.minus(shape.longest)) {
            self.forget(shape, horizon);
        }
    }

    /// How many rows are in memory.
    pub fn rows(&self) -> usize {
        self.ring.len()
    }

    fn enter_newest(&mut self, shape: &WindowShape, time: Time, row: u64) {
        let Window { ring, cursors } = self;
        for (extent, cursor) in shape.extents.iter().zip(cursors) {
            if matches!(extent.over, Over::Time(_)) && time <= cursor.after {
                cursor.start = row + 1;
                continue;
            }
            for (tally, running) in extent.tallies.iter().zip(&mut cursor.running) {
                running.append(tally, ring, row);
            }
            limit(extent, cursor, ring);
        }
    }

    fn enter_between(&mut self, shape: &WindowShape, time: Time, row: u64) {
        let Window { ring, cursors } = self;
        for (extent, cursor) in shape.extents.iter().zip(cursors) {
            let within = match extent.over {
                Over::Time(_) => time > cursor.after,
                Over::Rows(_) => row >= cursor.start,
            };
            cursor.start += u64::from(!within);
            for (tally, running) in extent.tallies.iter().zip(&mut cursor.running) {
                running.move_up(row);
                if within {
                    running.insert(tally, ring, row);
                }
            }
            limit(extent, cursor, ring);
        }
    }

    fn forget(&mut self, shape: &WindowShape, horizon: Time) {
        let Window { ring, cursors } = self;
        let (oldest, most) = (horizon.minus(shape.longest), shape.most_rows as u64);
        // A row goes if enough newer ones are at or before the horizon; rows are sorted, so one look tells.
        let goes = |ring: &Ring, row: u64| {
            ring.time(row) <= oldest && (most == 0 || row + most < ring.end() && ring.time(row + most) <= horizon)
        };
        if !goes(ring, ring.first()) {
            return;
        }
        for (extent, cursor) in shape.extents.iter().zip(&mut *cursors) {
            if let Over::Time(span) = extent.over {
                advance(extent, cursor, ring, horizon.minus(span));
            }
        }
        while ring.first() < ring.end() && goes(ring, ring.first()) {
            debug_assert!(cursors.iter().all(|c| c.start > ring.first()), "a forgotten row is in no window");
            ring.remove_oldest();
        }
    }
}

/// A window by rows has not more than its rows.
#[inline]
fn limit(extent: &Extent, cursor: &mut Cursor, ring: &Ring) {
    if let Over::Rows(rows) = extent.over {
        let start = ring.end().saturating_sub(rows as u64);
        if start > cursor.start {
            evict(extent, cursor, ring, start);
        }
    }
}

/// A window by rows has all of its rows again, after retractions.
#[inline]
fn settle(extent: &Extent, cursor: &mut Cursor, ring: &Ring, rows: usize) {
    let start = ring.end().saturating_sub(rows as u64).max(ring.first());
    if start < cursor.start {
        for (tally, running) in extent.tallies.iter().zip(&mut cursor.running) {
            running.readmit(tally, ring, start..cursor.start);
        }
        cursor.start = start;
    }
}

/// Moves a time window on, to the rows after an instant.
#[inline]
fn advance(extent: &Extent, cursor: &mut Cursor, ring: &Ring, after: Time) {
    cursor.after = cursor.after.max(after);
    let (mut start, end) = (cursor.start, ring.end());
    while start < end && ring.time(start) <= after {
        start += 1;
    }
    if start > cursor.start {
        evict(extent, cursor, ring, start);
    }
}

#[inline]
fn evict(extent: &Extent, cursor: &mut Cursor, ring: &Ring, start: u64) {
    for (tally, running) in extent.tallies.iter().zip(&mut cursor.running) {
        running.evict(tally, ring, cursor.start..start);
    }
    cursor.start = start;
}

#[inline]
fn answer(extent: &Extent, cursor: &mut Cursor, ring: &Ring, window: Range<u64>, out: &mut [Option<f64>]) {
    for output in &extent.outputs {
        out[output.place] = match output.tally {
            None => Some((window.end - window.start) as f64),
            Some(n) => {
                let tally = &extent.tallies[n];
                cursor.running[n].refresh(tally, ring, window.clone());
                cursor.running[n].result(output.function, tally, ring)
            }
        };
    }
}

/// The same for a window that is not the current one, which stays as it is.
fn answer_late(
    extent: &Extent,
    cursor: &Cursor,
    ring: &Ring,
    current: &Range<u64>,
    wanted: Range<u64>,
    out: &mut [Option<f64>],
) {
    let wanted = wanted.start.min(wanted.end)..wanted.end;
    for output in &extent.outputs {
        out[output.place] = match output.tally {
            None => Some((wanted.end - wanted.start) as f64),
            Some(n) => {
                let tally = &extent.tallies[n];
                let over = cursor.running[n].over(tally, ring, current, wanted.clone());
                over.result(output.function, tally, ring)
            }
        };
    }
}

/// Nulls, and what is not finite, as NaN; -0 as 0.
#[inline]
fn plain(value: Option<f64>) -> f64 {
    value.filter(|v| v.is_finite()).map_or(f64::NAN, |v| v + 0.0)
}
