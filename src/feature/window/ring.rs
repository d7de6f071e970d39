//! The rows of a window state, in order, in one contiguous ring: no allocation a row, one cache line for most.
//!
//! Rows stand by time, then `order`, then their values: what is kept is a sorted multiset, so where a row stands never
//! depends on when it came. Rows are named by a running index that does not change when the oldest rows leave; a late
//! row moves the newer ones up by one. (Two `VecDeque`s did the same at twice the cost, most of it in the cache.)

use crate::time::Time;
use std::cmp::Ordering;

/// Where a row stands among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) time: Time,
    pub(super) order: u64,
}

/// The rows that are kept; row `first()` is the oldest, row `end() - 1` the newest.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    /// A row is its time, its order and the bits of its values (NaN for null). Row `n` stands in slot `n & mask`.
    words: Vec<u64>,
    /// Slots less 1; slots are a power of two.
    mask: u64,
    first: u64,
    end: u64,
    /// Words a row.
    stride: usize,
}

impl Ring {
    /// No rows, each to have so many values.
    pub(super) fn new(width: usize) -> Ring {
        Ring { words: vec![0; 2 + width], mask: 0, first: 0, end: 0, stride: 2 + width }
    }

    /// The rows of [`Ring::write_to`], and no others; `words` is a whole number of them.
    pub(super) fn of_words(width: usize, words: &[u64]) -> Ring {
        let rows = words.len() / (2 + width);
        let slots = rows.next_power_of_two();
        let mut all = Vec::with_capacity(slots * (2 + width));
        all.extend_from_slice(words);
        all.resize(slots * (2 + width), 0);
        Ring { words: all, mask: slots as u64 - 1, first: 0, end: rows as u64, stride: 2 + width }
    }

    /// Appends the rows, oldest first: time, order, values.
    pub(super) fn write_to(&self, words: &mut Vec<u64>) {
        for row in self.first..self.end {
            let slot = self.slot(row);
            words.extend_from_slice(&self.words[slot..slot + self.stride]);
        }
    }

    pub(super) fn len(&self) -> usize {
        (self.end - self.first) as usize
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    #[inline]
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    #[inline]
    pub(super) fn time(&self, row: u64) -> Time {
        Time(self.words[self.slot(row)] as i64)
    }

    #[inline]
    pub(super) fn value(&self, row: u64, argument: usize) -> f64 {
        f64::from_bits(self.words[self.slot(row) + 2 + argument])
    }

    #[inline]
    pub(super) fn oldest(&self) -> Option<Time> {
        (self.first < self.end).then(|| self.time(self.first))
    }

    #[inline]
    pub(super) fn newest(&self) -> Option<Time> {
        (self.first < self.end).then(|| self.time(self.end - 1))
    }

    /// The first row after an instant.
    #[inline]
    pub(super) fn after(&self, time: Time) -> u64 {
        self.search(|row| self.time(row) <= time)
    }

    /// Whether a row there would stand behind all others, whatever its values.
    #[inline]
    pub(super) fn would_be_newest(&self, place: Place) -> bool {
        self.first == self.end || self.place(self.end - 1) < place
    }

    /// Puts a row behind all others.
    #[inline]
    pub(super) fn push(&mut self, place: Place, values: impl Iterator<Item = f64>) -> u64 {
        if self.len() as u64 > self.mask {
            self.grow();
        }
        let row = self.end;
        self.end += 1;
        self.write(row, place, values);
        row
    }

    /// Puts a row in its place, which is returned.
    pub(super) fn insert(&mut self, place: Place, values: &[f64]) -> u64 {
        if self.len() as u64 > self.mask {
            self.grow();
        }
        let row = self.search(|row| self.compare(row, place, values).is_le());
        for moved in (row..self.end).rev() {
            self.copy(moved, moved + 1);
        }
        self.end += 1;
        self.write(row, place, values.iter().copied());
        row
    }

    /// A row that equals these in place and values.
    pub(super) fn find(&self, place: Place, values: &[f64]) -> Option<u64> {
        let row = self.search(|row| self.compare(row, place, values).is_lt());
        (row < self.end && self.compare(row, place, values).is_eq()).then_some(row)
    }

    /// Takes a row out.
    pub(super) fn remove(&mut self, row: u64) {
        for moved in row + 1..self.end {
            self.copy(moved, moved - 1);
        }
        self.end -= 1;
    }

    /// Takes the oldest row out; the others keep their index.
    #[inline]
    pub(super) fn remove_oldest(&mut self) {
        self.first += 1;
    }

    #[inline]
    fn slot(&self, row: u64) -> usize {
        (row & self.mask) as usize * self.stride
    }

    #[inline]
    fn place(&self, row: u64) -> Place {
        let slot = self.slot(row);
        Place { time: Time(self.words[slot] as i64), order: self.words[slot + 1] }
    }

    #[inline]
    fn write(&mut self, row: u64, place: Place, values: impl Iterator<Item = f64>) {
        let slot = self.slot(row);
        let words = &mut self.words[slot..slot + self.stride];
        words[0] = place.time.0 as u64;
        words[1] = place.order;
        for (word, value) in words[2..].iter_mut().zip(values) {
            *word = value.to_bits();
        }
    }

    fn copy(&mut self, from: u64, to: u64) {
        let (from, to) = (self.slot(from), self.slot(to));
        self.words.copy_within(from..from + self.stride, to);
    }

    fn grow(&mut self) {
        let mask = self.mask * 2 + 1;
        let mut words = vec![0; (mask as usize + 1) * self.stride];
        for row in self.first..self.end {
            let (from, to) = (self.slot(row), (row & mask) as usize * self.stride);
            words[to..to + self.stride].copy_from_slice(&self.words[from..from + self.stride]);
        }
        self.words = words;
        self.mask = mask;
    }

    /// The first row that is not `before`; those that are stand before all others.
    fn search(&self, before: impl Fn(u64) -> bool) -> u64 {
        let (mut low, mut high) = (self.first, self.end);
        while low < high {
            let middle = low + (high - low) / 2;
            if before(middle) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    fn compare(&self, row: u64, place: Place, values: &[f64]) -> Ordering {
        let by_values = || {
            let each = values.iter().enumerate().map(|(n, value)| self.value(row, n).total_cmp(value));
            each.fold(Ordering::Equal, Ordering::then)
        };
        self.place(row).cmp(&place).then_with(by_values)
    }
}
