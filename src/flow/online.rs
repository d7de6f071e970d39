//! The online learner of a model as its room has it: here, or with its members on all workers.
//!
//! In: vectors and labels in the law's order; of members that live elsewhere, what they said of the tick. Keeps: the
//! learner, or nothing of it but how many labels it has learned. Either way it says the same, and what checkpoints have
//! of it is put together to the same learner.

use super::items::Said;
use super::plan::ModelPlan;
use super::saving::{Sections, Shares};
use crate::feature::Vector;
use crate::model::{Body, Ensemble, Exactness, Learner, Share};
use crate::task::{Label, Prediction};
use std::collections::VecDeque;

/// The learner.
pub enum Online {
    /// Whole, in this room.
    Here(Box<dyn Learner>),
    /// Its members are elsewhere.
    Apart(Apart),
}

/// What there is of an ensemble whose members are elsewhere.
pub struct Apart {
    /// Knows how votes are combined.
    untrained: Box<dyn Ensemble>,
    updates: u64,
    /// What each share said of the tick at hand, by share.
    said: Vec<Said>,
    /// How many events of the tick were asked for.
    asked: usize,
    /// Its states in the tick that were not asked for yet.
    states: VecDeque<Body>,
}

/// A change of a label for one learner; `first` if the event never had one.
pub fn teach(learner: &mut dyn Learner, x: &Vector, before: Option<Label>, after: Option<Label>, first: bool) {
    if learner.exactness() == Exactness::Exact {
        before.into_iter().for_each(|label| {
            learner.unlearn(x, label);
        });
        after.into_iter().for_each(|label| learner.learn(x, label));
    } else if first {
        after.into_iter().for_each(|label| learner.learn(x, label));
    }
}

impl Online {
    /// The untrained learner of a model, with its members elsewhere where that is possible and asked for.
    pub fn new(plan: &ModelPlan, apart: bool) -> Online {
        match plan.ensemble().filter(|_| apart) {
            Some(untrained) => {
                let (said, states) = (Vec::new(), VecDeque::new());
                Online::Apart(Apart { untrained, updates: 0, said, asked: 0, states })
            }
            None => Online::Here(plan.learner()),
        }
    }

    /// Takes in what members elsewhere said of a tick, before anything of it.
    pub fn hear(&mut self, mut said: Vec<Said>) {
        let Online::Apart(apart) = self else { return };
        said.sort_unstable_by_key(|said| said.share.first);
        let mut parts: Vec<_> = said.iter_mut().map(|said| (said.share, said.states.drain(..))).collect();
        let next = || parts.iter_mut().map(|(share, states)| Some((*share, states.next()?))).collect();
        apart.states = std::iter::from_fn(next).map_while(joined).collect();
        drop(parts);
        (apart.said, apart.asked) = (said, 0);
    }

    /// What it says of the next event.
    pub fn predict(&mut self, x: &Vector) -> Prediction {
        match self {
            Online::Here(learner) => learner.predict(x),
            Online::Apart(apart) => apart.next(),
        }
    }

    /// A change of a label; `first` if the event never had one.
    pub fn teach(&mut self, x: &Vector, before: Option<Label>, after: Option<Label>, first: bool) {
        match self {
            Online::Here(learner) => teach(&mut **learner, x, before, after, first),
            Online::Apart(apart) => apart.updates += u64::from(first && after.is_some()),
        }
    }

    /// Takes a label back that it has learned, if it can.
    pub fn unlearn(&mut self, x: &Vector, label: Label) {
        if let Online::Here(learner) = self {
            learner.unlearn(x, label);
        }
    }

    /// The labels learned so far.
    pub fn updates(&self) -> u64 {
        match self {
            Online::Here(learner) => learner.updates(),
            Online::Apart(apart) => apart.updates,
        }
    }

    /// What a corrected label does to it.
    pub fn exactness(&self) -> Exactness {
        match self {
            Online::Here(learner) => learner.exactness(),
            Online::Apart(apart) => apart.untrained.exactness(),
        }
    }

    /// Its state now; of members elsewhere the next that they were asked for.
    pub fn state(&mut self) -> Body {
        match self {
            Online::Here(learner) => learner.save(),
            Online::Apart(apart) => {
                let state = apart.states.pop_front();
                assert!(state.is_some(), "members are asked for their state wherever it is needed");
                state.unwrap_or_else(|| apart.untrained.save())
            }
        }
    }

    /// Writes it down, if it is here: members write themselves.
    pub fn save(&self, plan: &ModelPlan, to: &Sections) {
        if let Online::Here(learner) = self {
            to.value(&plan.keeps.learner, 0, &(Share::WHOLE, learner.save()));
        }
    }

    /// Takes it up.
    ///
    /// # Errors
    /// What cannot be read, in words.
    pub fn restore(&mut self, plan: &ModelPlan, from: &Shares<'_>) -> Result<(), String> {
        let Some(body) = kept(plan, from)? else { return Ok(()) };
        match self {
            Online::Here(learner) => {
                let other = || format!("section {}: it is not of a learner of this pipeline", plan.keeps.learner.name);
                *learner = body.learner().ok_or_else(other)?;
            }
            Online::Apart(apart) => apart.updates = body.updates(),
        }
        Ok(())
    }
}

impl Apart {
    fn next(&mut self) -> Prediction {
        let (shares, size, asked) = (&mut self.said, self.untrained.size(), self.asked);
        self.asked += 1;
        let of = shares.len();
        self.untrained.combine(&mut (0..size).map(|member| {
            let said = &mut shares[member % of];
            let mine = said.share.places(size).count();
            said.votes[asked * mine + member / of].take()
        }))
    }
}

/// The whole of what its shares are; `None` of none.
fn joined(parts: Vec<(Share, Body)>) -> Option<Body> {
    let mut parts = parts.into_iter();
    let (_, first) = parts.next()?;
    if parts.len() == 0 {
        return Some(first);
    }
    let mut whole = first.ensemble()?;
    parts.all(|(share, copy)| whole.adopt(copy, share)).then(|| whole.into_body())
}

/// The learner that a checkpoint has, put together; `None` if it has none.
///
/// # Errors
/// What cannot be read, in words.
pub fn kept(plan: &ModelPlan, from: &Shares<'_>) -> Result<Option<Body>, String> {
    let operator = &plan.keeps.learner;
    let mut parts = Vec::new();
    for place in from.written(operator) {
        parts.extend(from.value::<(Share, Body)>(operator, place)?);
    }
    if parts.is_empty() {
        return Ok(None);
    }
    let whole = joined(parts).ok_or_else(|| format!("section {}: its parts are not of one learner", operator.name));
    whole.map(Some)
}
