//! Grows one tree: the leaf whose split gains most is split, until there are enough leaves or nothing to gain.
//!
//! A leaf is a range of row numbers and a histogram: the sums of gradient, curvature and rows by slot and bin. A split
//! counts the rows of its smaller side anew; the other side is what is left. Ties of gain go to the older leaf, the
//! lower slot and the lower limit.

use crate::config::spec::Boosting;
use crate::model::Node;
use crate::train::bins::{Binned, GROUP};
use std::ops::{AddAssign, Range, Sub};

/// The unit of gradients, in bits: their sum over 2^23 rows is below 2^54.
const GRADIENT_BITS: i32 = 30;
/// The unit of curvatures, in bits: their sum over 2^23 rows is at most 2^39.
const CURVATURE_BITS: i32 = 18;
/// The bits that rows are counted in, below the curvature.
const COUNT_BITS: i32 = 24;
/// The least curvature of a leaf (scikit-learn's).
const MIN_CURVATURE: f64 = 1e-3;

/// How a tree grows, in the unit of the pulls.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    pub(super) learning_rate: f64,
    pub(super) max_leaf_nodes: usize,
    pub(super) min_samples_leaf: u32,
    pub(super) l2_regularization: f64,
    /// The least curvature of a leaf.
    pub(super) min_curvature: f64,
}

impl Rules {
    /// Of pulls that are multiplied by `unit`.
    pub(super) fn of(parameters: &Boosting, unit: f64) -> Rules {
        Rules {
            learning_rate: parameters.learning_rate,
            max_leaf_nodes: parameters.max_leaf_nodes,
            min_samples_leaf: parameters.min_samples_leaf,
            l2_regularization: parameters.l2_regularization * unit,
            min_curvature: MIN_CURVATURE * unit,
        }
    }
}

/// What the histogram of a leaf keeps, in bytes.
pub(super) fn histogram_bytes(dense: usize, sparse: usize) -> u64 {
    (size_of::<Sums>() * (256 * dense.next_multiple_of(GROUP) + sparse)) as u64
}

/// Gradient and curvature of one row's loss by its sum, in fixed point.
#[derive(Clone, Copy, Default)]
pub(super) struct Pull {
    gradient: i32,
    curvature: u32,
}

impl Pull {
    /// A gradient in [-1, 1] and a curvature in [0, 1/4].
    pub(super) fn new(gradient: f64, curvature: f64) -> Pull {
        Pull {
            gradient: (gradient * 2f64.powi(GRADIENT_BITS)) as i32,
            curvature: (curvature * 2f64.powi(CURVATURE_BITS) + 0.5) as u32,
        }
    }
}

/// Sums over rows: the gradient, and in one word the curvature and, below it, their number.
#[derive(Clone, Copy, Default)]
struct Sums {
    gradient: i64,
    rest: u64,
}

impl Sums {
    fn rows(self) -> u32 {
        (self.rest & ((1 << COUNT_BITS) - 1)) as u32
    }

    fn gradient(self) -> f64 {
        self.gradient as f64 * 2f64.powi(-GRADIENT_BITS)
    }

    fn curvature(self) -> f64 {
        (self.rest >> COUNT_BITS) as f64 * 2f64.powi(-CURVATURE_BITS)
    }
}

impl AddAssign<Pull> for Sums {
    fn add_assign(&mut self, pull: Pull) {
        self.gradient += i64::from(pull.gradient);
        self.rest += u64::from(pull.curvature) << COUNT_BITS | 1;
    }
}

impl AddAssign for Sums {
    fn add_assign(&mut self, other: Sums) {
        self.gradient += other.gradient;
        self.rest += other.rest;
    }
}

impl Sub for Sums {
    type Output = Sums;
    fn sub(self, other: Sums) -> Sums {
        Sums { gradient: self.gradient - other.gradient, rest: self.rest - other.rest }
    }
}

/// The sums of a leaf by slot.
#[derive(Default)]
struct Histogram {
    /// Of each dense slot, whole groups of them, by bin; a bin is a byte, so no place has to be checked.
    dense: Vec<[Sums; 256]>,
    /// Of each sparse slot, where it is 1.
    sparse: Vec<Sums>,
}

impl Histogram {
    fn take_out(&mut self, other: &Histogram) {
        let pairs = self.dense.as_flattened_mut().iter_mut().zip(other.dense.as_flattened());
        pairs.chain(self.sparse.iter_mut().zip(&other.sparse)).for_each(|(all, some)| *all = *all - *some);
    }
}

/// A leaf that may still be split.
struct Leaf {
    /// Its place among the nodes.
    node: usize,
    rows: Range<usize>,
    sums: Sums,
    histogram: Histogram,
    best: Option<Split>,
}

/// Where a leaf is split best.
#[derive(Clone, Copy)]
struct Split {
    gain: f64,
    slot: usize,
    /// The last bin of the low side; of a sparse slot 0.
    bin: usize,
    low: Sums,
}

/// Grows trees over the same rows, one after the other.
pub(super) struct Grower<'a> {
    rules: Rules,
    binned: &'a Binned,
    /// All rows, those of a leaf side by side.
    order: Vec<u32>,
    scratch: Vec<u32>,
    pulls: Vec<Pull>,
    /// Histograms that are free again.
    spare: Vec<Histogram>,
}

