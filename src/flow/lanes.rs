//! The merge of partitions by event time, before ticks are cut.
//!
//! In: the deliveries of every partition. Out: one record after another, by (event time, kind, source, partition,
//! offset) of the partitions' heads, so that input in order comes out in the law's order. A partition with nothing
//! received is waited for, unless the run is live and it has been silent for `idle_ms` since it caught up with what was
//! there before the run. Records of one partition never
//! overtake each other.

use crate::record::{Kind, Row};
use crate::source::{Batch, Delivery, Partition, Record, SourceError};
use crate::time::{Span, Time};
use std::collections::VecDeque;
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

/// One partition on its way in.
struct Lane {
    partition: Partition,
    kind: Kind,
    ready: VecDeque<Record>,
    arrived: Instant,
    /// Whether it has still to deliver what was there before the run.
    behind: bool,
    /// Since when it has nothing, as long as it has nothing. Counted from the look that found it empty, not from its
    /// last batch: that one may have waited for long behind others, and what follows it may come at once.
    silent_since: Option<Instant>,
    ended: bool,
    /// The event time of the last row taken; its first row waits for its turn however far ahead it is.
    last: Option<Time>,
    /// Rows in a row that were too far ahead.
    ahead: u32,
    /// What stands at the head of `ready`, so that the merge looks at the record itself only once.
    front: Front,
}

/// The first record of a lane.
#[derive(Clone, Copy)]
enum Front {
    Nothing,
    Dead,
    Row(Place),
}

/// A record's place in the law's order.
pub type Place = (Time, Kind, u16, u16, u64);

/// After so many in a row from one partition, event times far ahead are believed.
const BELIEVED_AFTER: u32 = 100;

impl Lane {
    fn pop(&mut self) -> Option<Record> {
        let record = self.ready.pop_front();
        self.look();
        record
    }

    fn look(&mut self) {
        self.front = match self.ready.front().map(|record| &record.body) {
            None => Front::Nothing,
            Some(Err(_)) => Front::Dead,
            Some(Ok(row)) => Front::Row(order(self.kind, row)),
        };
    }

    fn too_far(&self, time: Time, now: Option<Time>, max_ahead: Span) -> bool {
        let (Some(last), Some(now)) = (self.last, now) else { return false };
        time > now.max(last).plus(max_ahead) && self.ahead + 1 < BELIEVED_AFTER
    }
}

/// All partitions of a run.
pub struct Lanes {
    lanes: Vec<Lane>,
    kinds: Vec<Kind>,
    /// Set for live input: a silent partition is not waited for.
    idle_after: Option<Duration>,
    /// How far beyond pipeline time, and beyond its partition's last row, an event time is believed.
    max_ahead: Span,
    /// What went wrong while reading, in the order in which it was met.
    pub failures: Vec<SourceError>,
}

/// What the merge offers next.
pub enum Head {
    /// The next record is a row of a lane, of this event time; take it with [`Lanes::take`].
    Row(usize, Time),
    /// The next record of a lane is too far ahead of pipeline time to be believed; it goes before all rows, or it would
    /// hold up what stands behind it until all other lanes are at their end.
    Ahead(usize),
    /// The next record is a dead letter already; it has no place in event time and goes before all rows.
    Dead(usize),
    /// Some partition must deliver first.
    Wait,
    /// All partitions are at their end, or one cannot be read on.
    End,
}

/// What a lane has next, whatever the others have.
pub enum Next {
    /// A record at this offset, of this event time if it is a row.
    Record(u64, Option<Time>),
    /// It must deliver first.
    Wait,
    /// It delivers nothing more.
    End,
}

impl Lanes {
    /// The merge of these partitions; `kinds` by source number.
    pub fn new(partitions: Vec<Partition>, kinds: &[Kind], idle_after: Option<Duration>, max_ahead: Span) -> Lanes {
        let now = Instant::now();
        let lane = |partition: Partition| Lane {
            kind: kinds[partition.source as usize],
            behind: partition.backlog,
            partition,
            ready: VecDeque::new(),
            arrived: now,
            silent_since: None,
            ended: false,
            last: None,
            ahead: 0,
            front: Front::Nothing,
        };
        let lanes = partitions.into_iter().map(lane).collect();
        let kinds = kinds.to_vec();
        Lanes { lanes, kinds, idle_after, max_ahead, failures: Vec::new() }
    }

