//! The rooms of all models of a pipeline, on one worker.
//!
//! In: events as vectors, labels, versions at their activation. Keeps: a room a model ([`super::score`]). Out:
//! predictions, and what became of each event, by model; on request what others train from ([`super::handout`]).

use super::control::Resolution;
use super::handout::Handout;
use super::items::{Forget, Outcome, Said};
use super::pairing::Relabelled;
use super::plan::Plan;
use super::saving::{Keeps, Sections, Shares};
use super::score::{ModelRoom, Scores, Vectored};
use crate::model::Body;
use crate::record::Value;
use crate::sink::Page;
use crate::time::Time;
use std::sync::Arc;

/// The rooms.
pub struct Models {
    rooms: Vec<ModelRoom>,
    handout: Handout,
}

impl Keeps for Models {
    fn save(&self, to: &Sections) {
        self.rooms.save(to);
    }

    fn restore(&mut self, from: &Shares<'_>) -> Result<(), String> {
        self.rooms.restore(from)
    }
}

impl Models {
    /// Rooms in which nothing was scored yet; the members of an ensemble are elsewhere if they may be `apart`.
    pub fn new(plan: &Arc<Plan>, apart: bool) -> Models {
        let rooms = plan.models().into_iter().map(|plan| ModelRoom::new(plan, apart)).collect();
        Models { rooms, handout: Handout::new(plan) }
    }

    /// How many they are.
    pub fn count(&self) -> usize {
        self.rooms.len()
    }

    /// Takes in what members elsewhere said of a tick, before anything of it.
    pub fn hear(&mut self, said: Vec<Said>) {
        let mut said = said.into_iter().fold(vec![Vec::new(); self.rooms.len()], |mut by_model, said| {
            by_model[usize::from(said.model)].push(said);
            by_model
        });
        self.rooms.iter_mut().zip(&mut said).for_each(|(room, said)| room.hear(std::mem::take(said)));
    }

    /// The online learners' states, at a boundary, by model; of those of which something may be trained.
    pub fn save_live(&mut self) -> impl Iterator<Item = (u16, Arc<Body>)> {
        let rooms = self.rooms.iter_mut().zip(0..);
        rooms.filter_map(|(room, model)| Some((model, Arc::new(room.save_live()?))))
    }

    /// A version or a change of roles takes effect.
    pub fn activate(&mut self, resolution: &Resolution) {
        self.rooms[usize::from(resolution.model)].activate(resolution);
    }

    /// Scores an event.
    #[inline]
    pub fn event(&mut self, event: &Vectored, values: &[Value], scores: &mut Scores) {
        self.handout.event(event);
        self.rooms.iter_mut().for_each(|room| room.event(event, values, scores));
    }

    /// Learns a label that became known, changed, or was withdrawn.
    #[inline]
    pub fn label(&mut self, label: &Relabelled, scores: &mut Scores) {
        for room in &mut self.rooms {
            let before = scores.outcomes.len();
            room.label(label, scores);
            self.handout.labels(room.plan(), &scores.outcomes[before..]);
        }
    }

    /// Pipeline time is `now`: timeouts pass.
    pub fn pass(&mut self, now: Time, outcomes: &mut Vec<Outcome>) {
        self.rooms.iter_mut().for_each(|room| room.pass(now, outcomes));
    }

    /// Forgets labels by request, at a boundary.
    pub fn forget(&mut self, asked: &[Forget], now: Time, outcomes: &mut Vec<Outcome>) {
        for room in self.rooms.iter_mut().filter(|_| !asked.is_empty()) {
            let before = outcomes.len();
            room.forget(asked, now, outcomes);
            self.handout.labels(room.plan(), &outcomes[before..]);
            self.handout.forget(room.plan(), asked, now, &outcomes[before..]);
        }
    }

    /// What is handed out of a tick.
    pub fn take_handout(&mut self) -> impl Iterator<Item = Page> {
        self.handout.take()
    }

    /// Examples leave the training windows, at a boundary.
    pub fn evict(&mut self, boundary: Time) {
        self.rooms.iter_mut().for_each(|room| room.evict(boundary));
    }
}
