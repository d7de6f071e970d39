//! The tick that is being filled: its rows, what it refused, and what it consumed of each partition.

use super::super::ingest::Minted;
use super::super::items::Item;
use super::super::lanes::{Place, order};
use crate::record::{DeadLetter, Kind, Row};
use crate::time::Time;
use std::time::Instant;

/// What was consumed from a lane.
#[derive(Clone, Default)]
struct Consumed {
    records: u64,
    /// The first offset that was not.
    end: u64,
    /// The digests of the records, one behind the other.
    digests: Vec<u8>,
}

/// The open tick.
pub(super) struct OpenTick {
    rows: Vec<Item>,
    /// The order's place of the last row, while they came in order.
    last: Option<Place>,
    sorted: bool,
    /// By lane.
    consumed: Vec<Consumed>,
    /// What else is known of it.
    pub(super) minted: Minted,
    /// When its first record was taken.
    pub(super) opened: Instant,
}

impl OpenTick {
    pub(super) fn new() -> OpenTick {
        OpenTick {
            rows: Vec::new(),
            last: None,
            sorted: true,
            consumed: Vec::new(),
            minted: Minted::default(),
            opened: Instant::now(),
        }
    }

    /// Its records: rows, and what was refused.
    pub(super) fn records(&self) -> usize {
        self.rows.len() + self.minted.dead.len()
    }

    /// The first offset of a lane that it has not consumed, if it has consumed any.
    pub(super) fn end(&self, lane: usize) -> Option<u64> {
        self.consumed.get(lane).filter(|consumed| consumed.records > 0).map(|consumed| consumed.end)
    }

    /// Takes a row.
    pub(super) fn row(&mut self, lane: usize, kind: Kind, digest: u64, row: Row, arrived: Instant) {
        self.consume(lane, digest, row.position.offset);
        if kind == Kind::Event {
            match self.minted.arrivals.last_mut() {
                Some((instant, events)) if *instant == arrived => *events += 1,
                _ => self.minted.arrivals.push((arrived, 1)),
            }
        }
        let place = order(kind, &row);
        self.sorted &= self.last.is_none_or(|last| last < place);
        self.last = Some(place);
        self.rows.push(Item { seq: 0, now: Time::default(), row });
    }

    /// Takes what cannot be used.
    pub(super) fn dead(&mut self, lane: usize, digest: u64, letter: DeadLetter) {
        self.consume(lane, digest, letter.position.offset);
        self.minted.dead.push(letter);
    }

    fn consume(&mut self, lane: usize, digest: u64, offset: u64) {
        if self.records() == 0 {
            self.opened = Instant::now();
        }
        if self.consumed.len() <= lane {
            self.consumed.resize(lane + 1, Consumed::default());
        }
        let consumed = &mut self.consumed[lane];
        consumed.records += 1;
        consumed.end = offset + 1;
        consumed.digests.extend_from_slice(&digest.to_le_bytes());
    }

    /// Its rows in the law's order. What it consumed is noted down, partition by partition: in which order partitions
    /// were merged is no part of it.
    pub(super) fn close(&mut self, kinds: &[Kind], partition: impl Fn(usize) -> (u16, u16)) -> Vec<Item> {
        let next = Vec::with_capacity(self.rows.len());
        let mut rows = std::mem::replace(&mut self.rows, next);
        if !self.sorted {
            rows.sort_by_key(|item| order(kinds[usize::from(item.row.position.source)], &item.row));
        }
        (self.last, self.sorted) = (None, true);
        let mut lanes: Vec<_> = self.consumed.iter_mut().enumerate().filter(|(_, c)| c.records > 0).collect();
        lanes.sort_by_key(|(lane, _)| partition(*lane));
        let mut digest = blake3::Hasher::new();
        for (lane, consumed) in lanes {
            let (source, number) = partition(lane);
            *self.minted.records.entry(source).or_default() += consumed.records;
            self.minted.ends.insert((source, number), consumed.end);
            digest.update(&source.to_le_bytes()).update(&number.to_le_bytes());
            digest.update(&consumed.records.to_le_bytes()).update(&consumed.digests);
            consumed.records = 0;
            consumed.digests.clear();
        }
        self.minted.digest = Some(*digest.finalize().as_bytes());
        self.minted.ahead.sort_by_key(|(partition, offset, _)| (*partition, *offset));
        rows
    }
}