impl<'a> Grower<'a> {
    pub(super) fn new(rules: &Rules, binned: &'a Binned) -> Grower<'a> {
        Grower { rules: *rules, binned, order: Vec::new(), scratch: Vec::new(), pulls: Vec::new(), spare: Vec::new() }
    }

    /// The next tree for some pulls, one a row; adds what it says of each row to the row's sum.
    pub(super) fn grow(&mut self, pulls: &[Pull], odds: &mut [f64]) -> Vec<Node> {
        self.order.clear();
        self.order.extend(0..self.binned.rows as u32);
        let mut sums = Sums::default();
        pulls.iter().for_each(|pull| sums += *pull);
        let histogram = self.histogram(0..self.binned.rows, pulls);
        let mut nodes = vec![Node::Leaf(0.0)];
        let mut leaves = vec![self.leaf(0, 0..self.binned.rows, sums, histogram)];
        while leaves.len() < self.rules.max_leaf_nodes {
            let gain = |leaf: &Leaf| leaf.best.map_or(0.0, |split| split.gain);
            // The first of the greatest.
            let best = (0..leaves.len()).rev().max_by(|a, b| gain(&leaves[*a]).total_cmp(&gain(&leaves[*b])));
            let Some((best, split)) = best.and_then(|best| Some((best, leaves[best].best?))) else { break };
            let leaf = leaves.remove(best);
            let child = nodes.len();
            nodes[leaf.node] = self.node(&split, child);
            nodes.extend([Node::Leaf(0.0); 2]);
            leaves.extend(self.split(leaf, &split, child, pulls));
        }
        for leaf in leaves {
            let value = -self.rules.learning_rate * leaf.sums.gradient() / self.weight(leaf.sums);
            nodes[leaf.node] = Node::Leaf(value);
            self.order[leaf.rows].iter().for_each(|row| odds[*row as usize] += value);
            self.spare.push(leaf.histogram);
        }
        nodes
    }

    /// A split as a node.
    fn node(&self, split: &Split, child: usize) -> Node {
        let limit = self.binned.limit(split.slot, split.bin);
        Node::Split(split.slot as u32, limit, child as u32)
    }

    /// The two sides of a leaf, the low one first.
    fn split(&mut self, leaf: Leaf, split: &Split, child: usize, pulls: &[Pull]) -> [Leaf; 2] {
        let middle = self.part(leaf.rows.clone(), split);
        let (low, high) = (leaf.rows.start..middle, middle..leaf.rows.end);
        let smaller = if low.len() <= high.len() { low.clone() } else { high.clone() };
        let counted = self.histogram(smaller, pulls);
        let mut rest = leaf.histogram;
        rest.take_out(&counted);
        let (of_low, of_high) = if low.len() <= high.len() { (counted, rest) } else { (rest, counted) };
        let of_sums = leaf.sums - split.low;
        [self.leaf(child, low, split.low, of_low), self.leaf(child + 1, high, of_sums, of_high)]
    }

    /// Puts the rows of the low side before the others, each in their order; where the others begin.
    fn part(&mut self, rows: Range<usize>, split: &Split) -> usize {
        let start = rows.start;
        start + self.binned.part(&mut self.order[rows], (split.slot, split.bin), &mut self.scratch)
    }

    /// The histogram of some rows.
    fn histogram(&mut self, rows: Range<usize>, pulls: &[Pull]) -> Histogram {
        let mut histogram = self.spare.pop().unwrap_or_default();
        histogram.dense.clear();
        histogram.dense.resize(self.binned.groups.len() * GROUP, [Sums::default(); 256]);
        histogram.sparse.clear();
        histogram.sparse.resize(self.binned.sparse, Sums::default());
        let rows = &self.order[rows];
        // Side by side, since every group reads them.
        self.pulls.clear();
        self.pulls.extend(rows.iter().map(|row| pulls[*row as usize]));
        for (group, sums) in self.binned.groups.iter().zip(histogram.dense.as_chunks_mut::<GROUP>().0) {
            for (row, pull) in rows.iter().zip(&self.pulls) {
                let bins = group[*row as usize];
                sums.iter_mut().zip(bins).for_each(|(sums, bin)| sums[usize::from(bin)] += *pull);
            }
        }
        for (row, pull) in rows.iter().zip(&self.pulls) {
            self.binned.ones(*row).iter().for_each(|slot| histogram.sparse[*slot as usize] += *pull);
        }
        histogram
    }

    fn leaf(&self, node: usize, rows: Range<usize>, sums: Sums, histogram: Histogram) -> Leaf {
        let best = self.best(sums, &histogram);
        Leaf { node, rows, sums, histogram, best }
    }

    /// What a leaf's gradient is divided by; the last term is scikit-learn's, against 0.
    fn weight(&self, sums: Sums) -> f64 {
        sums.curvature() + self.rules.l2_regularization + 1e-15
    }

    /// The split that gains most, if any gains.
    fn best(&self, all: Sums, histogram: &Histogram) -> Option<Split> {
        let least = self.rules.min_samples_leaf;
        if u64::from(all.rows()) < 2 * u64::from(least) {
            return None;
        }
        let value = |sums: Sums| sums.gradient() * sums.gradient() / self.weight(sums);
        let before = value(all);
        let enough = |sums: Sums| sums.rows() >= least && sums.curvature() >= self.rules.min_curvature;
        let mut best: Option<Split> = None;
        let mut consider = |slot: usize, bin: usize, low: Sums| {
            let high = all - low;
            if !(enough(low) && enough(high)) {
                return;
            }
            let gain = value(low) + value(high) - before;
            if gain > best.map_or(0.0, |best| best.gain) {
                best = Some(Split { gain, slot, bin, low });
            }
        };
        for (slot, (limits, sums)) in self.binned.limits.iter().zip(&histogram.dense).enumerate() {
            let mut low = Sums::default();
            for (bin, sums) in sums[..limits.len()].iter().enumerate() {
                low += *sums;
                consider(slot, bin, low);
            }
        }
        for (slot, ones) in histogram.sparse.iter().enumerate() {
            consider(self.binned.limits.len() + slot, 0, all - *ones);
        }
        best
    }
}