    /// The next record by the merge order; `now` is pipeline time.
    pub fn head(&mut self, now: Option<Time>) -> Head {
        let mut waiting = false;
        let mut refused: Option<(usize, bool)> = None;
        let mut best: Option<(Place, usize)> = None;
        for number in 0..self.lanes.len() {
            self.refill(number);
            let lane = &self.lanes[number];
            match lane.front {
                Front::Dead => refused = refused.or(Some((number, false))),
                Front::Row(place) if lane.too_far(place.0, now, self.max_ahead) => {
                    refused = refused.or(Some((number, true)));
                }
                Front::Row(place) => {
                    if best.is_none_or(|(first, _)| place < first) {
                        best = Some((place, number));
                    }
                }
                Front::Nothing if lane.ended => {}
                Front::Nothing => {
                    let silent = lane.silent_since.map_or(Duration::ZERO, |since| since.elapsed());
                    waiting |= lane.behind || self.idle_after.is_none_or(|after| silent < after);
                }
            }
        }
        if !self.failures.is_empty() {
            // Without the rest of one partition the others are no whole any more, and a live run would go on for ever.
            return Head::End;
        }
        match (refused, best) {
            // Also before what is refused: of two partitions that both begin with such a record, the one that happened
            // to deliver first would go first.
            _ if waiting => Head::Wait,
            (Some((number, false)), _) => Head::Dead(number),
            (Some((number, true)), _) => Head::Ahead(number),
            (None, Some((place, number))) => Head::Row(number, place.0),
            (None, None) if self.lanes.iter().all(|lane| lane.ended) => Head::End,
            (None, None) => Head::Wait,
        }
    }

    /// Takes the head of a lane, with the instant at which its batch arrived.
    pub fn take(&mut self, place: usize) -> Option<(Record, Instant)> {
        let lane = &mut self.lanes[place];
        let record = lane.pop()?;
        if let Ok(row) = &record.body {
            lane.last = Some(row.time);
            lane.ahead = 0;
        }
        Some((record, lane.arrived))
    }

    /// Takes the head of a lane as if it had never been there.
    pub fn take_out(&mut self, place: usize) -> Option<Record> {
        self.lanes[place].pop()
    }

    /// The offset of the head of a lane, if it is a row.
    pub fn offset(&self, place: usize) -> Option<u64> {
        match self.lanes[place].front {
            Front::Row((.., offset)) => Some(offset),
            _ => None,
        }
    }

    /// Takes the head of a lane that is too far ahead.
    pub fn take_ahead(&mut self, place: usize) -> Option<Record> {
        let lane = &mut self.lanes[place];
        lane.ahead += 1;
        lane.pop()
    }

    /// What a lane has next.
    pub fn next(&mut self, place: usize) -> Next {
        self.refill(place);
        let lane = &self.lanes[place];
        match (lane.front, lane.ready.front().map(|record| &record.body)) {
            (Front::Row((time, .., offset)), _) => Next::Record(offset, Some(time)),
            (_, Some(Err(dead))) => Next::Record(dead.position.offset, None),
            _ if lane.ended => Next::End,
            _ => Next::Wait,
        }
    }

    /// The lane of a (source, partition).
    pub fn of(&self, partition: (u16, u16)) -> Option<usize> {
        (0..self.lanes.len()).find(|place| self.partition(*place) == partition)
    }

    /// (source, partition) of a lane.
    pub fn partition(&self, place: usize) -> (u16, u16) {
        (self.lanes[place].partition.source, self.lanes[place].partition.partition)
    }

    /// What is remembered of each partition that was read: the event time of the last row taken, and how many since
    /// then were too far ahead.
    pub fn memory(&self) -> Vec<((u16, u16), Option<Time>, u32)> {
        (0..self.lanes.len()).map(|n| (self.partition(n), self.lanes[n].last, self.lanes[n].ahead)).collect()
    }

    /// Goes on with that, of one partition.
    pub fn remember(&mut self, partition: (u16, u16), last: Option<Time>, ahead: u32) {
        if let Some(place) = self.of(partition) {
            let lane = &mut self.lanes[place];
            (lane.last, lane.ahead) = (last, ahead);
        }
    }

    /// The kind of each source's records, by source number.
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// The kind of a lane's records.
    pub fn kind(&self, place: usize) -> Kind {
        self.lanes[place].kind
    }

    fn refill(&mut self, place: usize) {
        let lane = &mut self.lanes[place];
        if !lane.ready.is_empty() || lane.ended {
            return;
        }
        match lane.partition.deliveries.try_recv() {
            Ok(Delivery::Batch(Batch { arrived, records })) => {
                lane.arrived = arrived;
                lane.silent_since = None;
                lane.ready = records.into();
                lane.look();
            }
            Ok(Delivery::CaughtUp) => {
                lane.behind = false;
                self.refill(place);
            }
            Ok(Delivery::End) => lane.ended = true,
            Ok(Delivery::Failed(error)) => {
                self.failures.push(error);
                lane.ended = true;
            }
            Err(TryRecvError::Empty) => {
                lane.silent_since.get_or_insert_with(Instant::now);
            }
            Err(TryRecvError::Disconnected) => {
                self.failures.push(SourceError::Read {
                    source_name: lane.partition.source.to_string(),
                    place: format!("partition {}", lane.partition.partition),
                    offset: 0,
                    cause: "its reader stopped without a word".to_owned(),
                });
                lane.ended = true;
            }
        }
    }
}

