//! The training window of a model: what is kept of each labelled event, by (prediction time, id).
//!
//! In: what is kept of an event when its label becomes known or changes. Keeps: that, until it is older than `window`
//! or one of more than `max_examples`, looked for at boundaries. The room that trains keeps examples in it, and the
//! room of an exact learner the vectors and labels that the learner may have to be rid of; both follow the same
//! outcomes and boundaries, so both hold the same events.

use crate::config::spec::TrainSpec;
use crate::time::Time;
use compact_str::CompactString;
use std::collections::{BTreeMap, BTreeSet};

/// An event's place: its time, and its prediction id.
pub type Place = (Time, CompactString);

/// The window.
pub struct Window<E>(BTreeMap<Place, E>);

impl<E> Window<E> {
    /// One that holds these.
    pub fn of(examples: impl IntoIterator<Item = (Place, E)>) -> Window<E> {
        Window(examples.into_iter().collect())
    }

    /// How many it holds.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// What it holds, in order.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &E> {
        self.0.values()
    }

    /// The time of the newest event.
    pub fn newest(&self) -> Option<Time> {
        self.0.last_key_value().map(|((predicted, _), _)| *predicted)
    }

    /// Takes one in; gives back what stood in its place.
    pub fn insert(&mut self, place: Place, example: E) -> Option<E> {
        self.0.insert(place, example)
    }

    /// Takes one out.
    pub fn remove(&mut self, place: &Place) -> Option<E> {
        self.0.remove(place)
    }

    /// Takes out all events with one of these ids, any of which may have come again after it was free; oldest first.
    /// Looks at all places: it is asked for rarely.
    pub fn remove_ids(&mut self, ids: &BTreeSet<&str>) -> Vec<(Place, E)> {
        let is_meant = |(_, id): &&Place| ids.contains(id.as_str());
        let places: Vec<Place> = self.0.keys().filter(is_meant).cloned().collect();
        places.into_iter().filter_map(|place| self.0.remove_entry(&place)).collect()
    }

    /// Lets go of what is too old, then of the oldest of what is too much; says how many those were.
    pub fn evict(&mut self, train: &TrainSpec, boundary: Time) -> u64 {
        let oldest = boundary.minus(train.window);
        while self.0.first_key_value().is_some_and(|((predicted, _), _)| *predicted < oldest) {
            self.0.pop_first();
        }
        let crowded = self.0.len().saturating_sub(train.max_examples);
        (0..crowded).for_each(|_| drop(self.0.pop_first()));
        crowded as u64
    }
}
