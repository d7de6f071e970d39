//! Events that wait for something, a label for instance, each with what a room knows of it, until a timeout.

use super::agenda::Agenda;
use crate::record::{Key, KeyMap};
use crate::time::{Span, Time};

/// The events.
pub struct Awaiting<T> {
    timeout: Span,
    events: KeyMap<(Time, T)>,
    dates: Agenda,
}

impl<T> Awaiting<T> {
    /// None yet; each will be kept for so long from its own time on.
    pub fn new(timeout: Span) -> Awaiting<T> {
        Awaiting { timeout, events: KeyMap::default(), dates: Agenda::default() }
    }

    /// One more, of this time; it takes the place of an earlier one of the key.
    #[inline]
    pub fn insert(&mut self, key: Key, time: Time, known: T) {
        self.dates.add(time, key);
        self.events.insert(key, (time, known));
    }

    /// Takes up those of a checkpoint, in any order.
    pub fn resume(&mut self, mut events: Vec<(Key, Time, T)>) {
        // What is due together is due in any order.
        events.sort_unstable_by_key(|(key, time, _)| (*time, *key));
        self.events.reserve(events.len());
        events.into_iter().for_each(|(key, time, known)| self.insert(key, time, known));
    }

    /// What is known of one.
    #[inline]
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        self.events.get_mut(&key).map(|(_, known)| known)
    }

    /// The next whose timeout has passed at `now`; it is kept no longer.
    #[inline]
    pub fn due(&mut self, now: Time) -> Option<(Key, T)> {
        while let Some(key) = self.dates.due(now, self.timeout) {
            // One that came again is due later.
            if self.events.get(&key).is_some_and(|(time, _)| time.plus(self.timeout) < now)
                && let Some((_, known)) = self.events.remove(&key)
            {
                return Some((key, known));
            }
        }
        None
    }

    /// All of them by logical shard, in no order within.
    pub fn by_shard(&self) -> Vec<Vec<(Key, &T)>> {
        let mut shards: Vec<Vec<(Key, &T)>> = (0..Key::SHARDS).map(|_| Vec::new()).collect();
        self.events.iter().for_each(|(key, (_, known))| shards[key.shard() as usize].push((*key, known)));
        shards
    }
}
