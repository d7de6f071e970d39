//! Grows one tree: the leaf whose split gains most is split, until there are enough leaves or nothing to gain.
//!
//! A leaf is a range of row numbers. For each of its slots, or of those that are drawn for it, the weights of its rows
//! and of what they vote for are summed by bin; the gain of a split is by how much it lessens the weighed variance, of
//! classes half of Gini's impurity (of several: their sum). Sums are added up in the order of the rows, and weights
//! that are whole numbers are exact, so swapping the classes mirrors the tree. Ties go to the older leaf, the slot that
//! was looked at first (the lower one where none is drawn) and the lower limit.

use crate::config::spec::Cart;
use crate::model::{Dice, Voter};
use crate::train::bins::{Binned, GROUP};
use std::ops::Range;

/// What the rows vote for.
pub(super) enum Targets<'a> {
    /// A number each: 1 or 0 of a binary task, a value.
    Numbers(&'a [f64]),
    /// A class each, of so many.
    Classes(&'a [u32], usize),
}

impl Targets<'_> {
    /// The votes of a leaf.
    fn outputs(&self) -> usize {
        match self {
            Targets::Numbers(_) => 1,
            Targets::Classes(_, classes) => *classes,
        }
    }
}

/// A gain below this share of what the root could gain is rounding.
const LEAST_GAIN: f64 = 1e-12;

/// The slots of a split.
#[derive(Clone, Copy)]
pub(super) enum Slots {
    /// All.
    All,
    /// So many, drawn; if none of them tells the rows apart, more.
    Drawn(usize),
}

/// A leaf that may still be split.
struct Leaf {
    /// Its place among the nodes.
    node: usize,
    rows: Range<usize>,
    /// Weight, rows, then votes.
    sums: Vec<f64>,
    best: Option<Split>,
}

/// Where a leaf is split best.
#[derive(Clone, Copy)]
struct Split {
    gain: f64,
    slot: usize,
    /// The last bin of the low side; of a sparse slot 0.
    bin: usize,
}

/// Grows trees over the same rows, one after the other.
pub(super) struct Grower<'a> {
    rules: Cart,
    slots: Slots,
    binned: &'a Binned,
    targets: Targets<'a>,
    order: Vec<u32>,
    scratch: Vec<u32>,
    /// The sums of the slot looked at, by bin.
    bins: Vec<f64>,
    /// The sums of the sparse slots looked at where they are 1, and for each sparse slot its place there plus 1.
    ones: Vec<f64>,
    places: Vec<u32>,
    /// All slots; the first are those that were drawn last.
    drawn: Vec<u32>,
}

