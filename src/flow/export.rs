//! The room that gives examples away: each event as it was served, with its label as it is known at the end.
//!
//! In: what became of events, on the models' worker. Out: one [`Exported`] an event and model, in the order in which
//! the events were scored, as soon as nothing before it can change any more; what is still open at the end of the ticks
//! goes last, with the label that it has by then. Keeps: the events behind the oldest that is open, which are bounded
//! by the timeout. It stands in no run, only where committed ticks are made again to be exported.

use super::items::{Outcome, Scored, Turn};
use super::ticks::{Tick, Ticks};
use crate::task::Label;
use crate::time::Time;
use compact_str::CompactString;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

/// What takes examples.
pub type Taker = Box<dyn FnMut(&Exported) + Send>;

/// What is exported, and whereto.
#[derive(Clone)]
pub struct Export {
    /// Only of this model, by its place in the pipeline file.
    pub model: Option<u16>,
    /// Only events with a time from here on.
    pub from: Time,
    /// Only events with a time before this.
    pub to: Time,
    /// Takes them, in order.
    pub into: Arc<Mutex<Taker>>,
}

/// An event as it was served.
pub struct Exported {
    /// The model, by its place in the pipeline file.
    pub model: u16,
    /// The tick in which it was scored.
    pub tick: Tick,
    /// What was served, and from what.
    pub scored: Rc<Scored>,
    /// Its label as it is known now.
    pub label: Option<Label>,
    /// Whether that is for good: its timeout has passed.
    pub settled: bool,
}

/// The events that cannot be given away yet.
struct Open {
    export: Export,
    events: VecDeque<Exported>,
    /// How many were given away.
    gone: u64,
    /// Where each open one is, counted from the first of all. An id is known once at a time.
    places: BTreeMap<(u16, CompactString), u64>,
}

impl Open {
    fn take(&mut self, tick: Tick, outcome: Outcome) {
        let Outcome { model, scored, turn, .. } = outcome;
        let wanted = self.export.model.is_none_or(|only| only == model);
        if !wanted || scored.time < self.export.from || scored.time >= self.export.to {
            return;
        }
        let key = (model, scored.id.clone());
        match turn {
            Turn::Scored => {
                self.places.insert(key, self.gone + self.events.len() as u64);
                self.events.push_back(Exported { model, tick, scored, label: None, settled: false });
            }
            Turn::Labelled { after, .. } => {
                let place = self.places.get(&key).copied();
                self.at(place).into_iter().for_each(|event| event.label = after);
            }
            Turn::Forgotten { .. } => {}
            Turn::Settled { .. } => {
                let place = self.places.remove(&key);
                self.at(place).into_iter().for_each(|event| event.settled = true);
            }
        }
    }

    fn at(&mut self, place: Option<u64>) -> Option<&mut Exported> {
        self.events.get_mut((place? - self.gone) as usize)
    }

    /// Gives away what nothing can change; all of it at the end.
    fn give(&mut self, end: bool) {
        let mut into = self.export.into.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(event) = self.events.pop_front_if(|event| event.settled || end) {
            self.gone += 1;
            into(&event);
        }
    }
}

/// Builds the room; `outcomes` are on one worker.
pub fn export(export: Export, outcomes: StreamVec<'_, Tick, Outcome>) {
    let mut builder = OperatorBuilder::new("Export".to_owned(), outcomes.scope());
    let mut outcomes = builder.new_input(outcomes, Pipeline);
    builder.build(move |_| {
        let mut open = Open { export, events: VecDeque::new(), gone: 0, places: BTreeMap::new() };
        let mut ticks: Ticks<Vec<Outcome>> = Ticks::new(0);
        move |frontiers| {
            ticks.stash(&mut outcomes, |all| all);
            while let Some((tick, _, all)) = ticks.complete(frontiers) {
                all.into_iter().for_each(|outcome| open.take(tick, outcome));
                open.give(false);
            }
            if frontiers.iter().all(|frontier| frontier.is_empty()) {
                open.give(true);
            }
        }
    });
}
