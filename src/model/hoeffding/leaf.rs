//! A leaf: its classes' weights, what it observes, and which of its two ways to predict was right more often.

use super::observer::{At, Observer, Split, Value, Weights};
use crate::config::spec::TreeSpec;
use crate::feature::Vector;
use crate::model::artifact::{ArtifactError, length, within};
use crate::model::dice::Dice;
use serde::{Deserialize, Serialize};
use smallvec::{SmallVec, smallvec};

/// Where one class has a greater share, no split is looked for.
const PURE: f64 = 0.99;

/// A leaf of a Hoeffding tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Leaf {
    depth: u32,
    weights: Weights,
    /// The classes that have some, in the order in which they were seen: of equals it says the first.
    seen: SmallVec<[u16; 4]>,
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

/// The features that a new leaf observes, numbers before groups.
pub enum Features<'a> {
    /// All of them.
    All,
    /// The same in every leaf.
    These(&'a [u32]),
    /// As many as the rules say, drawn by a member's dice.
    Drawn(&'a mut Dice),
}

impl Features<'_> {
    /// Their numbers, of so many.
    pub(super) fn chosen(self, rules: &TreeSpec, all: u32) -> Vec<u32> {
        match (rules.max_features, self) {
            (_, Features::These(these)) => these.to_vec(),
            (Some(most), Features::Drawn(dice)) => dice.choose(most, all),
            _ => (0..all).collect(),
        }
    }
}

/// What became of the search for a split.
enum Search {
    /// Nothing yet.
    Wait,
    /// None is better than none.
    Afresh,
    Split(u32, Split),
}

/// A split by a feature, and the leaves that come in the place of the one that is split.
pub(super) struct Growth {
    pub(super) feature: u32,
    pub(super) at: At,
    pub(super) children: [Leaf; 2],
}

impl Leaf {
    /// A leaf that begins with some weights, of classes that its parent saw in this order.
    pub(super) fn new(depth: u32, weights: Weights, seen: &[u16]) -> Leaf {
        Leaf {
            depth,
            seen: seen.iter().copied().filter(|class| weights[usize::from(*class)] > 0.0).collect(),
            tried_at: weights.iter().sum(),
            weights,
            counts_right: 0.0,
            bayes_right: 0.0,
            features: Vec::new(),
            observers: Vec::new(),
        }
    }

    fn weight(&self) -> f64 {
        self.weights.iter().sum()
    }

    /// The probability of each class; `None` if nothing is known.
    pub(super) fn predict(&self, rules: &TreeSpec, x: &Vector) -> Option<Weights> {
        if self.depth < rules.max_depth && self.bayes_right >= self.counts_right {
            self.bayes(x)
        } else {
            self.counts()
        }
    }

    /// The class that it says; `None` if nothing is known.
    pub(super) fn says(&self, rules: &TreeSpec, x: &Vector) -> Option<usize> {
        self.predict(rules, x).and_then(|said| self.class(&said))
    }

    fn counts(&self) -> Option<Weights> {
        let all = self.weight();
        (all > 0.0).then(|| self.weights.iter().map(|weight| weight / all).collect())
    }

    fn bayes(&self, x: &Vector) -> Option<Weights> {
        let all = self.weight();
        if all <= 0.0 {
            return None;
        }
        let mut votes: Weights = smallvec![f64::NEG_INFINITY; self.weights.len()];
        for class in (0..votes.len()).filter(|class| self.weights[*class] > 0.0) {
            votes[class] = (self.weights[class] / all).ln();
            for (feature, observer) in self.features.iter().zip(&self.observers) {
                let given = value(x, *feature).map_or(f64::NEG_INFINITY, |value| observer.log_given(value, class));
                // What says nothing of a class does not speak against it.
                if given > f64::NEG_INFINITY {
                    votes[class] += given;
                }
            }
        }
        let most = votes.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum = most + votes.iter().map(|vote| (vote - most).exp()).sum::<f64>().ln();
        votes.iter_mut().for_each(|vote| *vote = (*vote - sum).exp());
        Some(votes)
    }

    /// The likeliest class; of equals the one that was seen first.
    fn class(&self, probabilities: &[f64]) -> Option<usize> {
        let likelier =
            |most: usize, class: usize| if probabilities[class] > probabilities[most] { class } else { most };
        self.seen.iter().map(|class| usize::from(*class)).reduce(likelier)
    }

