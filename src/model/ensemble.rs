//! Ensembles whose members do not know of each other: they can be told and asked apart, on several workers.
//!
//! In: vectors and labels, the same and in the same order wherever members live. Out: a vote a member, which are
//! combined in the order of the members. Every worker has a copy of the whole ensemble, in which only its [`Share`] of
//! the members learns; all else of the copies is the same, so that a whole one is put together from them. Adaptive
//! random forests and streaming random patches are such ensembles; leveraging bagging is not: when one member drifts,
//! the worst of all begins anew.

use super::votes::Votes;
use super::{Body, Learner};
use crate::feature::Vector;
use crate::task::{Label, Prediction, Task};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// Which members of an ensemble: every `of`-th, from `first`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The first member's place, below `of`.
    pub first: usize,
    /// Among how many the members are shared, at least 1.
    pub of: usize,
}

impl Share {
    /// All of them.
    pub const WHOLE: Share = Share { first: 0, of: 1 };

    /// The places of its members, of so many, in order.
    ///
    /// ```
    /// use tidemill::model::Share;
    /// assert_eq!(Share { first: 1, of: 3 }.places(10).collect::<Vec<_>>(), [1, 4, 7]);
    /// assert_eq!(Share { first: 2, of: 3 }.places(2).count(), 0);
    /// ```
    pub fn places(self, members: usize) -> impl Iterator<Item = usize> {
        (self.first..members).step_by(self.of)
    }

    /// Gives a copy the members of `others` that are not of this share; false if they are not as many.
    pub(super) fn complete<M>(self, copy: &mut [M], others: &mut [M]) -> bool {
        let pairs = copy.iter_mut().zip(others.iter_mut()).enumerate();
        pairs
            .filter(|(place, _)| place % self.of != self.first)
            .for_each(|(_, (one, other))| std::mem::swap(one, other));
        copy.len() == others.len()
    }
}

/// What a member says: the probability of each class, or a value alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vote {
    pub(super) said: SmallVec<[f64; 2]>,
    pub(super) weight: f64,
}

/// An ensemble whose members do not know of each other.
pub trait Ensemble: Learner {
    /// How many members it has.
    fn size(&self) -> usize;

    /// What one member says of a vector; `None` if it knows nothing yet.
    fn vote(&self, member: usize, x: &Vector) -> Option<Vote>;

    /// What the ensemble says, from the votes of all members in their order. Looks at no member.
    fn combine(&self, votes: &mut dyn Iterator<Item = Option<Vote>>) -> Prediction;

    /// A label of `x`, for the members of one share.
    fn teach(&mut self, x: &Vector, label: Label, share: Share);

    /// Takes the members of a share from another copy that has learned the same labels, and whatever members have in
    /// common. Says whether it is a copy at all.
    fn adopt(&mut self, copy: Body, share: Share) -> bool;

    /// Its state, without a copy.
    fn into_body(self: Box<Self>) -> Body;

    /// What all members together say.
    fn predict_whole(&self, x: &Vector) -> Prediction {
        self.combine(&mut (0..self.size()).map(|member| self.vote(member, x)))
    }
}

/// The mean of probabilities by weight.
pub(super) fn mean_of_classes(task: Task, votes: &mut dyn Iterator<Item = Option<Vote>>) -> Prediction {
    let mut sums = Votes::new(task);
    votes.flatten().for_each(|vote| sums.add(&vote.said, vote.weight));
    sums.prediction()
}
