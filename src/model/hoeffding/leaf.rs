//! A leaf: its classes' weights, what it observes, and which of its two ways to predict was right more often.

use super::observer::{Observer, Split, Value, Weights};
use crate::config::spec::TreeSpec;
use crate::feature::Vector;
use crate::model::artifact::{ArtifactError, within};
use crate::model::dice::Dice;
use serde::{Deserialize, Serialize};

/// Where one class has a greater share, no split is looked for.
const PURE: f64 = 0.99;

/// A leaf of a Hoeffding tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Leaf {
    pub(super) depth: u32,
    /// By class, false first.
    pub(super) weights: Weights,
    /// The class that was seen first, of which it is when both are equal.
    first: u8,
    /// The weight at which a split was last looked for.
    tried_at: f64,
    /// The weights for which the class counts, and naive Bayes, were right.
    counts_right: f64,
    bayes_right: f64,
    /// The features that it observes, numbers before groups; none until the first label, and for good at the greatest
    /// depth.
    features: Vec<u32>,
    observers: Vec<Observer>,
}

/// What became of the search for a split.
pub(super) enum Search {
    /// Nothing yet.
    Wait,
    /// None is better than none.
    Afresh,
    Split(u32, Split),
}

impl Leaf {
    pub(super) fn new(depth: u32, weights: Weights, first: u8) -> Leaf {
        Leaf {
            depth,
            weights,
            first: if weights[usize::from(first)] > 0.0 { first } else { 1 - first },
            tried_at: weights[0] + weights[1],
            counts_right: 0.0,
            bayes_right: 0.0,
            features: Vec::new(),
            observers: Vec::new(),
        }
    }

    pub(super) fn first(&self) -> u8 {
        self.first
    }

    pub(super) fn weight(&self) -> f64 {
        self.weights[0] + self.weights[1]
    }

    /// The probability of true; `None` if nothing is known.
    pub(super) fn predict(&self, rules: &TreeSpec, x: &Vector) -> Option<f64> {
        if self.depth < rules.max_depth && self.bayes_right >= self.counts_right {
            self.bayes(x)
        } else {
            self.counts()
        }
    }

    fn counts(&self) -> Option<f64> {
        let all = self.weight();
        (all > 0.0).then(|| self.weights[1] / all)
    }

    fn bayes(&self, x: &Vector) -> Option<f64> {
        let all = self.weight();
        if all <= 0.0 {
            return None;
        }
        let mut votes = [f64::NEG_INFINITY; 2];
        for class in (0..2).filter(|class| self.weights[*class] > 0.0) {
            votes[class] = (self.weights[class] / all).ln();
            for (feature, observer) in self.features.iter().zip(&self.observers) {
                let given = value(x, *feature).map_or(f64::NEG_INFINITY, |value| observer.log_given(value, class));
                // What says nothing of a class does not speak against it.
                if given > f64::NEG_INFINITY {
                    votes[class] += given;
                }
            }
        }
        let most = votes[0].max(votes[1]);
        let sum = most + ((votes[0] - most).exp() + (votes[1] - most).exp()).ln();
        Some((votes[1] - sum).exp())
    }

    /// The class of a probability; at a tie the one that was seen first.
    fn class(&self, score: f64) -> usize {
        if score == 0.5 { usize::from(self.first) } else { usize::from(score > 0.5) }
    }

    /// One more label of some weight. `dice` draw the features that a leaf of a forest observes.
    pub(super) fn learn(&mut self, rules: &TreeSpec, x: &Vector, label: bool, weight: f64, dice: Option<&mut Dice>) {
        let class = usize::from(label);
        let active = self.depth < rules.max_depth;
        if active {
            if self.counts().is_none_or(|score| self.class(score) == class) {
                self.counts_right += weight;
            }
            if self.bayes(x).is_some_and(|score| self.class(score) == class) {
                self.bayes_right += weight;
            }
        }
        if self.weight() == 0.0 {
            self.first = class as u8;
        }
        self.weights[class] += weight;
        if !active {
            return;
        }
        self.observe(rules, x, dice);
        for (feature, observer) in self.features.iter().zip(&mut self.observers) {
            if let Some(value) = value(x, *feature) {
                observer.add(value, class, weight);
            }
        }
    }

    /// Makes the observers, if there are none.
    fn observe(&mut self, rules: &TreeSpec, x: &Vector, dice: Option<&mut Dice>) {
        let all = (x.dense.len() + x.hot.len()) as u32;
        if self.features.is_empty() {
            self.features = match (rules.max_features, dice) {
                (Some(most), Some(dice)) => dice.choose(most, all),
                _ => (0..all).collect(),
            };
        }
        if self.observers.is_empty() {
            let numbers = x.dense.len() as u32;
            let observer = |feature: &u32| match *feature < numbers {
                true => Observer::Number([None, None]),
                false => Observer::Group(Default::default()),
            };
            self.observers = self.features.iter().map(observer).collect();
        }
    }

    /// Looks for a split, if enough came since the last time.
    pub(super) fn search(&mut self, rules: &TreeSpec) -> Search {
        let weight = self.weight();
        if self.depth >= rules.max_depth || weight - self.tried_at < rules.grace_period as f64 {
            return Search::Wait;
        }
        self.tried_at = weight;
        if self.weights.contains(&0.0) {
            return Search::Wait;
        }
        if self.weights[0].max(self.weights[1]) / weight > PURE {
            return Search::Afresh;
        }
        // Of equals the last, and the one before it is the second. A feature without a split, and no split at all, are
        // worth less than any.
        let (mut best, mut second) = (None, f64::NEG_INFINITY);
        let worth = |found: &Option<(u32, Split)>| found.map_or(f64::NEG_INFINITY, |(_, split)| split.merit);
        for (feature, observer) in self.features.iter().zip(&self.observers) {
            let found = observer.best(self.weights).map(|split| (*feature, split));
            if worth(&found) >= worth(&best) {
                second = worth(&best);
                best = found;
            } else {
                second = second.max(worth(&found));
            }
        }
        // Two classes: a range of one bit.
        let bound = ((1.0 / rules.delta).ln() / (2.0 * weight)).sqrt();
        let alone = self.features.is_empty();
        match best {
            Some((feature, split)) if split.merit - second > bound || bound < rules.tau => {
                Search::Split(feature, split)
            }
            None if alone || bound < rules.tau => Search::Afresh,
            _ => Search::Wait,
        }
    }

    /// Forgets what was observed.
    pub(super) fn afresh(&mut self) {
        self.observers.clear();
    }

    pub(super) fn check(&self) -> Result<(), ArtifactError> {
        let right = [self.tried_at, self.counts_right, self.bayes_right];
        for x in self.weights.into_iter().chain(right) {
            within("leaf's weight", x, "0 to 1e15", (0.0..=1e15).contains(&x))?;
        }
        within("leaf's first class", f64::from(self.first), "0 or 1", self.first < 2)?;
        self.observers.iter().try_for_each(Observer::check)
    }
}

/// The value of a feature: a number, or the slot of a one-hot group, by its place among the groups.
fn value(x: &Vector, feature: u32) -> Option<Value> {
    match x.dense.get(feature as usize) {
        Some(number) => Some(Value::Number(*number)),
        None => x.hot.get(feature as usize - x.dense.len()).map(|slot| Value::Slot(*slot)),
    }
}
