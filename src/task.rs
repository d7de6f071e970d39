//! What is predicted of an event, and what turns out to be true of it.
//!
//! A task is binary, multiclass or a regression. A [`Label`] is one number in all three, and a [`Prediction`] is one
//! number, or one a class. Limits: [`Task::MAX_CLASSES`] classes, values within [`Label::LIMIT`].

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a model is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Whether something is true.
    Binary,
    /// Which of so many classes, at least three.
    Multiclass(u16),
    /// How much.
    Regression,
}

impl Task {
    /// The most classes: the cells of a confusion matrix have to be counted apart.
    pub const MAX_CLASSES: u16 = 128;

    /// The word of the pipeline file.
    pub fn word(self) -> &'static str {
        match self {
            Task::Binary => "binary",
            Task::Multiclass(_) => "multiclass",
            Task::Regression => "regression",
        }
    }

    /// The number of classes; 0 of a regression.
    pub fn classes(self) -> usize {
        match self {
            Task::Binary => 2,
            Task::Multiclass(classes) => usize::from(classes),
            Task::Regression => 0,
        }
    }
}

/// What is true of an event: 1 or 0 of a binary task, the number of the class, from 0, or a value.
///
/// ```
/// use tidemill::task::Label;
/// assert!(Label::from(true).is_true() && Label::class(2).number() == 2);
/// assert_eq!(Label::value(-0.5).map(|label| label.amount()), Some(-0.5));
/// assert_eq!((Label::value(f64::NAN), Label::value(1e10)), (None, None));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Label(f64);

impl Label {
    /// The greatest magnitude of a value: squares of it can be added up exactly for as long as a run may last.
    pub const LIMIT: f64 = 1e9;

    /// The label of a class.
    pub fn class(number: usize) -> Label {
        Label(number as f64)
    }

    /// The label of a value; `None` if it is no number, or beyond [`Label::LIMIT`].
    pub fn value(amount: f64) -> Option<Label> {
        // Adding 0 turns -0 into 0: equal labels have equal bits.
        (amount.abs() <= Label::LIMIT).then_some(Label(amount + 0.0))
    }

    /// Of a binary task: whether it is true.
    pub fn is_true(self) -> bool {
        self.0 == 1.0
    }

    /// The number of its class, from 0; of a binary task 1 is true.
    pub fn number(self) -> usize {
        self.0 as usize
    }

    /// Its value.
    pub fn amount(self) -> f64 {
        self.0
    }
}

impl From<bool> for Label {
    fn from(label: bool) -> Label {
        Label(f64::from(u8::from(label)))
    }
}

/// What a model says of an event.
///
/// ```
/// use tidemill::task::{Label, Prediction};
/// let of = Prediction::classes([0.2, 0.5, 0.3]);
/// assert_eq!((of.class(), of.score(), of.given(Label::class(2))), (1, 0.5, 0.3));
/// let of = Prediction::Number(0.8);
/// assert_eq!((of.class(), of.score(), of.given(Label::from(false))), (1, 0.8, 0.19999999999999996));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prediction {
    /// The probability of *true* of a binary task, in [0, 1]; the value of a regression, finite.
    Number(f64),
    /// The probability of each class, which sum to 1.
    Classes(Arc<[f64]>),
}

impl Prediction {
    /// The probabilities of the classes of a multiclass task.
    pub fn classes(probabilities: impl Into<Arc<[f64]>>) -> Prediction {
        Prediction::Classes(probabilities.into())
    }

    /// The probabilities of all classes, of which two are a binary task's.
    pub fn of_classes(probabilities: &[f64]) -> Prediction {
        match probabilities {
            [_, of_true] => Prediction::Number(*of_true),
            all => Prediction::classes(all),
        }
    }

    /// What is said where nothing is known: all classes alike, or 0.
    pub fn unknown(task: Task) -> Prediction {
        match task {
            Task::Binary => Prediction::Number(0.5),
            Task::Multiclass(classes) => {
                Prediction::Classes(std::iter::repeat_n(1.0 / f64::from(classes), usize::from(classes)).collect())
            }
            Task::Regression => Prediction::Number(0.0),
        }
    }

    /// The number itself, or the probability of the class that is said.
    pub fn score(&self) -> f64 {
        match self {
            Prediction::Number(number) => *number,
            Prediction::Classes(of) => of.get(self.class()).copied().unwrap_or(0.0),
        }
    }

    /// The class that is said: *true*, as 1, above one half; of several the likeliest, of equals the first.
    pub fn class(&self) -> usize {
        match self {
            Prediction::Number(number) => usize::from(*number > 0.5),
            Prediction::Classes(of) => likeliest(of),
        }
    }

    /// The probability that it gave to what is true, of a binary or multiclass task.
    pub fn given(&self, label: Label) -> f64 {
        match self {
            Prediction::Number(number) if label.is_true() => *number,
            Prediction::Number(number) => 1.0 - number,
            Prediction::Classes(of) => of.get(label.number()).copied().unwrap_or(0.0),
        }
    }

    /// Whether the class that is said is the true one.
    pub fn is_right(&self, label: Label) -> bool {
        self.class() == label.number()
    }
}

/// The class of the greatest probability, of equals the first: of two, *true* above one half.
pub fn likeliest(of: &[f64]) -> usize {
    match of {
        [_, of_true] => usize::from(*of_true > 0.5),
        all => (0..all.len()).fold(0, |most, class| if all[class] > all[most] { class } else { most }),
    }
}

impl From<f64> for Prediction {
    fn from(number: f64) -> Prediction {
        Prediction::Number(number)
    }
}
