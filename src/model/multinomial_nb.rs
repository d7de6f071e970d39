//! Multinomial naive Bayes: how often each slot is counted, by class. It forgets a label without a trace.
//!
//! In: feature vectors whose numbers count something (a number below 0 counts as 0), and classes. Out: the posterior
//! probabilities. Keeps: by class its labels, a sum a slot in fixed point (2^-40), and the sum of these; by slot how
//! often it was stored. Cost: the stored slots, for predicting by class. Exactness: `Exact`, since all that is kept are
//! integers.
//!
//! Predictions are those of River 0.26.1, `MultinomialNB(alpha)`: a slot counts among the terms once it has been
//! stored with a label; a class that has not been seen has no say, and before any label all are alike. A number beyond
//! 2^52 is not learned from.
//!
//! Parameters: `alpha` above 0 (1), added to each count. Source: McCallum and Nigam 1998, "A comparison of event models
//! for naive Bayes text classification".

use super::artifact::{Artifact, ArtifactError, length, within};
use super::softmax::softmax;
use super::{Body, Exactness, Learner};
use crate::feature::Vector;
use crate::feature::moments::fixed;
use crate::task::{Label, Prediction};
use serde::{Deserialize, Serialize};

/// One, in fixed point.
const ONE: f64 = (1_u64 << 40) as f64;

/// Multinomial naive Bayes.
///
/// ```
/// use tidemill::feature::Vector;
/// use tidemill::model::{Learner, MultinomialNb};
/// let words = |counts: [f64; 2]| Vector { dense: counts.into(), hot: [].into() };
/// let mut model = MultinomialNb::new(2, 2, 1.0);
/// model.learn(&words([3.0, 0.0]), false.into());
/// model.learn(&words([0.0, 3.0]), true.into());
/// assert!(model.score(&words([0.0, 2.0])) > 0.9);
/// let before = model.clone();
/// model.learn(&words([9.0, 1.0]), true.into());
/// assert!(model.unlearn(&words([9.0, 1.0]), true.into()) && model == before);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Kept")]
pub struct MultinomialNb {
    alpha: f64,
    width: u32,
    classes: Vec<Class>,
    /// What follows from the classes' counts.
    #[serde(skip)]
    terms: Terms,
}

/// By slot how many labels stored it, and the number of slots that any did.
#[derive(Clone, Debug, Default, PartialEq)]
struct Terms {
    stored: Vec<u64>,
    number: usize,
}

impl Terms {
    fn add(&mut self, slot: usize, times: u64) {
        let stored = &mut self.stored[slot];
        self.number += usize::from(*stored == 0 && times > 0);
        *stored = stored.saturating_add(times);
    }

    fn remove(&mut self, slot: usize, times: u64) {
        let stored = &mut self.stored[slot];
        self.number -= usize::from((1..=times).contains(stored));
        *stored = stored.saturating_sub(times);
    }
}

/// A model as it is saved.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    alpha: f64,
    width: u32,
    classes: Vec<Class>,
}

impl From<Kept> for MultinomialNb {
    /// Counts that cannot be are refused afterwards, by `check`; until then they may only not overflow.
    fn from(Kept { alpha, width, mut classes }: Kept) -> MultinomialNb {
        let slots = (width as usize).min(Artifact::MAX_WIDTH);
        let mut terms = Terms { stored: vec![0; slots], number: 0 };
        for class in &mut classes {
            class.all = class.counts.iter().fold(0, |all: i128, (_, sum)| all.wrapping_add(*sum));
            let counts = class.counts.iter().take(slots).enumerate();
            counts.for_each(|(slot, (stored, _))| terms.add(slot, *stored));
        }
        MultinomialNb { alpha, width, classes, terms }
    }
}

/// What is known of a class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Class {
    labels: u64,
    /// By slot: how many labels stored it, and the sum of its numbers.
    counts: Vec<(u64, i128)>,
    /// The sum of all these sums.
    #[serde(skip)]
    all: i128,
}

impl MultinomialNb {
    /// An untrained model.
    ///
    /// # Panics
    /// If there are more slots than [`Artifact::MAX_WIDTH`], which a pipeline cannot have.
    pub fn new(width: usize, classes: usize, alpha: f64) -> MultinomialNb {
        assert!(width <= Artifact::MAX_WIDTH, "a pipeline has no more slots than a model");
        let classes = vec![Class::default(); classes];
        MultinomialNb { alpha, width: width as u32, classes, terms: Terms { stored: vec![0; width], number: 0 } }
    }

