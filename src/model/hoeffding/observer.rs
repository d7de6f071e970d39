//! What a leaf observes of one feature, and the best split by it.

use crate::model::artifact::{ArtifactError, length, within};
use serde::{Deserialize, Serialize};
use smallvec::{SmallVec, smallvec};
use std::collections::BTreeMap;
use std::f64::consts::{SQRT_2, TAU};

/// Splits tried between the extremes of a number.
const SPLITS: u32 = 10;
/// A branch that gets a smaller share of the weight is no branch.
const LEAST_BRANCH: f64 = 0.01;
/// Greater numbers are not observed: their squares would drown the rest.
pub(super) const GREATEST: f64 = (1_u64 << 52) as f64;

/// One weight a class; of two classes *false* is the first.
pub(super) type Weights = SmallVec<[f64; 2]>;

/// A split and what it is worth.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Split {
    /// The information gained, in bits.
    pub(super) merit: f64,
    /// The greatest number of the left branch, or the slot that is 1 there.
    pub(super) at: At,
    /// The weights that are expected in either branch.
    pub(super) branches: [Weights; 2],
}

/// Where a split is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum At {
    Number(f64),
    Slot(u32),
}

/// What is observed of a feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Observer {
    /// Of a number, by class.
    Number(SmallVec<[Option<Gaussian>; 2]>),
    /// Of a one-hot group: the number of classes, and the weights of each slot.
    Group(u16, BTreeMap<u32, Weights>),
}

/// A normal distribution by running moments. Source: West 1979.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Gaussian {
    n: f64,
    mean: f64,
    /// The sum of squared distances from the mean.
    squares: f64,
    least: f64,
    greatest: f64,
}

impl Gaussian {
    fn of(x: f64, weight: f64) -> Gaussian {
        let mut fresh = Gaussian { n: 0.0, mean: 0.0, squares: 0.0, least: x, greatest: x };
        fresh.add(x, weight);
        fresh
    }

    fn add(&mut self, x: f64, weight: f64) {
        self.n += weight;
        let before = self.mean;
        self.mean += weight / self.n * (x - self.mean);
        self.squares += weight * (x - before) * (x - self.mean);
        (self.least, self.greatest) = (self.least.min(x), self.greatest.max(x));
    }

    fn variance(&self) -> f64 {
        if self.n > 1.0 { self.squares / (self.n - 1.0) } else { 0.0 }
    }

    /// The logarithm of the density; minus infinity where there is none.
    fn log_density(&self, x: f64) -> f64 {
        let variance = self.variance();
        if variance > 0.0 {
            (x - self.mean).powi(2) / (-2.0 * variance) - 0.5 * TAU.ln() - 0.5 * variance.ln()
        } else {
            f64::NEG_INFINITY
        }
    }

    /// The weight at or below a limit.
    fn below(&self, limit: f64) -> f64 {
        let deviation = self.variance().sqrt();
        if deviation == 0.0 {
            return 0.0;
        }
        0.5 * (1.0 + libm::erf((limit - self.mean) / deviation / SQRT_2)) * self.n
    }
}

impl Observer {
    /// The logarithm of the probability or density of a value, given a class; minus infinity where nothing is known.
    pub(super) fn log_given(&self, value: Value, class: usize) -> f64 {
        match (self, value) {
            (Observer::Number(classes), Value::Number(x)) => {
                classes[class].as_ref().map_or(f64::NEG_INFINITY, |gaussian| gaussian.log_density(x))
            }
            (Observer::Group(_, slots), Value::Slot(slot)) => {
                let all: f64 = slots.values().map(|weights| weights[class]).sum();
                let this = slots.get(&slot).map_or(0.0, |weights| weights[class]);
                (this / all).ln()
            }
            _ => f64::NEG_INFINITY,
        }
    }

    /// One more value of a class.
    pub(super) fn add(&mut self, value: Value, class: usize, weight: f64) {
        match (self, value) {
            (Observer::Number(classes), Value::Number(x)) if x.abs() <= GREATEST => match &mut classes[class] {
                Some(gaussian) => gaussian.add(x, weight),
                unseen => *unseen = Some(Gaussian::of(x, weight)),
            },
            (Observer::Group(classes, slots), Value::Slot(slot)) => {
                slots.entry(slot).or_insert_with(|| smallvec![0.0; usize::from(*classes)])[class] += weight;
            }
            _ => {}
        }
    }