/// The law's order: event time, then kind, then source, partition, offset.
pub fn order(kind: Kind, row: &Row) -> Place {
    (row.time, kind, row.position.source, row.position.partition, row.position.offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{DeadLetter, Position, Raw, Reason};
    use std::sync::mpsc::sync_channel;

    /// Which partition delivers first is the scheduler's doing, and must not show.
    #[test]
    fn what_is_refused_waits_for_all_partitions() {
        let (slow, from_slow) = sync_channel(1);
        let (quick, from_quick) = sync_channel(1);
        let partition = |source, deliveries| Partition { source, partition: 0, backlog: false, deliveries };
        let partitions = vec![partition(0, from_slow), partition(1, from_quick)];
        let mut lanes = Lanes::new(partitions, &[Kind::Event, Kind::Label], None, Span::DAY);
        let deliver = |source| {
            let letter = DeadLetter {
                position: Position { source, partition: 0, offset: 0 },
                stage: "decode".into(),
                reason: Reason::Malformed,
                detail: String::new(),
                raw: Raw::default(),
            };
            let record = Record { body: Err(Box::new(letter)), digest: 0 };
            Delivery::Batch(Batch { arrived: Instant::now(), records: vec![record] })
        };
        quick.send(deliver(1)).expect("the merge listens");
        assert!(matches!(lanes.head(None), Head::Wait));
        slow.send(deliver(0)).expect("the merge listens");
        assert!(matches!(lanes.head(None), Head::Dead(0)));
    }

    fn rows(source: u16, arrived: Instant) -> Delivery {
        let row = Row {
            position: Position { source, partition: 0, offset: 0 },
            time: Time(7),
            values: Box::default(),
            key: crate::record::Key(1),
            tombstone: false,
            raw: Raw::default(),
        };
        Delivery::Batch(Batch { arrived, records: vec![Record { body: Ok(row), digest: 0 }] })
    }

    #[test]
    fn a_partition_is_silent_from_when_it_was_found_empty() {
        let hour = Duration::from_secs(3600);
        let (late, from_late) = sync_channel(1);
        let (other, from_other) = sync_channel(1);
        let partition = |source, deliveries| Partition { source, partition: 0, backlog: false, deliveries };
        let partitions = vec![partition(0, from_late), partition(1, from_other)];
        let mut lanes = Lanes::new(partitions, &[Kind::Event, Kind::Label], Some(hour), Span::DAY);
        // It arrived long ago and could not be taken until now.
        let long_ago = Instant::now().checked_sub(2 * hour).unwrap_or_else(Instant::now);
        late.send(rows(0, long_ago)).expect("the merge listens");
        other.send(rows(1, Instant::now())).expect("the merge listens");
        assert!(matches!(lanes.head(None), Head::Row(0 | 1, _)));
        assert!(lanes.take(0).is_some());
        assert!(matches!(lanes.head(None), Head::Wait), "what follows it may be on its way");
    }

    #[test]
    fn a_partition_with_a_backlog_is_waited_for_however_long_it_is_silent() {
        let (slow, from_slow) = sync_channel(3);
        let (quick, from_quick) = sync_channel(3);
        let partition = |source, deliveries| Partition { source, partition: 0, backlog: true, deliveries };
        let partitions = vec![partition(0, from_slow), partition(1, from_quick)];
        // Every look that finds nothing finds a partition that is silent for long enough.
        let mut lanes = Lanes::new(partitions, &[Kind::Event, Kind::Label], Some(Duration::ZERO), Span::DAY);
        quick.send(rows(1, Instant::now())).expect("the merge listens");
        quick.send(Delivery::CaughtUp).expect("the merge listens");
        for _ in 0..3 {
            assert!(matches!(lanes.head(None), Head::Wait), "its first fetch takes longer than that");
        }
        slow.send(rows(0, Instant::now())).expect("the merge listens");
        // Of one instant, the label goes first; then the other partition has caught up and is silent.
        assert!(matches!(lanes.head(None), Head::Row(1, _)));
        assert!(lanes.take(1).is_some());
        assert!(matches!(lanes.head(None), Head::Row(0, _)));
        assert!(lanes.take(0).is_some());
        quick.send(rows(1, Instant::now())).expect("the merge listens");
        assert!(matches!(lanes.head(None), Head::Wait), "more of its backlog may be on its way");
        slow.send(Delivery::CaughtUp).expect("the merge listens");
        assert!(matches!(lanes.head(None), Head::Row(1, _)), "from now on silence counts");
    }

    #[test]
    fn a_partition_that_fails_ends_the_input() {
        let (broken, from_broken) = sync_channel(2);
        let (_other, from_other) = sync_channel(1);
        let partition = |source, deliveries| Partition { source, partition: 0, backlog: false, deliveries };
        let partitions = vec![partition(0, from_broken), partition(1, from_other)];
        let mut lanes = Lanes::new(partitions, &[Kind::Event, Kind::Label], None, Span::DAY);
        let error = SourceError::Read { source_name: "s".into(), place: "p".into(), offset: 1, cause: "gone".into() };
        broken.send(rows(0, Instant::now())).expect("the merge listens");
        broken.send(Delivery::Failed(error)).expect("the merge listens");
        assert!(matches!(lanes.head(None), Head::Wait), "the other partition is waited for");
        assert!(lanes.take(0).is_some());
        assert!(matches!(lanes.head(None), Head::End));
    }
}
