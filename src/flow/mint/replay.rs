//! Minting again what was committed: the recorded ticks, with the recorded cuts.
//!
//! In: the history, and the same input from its beginning. Out: the same ticks, by the same hands that mint live ones.
//! A tick's rows are those below its recorded ends, whatever order the partitions deliver in; boundaries, requests by
//! hand and the place of activations are taken from the record, while the training itself is simply run again. Then the
//! minter stands where it stood, and goes on by itself.

use super::super::caution::Place;
use super::super::failure::Failure;
use super::super::history::Recorded;
use super::super::items::Asked;
use super::super::lanes::Next;
use super::super::progress::name_of;
use super::{Minter, Outputs};
use crate::time::Time;

impl Minter {
    /// Whether the next tick was committed before.
    pub(super) fn replays(&self) -> bool {
        self.next < self.history.end()
    }

    /// Mints the next recorded tick, or says that something must come in first.
    pub(super) fn mint_again(&mut self, out: &mut Outputs) -> Result<bool, Failure> {
        let recorded = self.recorded.take().or_else(|| self.history.recorded(&self.plan, self.next).map(Box::new));
        let Some(recorded) = recorded else { unreachable!("all of the history was read before") };
        let progress = &recorded.progress;
        if progress.activation.as_ref().is_some_and(|activation| !self.is_resolved_as(&activation.decision)) {
            self.hold();
        } else if self.gather(&recorded)? {
            // Before the tick is sent, which says what comes next.
            self.boundary = progress.next_boundary.map_or(Time(i64::MAX), |next| next.0);
            if let Some(boundary) = progress.boundary {
                self.closed |= progress.last;
                // The record has them, too.
                self.commanded = Asked::default();
                let asked = self.recorded(progress)?;
                self.mint_boundary(out, boundary.0, progress.last, asked);
            } else if progress.activation.is_some() {
                self.mint_resolution(out);
            } else {
                self.close(out);
            }
            return Ok(true);
        }
        self.recorded = Some(recorded);
        Ok(false)
    }

    /// Whether what takes effect next is known to be of this decision. What is known of another one that takes effect
    /// later may be there before: a replay does not wait for judgements. Once all are in there is nothing to wait for.
    fn is_resolved_as(&self, decision: &str) -> bool {
        let next = self.announced.first_key_value().and_then(|(_, resolution)| resolution.as_ref());
        next.is_some_and(|next| next.decision == decision || self.unjudged.is_empty())
    }

    /// Takes all records below the recorded ends; false if some must be delivered first.
    fn gather(&mut self, recorded: &Recorded) -> Result<bool, Failure> {
        let mut all = true;
        for (partition, end) in &recorded.ends {
            all &= self.gather_lane(recorded, *partition, *end)?;
        }
        Ok(all)
    }

    fn gather_lane(&mut self, recorded: &Recorded, partition: (u16, u16), end: u64) -> Result<bool, Failure> {
        let (tick, name) = (recorded.progress.tick, name_of(&self.plan, partition));
        let gone = |found: String| Failure::Gone { tick, partition: name.clone(), end, found };
        let Some(lane) = self.lanes.of(partition) else { return Err(gone("does not exist".to_owned())) };
        while self.open.end(lane) != Some(end) {
            match self.lanes.next(lane) {
                Next::Wait => return Ok(false),
                Next::End if self.lanes.failures.is_empty() => {
                    let last = self.open.end(lane).map_or_else(String::new, |last| format!(" at {last}"));
                    return Err(gone(format!("ends{last}")));
                }
                Next::End => return Err(Failure::Source(self.lanes.failures.remove(0))),
                Next::Record(offset, _) if offset >= end => return Err(gone(format!("goes on at {offset}"))),
                Next::Record(offset, time) => self.take_again(recorded, lane, (partition, offset), time),
            }
        }
        Ok(true)
    }

    fn take_again(&mut self, recorded: &Recorded, lane: usize, place: Place, time: Option<Time>) {
        if let Some(now) = recorded.ahead.get(&place) {
            self.refuse_ahead(lane, *now);
        } else if let Some(detail) = recorded.poison.get(&place) {
            self.refuse_poison(lane, detail.clone());
        } else {
            if let Some(time) = time {
                self.now = Some(self.now.map_or(time, |now| now.max(time)));
            }
            self.consume(lane);
        }
    }
}
