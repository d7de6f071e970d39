//! Gaussian naive Bayes that learns label by label, and forgets one without a trace.
//!
//! In: feature vectors of a fixed width. Out: the posterior probability of each class. Keeps: for each class its
//! examples, for each dense slot the exact sums of its values (`feature::moments`), for each sparse slot its ones.
//! Cost: one pass over all slots for predicting, over the stored ones for learning. Exactness: `Exact`, since all that
//! is kept are integers: what is unlearned leaves every bit as if it had never been learned.
//!
//! Scores are those of River 0.26.1, `GaussianNB()`, given all slots, to the rounding of its running variance: the
//! population's variance, a density of 1e-9 added to each, so that a slot of one value says nothing; a class that has
//! not been seen has no say, and before any label all are alike. Absent 0/1 slots count as 0. A value beyond 2^52 is
//! not learned from.
//!
//! Source: Chan, Golub, LeVeque, Updating formulae and a pairwise algorithm for computing sample variances, 1979;
//! <https://github.com/online-ml/river>.

use super::artifact::{Artifact, ArtifactError, length, within};
use super::softmax::softmax;
use super::{Body, Exactness, Learner};
use crate::feature::Vector;
use crate::feature::moments::{Moments, fixed};
use crate::task::{Label, Prediction};
use serde::{Deserialize, Serialize};

/// Added to each density (River's `_PDF_EPS`).
const LEAST_DENSITY: f64 = 1e-9;

/// Online Gaussian naive Bayes.
///
/// ```
/// use tidemill::feature::Vector;
/// use tidemill::model::{Learner, OnlineGaussianNb};
/// let x = |value: f64| Vector { dense: [value].into(), hot: [].into() };
/// let mut model = OnlineGaussianNb::new(1, 2);
/// for n in 0..10 {
///     model.learn(&x(f64::from(n)), (n > 4).into());
/// }
/// assert!(model.score(&x(1.0)) < 0.1 && model.score(&x(8.0)) > 0.9);
/// let before = model.clone();
/// model.learn(&x(1.0), true.into());
/// assert!(model.unlearn(&x(1.0), true.into()));
/// assert_eq!(model, before);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnlineGaussianNb {
    width: u32,
    classes: Vec<Class>,
}

/// What is known of one class; of one without examples nothing, not even how many slots are dense.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Kept")]
struct Class {
    examples: u64,
    dense: Vec<Moments>,
    ones: Vec<u64>,
    /// What follows from `dense`: a label changes those of one class, and a prediction wants those of all.
    #[serde(skip)]
    normals: Vec<Normal>,
}

/// A class as it is saved.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    examples: u64,
    dense: Vec<Moments>,
    ones: Vec<u64>,
}

/// Mean and deviation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Normal {
    mean: f64,
    deviation: f64,
}

impl From<Kept> for Class {
    fn from(Kept { examples, dense, ones }: Kept) -> Class {
        // Sums that cannot be are refused afterwards, by `check`.
        let normal = |moments: &Moments| if moments.is_plausible() { moments.into() } else { Normal::default() };
        let normals = dense.iter().map(normal).collect();
        Class { examples, dense, ones, normals }
    }
}

impl From<&Moments> for Normal {
    fn from(moments: &Moments) -> Normal {
        let (mean, deviation) = (moments.sum.mean().unwrap_or(0.0), moments.deviation().unwrap_or(0.0));
        Normal { mean, deviation }
    }
}

impl OnlineGaussianNb {
    /// An untrained model of `width` slots and so many classes.
    ///
    /// # Panics
    /// If there are more slots than [`Artifact::MAX_WIDTH`], which a pipeline cannot have.
    pub fn new(width: usize, classes: usize) -> OnlineGaussianNb {
        assert!(width <= Artifact::MAX_WIDTH, "a pipeline has no more slots than a model");
        OnlineGaussianNb { width: width as u32, classes: vec![Class::default(); classes] }
    }

    pub(super) fn classes(&self) -> usize {
        self.classes.len()
    }

    pub(super) fn check(&self, width: usize) -> Result<(), ArtifactError> {
        length("slots", self.width as usize, width)?;
        within("number of classes", self.classes.len() as f64, "at least 2", self.classes.len() >= 2)?;
        self.classes.iter().try_for_each(|class| class.check(width))
    }
}

impl Learner for OnlineGaussianNb {
    fn predict(&self, x: &Vector) -> Prediction {
        if let [negative, positive] = &self.classes[..] {
            return Prediction::Number(positive.beside(negative, x));
        }
        let all = self.updates() as f64;
        let log = |class: &Class| match class.examples {
            0 => f64::NEG_INFINITY,
            examples => (examples as f64 / all).ln() + class.log_likelihood(x),
        };
        let mut of: Vec<f64> = self.classes.iter().map(log).collect();
        softmax(&mut of);
        Prediction::of_classes(&of)
    }

    fn learn(&mut self, x: &Vector, label: Label) {
        let width = self.width as usize;
        self.classes[label.number()].learn(x, width);
    }

    fn unlearn(&mut self, x: &Vector, label: Label) -> bool {
        self.classes[label.number()].unlearn(x)
    }

    fn updates(&self) -> u64 {
        self.classes.iter().map(|class| class.examples).sum()
    }