impl<'a> Grower<'a> {
    pub(super) fn new(rules: Cart, slots: Slots, binned: &'a Binned, targets: Targets<'a>) -> Grower<'a> {
        let places = vec![0; binned.sparse];
        let (order, scratch, bins, ones) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let drawn = Vec::new();
        Grower { rules, slots, binned, targets, order, scratch, bins, ones, places, drawn }
    }

    /// A tree over the rows that weigh more than 0. Each leaf's votes are the weighed mean of its rows'.
    pub(super) fn grow(&mut self, weights: &[f64], dice: &mut Dice) -> Vec<Voter> {
        self.order.clear();
        self.order.extend((0..self.binned.rows as u32).filter(|row| weights[*row as usize] > 0.0));
        let all = 0..self.order.len();
        let width = (self.binned.limits.len() + self.binned.sparse) as u32;
        self.drawn.clear();
        self.drawn.extend(0..width);
        let sums = self.sums(all.clone(), weights);
        let least = LEAST_GAIN * self.spread(&sums, weights);
        let mut nodes = vec![Voter::Leaf(Default::default())];
        let best = self.best(all.clone(), &sums, (weights, least), dice);
        let mut leaves = vec![Leaf { node: 0, rows: all, sums, best }];
        while leaves.len() < self.rules.max_leaf_nodes {
            let gain = |leaf: &Leaf| leaf.best.as_ref().map_or(0.0, |split| split.gain);
            // The first of the greatest.
            let best = (0..leaves.len()).rev().max_by(|a, b| gain(&leaves[*a]).total_cmp(&gain(&leaves[*b])));
            let Some(best) = best.filter(|best| leaves[*best].best.is_some()) else { break };
            let leaf = leaves.remove(best);
            let Some(split) = leaf.best else { break };
            let child = nodes.len();
            let limit = self.binned.limit(split.slot, split.bin);
            nodes[leaf.node] = Voter::Split(split.slot as u32, limit, child as u32);
            nodes.extend([Voter::Leaf(Default::default()), Voter::Leaf(Default::default())]);
            let middle = self.part(leaf.rows.clone(), &split);
            for (node, rows) in (child..).zip([leaf.rows.start..middle, middle..leaf.rows.end]) {
                // Anew from the rows: a difference could say more votes than weight.
                let sums = self.sums(rows.clone(), weights);
                let best = self.best(rows.clone(), &sums, (weights, least), dice);
                leaves.push(Leaf { node, rows, sums, best });
            }
        }
        for leaf in leaves {
            nodes[leaf.node] = Voter::Leaf(leaf.sums[2..].iter().map(|votes| votes / leaf.sums[0]).collect());
        }
        nodes
    }

    fn stride(&self) -> usize {
        2 + self.targets.outputs()
    }

    /// The sums of some rows.
    fn sums(&self, rows: Range<usize>, weights: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.stride()];
        self.order[rows].iter().for_each(|row| add(&mut sums, &self.targets, *row, weights));
        sums
    }

    /// The weighed squares about the mean of all rows.
    fn spread(&self, sums: &[f64], weights: &[f64]) -> f64 {
        match self.targets {
            Targets::Classes(..) => sums[0],
            Targets::Numbers(numbers) => {
                let mean = sums[2] / sums[0];
                self.order.iter().map(|row| weights[*row as usize] * (numbers[*row as usize] - mean).powi(2)).sum()
            }
        }
    }

    /// Puts the rows of the low side before the others, each in their order; where the others begin.
    fn part(&mut self, rows: Range<usize>, split: &Split) -> usize {
        let start = rows.start;
        start + self.binned.part(&mut self.order[rows], (split.slot, split.bin), &mut self.scratch)
    }

    /// The split that gains most, if any gains.
    fn best(
        &mut self,
        rows: Range<usize>,
        all: &[f64],
        (weights, least): (&[f64], f64),
        dice: &mut Dice,
    ) -> Option<Split> {
        if all[1] < 2.0 * f64::from(self.rules.min_samples_leaf) {
            return None;
        }
        let mut slots = std::mem::take(&mut self.drawn);
        let step = if let Slots::Drawn(some) = self.slots { some.max(1) } else { slots.len() };
        let (mut best, mut done) = (None, 0);
        while best.is_none() && done < slots.len() {
            let end = slots.len().min(done + step);
            if let Slots::Drawn(_) = self.slots {
                for place in done..end {
                    let other = place + (dice.word() % (slots.len() - place) as u64) as usize;
                    slots.swap(place, other);
                }
            }
            best = self.best_of(&slots[done..end], rows.clone(), all, (weights, least));
            done = end;
        }
        self.drawn = slots;
        best
    }

    /// The split of some slots that gains most, if any gains.
    fn best_of(
        &mut self,
        slots: &[u32],
        rows: Range<usize>,
        all: &[f64],
        (weights, least): (&[f64], f64),
    ) -> Option<Split> {
        let (stride, dense) = (self.stride(), self.binned.limits.len());
        let rows = &self.order[rows];
        let mut best: Option<Split> = None;
        let mut high = vec![0.0; stride];
        let min_rows = f64::from(self.rules.min_samples_leaf);
        let mut consider = |slot: usize, bin: usize, low: &[f64]| {
            high.iter_mut().zip(all.iter().zip(low)).for_each(|(high, (all, low))| *high = all - low);
            let enough = |side: &[f64]| side[1] >= min_rows && side[0] > 0.0;
            if !(enough(low) && enough(&high)) {
                return;
            }
            let gain = gain(low, &high);
            if gain > best.as_ref().map_or(least, |best| best.gain) {
                best = Some(Split { gain, slot, bin });
            }
        };
        // The sparse ones in one pass over the ones of the rows.
        let mut next = 0;
        for slot in slots.iter().filter(|slot| **slot as usize >= dense) {
            next += 1;
            self.places[*slot as usize - dense] = next;
        }
        self.ones.clear();
        self.ones.resize(next as usize * stride, 0.0);
        if next > 0 {
            for row in rows {
                for one in self.binned.ones(*row) {
                    let Some(place) = self.places[*one as usize].checked_sub(1) else { continue };
                    let sums = &mut self.ones[place as usize * stride..][..stride];
                    add(sums, &self.targets, *row, weights);
                }
            }
        }
        let mut low = vec![0.0; stride];
        for slot in slots.iter().map(|slot| *slot as usize) {
            if let Some(sparse) = slot.checked_sub(dense) {
                let place = std::mem::take(&mut self.places[sparse]) as usize - 1;
                let ones = &self.ones[place * stride..][..stride];
                low.iter_mut().zip(all.iter().zip(ones)).for_each(|(low, (all, ones))| *low = all - ones);
                consider(slot, 0, &low);
                continue;
            }
            let limits = self.binned.limits[slot].len();
            self.bins.clear();
            self.bins.resize((limits + 1) * stride, 0.0);
            let group = &self.binned.groups[slot / GROUP];
            for row in rows {
                let bin = usize::from(group[*row as usize][slot % GROUP]);
                add(&mut self.bins[bin * stride..][..stride], &self.targets, *row, weights);
            }
            low.fill(0.0);
            for (bin, sums) in self.bins.chunks_exact(stride).take(limits).enumerate() {
                // An empty bin changes nothing, and of equal gains the lower limit stands.
                if sums[1] > 0.0 {
                    low.iter_mut().zip(sums).for_each(|(low, sum)| *low += sum);
                    consider(slot, bin, &low);
                }
            }
        }
        best
    }
}

/// Adds a row to sums: weight, rows, then votes.
#[inline]
fn add(sums: &mut [f64], targets: &Targets, row: u32, weights: &[f64]) {
    let weight = weights[row as usize];
    sums[0] += weight;
    sums[1] += 1.0;
    match targets {
        Targets::Numbers(numbers) => sums[2] += weight * numbers[row as usize],
        Targets::Classes(classes, _) => sums[2 + classes[row as usize] as usize] += weight,
    }
}

/// By how much a split lessens the weighed squares about the mean: a product of differences, so that two sides that
/// are alike gain nothing at all, and swapped classes gain the same.
fn gain(low: &[f64], high: &[f64]) -> f64 {
    let apart = |(low_votes, high_votes): (&f64, &f64)| (low_votes * high[0] - high_votes * low[0]).powi(2);
    low[2..].iter().zip(&high[2..]).map(apart).sum::<f64>() / (low[0] * high[0] * (low[0] + high[0]))
}
