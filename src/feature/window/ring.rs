//! The rows of a window state, in order: two contiguous rings, one of places and one of values; no allocation a row.
//!
//! Rows stand by time, then `order`, then their values: what is kept is a sorted multiset, so where a row stands never
//! depends on when it came. Rows are named by a running index that does not change when the oldest rows leave.

use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::VecDeque;

/// Where a row stands among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) time: Time,
    pub(super) order: u64,
}

/// The rows that are kept; row `first()` is the oldest, row `end() - 1` the newest.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Ring {
    first: u64,
    places: VecDeque<Place>,
    /// `width` values a row, NaN for null.
    #[serde(with = "nullable")]
    values: VecDeque<f64>,
    width: usize,
}

impl Ring {
    pub(super) fn new(width: usize) -> Ring {
        Ring { width, ..Ring::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    #[inline]
    pub(super) fn end(&self) -> u64 {
        self.first + self.places.len() as u64
    }

    #[inline]
    pub(super) fn time(&self, row: u64) -> Time {
        self.places[(row - self.first) as usize].time
    }

    #[inline]
    pub(super) fn value(&self, row: u64, argument: usize) -> f64 {
        self.values[(row - self.first) as usize * self.width + argument]
    }

    #[inline]
    pub(super) fn oldest(&self) -> Option<Time> {
        self.places.front().map(|p| p.time)
    }

    #[inline]
    pub(super) fn newest(&self) -> Option<Time> {
        self.places.back().map(|p| p.time)
    }

    /// The first row after an instant.
    #[inline]
    pub(super) fn after(&self, time: Time) -> u64 {
        self.first + self.places.partition_point(|p| p.time <= time) as u64
    }

    /// Puts a row in its place, which is returned.
    #[inline]
    pub(super) fn insert(&mut self, place: Place, values: &[f64]) -> u64 {
        if self.places.back().is_none_or(|last| *last < place) {
            self.places.push_back(place);
            self.values.extend(values);
            return self.end() - 1;
        }
        let at = self.search(place, values, Ordering::is_le);
        self.places.insert(at, place);
        for (n, value) in values.iter().enumerate() {
            self.values.insert(at * self.width + n, *value);
        }
        self.first + at as u64
    }

    /// Takes a row out that equals these in place and values; returns where it stood.
    pub(super) fn find(&self, place: Place, values: &[f64]) -> Option<u64> {
        let at = self.search(place, values, Ordering::is_lt);
        let found = at < self.len() && self.compare(at, place, values).is_eq();
        found.then(|| self.first + at as u64)
    }

    /// Takes a row out.
    pub(super) fn remove(&mut self, row: u64) {
        let at = (row - self.first) as usize;
        self.places.remove(at);
        self.values.drain(at * self.width..(at + 1) * self.width);
    }

    /// Takes the oldest row out; the others keep their index.
    pub(super) fn remove_oldest(&mut self) {
        self.places.pop_front();
        self.values.drain(..self.width);
        self.first += 1;
    }

    /// How many rows compare so with the given one.
    fn search(&self, place: Place, values: &[f64], so: impl Fn(Ordering) -> bool) -> usize {
        let before = self.places.partition_point(|p| *p < place);
        let same = self.places.range(before..).take_while(|p| **p == place).count();
        before + (before..before + same).take_while(|at| so(self.compare(*at, place, values))).count()
    }

    fn compare(&self, at: usize, place: Place, values: &[f64]) -> Ordering {
        let mine = self.values.range(at * self.width..(at + 1) * self.width);
        let by_values = mine.zip(values).map(|(a, b)| a.total_cmp(b)).find(|o| o.is_ne());
        self.places[at].cmp(&place).then(by_values.unwrap_or(Ordering::Equal))
    }
}

/// Values as options, since text formats have no NaN.
mod nullable {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::collections::VecDeque;

    pub(super) fn serialize<S: Serializer>(values: &VecDeque<f64>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(values.iter().map(|v| (!v.is_nan()).then_some(*v)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<VecDeque<f64>, D::Error> {
        let values = VecDeque::<Option<f64>>::deserialize(from)?;
        Ok(values.into_iter().map(|v| v.unwrap_or(f64::NAN)).collect())
    }
}
