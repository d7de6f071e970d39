//! A tally's running result over the rows of one window: sums, or the row that is best.
//!
//! Sums are integers: a row that leaves takes out exactly what it brought. The least, greatest or newest value is the
//! front of a monotone queue of rows (each better than all behind it in the window); a retraction of a queued row makes
//! it stale, and the next query builds it again from the window. Quantiles and different values are read from all
//! values in their order (`sorted.rs`), of which a late query takes a copy.

use super::ring::Ring;
use super::shape::{Tally, What};
use super::sorted::Sorted;
use crate::config::spec::Function;
use crate::feature::moments::{Moments, Sum, fixed};
use std::collections::VecDeque;
use std::ops::Range;

/// The state of one tally.
#[derive(Clone, Debug)]
pub(super) enum Running {
    Values(u64),
    Sum(Sum),
    /// Rarely asked for, and three times as long as the others.
    Moments(Box<Moments>),
    Best(Best),
    Sorted(Box<Sorted>),
}

/// The rows that are or may become the best one: ascending, the first is the best of the window.
#[derive(Clone, Debug, Default)]
pub(super) struct Best {
    queue: VecDeque<u64>,
    stale: bool,
}

impl Running {
    pub(super) fn new(what: What) -> Running {
        match what {
            What::Values => Running::Values(0),
            What::Sum => Running::Sum(Sum::default()),
            What::Moments => Running::Moments(Box::default()),
            What::Least | What::Greatest | What::Newest => Running::Best(Best::default()),
            What::Sorted => Running::Sorted(Box::default()),
        }
    }

    /// Takes in the newest row of the ring.
    #[inline]
    pub(super) fn append(&mut self, tally: &Tally, ring: &Ring, row: u64) {
        match self {
            Running::Best(best) => best.append(tally, ring, row),
            _ => self.add(tally, ring, row..row + 1),
        }
    }

    /// Takes in a row that was put between others of the ring.
    pub(super) fn insert(&mut self, tally: &Tally, ring: &Ring, row: u64) {
        match self {
            Running::Best(best) => best.insert(tally, ring, row),
            _ => self.add(tally, ring, row..row + 1),
        }
    }

    /// Lets the oldest rows of the window go; they are still in the ring.
    #[inline]
    pub(super) fn evict(&mut self, tally: &Tally, ring: &Ring, rows: Range<u64>) {
        match self {
            Running::Best(best) => {
                while best.queue.front().is_some_and(|row| *row < rows.end) {
                    best.queue.pop_front();
                }
            }
            _ => self.remove(tally, ring, rows),
        }
    }

    /// Takes rows back in at the old end of the window.
    pub(super) fn readmit(&mut self, tally: &Tally, ring: &Ring, rows: Range<u64>) {
        match self {
            Running::Best(best) => best.spoil(),
            _ => self.add(tally, ring, rows),
        }
    }

    /// Lets any row of the window go; it is still in the ring.
    pub(super) fn retract(&mut self, tally: &Tally, ring: &Ring, row: u64) {
        match self {
            Running::Best(best) if best.queue.binary_search(&row).is_ok() => best.spoil(),
            Running::Best(_) => {}
            _ => self.remove(tally, ring, row..row + 1),
        }
    }

    /// Follows the rows from `row` on, which have moved up by one.
    pub(super) fn move_up(&mut self, row: u64) {
        if let Running::Best(best) = self {
            best.queue.iter_mut().rev().take_while(|r| **r >= row).for_each(|r| *r += 1);
        }
    }

    /// Follows the rows behind `row`, which have moved down by one; `row` itself is gone.
    pub(super) fn move_down(&mut self, row: u64) {
        if let Running::Best(best) = self {
            best.queue.iter_mut().rev().take_while(|r| **r > row).for_each(|r| *r -= 1);
        }
    }

    /// Makes the result right again after retractions; `window` is all rows that it is over.
    #[inline]
    pub(super) fn refresh(&mut self, tally: &Tally, ring: &Ring, window: Range<u64>) {
        if let Running::Best(best) = self
            && best.stale
        {
            best.rebuild(tally, ring, window);
        }
    }

    /// What the result would be over `wanted`, while it is over `current`, which ends where the ring ends.
    pub(super) fn over(&self, tally: &Tally, ring: &Ring, current: &Range<u64>, wanted: Range<u64>) -> Running {
        let mut result = match self {
            Running::Best(best) => {
                let queue = best.best_of(tally, ring, current.start, wanted).into_iter().collect();
                return Running::Best(Best { queue, stale: false });
            }
            sums => sums.clone(),
        };
        if wanted.end <= current.start || wanted.is_empty() {
            result = Running::new(tally.what);
            result.add(tally, ring, wanted);
            return result;
        }
        result.remove(tally, ring, wanted.end..current.end);
        result.add(tally, ring, wanted.start..current.start);
        result.remove(tally, ring, current.start..wanted.start);
        result
    }