    pub(super) fn classes(&self) -> usize {
        self.classes.len()
    }

    pub(super) fn check(&self, width: usize) -> Result<(), ArtifactError> {
        length("slots", self.width as usize, width)?;
        within("alpha", self.alpha, "above 0", self.alpha > 0.0)?;
        within("number of classes", self.classes.len() as f64, "at least 2", self.classes.len() >= 2)?;
        self.classes.iter().try_for_each(|class| {
            if class.labels > 0 {
                length("counts", class.counts.len(), width)?;
            }
            class.counts.iter().try_for_each(|(stored, sum)| {
                within("stored", *stored as f64, "at most the labels", *stored <= class.labels)?;
                within("count", *sum as f64, "at least 0", *sum >= 0)
            })
        })
    }
}

impl Class {
    fn change(&mut self, x: &Vector, terms: &mut Terms, more: bool) {
        self.counts.resize(terms.stored.len(), (0, 0));
        let mut one = |slot: usize, number: f64| {
            let Some(number) = fixed(number.max(0.0)) else { return };
            let (stored, sum) = &mut self.counts[slot];
            if more {
                (*stored, *sum, self.all) = (*stored + 1, *sum + number, self.all.wrapping_add(number));
                terms.add(slot, 1);
                return;
            }
            (*sum, self.all) = (*sum - number, self.all.wrapping_sub(number));
            if *stored > 0 {
                *stored -= 1;
                terms.remove(slot, 1);
            }
        };
        x.dense.iter().enumerate().for_each(|(slot, number)| one(slot, *number));
        x.hot.iter().for_each(|slot| one(*slot as usize, 1.0));
    }

    fn log_likelihood(&self, x: &Vector, alpha: f64, terms: usize) -> f64 {
        let all = self.all as f64 / ONE + alpha * terms as f64;
        let one = |slot: usize| ((self.counts[slot].1 as f64 / ONE + alpha) / all).ln();
        let dense = x.dense.iter().enumerate().filter(|(_, n)| **n > 0.0).map(|(slot, number)| number * one(slot));
        dense.sum::<f64>() + x.hot.iter().map(|slot| one(*slot as usize)).sum::<f64>()
    }
}

impl Learner for MultinomialNb {
    fn predict(&self, x: &Vector) -> Prediction {
        let (labels, terms) = (self.updates() as f64, self.terms.number);
        let log = |class: &Class| match class.labels {
            0 => f64::NEG_INFINITY,
            seen => (seen as f64 / labels).ln() + class.log_likelihood(x, self.alpha, terms),
        };
        let mut of: Vec<f64> = self.classes.iter().map(log).collect();
        softmax(&mut of);
        Prediction::of_classes(&of)
    }

    fn learn(&mut self, x: &Vector, label: Label) {
        let class = &mut self.classes[label.number()];
        class.labels += 1;
        class.change(x, &mut self.terms, true);
    }

    fn unlearn(&mut self, x: &Vector, label: Label) -> bool {
        let class = &mut self.classes[label.number()];
        match class.labels {
            0 => return false,
            1 => {
                let counts = std::mem::take(class).counts;
                counts.iter().enumerate().for_each(|(slot, (stored, _))| self.terms.remove(slot, *stored));
            }
            _ => {
                class.labels -= 1;
                class.change(x, &mut self.terms, false);
            }
        }
        true
    }

    fn updates(&self) -> u64 {
        self.classes.iter().map(|class| class.labels).sum()
    }

    fn exactness(&self) -> Exactness {
        Exactness::Exact
    }

    fn save(&self) -> Body {
        Body::MultinomialNb(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::golden::{Golden, golden};

    /// Test-then-train over the golden rows gives River's probabilities.
    #[test]
    fn learns_as_river_does() {
        for name in ["multinomial_nb", "multinomial_nb_classes"] {
            let golden: Golden<f64> = golden(name);
            assert_eq!(golden.runs.len(), 2);
            golden.replay(|alpha, width, classes| Box::new(MultinomialNb::new(width, classes, *alpha)));
        }
    }
}
