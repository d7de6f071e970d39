//! The minter of ticks: merges the input, cuts ticks, keeps pipeline time, and holds back for versions to come.
//!
//! A tick closes when it holds `tick_records` records, ahead of a multiple of `every` of pipeline time, ahead of a
//! version's activation, and, live only, after `tick_ms`. A boundary and an activation are ticks of their own, without
//! input records. Files are cut by counts and by pipeline time alone, so the cuts of a file run are the same every
//! time.

use super::control::{Resolution, SharedBoard, Word};
use super::ingest::{MintRules, Minted, Requests};
use super::items::{Item, Mark};
use super::lanes::{Head, Lanes, Place, order};
use super::ticks::Tick;
use crate::record::{DeadLetter, Kind, Position, Reason};
use crate::time::Time;
use std::sync::Arc;
use std::time::{Duration, Instant};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilderSession;

type Out<'a, D> = OutputBuilderSession<'a, Tick, CapacityContainerBuilder<Vec<D>>>;

/// The open outputs of the ingesting operator.
pub(super) struct Outputs<'a> {
    pub(super) rows: Out<'a, Item>,
    pub(super) marks: Out<'a, Mark>,
    pub(super) resolutions: Out<'a, Arc<Resolution>>,
    pub(super) minted: Out<'a, Minted>,
}

/// Why the minter stops for now.
pub(super) enum Pause {
    /// It is woken by a delivery, a word on the board, or a written tick.
    Word,
    /// It looks again after this.
    Until(Duration),
    /// There is nothing more to mint.
    Done,
}

/// What was consumed from a lane.
#[derive(Clone, Copy, Default)]
struct Consumed {
    records: u64,
    /// The first offset that was not.
    end: Option<u64>,
}

/// The minter's state.
pub(super) struct Minter {
    rules: MintRules,
    lanes: Lanes,
    /// Yields the requests by hand since it was last asked.
    requests: Requests,
    board: SharedBoard,
    capabilities: Vec<Capability<Tick>>,
    next: Tick,
    /// Pipeline time, once there is one.
    now: Option<Time>,
    /// Pipeline time as of the last tick that was sent.
    sent: Option<Time>,
    /// The next multiple of `every`.
    boundary: Time,
    /// Minted and not yet judged, oldest first.
    unjudged: Vec<Time>,
    /// The effect of the training under way.
    announced: Option<Time>,
    /// Its verdict, when it is in.
    verdict: Option<Arc<Resolution>>,
    /// Whether the mark for the end was minted.
    closed: bool,
    /// Rows of the open tick, not numbered yet, and the order's place of the last one while they came in order.
    open: Vec<Item>,
    last: Option<Place>,
    sorted: bool,
    /// By lane, what the open tick has consumed.
    consumed: Vec<Consumed>,
    /// The digests of its records, one behind the other.
    digests: Vec<u8>,
    tick: Minted,
    opened: Instant,
    stalled_since: Option<Instant>,
}

impl Minter {
    /// A minter before its first tick.
    pub(super) fn new(
        rules: MintRules,
        (lanes, requests): (Lanes, Requests),
        board: SharedBoard,
        capabilities: Vec<Capability<Tick>>,
    ) -> Minter {
        Minter {
            rules,
            lanes,
            requests,
            board,
            capabilities,
            next: 0,
            now: None,
            sent: None,
            boundary: Time(i64::MAX),
            unjudged: Vec::new(),
            announced: None,
            verdict: None,
            closed: false,
            open: Vec::new(),
            last: None,
            sorted: true,
            consumed: Vec::new(),
            digests: Vec::new(),
            tick: Minted::default(),
            opened: Instant::now(),
            stalled_since: None,
        }
    }

    /// Mints all that may be minted now.
    pub(super) fn pump(&mut self, out: &mut Outputs) -> Pause {
        self.read_board();
        loop {
            if self.board.borrow().broken {
                return Pause::Done;
            }
            if self.next >= self.board.borrow().written + self.rules.in_flight {
                return Pause::Word;
            }
            let (lane, time) = match self.lanes.head(self.now) {
                Head::Ahead(lane) => {
                    self.refuse_ahead(lane);
                    self.close_if_full(out);
                    continue;
                }
                Head::Dead(lane) => {
                    self.consume_dead(lane);
                    self.close_if_full(out);
                    continue;
                }
                Head::Row(lane, time) => (lane, time),
                Head::Wait => return self.wait(out),
                Head::End => return self.end(out),
            };
            if self.now.is_none() {
                self.boundary = time.floor(self.rules.every).plus(self.rules.every);
            }
            let now = self.now.map_or(time, |now| now.max(time));
            if let Some(at) = self.due(now) {
                self.close(out);
                if !self.may_reach(at) {
                    return self.hold();
                }
                self.mint_due(out, now);
                continue;
            }
            if !self.may_reach(now) {
                self.close(out);
                return self.hold();
            }
            self.stalled_since = None;
            self.now = Some(now);
            self.consume(lane);
            self.close_if_full(out);
        }
    }

