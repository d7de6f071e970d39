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

/// A histogram that is added up of many: an array of all bins, and a bit for each that was touched, since most are not.
#[derive(Clone, Debug)]
pub(super) struct Scratch<T> {
    bins: Vec<T>,
    touched: Vec<u64>,
}

impl<T: Count + Neg<Output = T>> Scratch<T> {
    /// One of so many bins.
    pub(super) fn new(bins: usize) -> Scratch<T> {
        Scratch { bins: vec![T::default(); bins], touched: vec![0; bins.div_ceil(64)] }
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
        self.bins[usize::from(number)] += count;
        self.touched[usize::from(number / 64)] |= 1 << (number % 64);
    }

    /// Nothing is left.
    fn clear(&mut self) {
        for (word, touched) in self.touched.iter_mut().enumerate() {
            while *touched != 0 {
                self.bins[word * 64 + touched.trailing_zeros() as usize] = T::default();
                *touched &= *touched - 1;
            }
        }
    }

    /// The bins that are not empty, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u16, T)> {
        self.words(0..self.touched.len())
    }

    /// The same, listed; not by the iterator, through which each bin is copied twice.
    pub(super) fn list(&self) -> Vec<(u16, T)> {
        let mut all = Vec::with_capacity(self.touched.iter().map(|word| word.count_ones() as usize).sum());
        for (word, touched) in self.touched.iter().enumerate() {
            let mut left = *touched;
            while left != 0 {
                let number = word * 64 + left.trailing_zeros() as usize;
                left &= left - 1;
                let count = self.bins[number];
                if count != T::default() {
                    all.push((number as u16, count));
                }
            }
        }
        all
    }

    /// Those before a bin, whose number is a multiple of 64.
    pub(super) fn before(&self, number: u16) -> impl Iterator<Item = (u16, T)> {
        self.words(0..usize::from(number / 64))
    }

    /// Those from such a bin on.
    pub(super) fn from(&self, number: u16) -> impl Iterator<Item = (u16, T)> {
        self.words(usize::from(number / 64)..self.touched.len())
    }

    fn words(&self, words: Range<usize>) -> impl Iterator<Item = (u16, T)> {
        let (mut word, touched) = (words.start, &self.touched[..words.end]);
        let mut left = touched.get(word).copied().unwrap_or(0);
        std::iter::from_fn(move || {
            loop {
                while left == 0 {
                    word += 1;
                    left = *touched.get(word)?;
                }
                let number = word * 64 + left.trailing_zeros() as usize;
                left &= left - 1;
                if self.bins[number] != T::default() {
                    return Some((number as u16, self.bins[number]));
                }
            }
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
                let found = slide.to(over.clone(), &buckets, |sums| &sums.bins);
                let mut expected = BTreeMap::<u16, Bin>::new();
                for (number, bin) in buckets.range(over).flat_map(|(_, sums)| &sums.bins) {
                    *expected.entry(*number).or_default() += *bin;
                }
                expected.retain(|_, bin| !bin.is_zero());
                let expected: Vec<_> = expected.into_iter().collect();
                prop_assert_eq!(&found.list(), &expected);
                prop_assert_eq!(found.iter().collect::<Vec<_>>(), expected);
            }
            slide.clear();
            prop_assert_eq!(slide.scratch.iter().count(), 0);
        }
    }
}