    /// The aggregate's result, once refreshed.
    #[inline]
    pub(super) fn result(&self, function: Function, tally: &Tally, ring: &Ring) -> Option<f64> {
        match (self, function) {
            (Running::Values(count), _) => Some(*count as f64),
            (Running::Sum(sum), Function::Sum) => sum.sum(),
            (Running::Sum(sum), _) => sum.mean(),
            (Running::Moments(moments), Function::Sum) => moments.sum.sum(),
            (Running::Moments(moments), Function::Mean) => moments.sum.mean(),
            (Running::Moments(moments), _) => moments.deviation(),
            (Running::Sorted(sorted), Function::Quantile(level)) => sorted.quantile(level.get()),
            (Running::Sorted(sorted), _) => Some(sorted.distinct() as f64),
            (Running::Best(best), _) => best.queue.front().map(|row| ring.value(*row, tally.argument)),
        }
    }

    #[inline]
    fn add(&mut self, tally: &Tally, ring: &Ring, rows: Range<u64>) {
        let values = rows.map(|row| ring.value(row, tally.argument));
        match self {
            Running::Values(count) => *count += values.filter(|v| !v.is_nan()).count() as u64,
            Running::Sum(sum) => values.filter_map(fixed).for_each(|v| sum.add(v)),
            Running::Moments(moments) => values.filter_map(fixed).for_each(|v| moments.add(v)),
            Running::Sorted(sorted) => values.filter(|v| !v.is_nan()).for_each(|v| sorted.insert(v)),
            Running::Best(_) => {}
        }
    }

    #[inline]
    fn remove(&mut self, tally: &Tally, ring: &Ring, rows: Range<u64>) {
        let values = rows.map(|row| ring.value(row, tally.argument));
        match self {
            Running::Values(count) => *count -= values.filter(|v| !v.is_nan()).count() as u64,
            Running::Sum(sum) => values.filter_map(fixed).for_each(|v| sum.remove(v)),
            Running::Moments(moments) => values.filter_map(fixed).for_each(|v| moments.remove(v)),
            Running::Sorted(sorted) => values.filter(|v| !v.is_nan()).for_each(|v| sorted.remove(v)),
            Running::Best(_) => {}
        }
    }
}

impl Best {
    /// Stays empty until it is refreshed: nothing may name a row that is gone.
    fn spoil(&mut self) {
        self.queue.clear();
        self.stale = true;
    }

    #[inline]
    fn append(&mut self, tally: &Tally, ring: &Ring, row: u64) {
        let value = ring.value(row, tally.argument);
        if self.stale || value.is_nan() {
            return;
        }
        while self.queue.back().is_some_and(|r| beats(tally.what, value, ring.value(*r, tally.argument))) {
            self.queue.pop_back();
        }
        self.queue.push_back(row);
    }

    fn insert(&mut self, tally: &Tally, ring: &Ring, row: u64) {
        let value = ring.value(row, tally.argument);
        if self.stale || value.is_nan() {
            return;
        }
        let value_of = |row: &u64| ring.value(*row, tally.argument);
        let behind = self.queue.partition_point(|r| *r < row);
        if self.queue.get(behind).is_some_and(|next| beats(tally.what, value_of(next), value)) {
            return;
        }
        let beaten = self.queue.range(..behind).rev().take_while(|r| beats(tally.what, value, value_of(r))).count();
        self.queue.drain(behind - beaten..behind);
        self.queue.insert(behind - beaten, row);
    }

    fn rebuild(&mut self, tally: &Tally, ring: &Ring, window: Range<u64>) {
        self.queue.clear();
        self.stale = false;
        for row in window.rev() {
            let value = ring.value(row, tally.argument);
            let best = self.queue.front().map(|r| ring.value(*r, tally.argument));
            if !value.is_nan() && best.is_none_or(|best| !beats(tally.what, best, value)) {
                self.queue.push_front(row);
                if tally.what == What::Newest {
                    break;
                }
            }
        }
    }

    /// The best row of `wanted`, while the queue is over the rows from `start` to the ring's end.
    fn best_of(&self, tally: &Tally, ring: &Ring, start: u64, wanted: Range<u64>) -> Option<u64> {
        let queued = self.queue.partition_point(|row| *row < wanted.start);
        let mut best = self.queue.get(queued).copied().filter(|row| !self.stale && *row < wanted.end);
        // What is best up to the ring's end is so up to an earlier end, so only rows before `start` can be better.
        let rows = if best.is_some() { wanted.start..start } else { wanted };
        if tally.what == What::Newest && best.is_some() {
            return best;
        }
        for row in rows.rev() {
            let value = ring.value(row, tally.argument);
            let so_far = best.map(|r| ring.value(r, tally.argument));
            if !value.is_nan() && so_far.is_none_or(|so_far| !beats(tally.what, so_far, value)) {
                best = Some(row);
                if tally.what == What::Newest {
                    break;
                }
            }
        }
        best
    }
}

/// Whether a newer value leaves an older one no chance.
#[inline]
fn beats(what: What, newer: f64, older: f64) -> bool {
    match what {
        What::Least => newer <= older,
        What::Greatest => newer >= older,
        _ => true,
    }
}