    fn read_board(&mut self) {
        for word in std::mem::take(&mut self.board.borrow_mut().words) {
            match word {
                Word::Judged(boundary, announced) => {
                    self.unjudged.retain(|b| *b != boundary);
                    self.announced = self.announced.or(announced);
                }
                Word::Verdict(resolution) => self.verdict = Some(resolution),
            }
        }
    }

    /// The earliest boundary or activation at or before `now`; a boundary goes first.
    fn due(&self, now: Time) -> Option<Time> {
        let activation = self.announced.filter(|at| *at <= now);
        let boundary = Some(self.boundary).filter(|at| *at <= now);
        activation.into_iter().chain(boundary).min()
    }

    /// Whether everything that could change what happens at `at` is known.
    fn may_reach(&self, at: Time) -> bool {
        let judged = self.unjudged.first().is_none_or(|oldest| at < oldest.plus(self.rules.activate_after));
        let resolved = self.announced.is_none_or(|effect| at < effect || self.verdict.is_some());
        judged && resolved
    }

    fn hold(&mut self) -> Pause {
        self.stalled_since.get_or_insert_with(Instant::now);
        Pause::Word
    }

    fn mint_due(&mut self, out: &mut Outputs, now: Time) {
        if self.boundary <= now && self.announced.is_none_or(|effect| self.boundary <= effect) {
            let boundary = self.boundary;
            self.mint_boundary(out, boundary, false);
            // Across a gap only its first and its last boundary are minted.
            self.boundary = boundary.plus(self.rules.every).max(now.floor(self.rules.every));
        } else {
            self.mint_resolution(out);
        }
    }

    fn mint_boundary(&mut self, out: &mut Outputs, boundary: Time, last: bool) {
        let now = if last { self.now.unwrap_or_default() } else { boundary };
        self.now = Some(now);
        self.unjudged.push(boundary);
        self.tick.boundary = Some(boundary);
        let manual = (self.requests)();
        self.tick.manual = manual;
        self.send(out, Vec::new(), Mark { now, boundary: Some(boundary), last, manual });
    }

    fn mint_resolution(&mut self, out: &mut Outputs) {
        let Some(resolution) = self.verdict.take() else { return };
        let effect = self.announced.take();
        if let Some(since) = self.stalled_since.take() {
            self.tick.stalled = since.elapsed();
        }
        self.tick.resolution = Some(resolution.clone());
        out.resolutions.session(&self.capabilities[2]).give(resolution);
        // The next record is at or beyond the effect, unless the input is at its end.
        let now = self.now.max(effect.filter(|_| !self.closed)).unwrap_or_default();
        self.now = Some(now);
        self.send(out, Vec::new(), Mark { now, boundary: None, last: false, manual: 0 });
    }

    fn refuse_ahead(&mut self, lane: usize) {
        let Some(record) = self.lanes.take_ahead(lane) else { return };
        self.count(lane, record.digest);
        let Ok(row) = record.body else { return };
        self.reach(lane, row.position);
        let (position, raw) = (row.position, row.raw);
        let (time, most, now) = (row.time, self.rules.max_ahead, self.now.unwrap_or_default());
        let detail = format!("event time {time} is more than {most} beyond pipeline time {now}");
        self.tick.dead.push(DeadLetter { position, stage: "ingest".into(), reason: Reason::TimeAhead, detail, raw });
    }

    fn consume_dead(&mut self, lane: usize) {
        let Some((record, _)) = self.lanes.take(lane) else { return };
        self.count(lane, record.digest);
        if let Err(dead) = record.body {
            self.reach(lane, dead.position);
            self.tick.dead.push(*dead);
        }
    }

