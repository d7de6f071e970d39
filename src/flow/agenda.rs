//! An agenda: which key is due when. Dates come nearly in order, so a late one is put in its place from behind.

use crate::record::Key;
use crate::time::{Span, Time};
use std::collections::VecDeque;

/// Keys by date.
#[derive(Default)]
pub struct Agenda {
    entries: VecDeque<(Time, Key)>,
}

impl Agenda {
    /// Puts a key on the agenda.
    pub fn add(&mut self, date: Time, key: Key) {
        if self.entries.back().is_none_or(|(last, _)| *last <= date) {
            return self.entries.push_back((date, key));
        }
        let mut place = self.entries.len();
        while place > 0 && self.entries[place - 1].0 > date {
            place -= 1;
        }
        self.entries.insert(place, (date, key));
    }

    /// Takes the earliest key whose date plus `span` is before `now`.
    pub fn due(&mut self, now: Time, span: Span) -> Option<Key> {
        let (date, _) = self.entries.front()?;
        if date.plus(span) >= now {
            return None;
        }
        self.entries.pop_front().map(|(_, key)| key)
    }
}
