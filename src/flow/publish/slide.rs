//! Histograms of windows, added up of buckets: a window that slides on takes in what it comes to, and gives back what
//! it leaves behind, instead of beginning anew.
//!
//! In: ascending histograms, and which buckets a window lies over. Out: its bins that are not empty, ascending. Keeps:
//! the window under way. Integers leave no trace, so it makes no difference which way a window was come to. Limits: an
//! array of all bins.

use super::super::sums::{Count, Sums};
use crate::time::Time;
use std::collections::BTreeMap;
use std::ops::{Neg, Range};

/// A histogram that is added up of many: an array of all bins, and a bit for each that is not empty, since most are.
#[derive(Clone, Debug)]
pub(super) struct Scratch<T> {
    bins: Vec<T>,
    filled: Vec<u64>,
}

impl<T: Count + Neg<Output = T>> Scratch<T> {
    /// One of so many bins.
    pub(super) fn new(bins: usize) -> Scratch<T> {
        Scratch { bins: vec![T::default(); bins], filled: vec![0; bins.div_ceil(64)] }
    }

    /// Adds a histogram.
    pub(super) fn add(&mut self, bins: &[(u16, T)]) {
        bins.iter().for_each(|(number, count)| self.put(*number, *count));
    }

    /// Takes one away.
    pub(super) fn remove(&mut self, bins: &[(u16, T)]) {
        bins.iter().for_each(|(number, count)| self.put(*number, -*count));
    }

    fn put(&mut self, number: u16, count: T) {
        let bin = &mut self.bins[usize::from(number)];
        *bin += count;
        let (word, bit) = (&mut self.filled[usize::from(number / 64)], 1 << (number % 64));
        if *bin == T::default() {
            *word &= !bit;
        } else {
            *word |= bit;
        }
    }

    /// Nothing is left.
    fn clear(&mut self) {
        for (word, filled) in self.filled.iter_mut().enumerate() {
            while *filled != 0 {
                self.bins[word * 64 + filled.trailing_zeros() as usize] = T::default();
                *filled &= *filled - 1;
            }
        }
    }

    /// The bins that are not empty, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u16, T)> {
        self.words(0..self.filled.len())
    }

    /// Those before a bin, whose number is a multiple of 64.
    pub(super) fn before(&self, number: u16) -> impl Iterator<Item = (u16, T)> {
        self.words(0..usize::from(number / 64))
    }

    /// Those from such a bin on.
    pub(super) fn from(&self, number: u16) -> impl Iterator<Item = (u16, T)> {
        self.words(usize::from(number / 64)..self.filled.len())
    }

    fn words(&self, words: Range<usize>) -> impl Iterator<Item = (u16, T)> {
        let (mut word, filled) = (words.start, &self.filled[..words.end]);
        let mut left = filled.get(word).copied().unwrap_or(0);
        std::iter::from_fn(move || {
            while left == 0 {
                word += 1;
                left = *filled.get(word)?;
            }
            let number = word * 64 + left.trailing_zeros() as usize;
            left &= left - 1;
            Some((number as u16, self.bins[number]))
        })
    }
}

/// A window over the buckets of one track.
#[derive(Clone, Debug)]
pub(super) struct Slide<T> {
    scratch: Scratch<T>,
    over: Range<Time>,
}

impl<T: Count + Neg<Output = T>> Slide<T> {
    /// One over nothing, of so many bins.
    pub(super) fn new(bins: usize) -> Slide<T> {
        Slide { scratch: Scratch::new(bins), over: Time(0)..Time(0) }
    }

    /// Before another track, or other contents of the same.
    pub(super) fn clear(&mut self) {
        self.scratch.clear();
        self.over = Time(0)..Time(0);
    }

    /// Whether it lies over nothing.
    pub(super) fn is_over_nothing(&self) -> bool {
        self.over.is_empty()
    }

    /// What a histogram of the buckets in a stretch of time comes to.
    pub(super) fn to(
        &mut self,
        over: Range<Time>,
        buckets: &BTreeMap<Time, Sums>,
        of: fn(&Sums) -> &[(u16, T)],
    ) -> &Scratch<T> {
        let slides = self.over.start <= over.start && over.start < self.over.end && self.over.end <= over.end;
        if slides {
            buckets.range(self.over.start..over.start).for_each(|(_, sums)| self.scratch.remove(of(sums)));
            buckets.range(self.over.end..over.end).for_each(|(_, sums)| self.scratch.add(of(sums)));
        } else {
            self.scratch.clear();
            buckets.range(over.clone()).for_each(|(_, sums)| self.scratch.add(of(sums)));
        }
        self.over = over;
        &self.scratch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::Bin;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_window_that_slid_is_one_that_began_anew(
            rows in prop::collection::vec((0..20_i64, 0..300_u16, any::<bool>(), any::<bool>()), 0..200),
            windows in prop::collection::vec((0..20_i64, 0..8_i64), 1..20),
        ) {
            let mut buckets = BTreeMap::<Time, Sums>::new();
            for (at, number, label, gone) in rows {
                let bin = Bin::labelled(0.5, label);
                let sums = buckets.entry(Time(at)).or_default();
                sums.bins.push((number, if gone { -bin } else { bin }));
            }
            let mut slide = Slide::new(300);
            for (start, width) in windows {
                let over = Time(start)..Time(start + width);
                let found: Vec<_> = slide.to(over.clone(), &buckets, |sums| &sums.bins).iter().collect();
                let mut expected = BTreeMap::<u16, Bin>::new();
                for (number, bin) in buckets.range(over).flat_map(|(_, sums)| &sums.bins) {
                    *expected.entry(*number).or_default() += *bin;
                }
                expected.retain(|_, bin| !bin.is_zero());
                prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
            }
            slide.clear();
            prop_assert_eq!(slide.scratch.iter().count(), 0);
        }
    }
}
