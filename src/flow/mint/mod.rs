//! The minter of ticks: merges the input, cuts ticks, keeps pipeline time, and holds back for versions to come.
//!
//! A tick closes when it holds `tick_records` records, ahead of a multiple of `every` of pipeline time, ahead of a
//! version's activation, and, live only, after `tick_ms`. A boundary and an activation are ticks of their own, without
//! input records. Files are cut by counts and by pipeline time alone, so the cuts of a file run are the same every
//! time.

mod commands;
mod kept;
mod open;
mod pushed;
mod replay;

use super::caution::{Caution, Culprit};
use super::control::{Resolution, SharedBoard, Word};
use super::failure::Failure;
use super::history::{History, Recorded};
use super::ingest::{Held, Input, MintRules, Minted, Requests};
use super::items::{Asked, Item, Mark};
use super::lanes::{Head, Lanes};
use super::plan::Plan;
use super::progress::name_of;
use super::saving::{Order, Saver};
use super::ticks::Tick;
use crate::record::{DeadLetter, Kind, Reason};
use crate::registry::Registry;
use crate::state::checkpoint::Name;
use crate::time::Time;
pub use kept::consumed;
use open::OpenTick;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilderSession;

/// How long a run that is to stop waits for the rest of a tick.
const PATIENCE: Duration = Duration::from_secs(1);

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
    plan: Arc<Plan>,
    rules: MintRules,
    lanes: Lanes,
    /// Yields the requests by hand since it was last asked.
    requests: Requests,
    /// What commands among the records have asked for since the last boundary.
    commanded: Asked,
    /// Where models that were pushed are, by model.
    registries: Vec<Registry>,
    /// Whether the run is to stop: the end of the lanes is not the end of the input.
    stop: Arc<AtomicBool>,
    /// Whether the lanes end by themselves then; otherwise it stops behind a tick.
    drains: bool,
    /// Since when it knows that, with a tick open.
    stopping_since: Option<Instant>,
    /// What is minted again first, and the tick of it that waits for its records.
    history: Arc<History>,
    recorded: Option<Box<Recorded>>,
    /// How careful it is behind that.
    caution: Caution,
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
    /// What is under way, at most one a model: its effect and model, and what it came to, when that is in. What takes
    /// effect together goes in the order of the models.
    announced: BTreeMap<(Time, u16), Option<Arc<Resolution>>>,
    /// Whether the mark for the end was minted.
    closed: bool,
    open: OpenTick,
    stalled_since: Option<Instant>,
    /// The first offset not consumed, of each partition that was read.
    ends: BTreeMap<(u16, u16), u64>,
    saver: Saver,
    /// What goes with the next mark.
    order: Option<Order>,
    /// The checkpoint that is to be taken up first.
    restore: Option<Name>,
    held: Held,
}

impl Minter {
    /// A minter before its first tick.
    pub(super) fn new(
        plan: Arc<Plan>,
        rules: MintRules,
        input: Input,
        (board, saver): (SharedBoard, Saver),
        capabilities: Vec<Capability<Tick>>,
    ) -> Minter {
        Minter {
            plan,
            rules,
            lanes: input.lanes,
            requests: input.requests,
            commanded: Asked::default(),
            registries: input.registries,
            stop: input.stop,
            drains: input.drains,
            stopping_since: None,
            history: input.history,
            recorded: None,
            caution: input.caution,
            board,
            capabilities,
            next: 0,
            now: None,
            sent: None,
            boundary: Time(i64::MAX),
            unjudged: Vec::new(),
            announced: BTreeMap::new(),
            closed: false,
            open: OpenTick::new(),
            stalled_since: None,
            ends: BTreeMap::new(),
            saver,
            order: None,
            restore: input.restore,
            held: input.held,
        }
    }