    fn consume(&mut self, lane: usize) {
        let Some((record, arrived)) = self.lanes.take(lane) else { return };
        self.count(lane, record.digest);
        let Ok(row) = record.body else { return };
        self.reach(lane, row.position);
        let kind = self.lanes.kind(lane);
        if kind == Kind::Event {
            match self.tick.arrivals.last_mut() {
                Some((instant, events)) if *instant == arrived => *events += 1,
                _ => self.tick.arrivals.push((arrived, 1)),
            }
        }
        let place = order(kind, &row);
        self.sorted &= self.last.is_none_or(|last| last < place);
        self.last = Some(place);
        self.open.push(Item { seq: 0, now: Time::default(), row });
    }

    fn count(&mut self, lane: usize, digest: u64) {
        if self.open.is_empty() && self.tick.dead.is_empty() {
            self.opened = Instant::now();
        }
        if self.consumed.len() <= lane {
            self.consumed.resize(lane + 1, Consumed::default());
        }
        self.consumed[lane].records += 1;
        self.digests.extend_from_slice(&digest.to_le_bytes());
    }

    fn reach(&mut self, lane: usize, position: Position) {
        self.consumed[lane].end = Some(position.offset + 1);
    }

    fn close_if_full(&mut self, out: &mut Outputs) {
        if self.open.len() + self.tick.dead.len() >= self.rules.tick_records {
            self.close(out);
        }
    }

    /// Closes the open tick, if anything is in it: its rows are put in the law's order and numbered.
    fn close(&mut self, out: &mut Outputs) {
        if self.open.is_empty() && self.tick.dead.is_empty() {
            return;
        }
        let next = Vec::with_capacity(self.open.len());
        let mut rows = std::mem::replace(&mut self.open, next);
        if !self.sorted {
            let kinds = self.lanes.kinds();
            rows.sort_by_key(|item| order(kinds[usize::from(item.row.position.source)], &item.row));
        }
        (self.last, self.sorted) = (None, true);
        self.tick.digest = Some(*blake3::hash(&self.digests).as_bytes());
        self.digests.clear();
        let now = self.now.unwrap_or_default();
        self.send(out, rows, Mark { now, boundary: None, last: false, manual: 0 });
    }

    fn send(&mut self, out: &mut Outputs, mut rows: Vec<Item>, mark: Mark) {
        // Pipeline time inside the tick runs on from where the last tick left it.
        self.tick.began = rows.first().map(|item| item.row.time);
        let mut now = self.sent.unwrap_or(Time(i64::MIN));
        self.sent = Some(mark.now);
        for (place, item) in rows.iter_mut().enumerate() {
            now = now.max(item.row.time);
            (item.seq, item.now) = (2 * place as u32, now);
        }
        out.rows.session(&self.capabilities[0]).give_container(&mut rows);
        for (lane, consumed) in self.consumed.iter_mut().enumerate().filter(|(_, consumed)| consumed.records > 0) {
            let partition = self.lanes.partition(lane);
            *self.tick.records.entry(partition.0).or_default() += consumed.records;
            self.tick.ends.extend(consumed.end.map(|end| (partition, end)));
            *consumed = Consumed::default();
        }
        let mut tick = std::mem::take(&mut self.tick);
        tick.now = mark.now;
        tick.cut = Some(Instant::now());
        out.marks.session(&self.capabilities[1]).give(mark);
        out.minted.session(&self.capabilities[3]).give(tick);
        self.next += 1;
        for capability in &mut self.capabilities {
            capability.downgrade(&self.next);
        }
    }

    fn wait(&mut self, out: &mut Outputs) -> Pause {
        let Some(after) = self.rules.tick_after else { return Pause::Word };
        if self.open.is_empty() && self.tick.dead.is_empty() {
            return Pause::Until(after);
        }
        let age = self.opened.elapsed();
        if age < after {
            return Pause::Until(after - age);
        }
        self.close(out);
        Pause::Until(after)
    }

    /// Nothing more comes in: judge once more, wait for a training under way, and end.
    fn end(&mut self, out: &mut Outputs) -> Pause {
        self.close(out);
        if !self.closed {
            self.closed = true;
            if self.now.is_some() {
                let boundary = self.boundary;
                self.mint_boundary(out, boundary, true);
            }
        }
        if !self.unjudged.is_empty() {
            return Pause::Word;
        }
        if self.announced.is_some() {
            if self.verdict.is_none() {
                return self.hold();
            }
            self.mint_resolution(out);
        }
        let failures = std::mem::take(&mut self.lanes.failures);
        self.board.borrow_mut().failures.extend(failures.iter().map(ToString::to_string));
        Pause::Done
    }
}
