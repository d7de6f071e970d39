//! The one room from which anything leaves: outputs, then the progress record, tick by tick, on worker 0.
//!
//! In: pages of all rooms, what was minted, changes of the balance. Out: a tick's pages in their final order, then its
//! progress record, whose digests of inputs and outputs are chained over all ticks. A tick without a progress record
//! never happened; one that has been committed before is made again and compared, and nothing is written. Keeps: sums
//! for the summary, latencies, and the offsets as of the boundaries that may still be cited.

use super::balance::Balance;
use super::control::{Resolved, SharedBoard};
use super::failure::Failure;
use super::history::History;
use super::ingest::Minted;
use super::lines::PageWriter;
use super::matching::Account;
use super::plan::Plan;
use super::progress::{Chain, name_of};
use super::release::{Deed, Releases};
use super::report::RunReport;
use super::saving::{Keeps, Sections, SharedArchive, SharedKeeper, Shares};
use super::ticks::{Tick, Ticks};
use crate::fault;
use crate::record::DeadLetter;
use crate::registry::Offsets;
use crate::sink::{Entry, Headers, Page, Sink, Stream, Written, dead_letter_line};
use crate::time::Time;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::scheduling::Activator;

/// The sink, while the dataflow stands.
pub type SharedSink = Rc<RefCell<Box<dyn Sink>>>;

/// What worker 0 writes with, and what it reports.
pub struct Outlet {
    /// Where the streams go; it is closed by whoever ran the dataflow, when nothing more can come.
    pub sink: SharedSink,
    /// Where versions go, by model.
    pub releases: Vec<Releases>,
    /// What is committed already.
    pub history: Arc<History>,
    /// What is told of the run while it goes on and at its end.
    pub report: Rc<RefCell<RunReport>>,
}

/// What the emitting room keeps.
#[derive(Serialize, Deserialize)]
struct Kept {
    balance: Balance,
    chain: Chain,
    ends: Vec<((u16, u16), u64)>,
    cited: Vec<(Tick, (Time, Vec<Offsets>))>,
    /// Whose registry has been told what: entries, and the newest version; of the models that were started.
    told: Vec<(String, (u64, u32))>,
}

impl Keeps for Emission {
    fn save(&self, to: &Sections) {
        let kept = Kept {
            balance: self.balance,
            chain: self.chain.clone(),
            ends: self.ends.clone().into_iter().collect(),
            cited: self.cited.clone().into_iter().collect(),
            told: self.started().map(|releases| (releases.model().to_owned(), releases.told())).collect(),
        };
        let emit = &self.plan.operators.emit;
        to.value(emit, 0, &kept);
        to.value(emit, 1, &self.outlet.report.borrow().kept());
        if self.chain.published() != [0; 2] {
            to.value(emit, 2, &self.chain.published());
        }
    }

