//! The rooms of all models of a pipeline, on one worker: one vector an event for all of them.
//!
//! In: events and labels, the answers of windows and tables, versions at their activation. Keeps: the standardizers,
//! and a room a model ([`super::score`]). Out: predictions, and what became of each event, by model.

use super::answers::Answers;
use super::control::Resolution;
use super::items::{Answer, Case, CaseKind, Forget, Outcome};
use super::pairing::{Arrived, Relabelled};
use super::plan::Plan;
use super::saving::{Keeps, Sections, Shares};
use super::score::{ModelRoom, Scores, Vectored};
use crate::feature::program::{Inputs, Memory};
use crate::feature::standardize::Standardizer;
use crate::model::Body;
use crate::time::Time;
use std::sync::Arc;

/// The rooms.
pub struct Models {
    plan: Arc<Plan>,
    memory: Memory,
    rooms: Vec<ModelRoom>,
}

impl Keeps for Models {
    fn save(&self, to: &Sections) {
        to.value(&self.plan.operators.standardized, 0, &self.memory.standardizers());
        self.rooms.save(to);
    }

    fn restore(&mut self, from: &Shares<'_>) -> Result<(), String> {
        let standardized = &self.plan.operators.standardized;
        if let Some(kept) = from.value::<Vec<Standardizer>>(standardized, 0)?
            && !self.memory.resume(kept)
        {
            return Err(format!("section {}: it is not of the features of this pipeline", standardized.name));
        }
        self.rooms.restore(from)
    }
}

impl Models {
    /// Rooms in which nothing was scored yet.
    pub fn new(plan: Arc<Plan>) -> Models {
        let memory = plan.features.program.memory();
        Models { memory, rooms: plan.models().into_iter().map(ModelRoom::new).collect(), plan }
    }

    /// The online learners' states, as they are now, by model.
    pub fn save_live(&self) -> impl Iterator<Item = (u16, Arc<Body>)> {
        self.rooms.iter().zip(0..).map(|(room, model)| (model, Arc::new(room.save_live())))
    }

    /// A version or a change of roles takes effect.
    pub fn activate(&mut self, resolution: &Resolution) {
        self.rooms[usize::from(resolution.model)].activate(resolution);
    }

    /// Takes the cases of a tick, in order, with the answers to its events.
    pub fn take_all(&mut self, cases: Vec<Case>, answers: &[Answer]) -> Scores {
        let mut scores = Scores::with_capacity(cases.len() * self.rooms.len());
        let mut found = Answers::new(&self.plan);
        let mut rest = answers;
        for case in cases {
            let Case { seq, key, now, kind } = case;
            match kind {
                CaseKind::Event { id, time, mut values } => {
                    let mine = rest.iter().take_while(|answer| answer.seq == seq).count();
                    let (answers, others) = rest.split_at(mine);
                    rest = others;
                    found.clear();
                    answers.iter().for_each(|answer| found.take(&self.plan, answer));
                    let event = Arrived { seq, key, now, id, time, values: &mut values };
                    self.event(event, &found, &mut scores);
                }
                CaseKind::Label { before, after } => {
                    self.label(Relabelled { seq, key, now, before, after }, &mut scores);
                }
            }
        }
        scores
    }

    /// Scores an event, with the answers to it.
    #[inline]
    pub fn event(&mut self, event: Arrived, answers: &Answers, scores: &mut Scores) {
        let Arrived { seq, key, now, id, time, values } = event;
        let inputs = Inputs { time, event: values, tables: &answers.tables, windows: &answers.windows };
        let vector = Arc::new(self.plan.features.program.run(&mut self.memory, &inputs));
        scores.others += std::mem::take(&mut self.memory.others);
        let event = Vectored { seq, key, now, id, time, vector };
        self.rooms.iter_mut().for_each(|room| room.event(&event, values, scores));
    }

    /// Learns a label that became known, changed, or was withdrawn.
    #[inline]
    pub fn label(&mut self, label: Relabelled, scores: &mut Scores) {
        self.rooms.iter_mut().for_each(|room| room.label(&label, scores));
    }

    /// Pipeline time is `now`: timeouts pass.
    pub fn pass(&mut self, now: Time, outcomes: &mut Vec<Outcome>) {
        self.rooms.iter_mut().for_each(|room| room.pass(now, outcomes));
    }

    /// Forgets labels by request, at a boundary.
    pub fn forget(&mut self, asked: &[Forget], now: Time, outcomes: &mut Vec<Outcome>) {
        if !asked.is_empty() {
            self.rooms.iter_mut().for_each(|room| room.forget(asked, now, outcomes));
        }
    }

    /// Examples leave the training windows, at a boundary.
    pub fn evict(&mut self, boundary: Time) {
        self.rooms.iter_mut().for_each(|room| room.evict(boundary));
    }
}