    /// One more label of some weight; what it grows to, if there is room and a split is due.
    pub(super) fn grow(
        &mut self,
        rules: &TreeSpec,
        x: &Vector,
        (class, weight): (usize, f64),
        features: Features<'_>,
        room: bool,
    ) -> Option<Growth> {
        self.learn(rules, x, class, weight, features);
        match if room { self.search(rules) } else { Search::Wait } {
            Search::Wait => None,
            Search::Afresh => {
                self.observers.clear();
                None
            }
            Search::Split(feature, split) => {
                let children = split.branches.map(|weights| Leaf::new(self.depth + 1, weights, &self.seen));
                Some(Growth { feature, at: split.at, children })
            }
        }
    }

    fn learn(&mut self, rules: &TreeSpec, x: &Vector, class: usize, weight: f64, features: Features<'_>) {
        let active = self.depth < rules.max_depth;
        if active {
            if self.counts().is_none_or(|said| self.class(&said) == Some(class)) {
                self.counts_right += weight;
            }
            if self.bayes(x).is_some_and(|said| self.class(&said) == Some(class)) {
                self.bayes_right += weight;
            }
        }
        if self.weights[class] == 0.0 {
            self.seen.push(class as u16);
        }
        self.weights[class] += weight;
        if !active {
            return;
        }
        self.observe(rules, x, features);
        for (feature, observer) in self.features.iter().zip(&mut self.observers) {
            if let Some(value) = value(x, *feature) {
                observer.add(value, class, weight);
            }
        }
    }

    /// Makes the observers, if there are none.
    fn observe(&mut self, rules: &TreeSpec, x: &Vector, features: Features<'_>) {
        let all = (x.dense.len() + x.hot.len()) as u32;
        if self.features.is_empty() {
            self.features = features.chosen(rules, all);
        }
        if self.observers.is_empty() {
            let (numbers, classes) = (x.dense.len() as u32, self.weights.len());
            let observer = |feature: &u32| match *feature < numbers {
                true => Observer::Number(smallvec![None; classes]),
                false => Observer::Group(classes as u16, Default::default()),
            };
            self.observers = self.features.iter().map(observer).collect();
        }
    }

    /// Looks for a split, if enough came since the last time.
    fn search(&mut self, rules: &TreeSpec) -> Search {
        let weight = self.weight();
        if self.depth >= rules.max_depth || weight - self.tried_at < rules.grace_period as f64 {
            return Search::Wait;
        }
        self.tried_at = weight;
        let classes = self.weights.iter().filter(|weight| **weight > 0.0).count();
        if classes < 2 {
            return Search::Wait;
        }
        if self.weights.iter().copied().fold(0.0, f64::max) / weight > PURE {
            return Search::Afresh;
        }
        // Of equals the last, and the one before it is the second. A feature without a split, and no split at all, are
        // worth less than any.
        let (mut best, mut second) = (None, f64::NEG_INFINITY);
        let worth = |found: &Option<(u32, Split)>| found.as_ref().map_or(f64::NEG_INFINITY, |(_, split)| split.merit);
        for (feature, observer) in self.features.iter().zip(&self.observers) {
            let found = observer.best(&self.weights).map(|split| (*feature, split));
            if worth(&found) >= worth(&best) {
                second = worth(&best);
                best = found;
            } else {
                second = second.max(worth(&found));
            }
        }
        // The gain is between 0 and so many bits.
        let range = (classes as f64).log2();
        let bound = (range * range * (1.0 / rules.delta).ln() / (2.0 * weight)).sqrt();
        let alone = self.features.is_empty();
        match best {
            Some((feature, split)) if split.merit - second > bound || bound < rules.tau => {
                Search::Split(feature, split)
            }
            None if alone || bound < rules.tau => Search::Afresh,
            _ => Search::Wait,
        }
    }

    pub(super) fn check(&self, classes: usize) -> Result<(), ArtifactError> {
        length("leaf's classes", self.weights.len(), classes)?;
        let right = [self.tried_at, self.counts_right, self.bayes_right];
        for x in self.weights.iter().copied().chain(right) {
            within("leaf's weight", x, "0 to 1e15", (0.0..=1e15).contains(&x))?;
        }
        for class in &self.seen {
            within("leaf's class", f64::from(*class), "one of the task", usize::from(*class) < classes)?;
        }
        self.observers.iter().try_for_each(|observer| observer.check(classes))
    }
}

/// The value of a feature: a number, or the slot of a one-hot group, by its place among the groups.
pub(super) fn value(x: &Vector, feature: u32) -> Option<Value> {
    match x.dense.get(feature as usize) {
        Some(number) => Some(Value::Number(*number)),
        None => x.hot.get(feature as usize - x.dense.len()).map(|slot| Value::Slot(*slot)),
    }
}
