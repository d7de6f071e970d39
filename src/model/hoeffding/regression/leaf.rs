//! A leaf of a regression: its values' moments, its line, what it observes, and which of the two erred less lately.

use super::super::leaf::{Features, value};
use super::bins::{Moments, Observer, Split};
use super::line::Line;
use crate::config::spec::TreeSpec;
use crate::feature::Vector;
use crate::model::artifact::{ArtifactError, within};
use serde::{Deserialize, Serialize};

/// What is left of an earlier squared error with each label.
const FADING: f64 = 0.95;

/// A leaf of a regression tree.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Leaf {
    depth: u32,
    target: Moments,
    /// The weight at which a split was last looked for.
    tried_at: f64,
    line: Line,
    /// The squared errors of the mean and of the line, fading.
    mean_error: f64,
    line_error: f64,
    /// The features that it observes, numbers before groups; none until the first label.
    features: Vec<u32>,
    observers: Vec<Observer>,
}

/// What became of the search for a split.
pub(super) enum Search {
    /// Nothing yet.
    Wait,
    Split(u32, Split),
}

impl Leaf {
    /// A root that knows nothing.
    pub(super) fn new() -> Leaf {
        Leaf::default()
    }

    /// A leaf below it that begins with some of its values; with its line, and what it knows of both ways to predict.
    pub(super) fn child(&self, target: Moments) -> Leaf {
        Leaf {
            depth: self.depth + 1,
            target,
            tried_at: target.n,
            line: self.line.clone(),
            mean_error: self.mean_error,
            line_error: self.line_error,
            features: Vec::new(),
            observers: Vec::new(),
        }
    }

    /// Whether it lies too deep to be split.
    pub(super) fn is_deepest(&self, rules: &TreeSpec) -> bool {
        self.depth >= rules.max_depth
    }

    /// The value where the numbers, standardized, are these; `None` if nothing is known.
    pub(super) fn predict(&self, standard: impl Fn() -> Vec<f64>) -> Option<f64> {
        let says_mean = self.mean_error < self.line_error;
        (self.target.n > 0.0).then(|| if says_mean { self.target.mean } else { self.line.predict(&standard()) })
    }

    /// One more value of some weight.
    pub(super) fn learn(&mut self, standard: &[f64], value: f64, weight: f64) {
        let (of_mean, of_line) = (value - self.target.mean, value - self.line.predict(standard));
        self.mean_error = FADING * self.mean_error + of_mean * of_mean;
        self.line_error = FADING * self.line_error + of_line * of_line;
        self.target.add(value, weight);
        self.line.learn(standard, value, weight);
    }

    /// Shows a value to the observers, which are made if there are none.
    pub(super) fn observe(&mut self, rules: &TreeSpec, x: &Vector, of: f64, weight: f64, features: Features<'_>) {
        let all = (x.dense.len() + x.hot.len()) as u32;
        if self.features.is_empty() {
            self.features = features.chosen(rules, all);
        }
        if self.observers.is_empty() {
            let numbers = x.dense.len() as u32;
            let observer = |feature: &u32| match *feature < numbers {
                true => Observer::Number(Vec::new()),
                false => Observer::Group(Default::default()),
            };
            self.observers = self.features.iter().map(observer).collect();
        }
        for (feature, observer) in self.features.iter().zip(&mut self.observers) {
            if let Some(x) = value(x, *feature) {
                observer.add(x, of, weight);
            }
        }
    }

    /// Gives its observers up.
    pub(super) fn forget(&mut self) {
        (self.features, self.observers) = (Vec::new(), Vec::new());
    }

    /// Looks for a split, if enough came since the last time.
    pub(super) fn search(&mut self, rules: &TreeSpec) -> Search {
        let weight = self.target.n;
        if weight - self.tried_at < rules.grace_period as f64 {
            return Search::Wait;
        }
        self.tried_at = weight;
        // Of equals the first. A feature without a split takes away nothing.
        let (mut best, mut second): (Option<(u32, Split)>, f64) = (None, 0.0);
        for (feature, observer) in self.features.iter().zip(&self.observers) {
            let Some(split) = observer.best() else { continue };
            let most = best.as_ref().map_or(0.0, |(_, best)| best.merit);
            if split.merit > most {
                second = most;
                best = Some((*feature, split));
            } else {
                second = second.max(split.merit);
            }
        }
        // The ratio of both is between 0 and 1.
        let bound = ((1.0 / rules.delta).ln() / (2.0 * weight)).sqrt();
        match best {
            Some((feature, split)) if second / split.merit < 1.0 - bound || bound < rules.tau => {
                Search::Split(feature, split)
            }
            _ => Search::Wait,
        }
    }

    pub(super) fn check(&self) -> Result<(), ArtifactError> {
        self.target.check()?;
        self.line.check()?;
        within("leaf's weight", self.tried_at, "0 to 1e15", (0.0..=1e15).contains(&self.tried_at))?;
        for x in [self.mean_error, self.line_error] {
            within("leaf's error", x, "0 to 1e21", (0.0..=1e21).contains(&x))?;
        }
        self.observers.iter().try_for_each(Observer::check)
    }
}
