//! The values of one window in ascending order, for quantiles and for counting different ones.
//!
//! In: values that enter and leave, in any order; no NaN, no -0. Out: the value at a rank, a quantile, the number of
//! different values. Keeps: the values in chunks of at most [`MOST`], so that one that enters moves few others, and a
//! rank is found chunk by chunk. What is kept is a sorted multiset: a value that came and left leaves no trace in any
//! result. Cost: a binary search and half a chunk moved; a quantile a look at each chunk.

/// A chunk of more is cut in two.
const MOST: usize = 512;

/// A sorted multiset of values.
#[derive(Clone, Debug, Default)]
pub(super) struct Sorted {
    /// None is empty, and none has a value below one of the chunk before.
    chunks: Vec<Vec<f64>>,
    len: usize,
    distinct: u64,
}

impl Sorted {
    /// Takes a value in.
    pub(super) fn insert(&mut self, value: f64) {
        let (chunk, place) = self.find(value);
        let known = self.chunks.get(chunk).is_some_and(|values| values[place] == value);
        self.distinct += u64::from(!known);
        self.len += 1;
        // Above all others it goes behind the last.
        let (chunk, place) = match self.chunks.last() {
            None => {
                self.chunks.push(vec![value]);
                return;
            }
            Some(last) if chunk == self.chunks.len() => (chunk - 1, last.len()),
            Some(_) => (chunk, place),
        };
        let values = &mut self.chunks[chunk];
        values.insert(place, value);
        if values.len() > MOST {
            let upper = values.split_off(values.len() / 2);
            self.chunks.insert(chunk + 1, upper);
        }
    }

    /// Lets one of the values go that equal this.
    ///
    /// # Panics
    /// If there is none.
    pub(super) fn remove(&mut self, value: f64) {
        let (chunk, place) = self.find(value);
        let values = self.chunks.get_mut(chunk).filter(|values| values[place] == value);
        let Some(values) = values else { panic!("a value that leaves a window is in it") };
        values.remove(place);
        self.len -= 1;
        let next = values.get(place).copied();
        let (left, empty) = (values.len(), values.is_empty());
        let next = next.or_else(|| self.chunks.get(chunk + 1).map(|values| values[0]));
        self.distinct -= u64::from(next != Some(value));
        if empty {
            self.chunks.remove(chunk);
        } else if self.chunks.get(chunk + 1).is_some_and(|next| left + next.len() <= MOST / 2) {
            // However the window shrinks, chunks stay few.
            let next = self.chunks.remove(chunk + 1);
            self.chunks[chunk].extend(next);
        }
    }

    /// How many values differ.
    pub(super) fn distinct(&self) -> u64 {
        self.distinct
    }

    /// The quantile at a level from 0 to 1, between two values in proportion; `None` of no value, or if it overflows.
    pub(super) fn quantile(&self, level: f64) -> Option<f64> {
        let last = self.len.checked_sub(1)?;
        let rank = level * last as f64;
        let (below, share) = (rank as usize, rank - rank.floor());
        let (low, high) = (self.at(below)?, self.at((below + 1).min(last))?);
        // From the nearer side, as numpy's; but where one value is it, the distance of two does not matter.
        let quantile = match share {
            0.0 => low,
            share if share < 0.5 => low + (high - low) * share,
            share => high - (high - low) * (1.0 - share),
        };
        quantile.is_finite().then_some(quantile)
    }

    /// The value of a rank, from 0.
    fn at(&self, mut rank: usize) -> Option<f64> {
        for values in &self.chunks {
            match values.get(rank) {
                Some(value) => return Some(*value),
                None => rank -= values.len(),
            }
        }
        None
    }

    /// The chunk and the place in it of the first value that is not below this; behind all chunks if there is none.
    fn find(&self, value: f64) -> (usize, usize) {
        let chunk = self.chunks.partition_point(|values| values.last().is_some_and(|last| *last < value));
        let place = self.chunks.get(chunk).map_or(0, |values| values.partition_point(|v| *v < value));
        (chunk, place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantiles_are_those_of_numpy() {
        let mut sorted = Sorted::default();
        [3.5, -1.25, 0.1, 7.75, 2.0, 2.0, -9.3, 1e6].into_iter().for_each(|value| sorted.insert(value));
        assert_eq!(sorted.distinct(), 7);
        // numpy 2.4.6, `numpy.quantile` with its defaults.
        for (level, expected) in [
            (0.0, -9.3),
            (0.1, -3.6649999999999996),
            (0.25, -0.23750000000000002),
            (0.5, 2.0),
            (0.9, 300005.4249999998),
            (0.99, 930000.5424999997),
            (1.0, 1e6),
        ] {
            assert_eq!(sorted.quantile(level), Some(expected), "at {level}");
        }
    }

    #[test]
    fn nothing_has_no_quantile_and_no_infinity_is_one() {
        let mut sorted = Sorted::default();
        assert_eq!((sorted.quantile(0.5), sorted.distinct()), (None, 0));
        [-1.7e308, 1.7e308].into_iter().for_each(|value| sorted.insert(value));
        assert_eq!(sorted.quantile(0.3), None, "their distance is too great");
        assert_eq!([0.0, 1.0].map(|level| sorted.quantile(level)), [Some(-1.7e308), Some(1.7e308)]);
    }

    proptest! {
        /// Thousands of values, so that chunks are cut, emptied and joined.
        #[test]
        fn is_a_sorted_list(
            steps in prop::collection::vec((0_i64..4000, 0_usize..4, any::<prop::sample::Index>()), 1..6000),
            few in any::<bool>(), shrink in 0_usize..2,
        ) {
            let (mut sorted, mut naive) = (Sorted::default(), Vec::<f64>::new());
            let half = steps.len() / 2;
            for (n, (value, kind, which)) in steps.into_iter().enumerate() {
                let leaves = kind < if n < half { 1 } else { 1 + 2 * shrink };
                if leaves && !naive.is_empty() {
                    let value = naive.swap_remove(which.index(naive.len()));
                    sorted.remove(value);
                } else {
                    let value = (if few { value % 7 } else { value }) as f64 / 4.0;
                    naive.push(value);
                    sorted.insert(value);
                }
                prop_assert!(sorted.chunks.iter().all(|chunk| !chunk.is_empty() && chunk.len() <= MOST));
            }
            naive.sort_by(f64::total_cmp);
            let all: Vec<f64> = sorted.chunks.iter().flatten().copied().collect();
            prop_assert_eq!(&all, &naive);
            prop_assert_eq!(sorted.len, naive.len());
            naive.dedup();
            prop_assert_eq!(sorted.distinct(), naive.len() as u64);
        }
    }
}