    fn restore(&mut self, from: &Shares<'_>) -> Result<(), String> {
        let emit = &self.plan.operators.emit;
        let (Some(kept), Some(report)) = (from.value::<Kept>(emit, 0)?, from.value(emit, 1)?) else {
            return Err(format!("it has no section {}", emit.name));
        };
        (self.balance, self.chain) = (kept.balance, kept.chain);
        self.chain.resume(from.value(emit, 2)?.unwrap_or_default());
        (self.ends, self.cited) = (kept.ends.into_iter().collect(), kept.cited.into_iter().collect());
        self.outlet.report.borrow_mut().resume(report);
        // Another model begins with a version of its own, in a registry of its own.
        for (releases, started) in self.outlet.releases.iter_mut().zip(&mut self.started) {
            let told = kept.told.iter().find(|(model, _)| model == releases.model());
            *started = told.is_some();
            told.map_or(Ok(()), |(_, told)| releases.resume(*told)).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

struct Emission {
    plan: Arc<Plan>,
    outlet: Outlet,
    balance: Balance,
    chain: Chain,
    ends: BTreeMap<(u16, u16), u64>,
    /// Offsets as of boundaries that a training may cite.
    cited: BTreeMap<Tick, (Time, Vec<Offsets>)>,
    /// Which models have their version 1.
    started: Vec<bool>,
    /// Whether all that was committed is behind.
    live: bool,
}

#[derive(Default)]
struct Open {
    minted: Option<Minted>,
    pages: Vec<Page>,
    accounts: Vec<Account>,
}

impl Emission {
    /// The models that have their version 1.
    fn started(&self) -> impl Iterator<Item = &Releases> {
        self.outlet.releases.iter().zip(&self.started).filter(|(_, started)| **started).map(|(releases, _)| releases)
    }

    fn run(&mut self, tick: Tick, open: Open) -> Result<(), Failure> {
        let Open { minted, mut pages, accounts } = open;
        let Some(minted) = minted.filter(|minted| !minted.order_alone) else { return Ok(()) };
        let mut dead = minted.dead.clone();
        let read: u64 = minted.records.values().sum();
        let mut change = Balance { records: read as i64, dead_letters: dead.len() as i64, ..Balance::default() };
        let mut counted = Account::default();
        for account in accounts {
            change += account.balance;
            dead.extend(account.dead);
            counted.others += account.others;
            counted.no_room += account.no_room;
        }
        self.balance += change;
        for (partition, end) in &minted.ends {
            let begin = self.ends.insert(*partition, *end).unwrap_or_default();
            if minted.poison.is_empty() {
                fault::records(|| name_of(&self.plan, *partition), begin..*end);
            }
        }
        self.cite(tick, &minted);
        pages.extend(self.dead_letters(tick, minted.now, dead));
        let deeds = self.versions(&minted, &mut pages);
        let pages = in_order(pages);
        let progress = self.chain.progress(&self.plan, tick, &minted, &self.balance, &pages);
        match self.outlet.history.line(tick) {
            Some(recorded) => same(tick, recorded, &progress)?,
            None if !self.live => {
                self.live = true;
                self.outlet.releases.iter_mut().try_for_each(Releases::settle)?;
            }
            None => {}
        }
        // Versions are durable before the tick that brings them is; again, they must be there as they were.
        let brings = !deeds.is_empty();
        if brings {
            fault::point("activation.before");
        }
        for (model, deeds) in deeds {
            self.outlet.releases[usize::from(model)].carry_out(deeds)?;
        }
        if brings {
            fault::point("activation.after");
        }
        self.outlet.report.borrow_mut().tick(tick, &minted, &self.balance, &counted, &pages);
        if self.live {
            self.outlet.report.borrow_mut().written(&minted);
        }
        if self.live || self.outlet.history.is_alone() {
            self.outlet.sink.borrow_mut().write(Written { tick, time: minted.now, pages, progress })?;
        }
        Ok(())
    }

    /// Remembers the offsets of a boundary for as long as a training that began there may end.
    fn cite(&mut self, tick: Tick, minted: &Minted) {
        let Some(boundary) = minted.boundary else { return };
        let source = |place: u16| self.plan.spec.sources[usize::from(place)].name.value.clone();
        let offset = |((s, p), end): (&(u16, u16), &u64)| Offsets { source: source(*s), partition: *p, end: *end };
        self.cited.insert(tick, (boundary, self.ends.iter().map(offset).collect()));
        let reach = self.plan.spec.models.iter().map(|model| model.train.activate_after).max().unwrap_or_default();
        self.cited.retain(|_, (cited, _)| cited.plus(reach).plus(self.plan.spec.every) >= boundary);
    }

    /// The pages of versions and of how trainings ended, and what the registries are to be told.
    fn versions(&mut self, minted: &Minted, pages: &mut Vec<Page>) -> Vec<(u16, Vec<Deed>)> {
        let mut deeds = Vec::new();
        let mut report = self.outlet.report.borrow_mut();
        if let Some(began) = minted.began {
            for ((releases, started), model) in self.outlet.releases.iter().zip(&mut self.started).zip(0..) {
                if std::mem::replace(started, true) {
                    continue;
                }
                let released = releases.start(began);
                pages.extend(released.pages);
                deeds.push((model, released.deeds));
                released.lines.into_iter().for_each(|line| report.version(line));
            }
        }
        let Some(resolution) = &minted.resolution else { return deeds };
        let releases = &self.outlet.releases[usize::from(resolution.model)];
        let ends = self.cited.get(&resolution.tick).map(|(_, ends)| ends.clone()).unwrap_or_default();
        let released = match &resolution.of {
            Resolved::Training(trained) => {
                let (outcome, released) = releases.resolve(resolution, trained, ends);
                report.training(resolution, trained, &released.lines, &outcome);
                released
            }
            Resolved::Turn { turn, share } => {
                let released = releases.turn(resolution, *turn, *share);
                report.turn(resolution, released.lines.clone());
                released
            }
        };
        pages.extend(released.pages);
        deeds.push((resolution.model, released.deeds));
        deeds
    }

    fn dead_letters(&self, tick: Tick, now: Time, mut dead: Vec<DeadLetter>) -> Option<Page> {
        if dead.is_empty() {
            return None;
        }
        dead.sort_by_key(|letter| letter.position);
        let mut page = PageWriter::new(Stream::DeadLetters).finish();
        for (order, letter) in dead.into_iter().enumerate() {
            let source = &self.plan.spec.sources[usize::from(letter.position.source)].name.value;
            page.lines.extend_from_slice(&dead_letter_line(&letter, source, tick));
            let (end, key) = (page.lines.len() as u32, CompactString::default());
            let headers = Headers::Dead(Box::new(letter));
            page.entries.push(Entry { end, order: order as u64, time: now, key, headers });
        }
        Some(page)
    }
}

/// Refuses a tick that comes out otherwise than it was committed, naming the first field that differs.
fn same(tick: Tick, recorded: &str, computed: &str) -> Result<(), Failure> {
    if recorded == computed {
        return Ok(());
    }
    let fields = |line: &str| serde_json::from_str::<Map<String, Value>>(line).unwrap_or_default();
    let (recorded, computed) = (fields(recorded), fields(computed));
    let value = |fields: &Map<String, Value>, name: &str| fields.get(name).map_or_else(String::new, Value::to_string);
    // What was read comes before what was made of it, and the links differ wherever anything does.
    let rank = |name: &&String| (name.as_str() == "chain", name.as_str() == "outputs", name.as_str() != "inputs");
    let mut names: Vec<&String> = recorded.keys().filter(|name| recorded.get(*name) != computed.get(*name)).collect();
    names.sort_by_key(rank);
    let what = names.first().map_or_else(|| "bytes".to_owned(), |name| (*name).clone());
    Err(Failure::Diverged { tick, recorded: value(&recorded, &what), computed: value(&computed, &what), what })
}

/// The pages of a tick as they are written: by stream. No stream has pages of two rooms in one tick (a boundary's
/// decision and a training's end have ticks of their own, dead letters are gathered above), and those of one room are
/// by model, so their lines are in order already.
fn in_order(mut pages: Vec<Page>) -> Vec<Page> {
    pages.retain(|page| !page.entries.is_empty());
    pages.sort_by_key(|page| (page.stream, page.entries.first().map(|entry| entry.order)));
    pages
}

/// Builds the room. `outlet` is there on worker 0 only.
pub fn emit<'scope>(
    plan: &Arc<Plan>,
    minted: StreamVec<'scope, Tick, Minted>,
    pages: StreamVec<'scope, Tick, Page>,
    accounts: StreamVec<'scope, Tick, Account>,
    (outlet, board, minter): (Option<Outlet>, SharedBoard, Activator),
    (archive, keeper): (&SharedArchive, &SharedKeeper),
) {
    let mut builder = OperatorBuilder::new("Emit".to_owned(), minted.scope());
    let mut minted = builder.new_input(minted, Pipeline);
    let mut pages = builder.new_input(pages, Exchange::new(|_: &Page| 0));
    let mut accounts = builder.new_input(accounts, Exchange::new(|_: &Account| 0));
    let (plan, archive, keeper) = (plan.clone(), archive.clone(), keeper.clone());
    // Elsewhere it has no marks, and keeps nothing.
    if outlet.is_some() {
        archive.borrow_mut().enter();
    }
    builder.build(move |_| {
        let started = vec![false; plan.spec.models.len()];
        let mut emission = outlet.map(|outlet| Emission {
            plan,
            outlet,
            balance: Balance::default(),
            chain: Chain::default(),
            ends: BTreeMap::new(),
            cited: BTreeMap::new(),
            started,
            live: false,
        });
        let mut ticks: Ticks<Open> = Ticks::new(0);
        move |frontiers| {
            ticks.last(&mut minted, |open| &mut open.minted);
            ticks.stash(&mut pages, |open| &mut open.pages);
            ticks.stash(&mut accounts, |open| &mut open.accounts);
            let Some(emission) = &mut emission else {
                while ticks.complete(frontiers).is_some() {}
                return;
            };
            let mut wrote = false;
            while let Some((tick, _, open)) = ticks.complete(frontiers) {
                // Also of a run that is broken: the archive waits for all rooms.
                if let Some(order) = open.minted.as_ref().and_then(|minted| minted.order) {
                    archive.borrow_mut().obey(order, &mut [emission]);
                    if let Some(keeper) = keeper.borrow_mut().as_mut() {
                        let (inputs, outputs) = emission.chain.digests();
                        keeper.digests(inputs, outputs);
                    }
                }
                let mut board = board.borrow_mut();
                if board.broken {
                    continue;
                }
                let alone = open.minted.as_ref().is_some_and(|minted| minted.order_alone);
                if let Err(cause) = emission.run(tick, open) {
                    board.broken = true;
                    board.failures.push(cause);
                }
                board.written = if alone { board.written } else { tick + 1 };
                wrote = true;
            }
            if wrote {
                minter.activate();
            }
        }
    });
}
