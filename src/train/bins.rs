//! Rows in bins, for trees: each dense slot in at most 255 intervals, each sparse slot by its ones.
//!
//! A slot of at most 255 different values has a bin for each, with limits half-way between; one of more is cut where
//! its sorted values have equal shares, as found in at most 200,000 rows at equal distances (scikit-learn draws as many
//! at random).

use super::Rows;

/// The most bins of a dense slot.
const MAX_BINS: usize = 255;
/// So many dense slots stand side by side, a byte each: their sums are added to in one pass, and fit into the cache.
pub(super) const GROUP: usize = 4;
/// The rows that limits are found in.
const SAMPLE: usize = 200_000;

/// The rows of a fit.
pub(super) struct Binned {
    /// The number of rows.
    pub(super) rows: usize,
    /// For each dense slot the limits between its bins: bin `b` is what is above limit `b - 1` and at most limit `b`.
    pub(super) limits: Vec<Vec<f64>>,
    /// For each group of dense slots the bins of each row; where slots are missing to a whole group, 0.
    pub(super) groups: Vec<Vec<[u8; GROUP]>>,
    /// The ones of the rows, as places behind the dense slots, one row after the other.
    pub(super) ones: Vec<u32>,
    /// Where the ones of each row begin; one more at the end.
    pub(super) starts: Vec<usize>,
    /// The number of sparse slots.
    pub(super) sparse: usize,
}

impl Binned {
    pub(super) fn new(rows: &Rows) -> Binned {
        let slots = rows.vectors().iter().map(|x| x.dense.len()).max().unwrap_or(0);
        let value = |row: usize, slot: usize| rows.vectors()[row].slot(slot as u32);
        let step = rows.len().div_ceil(SAMPLE);
        let limits: Vec<Vec<f64>> = (0..slots)
            .map(|slot| limits((0..rows.len()).step_by(step).map(|row| value(row, slot)).collect()))
            .collect();
        let mut groups = vec![vec![[0; GROUP]; rows.len()]; slots.div_ceil(GROUP)];
        let (mut ones, mut starts) = (Vec::new(), vec![0]);
        for (row, x) in rows.vectors().iter().enumerate() {
            for (slot, limits) in limits.iter().enumerate() {
                let bin = limits.partition_point(|limit| x.slot(slot as u32) > *limit);
                groups[slot / GROUP][row][slot % GROUP] = bin as u8;
            }
            ones.extend(x.hot.iter().filter(|slot| **slot as usize >= slots).map(|slot| slot - slots as u32));
            starts.push(ones.len());
        }
        Binned { rows: rows.len(), limits, groups, ones, starts, sparse: rows.width() - slots }
    }

    /// What the bins of some rows keep, in bytes.
    pub(super) fn bytes(rows: &Rows) -> u64 {
        let dense = rows.vectors().iter().map(|x| x.dense.len()).max().unwrap_or(0);
        let ones: usize = rows.vectors().iter().map(|x| x.hot.len()).sum();
        // Limits are found in a copy of the sampled values and of those that differ.
        let sorting = 16 * rows.len().min(SAMPLE);
        (rows.len() * (dense.next_multiple_of(GROUP) + 8) + 4 * ones + 8 * MAX_BINS * dense + sorting) as u64
    }

    /// The greatest value on the low side of a split; of a sparse slot's one half.
    pub(super) fn limit(&self, slot: usize, bin: usize) -> f64 {
        self.limits.get(slot).map_or(0.5, |limits| limits[bin])
    }

    /// Puts the rows of the low side of a split (a slot, and the last bin that is low) before the others, each in their
    /// order; how many they are. `scratch` is overwritten.
    pub(super) fn part(&self, rows: &mut [u32], (slot, bin): (usize, usize), scratch: &mut Vec<u32>) -> usize {
        let sparse = slot.checked_sub(self.limits.len()).map(|slot| slot as u32);
        let is_low = |row: u32| match sparse {
            Some(slot) => !self.ones(row).contains(&slot),
            None => self.bin(row, slot) <= bin,
        };
        scratch.clear();
        let mut low = 0;
        for at in 0..rows.len() {
            let row = rows[at];
            if is_low(row) {
                rows[low] = row;
                low += 1;
            } else {
                scratch.push(row);
            }
        }
        rows[low..].copy_from_slice(scratch);
        low
    }

    /// The bin of a dense slot in a row.
    pub(super) fn bin(&self, row: u32, slot: usize) -> usize {
        usize::from(self.groups[slot / GROUP][row as usize][slot % GROUP])
    }

    /// The ones of a row.
    pub(super) fn ones(&self, row: u32) -> &[u32] {
        &self.ones[self.starts[row as usize]..self.starts[row as usize + 1]]
    }
}

/// The limits between the bins of some values.
fn limits(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    // Halves first: the sum of two great numbers is infinite.
    let between = |a: f64, b: f64| (0.5 * a + 0.5 * b).max(a);
    let mut different = values.clone();
    different.dedup();
    if different.len() <= MAX_BINS {
        return different.windows(2).map(|pair| between(pair[0], pair[1])).filter(|limit| limit.is_finite()).collect();
    }
    let cut = |share: usize| {
        let place = values.len() * share / MAX_BINS;
        between(values[place - 1], values[place])
    };
    let mut limits: Vec<f64> = (1..MAX_BINS).map(cut).collect();
    limits.dedup();
    // A limit at the greatest value would leave a bin empty.
    limits.retain(|limit| *limit < values[values.len() - 1]);
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_have_a_bin_each() {
        assert_eq!(limits(vec![3.0, 1.0, 1.0, 2.0]), [1.5, 2.5]);
        assert!(limits(vec![7.0; 9]).is_empty());
        assert_eq!(limits(vec![f64::MAX, f64::MAX / 2.0, -f64::MAX]).len(), 2);
        let close = limits(vec![1.0, 1.0 + f64::EPSILON]);
        assert!((1.0..1.0 + f64::EPSILON).contains(&close[0]), "{close:?} tells them apart");
    }

    #[test]
    fn many_values_have_bins_of_equal_shares() {
        let limits = limits((0..100_000).map(f64::from).collect());
        assert_eq!(limits.len(), MAX_BINS - 1);
        assert!(limits.windows(2).all(|pair| (pair[1] - pair[0] - 100_000.0 / 255.0).abs() <= 1.0));
    }
}