    /// Mints all that may be minted now.
    pub(super) fn pump(&mut self, out: &mut Outputs) -> Pause {
        self.read_board();
        self.take_up(out);
        loop {
            if self.board.borrow().broken {
                return Pause::Done;
            }
            if self.board.borrow().restored < self.board.borrow().restoring {
                return Pause::Word;
            }
            if let Some(pause) = self.halt(out) {
                return pause;
            }
            if self.next >= self.board.borrow().written + self.in_flight() {
                return Pause::Word;
            }
            if self.replays() {
                match self.mint_again(out) {
                    Ok(true) => continue,
                    Ok(false) if self.is_stopped() => return Pause::Done,
                    Ok(false) => return Pause::Word,
                    Err(_) if self.is_stopped() => return Pause::Done,
                    Err(failure) => return self.fail(failure),
                }
            }
            if self.history.is_alone() {
                return Pause::Done;
            }
            // Right behind a replay, which does not wait for judgements: what is refused at the head of a lane would
            // else make a tick of its own, since the row behind it has to wait.
            if self.open.records() == 0 && self.now.is_some_and(|now| !self.may_reach(now)) {
                return self.hold();
            }
            let (lane, time) = match self.lanes.head(self.now) {
                Head::Ahead(lane) | Head::Dead(lane) | Head::Row(lane, _) if self.closed => {
                    let partition = name_of(&self.plan, self.lanes.partition(lane));
                    return self.fail(Failure::Grown { tick: self.next - 1, partition });
                }
                Head::Ahead(lane) | Head::Row(lane, _) if self.is_poison(lane) => {
                    self.close_if_full(out);
                    continue;
                }
                Head::Ahead(lane) => {
                    self.refuse_ahead(lane, self.now.unwrap_or_default());
                    self.close_if_full(out);
                    continue;
                }
                Head::Dead(lane) => {
                    self.consume(lane);
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
                self.caution.name(None);
                self.mint_due(out, now);
                continue;
            }
            if !self.may_reach(now) {
                self.close(out);
                return self.hold();
            }
            self.stalled_since = None;
            self.now = Some(now);
            let partition = self.lanes.partition(lane);
            self.caution.name(self.lanes.offset(lane).map(|offset| (partition, offset)));
            self.consume(lane);
            self.close_if_full(out);
        }
    }

    /// How many ticks may be minted and not yet written.
    fn in_flight(&self) -> u64 {
        if self.caution.is_on() && !self.replays() { 1 } else { self.rules.in_flight }
    }

    /// Refuses the head of a lane if it is what a worker panicked on.
    fn is_poison(&mut self, lane: usize) -> bool {
        let place = self.lanes.offset(lane).map(|offset| (self.lanes.partition(lane), offset));
        let Some(detail) = place.and_then(|place| self.caution.blames(place)) else { return false };
        self.refuse_poison(lane, detail);
        true
    }

    fn read_board(&mut self) {
        for word in std::mem::take(&mut self.board.borrow_mut().words) {
            match word {
                Word::Judged(boundary, effects) => {
                    self.unjudged.retain(|b| *b != boundary);
                    self.announced.extend(effects.into_iter().map(|(model, effect)| ((effect, model), None)));
                }
                Word::Verdict(resolution) => {
                    self.announced.insert((resolution.at, resolution.model), Some(resolution));
                }
            }
        }
    }

    /// The earliest boundary or activation at or before `now`; a boundary goes first.
    fn due(&self, now: Time) -> Option<Time> {
        let activation = self.effect().filter(|at| *at <= now);
        let boundary = Some(self.boundary).filter(|at| *at <= now);
        activation.into_iter().chain(boundary).min()
    }

    /// Whether everything that could change what happens at `at` is known.
    fn may_reach(&self, at: Time) -> bool {
        let judged = self.unjudged.first().is_none_or(|oldest| at < oldest.plus(self.rules.reach));
        let mut due = self.announced.iter().take_while(|((effect, _), _)| *effect <= at);
        judged && due.all(|(_, resolution)| resolution.is_some())
    }

    /// When something that is under way takes effect next.
    fn effect(&self) -> Option<Time> {
        self.announced.first_key_value().map(|((effect, _), _)| *effect)
    }

    /// Whether what takes effect next is known.
    fn is_resolved(&self) -> bool {
        self.announced.first_key_value().is_some_and(|(_, resolution)| resolution.is_some())
    }

    fn hold(&mut self) -> Pause {
        self.stalled_since.get_or_insert_with(Instant::now);
        Pause::Word
    }

    fn mint_due(&mut self, out: &mut Outputs, now: Time) {
        if self.boundary <= now && self.effect().is_none_or(|effect| self.boundary <= effect) {
            let boundary = self.boundary;
            // Across a gap only its first and its last boundary are minted.
            self.boundary = boundary.plus(self.rules.every).max(now.floor(self.rules.every));
            let asked = self.requested();
            self.mint_boundary(out, boundary, false, asked);
        } else {
            self.mint_resolution(out);
        }
    }

    fn mint_boundary(&mut self, out: &mut Outputs, boundary: Time, last: bool, asked: Asked) {
        let now = if last { self.now.unwrap_or_default() } else { boundary };
        self.now = Some(now);
        self.unjudged.push(boundary);
        let tick = &mut self.open.minted;
        (tick.boundary, tick.last, tick.asked) = (Some(boundary), last, asked.clone());
        self.send(out, Vec::new(), Mark { now, boundary: Some(boundary), last, asked, order: None });
    }

    fn mint_resolution(&mut self, out: &mut Outputs) {
        let Some(((effect, _), Some(resolution))) = self.announced.pop_first() else { return };
        if let Some(since) = self.stalled_since.take() {
            self.open.minted.stalled = since.elapsed();
        }
        self.open.minted.resolution = Some(resolution.clone());
        out.resolutions.session(&self.capabilities[2]).give(resolution);
        // The next record is at or beyond the effect, unless the input is at its end.
        let now = self.now.max(Some(effect).filter(|_| !self.closed)).unwrap_or_default();
        self.now = Some(now);
        self.send(out, Vec::new(), Mark { now, boundary: None, last: false, asked: Asked::default(), order: None });
    }

    /// Refuses the head of a lane as too far ahead of pipeline time.
    fn refuse_ahead(&mut self, lane: usize, now: Time) {
        let Some(record) = self.lanes.take_ahead(lane) else { return };
        let Ok(row) = record.body else { return };
        let (position, raw) = (row.position, row.raw);
        let (time, most) = (row.time, self.rules.max_ahead);
        let detail = format!("event time {time} is more than {most} beyond pipeline time {now}");
        let letter = DeadLetter { position, stage: "ingest".into(), reason: Reason::TimeAhead, detail, raw };
        self.open.dead(lane, record.digest, letter);
        self.open.minted.ahead.push((self.lanes.partition(lane), position.offset, now));
    }

    /// Refuses the head of a lane since a worker panicked on it.
    fn refuse_poison(&mut self, lane: usize, detail: String) {
        let Some(record) = self.lanes.take_out(lane) else { return };
        let Ok(row) = record.body else { return };
        let (position, raw) = (row.position, row.raw);
        let told = format!("a worker panicked on it: {detail}");
        let letter = DeadLetter { position, stage: "ingest".into(), reason: Reason::Poison, detail: told, raw };
        self.open.dead(lane, record.digest, letter);
        self.open.minted.poison.push(Culprit { place: (self.lanes.partition(lane), position.offset), detail });
    }

    /// Takes the head of a lane into the open tick.
    fn consume(&mut self, lane: usize) {
        let Some((record, arrived)) = self.lanes.take(lane) else { return };
        if let (Kind::Control, Ok(row)) = (self.lanes.kind(lane), &record.body) {
            commands::take(&self.plan, row, &mut self.commanded);
        }
        match record.body {
            Ok(row) => self.open.row(lane, self.lanes.kind(lane), record.digest, row, arrived),
            Err(letter) => self.open.dead(lane, record.digest, *letter),
        }
    }

    fn close_if_full(&mut self, out: &mut Outputs) {
        if self.open.records() >= self.rules.tick_records || self.caution.is_on() {
            self.close(out);
        }
    }

    /// Closes the open tick, if anything is in it: its rows are put in the law's order and numbered.
    fn close(&mut self, out: &mut Outputs) {
        if self.open.records() == 0 {
            return;
        }
        let rows = self.open.close(self.lanes.kinds(), |lane| self.lanes.partition(lane));
        let now = self.now.unwrap_or_default();
        self.send(out, rows, Mark { now, boundary: None, last: false, asked: Asked::default(), order: None });
    }

    fn send(&mut self, out: &mut Outputs, mut rows: Vec<Item>, mut mark: Mark) {
        // Pipeline time inside the tick runs on from where the last tick left it.
        self.open.minted.began = rows.first().map(|item| item.row.time);
        let mut now = self.sent.unwrap_or(Time(i64::MIN));
        self.sent = Some(mark.now);
        for (place, item) in rows.iter_mut().enumerate() {
            now = now.max(item.row.time);
            (item.seq, item.now) = (2 * place as u32, now);
        }
        out.rows.session(&self.capabilities[0]).give_container(&mut rows);
        let mut tick = std::mem::take(&mut self.open.minted);
        tick.next_boundary = Some(self.boundary).filter(|next| *next != Time(i64::MAX));
        tick.now = mark.now;
        tick.cut = Some(Instant::now());
        mark.order = self.order.take();
        tick.order = mark.order;
        self.ends.extend(&tick.ends);
        out.marks.session(&self.capabilities[1]).give(mark);
        out.minted.session(&self.capabilities[3]).give(tick);
        self.next += 1;
        for capability in &mut self.capabilities {
            capability.downgrade(&self.next);
        }
        self.save_if_due();
    }

    fn wait(&mut self, out: &mut Outputs) -> Pause {
        let Some(after) = self.rules.tick_after else { return self.wait_for_files() };
        if self.open.records() == 0 {
            return Pause::Until(after);
        }
        let age = self.open.opened.elapsed();
        if age < after {
            return Pause::Until(after - age);
        }
        self.close(out);
        Pause::Until(after)
    }

    /// A tick of files is never cut by the clock. If a run that is to stop waits in one, on a standard input that is
    /// silent, the tick has never happened, and what is open is not what could be saved.
    fn wait_for_files(&mut self) -> Pause {
        if !self.is_stopped() {
            return Pause::Word;
        }
        match self.stopping_since.get_or_insert_with(Instant::now).elapsed() < PATIENCE {
            true => Pause::Until(PATIENCE / 10),
            false => Pause::Done,
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Nothing more comes in: judge once more, wait for what is under way, and end. A run that is stopped does not
    /// end: it is taken up again some day, and what comes then decides what there is to judge.
    fn end(&mut self, out: &mut Outputs) -> Pause {
        self.close(out);
        let failed = !self.lanes.failures.is_empty();
        if failed || (self.is_stopped() && !self.closed) {
            let failures = std::mem::take(&mut self.lanes.failures);
            self.board.borrow_mut().failures.extend(failures.into_iter().map(Failure::Source));
            return self.save_last(out);
        }
        if !self.closed {
            self.closed = true;
            if self.now.is_some() {
                let boundary = self.boundary;
                let asked = self.requested();
                self.mint_boundary(out, boundary, true, asked);
            }
        }
        if !self.unjudged.is_empty() {
            return Pause::Word;
        }
        while !self.announced.is_empty() {
            if !self.is_resolved() {
                return self.hold();
            }
            self.mint_resolution(out);
        }
        self.save_last(out)
    }

    /// Stops behind a tick, if that is asked for or the process holds too much: a tick is never cut for that, or its
    /// cuts would differ.
    fn halt(&mut self, out: &mut Outputs) -> Option<Pause> {
        let (held, allowed) = (self.held.bytes.load(Ordering::Acquire), self.held.allowed);
        let stopped = self.is_stopped() && !self.drains;
        if self.open.records() > 0 || (held == 0 && !stopped) {
            return None;
        }
        let pause = if self.replays() { Pause::Done } else { self.save_last(out) };
        match pause {
            Pause::Done if held > 0 => Some(self.fail(Failure::Memory { held, allowed })),
            pause => Some(pause),
        }
    }

    fn fail(&mut self, failure: Failure) -> Pause {
        self.board.borrow_mut().failures.push(failure);
        Pause::Done
    }
}
