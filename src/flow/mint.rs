//! The minter of ticks: merges the input, cuts ticks, keeps pipeline time, and holds back for versions to come.
//!
//! A tick closes when it holds `tick_records` records, ahead of a multiple of `every` of pipeline time, ahead of a
//! version's activation, and, live only, after `tick_ms`. A boundary and an activation are ticks of their own, without
//! input records. Files are cut by counts and by pipeline time alone, so the cuts of a file run are the same every
//! time.

use super::control::{Resolution, SharedBoard, Word};
use super::ingest::{MintRules, Minted, Requests};
use super::items::{Item, Mark};
use super::lanes::{Head, Lanes, order};
use super::ticks::Tick;
use crate::record::{DeadLetter, Kind, Position, Reason, Row};
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
    /// Rows of the open tick.
    open: Vec<(Kind, Row)>,
    tick: Minted,
    digest: blake3::Hasher,
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
            tick: Minted::default(),
            digest: blake3::Hasher::new(),
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
                Head::Row(lane, row) => (lane, row.time),
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
        self.open.push((kind, row));
    }

    fn count(&mut self, lane: usize, digest: u64) {
        if self.open.is_empty() && self.tick.dead.is_empty() {
            self.opened = Instant::now();
        }
        *self.tick.records.entry(self.lanes.partition(lane).0).or_default() += 1;
        self.digest.update(&digest.to_le_bytes());
    }

    fn reach(&mut self, lane: usize, position: Position) {
        self.tick.ends.insert(self.lanes.partition(lane), position.offset + 1);
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
        let mut rows = std::mem::take(&mut self.open);
        let sorted = rows.is_sorted_by(|a, b| order(a.0, &a.1) < order(b.0, &b.1));
        if !sorted {
            rows.sort_by_key(|(kind, row)| order(*kind, row));
        }
        self.tick.digest = Some(*self.digest.finalize().as_bytes());
        self.digest.reset();
        let now = self.now.unwrap_or_default();
        self.send(out, rows, Mark { now, boundary: None, last: false, manual: 0 });
    }

    fn send(&mut self, out: &mut Outputs, rows: Vec<(Kind, Row)>, mark: Mark) {
        // Pipeline time inside the tick runs on from where the last tick left it.
        let mut now = self.sent.unwrap_or(Time(i64::MIN));
        self.sent = Some(mark.now);
        let items = rows.into_iter().enumerate().map(|(place, (_, row))| {
            now = now.max(row.time);
            Item { seq: 2 * place as u32, now, row }
        });
        out.rows.session(&self.capabilities[0]).give_iterator(items);
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