    /// The best split of a leaf with these weights, of equals the first.
    pub(super) fn best(&self, leaf: &Weights) -> Option<Split> {
        let mut best: Option<Split> = None;
        let mut look = |at: At, branches: [Weights; 2]| {
            if let Some(merit) = gain(leaf, &branches)
                && best.as_ref().is_none_or(|best| merit > best.merit)
            {
                best = Some(Split { merit, at, branches });
            }
        };
        match self {
            Observer::Number(classes) => {
                let seen = || classes.iter().flatten();
                let least = seen().map(|g| g.least).fold(f64::INFINITY, f64::min);
                let greatest = seen().map(|g| g.greatest).fold(f64::NEG_INFINITY, f64::max);
                let step = (greatest - least) / (f64::from(SPLITS) + 1.0);
                for n in 1..=SPLITS {
                    let limit = least + step * f64::from(n);
                    if least < limit && limit < greatest {
                        look(At::Number(limit), halves(classes, limit));
                    }
                }
            }
            Observer::Group(classes, slots) => {
                let sum = |class: usize| slots.values().map(|weights| weights[class]).sum::<f64>();
                let all: Weights = (0..usize::from(*classes)).map(sum).collect();
                for (slot, weights) in slots {
                    let others = all.iter().zip(weights).map(|(all, this)| all - this).collect();
                    look(At::Slot(*slot), [weights.clone(), others]);
                }
            }
        }
        best
    }

    /// The number of classes that it tells apart.
    fn classes(&self) -> usize {
        match self {
            Observer::Number(classes) => classes.len(),
            Observer::Group(classes, _) => usize::from(*classes),
        }
    }

    pub(super) fn check(&self, classes: usize) -> Result<(), ArtifactError> {
        length("observed classes", self.classes(), classes)?;
        let weight = |x: f64| within("observed weight", x, "0 to 1e15", (0.0..=1e15).contains(&x));
        match self {
            Observer::Number(classes) => classes.iter().flatten().try_for_each(|gaussian| {
                weight(gaussian.n)?;
                for x in [gaussian.mean, gaussian.least, gaussian.greatest] {
                    within("observed number", x, "between -2^52 and 2^52", x.abs() <= GREATEST)?;
                }
                within("observed squares", gaussian.squares, "at least 0", gaussian.squares >= 0.0)
            }),
            Observer::Group(_, slots) => slots.values().try_for_each(|weights| {
                length("observed classes", weights.len(), classes)?;
                weights.iter().try_for_each(|x| weight(*x))
            }),
        }
    }
}

/// A feature's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    Number(f64),
    Slot(u32),
}

/// The expected weights at or below a limit, and above it.
fn halves(classes: &[Option<Gaussian>], limit: f64) -> [Weights; 2] {
    let none: Weights = smallvec![0.0; classes.len()];
    let mut branches = [none.clone(), none];
    for (class, gaussian) in classes.iter().enumerate() {
        let Some(gaussian) = gaussian else { continue };
        let below = if limit < gaussian.least {
            0.0
        } else if limit >= gaussian.greatest {
            gaussian.n
        } else {
            gaussian.below(limit)
        };
        (branches[0][class], branches[1][class]) = (below, gaussian.n - below);
    }
    branches
}

/// The information that a split gains, in bits; `None` unless both branches get their share.
fn gain(leaf: &Weights, branches: &[Weights; 2]) -> Option<f64> {
    let sums = [&branches[0], &branches[1]].map(|branch| branch.iter().sum::<f64>());
    let all = sums[0] + sums[1];
    if all <= 0.0 || sums.iter().any(|sum| sum / all <= LEAST_BRANCH) {
        return None;
    }
    let after = (sums[0] * entropy(&branches[0]) + sums[1] * entropy(&branches[1])) / all;
    Some(entropy(leaf) - after)
}

fn entropy(weights: &[f64]) -> f64 {
    let (mut entropy, mut all) = (0.0, 0.0);
    for weight in weights.iter().copied().filter(|weight| *weight > 0.0) {
        entropy -= weight * weight.log2();
        all += weight;
    }
    if all > 0.0 { (entropy + all * all.log2()) / all } else { 0.0 }
}
