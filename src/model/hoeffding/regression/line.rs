//! The line of a leaf, least squares by gradients, and what standardizes the numbers of all lines of a tree.
//!
//! Keeps: mean and squared distances of each number a tree, a slope of each a leaf. Source: Widrow and Hoff 1960; the
//! step is River's, 0.02 of the error, but never so long that it would overshoot (Nagumo and Noda 1967).

use super::super::observer::GREATEST;
use crate::model::artifact::{ArtifactError, within};
use crate::task::Label;
use serde::{Deserialize, Serialize};

const STEP: f64 = 0.02;
/// So many deviations from its mean a number counts as no further.
const FURTHEST: f64 = 5.0;

/// What is known of a tree's numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scale {
    n: f64,
    numbers: Vec<Number>,
}

/// A number's mean and its squared distances from it. Source: West 1979.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Number {
    mean: f64,
    squares: f64,
}

impl Scale {
    /// One more vector's numbers.
    pub(super) fn add(&mut self, numbers: &[f64], weight: f64) {
        self.numbers.resize(numbers.len(), Number::default());
        self.n += weight;
        for (number, x) in self.numbers.iter_mut().zip(numbers).filter(|(_, x)| x.abs() <= GREATEST) {
            let before = number.mean;
            number.mean += weight / self.n * (x - before);
            number.squares += weight * (x - before) * (x - number.mean);
        }
    }

    /// Deviations from the mean; 0 of what is not observed.
    pub(super) fn standard(&self, numbers: &[f64]) -> Vec<f64> {
        let standard = |(number, x): (&Number, &f64)| {
            let deviation = (number.squares / self.n).sqrt();
            let known = x.abs() <= GREATEST && deviation > 0.0;
            if known { ((x - number.mean) / deviation).clamp(-FURTHEST, FURTHEST) } else { 0.0 }
        };
        self.numbers.iter().zip(numbers).map(standard).collect()
    }

    pub(super) fn check(&self) -> Result<(), ArtifactError> {
        within("tree's weight", self.n, "0 to 1e15", (0.0..=1e15).contains(&self.n))?;
        self.numbers.iter().try_for_each(|number| {
            within("number's mean", number.mean, "between -2^53 and 2^53", number.mean.abs() <= 2.0 * GREATEST)?;
            within("number's squares", number.squares, "at least 0", number.squares >= 0.0)
        })
    }
}

/// A line over standardized numbers; it begins with the first value that it learns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    bias: f64,
    slopes: Vec<f64>,
    begun: bool,
}

impl Line {
    /// What it says; 0 before the first value.
    pub(super) fn predict(&self, standard: &[f64]) -> f64 {
        let slopes = self.slopes.iter().zip(standard).map(|(slope, x)| slope * x);
        (self.bias + slopes.sum::<f64>()).clamp(-Label::LIMIT, Label::LIMIT)
    }

    pub(super) fn learn(&mut self, standard: &[f64], value: f64, weight: f64) {
        if !self.begun {
            *self = Line { bias: value, slopes: vec![0.0; standard.len()], begun: true };
        }
        let length = standard.iter().map(|x| x * x).sum::<f64>();
        let step = (STEP * weight).min(1.0 / (1.0 + length)) * (value - self.predict(standard));
        let moved = |from: f64, by: f64| (from + by).clamp(-Label::LIMIT, Label::LIMIT);
        self.slopes.iter_mut().zip(standard).for_each(|(slope, x)| *slope = moved(*slope, step * x));
        self.bias = moved(self.bias, step);
    }

    pub(super) fn check(&self) -> Result<(), ArtifactError> {
        within("line's bias", self.bias, "a label's value", self.bias.abs() <= Label::LIMIT)?;
        let slope = |x: &f64| within("line's slope", *x, "a label's value", x.abs() <= Label::LIMIT);
        self.slopes.iter().try_for_each(slope)
    }
}