    fn exactness(&self) -> Exactness {
        Exactness::Exact
    }

    fn save(&self) -> Body {
        Body::OnlineGaussianNb(self.clone())
    }
}

impl Class {
    fn learn(&mut self, x: &Vector, width: usize) {
        if self.examples == 0 {
            self.dense = vec![Moments::default(); x.dense.len()];
            self.normals = vec![Normal::default(); x.dense.len()];
            self.ones = vec![0; width - x.dense.len()];
        }
        self.examples += 1;
        self.change(x, Moments::add);
        for slot in &x.hot {
            self.ones[*slot as usize - self.dense.len()] += 1;
        }
    }

    fn unlearn(&mut self, x: &Vector) -> bool {
        if self.examples <= 1 {
            let had = self.examples == 1;
            *self = Class::default();
            return had;
        }
        self.examples -= 1;
        self.change(x, Moments::remove);
        for slot in &x.hot {
            self.ones[*slot as usize - self.dense.len()] -= 1;
        }
        true
    }

    /// The numbers of a vector, added or removed.
    fn change(&mut self, x: &Vector, change: impl Fn(&mut Moments, i128)) {
        for ((moments, normal), value) in self.dense.iter_mut().zip(&mut self.normals).zip(&x.dense) {
            if let Some(value) = fixed(*value) {
                change(moments, value);
                *normal = (&*moments).into();
            }
        }
    }

    /// Its probability, of two classes.
    fn beside(&self, other: &Class, x: &Vector) -> f64 {
        match (other.examples, self.examples) {
            (0, 0) => 0.5,
            (0, _) => 1.0,
            (_, 0) => 0.0,
            (others, own) => {
                let against = (others as f64 / own as f64).ln() + other.log_likelihood(x) - self.log_likelihood(x);
                1.0 / (1.0 + against.exp())
            }
        }
    }

    /// The logarithm of the density of a vector.
    fn log_likelihood(&self, x: &Vector) -> f64 {
        let normals = self.normals.iter().zip(&x.dense);
        let dense = normals.map(|(normal, value)| log_density(value - normal.mean, normal.deviation));
        let mut hot = x.hot.iter().peekable();
        let sparse = (self.dense.len()..).zip(&self.ones).map(|(slot, ones)| {
            let value = f64::from(u8::from(hot.next_if(|h| **h as usize == slot).is_some()));
            let share = *ones as f64 / self.examples as f64;
            log_density(value - share, (share * (1.0 - share)).sqrt())
        });
        dense.sum::<f64>() + sparse.sum::<f64>()
    }

    fn check(&self, width: usize) -> Result<(), ArtifactError> {
        if self.examples == 0 {
            length("dense slots", self.dense.len(), 0)?;
            return length("ones", self.ones.len(), 0);
        }
        length("slots", self.dense.len() + self.ones.len(), width)?;
        let most = |what, found: u64| within(what, found as f64, "at most the examples", found <= self.examples);
        self.ones.iter().try_for_each(|ones| most("ones", *ones))?;
        self.dense.iter().try_for_each(|moments| {
            most("values", moments.sum.count)?;
            within("sums", moments.sum.count as f64, "sums of so many values", moments.is_plausible())
        })
    }
}

/// The logarithm of the normal density at a distance from its mean, with the least density added.
fn log_density(distance: f64, deviation: f64) -> f64 {
    let density = if deviation > 0.0 {
        let z = distance / deviation;
        (-0.5 * z * z).exp() / (std::f64::consts::TAU.sqrt() * deviation)
    } else {
        0.0
    };
    (LEAST_DENSITY + density).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Golden {
        width: usize,
        rows: Vec<(Vec<f64>, Vec<u32>, bool)>,
        scores: Vec<f64>,
    }

    /// Test-then-train over the golden rows gives River's scores.
    #[test]
    fn learns_as_river_does() {
        let golden: Golden = serde_json::from_str(include_str!("../../tests/golden/online_gaussian_nb.json"))
            .expect("the golden file reads");
        let mut model = OnlineGaussianNb::new(golden.width, 2);
        assert_eq!(golden.scores.len(), golden.rows.len());
        for ((dense, hot, label), expected) in golden.rows.iter().zip(&golden.scores) {
            let x = Vector { dense: dense.as_slice().into(), hot: hot.as_slice().into() };
            let found = model.score(&x);
            assert!((found - expected).abs() <= 1e-9, "{found} is not {expected}");
            model.learn(&x, (*label).into());
        }
    }

    #[test]
    fn what_nobody_learned_is_not_unlearned() {
        let x = Vector { dense: [1.0].into(), hot: [1].into() };
        let mut model = OnlineGaussianNb::new(2, 2);
        assert!(!model.unlearn(&x, true.into()));
        model.learn(&x, true.into());
        assert!(!model.unlearn(&x, false.into()) && model.unlearn(&x, true.into()));
        assert_eq!(model, OnlineGaussianNb::new(2, 2));
    }

    #[test]
    fn learns_classes_as_river_does() {
        let golden: crate::model::golden::Golden<()> = crate::model::golden::golden("gaussian_nb_classes");
        golden.replay(|(), width, classes| Box::new(OnlineGaussianNb::new(width, classes)));
    }
}
