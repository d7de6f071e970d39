//! What the members of an ensemble are told of a tick, where they live apart from the room of their model.
//!
//! In: events as vectors, labels, the ends of ticks. Keeps: the vectors of events that may still get a label. Out: one
//! list of lessons a tick, by the rules of [`super::score`]: so members vote and learn just what and when the learner
//! would in that room.

use super::awaiting::Awaiting;
use super::items::{Lesson, Lessons, Mark};
use super::pairing::Relabelled;
use super::plan::ModelPlan;
use super::saving::{Keeps, Sections, Shares};
use super::score::{Vectored, frozen, pending};
use crate::feature::Vector;
use crate::time::Time;
use std::sync::Arc;

/// The lessons of one ensemble.
pub struct Teacher {
    plan: Arc<ModelPlan>,
    /// With whether it ever had a label.
    pending: Awaiting<(Arc<Vector>, bool)>,
    /// Instants of `freeze_at` that have passed.
    frozen: usize,
    steps: Vec<Lesson>,
}

/// What it keeps stands in the sections of the model's room as well.
impl Keeps for Teacher {
    fn save(&self, _: &Sections) {}

    fn restore(&mut self, from: &Shares<'_>) -> Result<(), String> {
        let events = pending(&self.plan, from)?.into_iter();
        let events = events.map(|(key, time, event)| (key, time, (event.scored.vector.clone(), event.learned)));
        self.pending.resume(events.collect());
        self.frozen = frozen(&self.plan, from)?;
        Ok(())
    }
}

impl Teacher {
    /// Of a model whose online learner is an ensemble; `None` if its members do not live apart.
    pub fn new(plan: &Arc<ModelPlan>) -> Option<Teacher> {
        plan.ensemble()?;
        Some(Teacher { pending: Awaiting::new(plan.timeout), frozen: 0, steps: Vec::new(), plan: plan.clone() })
    }

    /// An event comes, to be voted on.
    pub fn event(&mut self, event: &Vectored) {
        self.reach(event.now);
        self.steps.push(Lesson::Vote(event.vector.clone()));
        self.pending.insert(event.key, event.time, (event.vector.clone(), false));
    }

    /// A label becomes known, changes, or is withdrawn: members learn the first.
    pub fn label(&mut self, label: &Relabelled) {
        self.reach(label.now);
        let Some((vector, learned)) = self.pending.get_mut(label.key) else { return };
        if let (Some(label), false) = (label.after, std::mem::replace(learned, true)) {
            self.steps.push(Lesson::Learn(vector.clone(), label));
        }
    }

    /// A tick ends; what it came to, if anything.
    pub fn end(&mut self, mark: Option<&Mark>) -> Option<Arc<Lessons>> {
        if let Some(mark) = mark {
            self.pass(mark.now);
            if mark.boundary.is_some() && self.plan.keeps_examples() {
                self.steps.push(Lesson::Save);
            }
        }
        let steps = std::mem::take(&mut self.steps);
        (!steps.is_empty()).then(|| Arc::new(Lessons { model: self.plan.number, steps }))
    }

    fn reach(&mut self, now: Time) {
        while self.plan.freeze_at().get(self.frozen).is_some_and(|at| *at <= now) {
            self.frozen += 1;
            self.steps.push(Lesson::Save);
        }
        self.pass(now);
    }

    fn pass(&mut self, now: Time) {
        while self.pending.due(now).is_some() {}
    }
}
