//! The stash of a room: what came in, by tick, until the tick is complete at all of its inputs.
//!
//! A room drains its inputs into the stash, then takes complete ticks out of it, in order, and acts. The capability of
//! a tick is kept with its data, one an output, so what a room makes of a tick leaves at that tick.

use std::collections::BTreeMap;
use timely::communication::Pull;
use timely::dataflow::channels::Message;
use timely::dataflow::operators::generic::InputHandleCore;
use timely::dataflow::operators::{Capability, InputCapability};
use timely::progress::frontier::MutableAntichain;

/// A tick: a dense number.
pub type Tick = u64;

/// One capability an output of the room.
pub type Permits = Vec<Capability<Tick>>;

/// An input of a room.
type Input<T, P> = InputHandleCore<Tick, Vec<T>, P>;

/// Adds a batch to what a tick has. The first one is taken as it is: rooms send a tick's data in one piece.
fn join<T>(stash: &mut Vec<T>, batch: &mut Vec<T>) {
    if stash.is_empty() {
        std::mem::swap(stash, batch);
    } else {
        stash.append(batch);
    }
}

/// Ticks that are still open, each with what came in so far.
pub struct Ticks<D> {
    outputs: usize,
    open: BTreeMap<Tick, (Permits, D)>,
}

impl<D: Default> Ticks<D> {
    /// An empty stash of a room with so many outputs.
    pub fn new(outputs: usize) -> Ticks<D> {
        Ticks { outputs, open: BTreeMap::new() }
    }

    /// Drains an input into a list of the stash, by tick.
    pub fn stash<T, P>(&mut self, input: &mut Input<T, P>, list: impl Fn(&mut D) -> &mut Vec<T>)
    where
        P: Pull<Message<Tick, Vec<T>>>,
    {
        input.for_each(|capability, batch| {
            if let Some(open) = self.at(&capability) {
                join(list(open), batch);
            }
        });
    }

    /// Drains an input that has at most one thing a tick into its place in the stash.
    pub fn last<T, P>(&mut self, input: &mut Input<T, P>, place: impl Fn(&mut D) -> &mut Option<T>)
    where
        P: Pull<Message<Tick, Vec<T>>>,
    {
        input.for_each(|capability, batch| {
            if let Some(open) = self.at(&capability) {
                *place(open) = batch.drain(..).next_back();
            }
        });
    }

    /// The stash of the tick of some input; `None` for a message without a time, which carries no data.
    fn at(&mut self, capability: &InputCapability<Tick>) -> Option<&mut D> {
        let tick = *capability.least()?;
        Some(self.of(capability, tick))
    }

    /// The stash of a given tick, at or beyond that of the input: differential sends updates of several ticks in one
    /// message, each with its own.
    pub fn of(&mut self, capability: &InputCapability<Tick>, tick: Tick) -> &mut D {
        let outputs = self.outputs;
        let (_, data) = self.open.entry(tick).or_insert_with(|| {
            let permits = (0..outputs).map(|port| capability.delayed(&tick, port)).collect();
            (permits, D::default())
        });
        data
    }

    /// The earliest tick that no input can add to any more, with its capabilities.
    pub fn complete(&mut self, frontiers: &[MutableAntichain<Tick>]) -> Option<(Tick, Permits, D)> {
        let first = *self.open.keys().next()?;
        if frontiers.iter().any(|frontier| frontier.less_equal(&first)) {
            return None;
        }
        self.open.remove(&first).map(|(permits, data)| (first, permits, data))
    }
}
