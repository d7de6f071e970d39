//! What a leaf of a regression observes of one feature, and the split by it that takes away most variance.

use super::super::observer::{At, GREATEST, Value};
use crate::model::artifact::{ArtifactError, within};
use crate::task::Label;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The bins of a number.
const BINS: usize = 32;
/// A branch of a smaller weight is no branch.
const LEAST_BRANCH: f64 = 5.0;

/// Weight, mean and squared distances of values. Source: West 1979; Chan, Golub and LeVeque 1983 for sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Moments {
    pub(super) n: f64,
    pub(super) mean: f64,
    squares: f64,
}

impl Moments {
    pub(super) fn add(&mut self, value: f64, weight: f64) {
        self.n += weight;
        let before = self.mean;
        self.mean += weight / self.n * (value - before);
        self.squares += weight * (value - before) * (value - self.mean);
    }

    /// Those of both.
    fn and(self, other: Moments) -> Moments {
        let n = self.n + other.n;
        if n <= 0.0 {
            return Moments::default();
        }
        let apart = other.mean - self.mean;
        Moments {
            n,
            mean: self.mean + apart * (other.n / n),
            squares: self.squares + other.squares + apart * apart * (self.n * (other.n / n)),
        }
    }

    fn variance(&self) -> f64 {
        if self.n > 1.0 { (self.squares / (self.n - 1.0)).max(0.0) } else { 0.0 }
    }

    pub(super) fn check(&self) -> Result<(), ArtifactError> {
        within("observed weight", self.n, "0 to 1e15", (0.0..=1e15).contains(&self.n))?;
        within("observed mean", self.mean, "a label's value", self.mean.abs() <= 1.001 * Label::LIMIT)?;
        within("observed squares", self.squares, "0 to 1e34", (0.0..=1e34).contains(&self.squares))
    }
}

/// A bin: the mean of its numbers, and the values there.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bin {
    at: f64,
    values: Moments,
}

/// What is observed of a feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Observer {
    /// Of a number: bins, ascending.
    Number(Vec<Bin>),
    /// Of a one-hot group: the values of each slot.
    Group(BTreeMap<u32, Moments>),
}

/// A split and what it is worth.
pub(super) struct Split {
    /// The variance that it takes away, above 0.
    pub(super) merit: f64,
    pub(super) at: At,
    pub(super) branches: [Moments; 2],
}

impl Observer {
    /// One more value.
    pub(super) fn add(&mut self, x: Value, value: f64, weight: f64) {
        match (self, x) {
            (Observer::Number(bins), Value::Number(x)) if x.abs() <= GREATEST => {
                let place = bins.partition_point(|bin| bin.at < x);
                match bins.get_mut(place) {
                    Some(bin) if bin.at == x => bin.values.add(value, weight),
                    _ => {
                        let mut values = Moments::default();
                        values.add(value, weight);
                        bins.insert(place, Bin { at: x, values });
                        if bins.len() > BINS {
                            merge_nearest(bins);
                        }
                    }
                }
            }
            (Observer::Group(slots), Value::Slot(slot)) => slots.entry(slot).or_default().add(value, weight),
            _ => {}
        }
    }

    /// The best split, of equals the first.
    pub(super) fn best(&self) -> Option<Split> {
        match self {
            Observer::Number(bins) => {
                let places = bins.windows(2).map(|two| At::Number(two[0].at + (two[1].at - two[0].at) / 2.0));
                let values: Vec<Moments> = bins.iter().map(|bin| bin.values).collect();
                let (before, behind) = sums(&values);
                let branches = before.into_iter().skip(1).zip(behind.into_iter().skip(1));
                best(places.zip(branches.map(|(low, high)| [low, high])))
            }
            Observer::Group(slots) => {
                let values: Vec<Moments> = slots.values().copied().collect();
                let (before, behind) = sums(&values);
                let others = before.into_iter().zip(behind.into_iter().skip(1)).map(|(a, b)| a.and(b));
                let splits = slots.iter().zip(others).map(|((slot, own), others)| (At::Slot(*slot), [*own, others]));
                best(splits)
            }
        }
    }

    pub(super) fn check(&self) -> Result<(), ArtifactError> {
        match self {
            Observer::Number(bins) => {
                within("number of bins", bins.len() as f64, "at most 32", bins.len() <= BINS)?;
                bins.iter().try_for_each(|bin| {
                    within("bin", bin.at, "between -2^52 and 2^52", bin.at.abs() <= GREATEST)?;
                    bin.values.check()
                })
            }
            Observer::Group(slots) => slots.values().try_for_each(Moments::check),
        }
    }
}

/// Makes one bin of the two that are nearest to each other, of equals the first.
fn merge_nearest(bins: &mut Vec<Bin>) {
    let gap = |place: usize| bins[place + 1].at - bins[place].at;
    let nearest = (0..bins.len() - 1).fold(0, |best, place| if gap(place) < gap(best) { place } else { best });
    let (one, two) = (bins[nearest], bins.remove(nearest + 1));
    let values = one.values.and(two.values);
    let at = one.at + (two.at - one.at) * (two.values.n / values.n);
    bins[nearest] = Bin { at, values };
}

/// The sums of all before each place and of all from it on; the last is of all, and of none.
fn sums(all: &[Moments]) -> (Vec<Moments>, Vec<Moments>) {
    let running = |sum: &mut Moments, next: &Moments| {
        *sum = sum.and(*next);
        Some(*sum)
    };
    let mut before = vec![Moments::default()];
    before.extend(all.iter().scan(Moments::default(), running));
    let mut behind = vec![Moments::default()];
    behind.extend(all.iter().rev().scan(Moments::default(), running));
    behind.reverse();
    (before, behind)
}

/// What a leaf began with is not among the values here: a split is measured by the values that are.
fn best(splits: impl Iterator<Item = (At, [Moments; 2])>) -> Option<Split> {
    let mut best: Option<Split> = None;
    for (at, branches) in splits {
        if branches.iter().any(|branch| branch.n < LEAST_BRANCH) {
            continue;
        }
        let all = branches[0].and(branches[1]);
        let after: f64 = branches.iter().map(|branch| branch.n / all.n * branch.variance()).sum();
        let merit = all.variance() - after;
        if merit > best.as_ref().map_or(0.0, |best| best.merit) {
            best = Some(Split { merit, at, branches });
        }
    }
    best
}
