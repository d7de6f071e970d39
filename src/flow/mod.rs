//! The rooms of the walk, as one timely dataflow; the only code that names timely or differential.
//!
//! ```text
//! ingest -> match -> enrich -> score -> measure -> publish -> retrain ~> (words to ingest)
//!    \________\_________________\________________\__________\_____-> emit
//! ```
//! Rows are spread by key over all workers in match and enrich; one model's score, learn and settle are one room on one
//! worker, and so are the rooms that watch and judge it; ingest and emit stand on worker 0. See each room's file.

pub mod agenda;
pub mod alone;
pub mod answers;
mod awaiting;
pub mod balance;
pub mod caution;
pub mod control;
pub mod emit;
pub mod enrich;
pub mod export;
pub mod failure;
mod feeding;
pub mod handout;
pub mod history;
pub mod ingest;
pub mod items;
mod judging;
pub mod lanes;
mod lessons;
pub mod lines;
pub mod matching;
pub mod measure;
mod mint;
pub mod modelling;
pub mod models;
mod online;
pub mod pairing;
pub mod plan;
pub mod progress;
pub mod publish;
pub mod release;
pub mod report;
pub mod retrain;
pub mod saving;
pub mod score;
pub mod showing;
pub mod stores;
pub mod sums;
pub mod sweeper;
pub mod ticks;
pub mod vectoring;
pub mod vectors;
mod voting;
pub mod watch;
mod window;

use crate::serve::Shown;
use crate::state::checkpoint::Name;
use caution::Caution;
use control::{SharedBoard, Word};
use emit::Outlet;
use export::Export;
use failure::Failure;
use history::History;
use ingest::{Held, Input, MintRules};
use lanes::Lanes;
use plan::Plan;
use report::RunReport;
use retrain::Heard;
use saving::{Archive, Cadence, Filed, Keeper, Order, Saver, SharedKeeper, Store, archiving};
use showing::Showing;
use std::any::Any;
use std::cell::RefCell;
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use ticks::Tick;
use timely::communication::allocator::ProcessBuilder;
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::{AllocatorBuilder, Hooks};
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::generic::operator::empty;
use timely::dataflow::operators::vec::Broadcast;
use timely::dataflow::operators::{Concat, Exchange as _};
use timely::scheduling::SyncActivator;
use timely::worker::Worker;

/// About so many records are in flight: a room's work on all of them should still be in the cache when the next room
/// takes it up, and one tick at a time would wait for the news of its end from room to room.
const RECORDS_IN_FLIGHT: u64 = 8_000;
/// Ticks in flight, at least and at most.
const TICKS_IN_FLIGHT: std::ops::RangeInclusive<u64> = 4..=64;

/// A bell that the threads of sources ring when they have delivered; rung before the dataflow stands, it is not lost,
/// since the minter looks for deliveries when it is first scheduled.
#[derive(Clone, Default)]
pub struct Bell {
    activator: Arc<Mutex<Option<SyncActivator>>>,
}

impl Bell {
    /// Wakes the minter.
    pub fn ring(&self) {
        if let Ok(Some(activator)) = self.activator.lock().as_deref() {
            // Refused only when the worker is gone.
            let _ = activator.activate();
        }
    }
}

/// What worker 0 of process 0 brings: input and output.
pub struct Edges {
    /// The open partitions.
    pub lanes: Lanes,
    /// Where outputs go.
    pub sink: Box<dyn crate::sink::Sink>,
    /// Where versions go, by model.
    pub registries: Vec<crate::registry::Registry>,
    /// Yields trainings asked for by hand.
    pub requests: ingest::Requests,
    /// What the outputs hold already, which is made again first and compared.
    pub history: History,
    /// How careful the run is behind that.
    pub caution: Caution,
    /// The checkpoint that it goes on from, at or below the end of that.
    pub restore: Option<Name>,
    /// How often it saves, if it does.
    pub saves: Option<Cadence>,
    /// Set when the run is to stop before the end of its input.
    pub stop: Arc<AtomicBool>,
    /// Whether the sources' readers end by themselves then, behind what they have received.
    pub drains: bool,
    /// What the sources' threads ring.
    pub bell: Bell,
    /// Whether the input is live: ticks close by the clock, too.
    pub live: bool,
    /// What the process holds, if that is limited.
    pub held: Held,
    /// Where it is shown while it goes on, if it is.
    pub shown: Option<Shown>,
}

/// How a run ended, on worker 0.
pub struct Ended {
    /// The account.
    pub report: RunReport,
    /// What went wrong, in the order in which it was met; empty if all went well.
    pub failures: Vec<Failure>,
}

/// The workers of a run, by timely's flags.
#[derive(Debug)]
pub struct Workers {
    /// `-w`: threads of each process.
    pub threads: usize,
    /// `-p`: this process, from 0.
    pub process: usize,
    /// A socket to each other process of `-n`, by index; empty for a process of its own.
    pub sockets: Vec<Option<TcpStream>>,
}

impl Workers {
    fn build(self) -> Result<(Vec<AllocatorBuilder>, Box<dyn Any + Send>), String> {
        let Workers { threads, process, sockets } = self;
        if sockets.len() < 2 {
            return timely::CommunicationConfig::Process(threads).try_build();
        }
        let hooks = Hooks::default();
        let local = ProcessBuilder::new_typed_vector(threads, hooks.refill.clone(), hooks.spill.clone());
        let (builders, guard) = initialize_networking_from_sockets(local, sockets, process, threads, hooks)
            .map_err(|error| format!("cannot use the sockets to the other processes: {error}"))?;
        Ok((builders.into_iter().map(AllocatorBuilder::Tcp).collect(), Box::new(guard)))
    }
}

/// Runs the pipeline on the workers of this process until its input ends. `edges` are there in process 0, and so is the
/// result. With an `export` the examples of its ticks are given away. What `look` makes is called on worker 0, with the
/// account some times a second and without one at the end.
///
/// # Errors
/// The workers cannot be started, or one of them ended by a panic.
pub fn execute<L>(
    workers: Workers,
    plan: &Arc<Plan>,
    store: Store,
    export: Option<Export>,
    edges: Option<Edges>,
    look: impl FnOnce() -> L + Send + 'static,
) -> Result<Option<Ended>, String>
where
    L: FnMut(Option<&RunReport>) + 'static,
{
    let first = Mutex::new(edges.zip(Some(look)));
    let plan = plan.clone();
    let (builders, others) = workers.build()?;
    let guards = timely::execute::execute_from(builders, others, timely::WorkerConfig::default(), move |worker| {
        let first = match worker.index() {
            0 => first.lock().unwrap_or_else(PoisonError::into_inner).take(),
            _ => None,
        };
        run(worker, &plan, (&store, &export), first)
    })?;
    let mut ended = None;
    for result in guards.join() {
        ended = result?.or(ended);
    }
    Ok(ended)
}

fn run<L>(
    worker: &mut Worker,
    plan: &Arc<Plan>,
    (store, export): (&Store, &Option<Export>),
    first: Option<(Edges, impl FnOnce() -> L)>,
) -> Option<Ended>
where
    L: FnMut(Option<&RunReport>),
{
    let board: SharedBoard = SharedBoard::default();
    let archive = Rc::new(RefCell::new(Archive::new(store.clone(), (worker.index(), worker.peers()))));
    let saves = first.as_ref().and_then(|(edges, _)| edges.saves.zip(Some(edges.restore)));
    let keeper = store.checkpoints.clone().zip(saves).map(|(checkpoints, (cadence, restore))| {
        Keeper::new(checkpoints, store.pipeline, cadence, worker.peers(), restore.map(|name| name.tick))
    });
    let saver = Saver { archive, keeper: Rc::new(RefCell::new(keeper)), peers: worker.peers() };
    let report = Rc::new(RefCell::new(RunReport::default()));
    let Some((edges, look)) = first else {
        build(worker, plan, None, export, (board, saver));
        while worker.has_dataflows() {
            worker.step_or_park(None);
        }
        return None;
    };
    let sink: emit::SharedSink = Rc::new(RefCell::new(edges.sink));
    let registries = edges.registries.clone();
    let models = plan.models().into_iter().zip(edges.registries);
    let releases = models.map(|(model, registry)| release::Releases::new(model, registry)).collect();
    let history = Arc::new(edges.history);
    let mut showing = edges.shown.map(|shown| Showing::new(shown, plan, history.end(), &mut report.borrow_mut()));
    let outlet = Outlet { sink: sink.clone(), releases, history: history.clone(), report: report.clone() };
    let Edges { lanes, requests, stop, drains, caution, restore, held, .. } = edges;
    let asked = stop.clone();
    let input = Input { lanes, requests, registries, stop, drains, history, caution, restore, held };
    let bell = edges.bell.clone();
    let ends = Ends { input, outlet, bell: edges.bell, live: edges.live };
    build(worker, plan, Some(ends), export, (board.clone(), saver.clone()));
    let mut look = look();
    let mut stops = false;
    while worker.has_dataflows() {
        // Looking at the account is worth a wake-up.
        worker.step_or_park(Some(Duration::from_millis(200)));
        look(Some(&report.borrow()));
        // A signal wakes nobody: who waits for input or for a training must be told.
        if !stops && asked.load(Ordering::Acquire) {
            stops = true;
            bell.ring();
        }
        // A run without input must learn of it, too.
        if let Err(error) = sink.borrow_mut().check() {
            let mut board = board.borrow_mut();
            board.broken = true;
            board.failures.push(Failure::Sink(error));
            bell.ring();
        }
        let committed = sink.borrow().committed();
        if let Some(showing) = showing.as_mut().filter(|_| !board.borrow().broken) {
            showing.look(&report.borrow(), committed);
        }
        if let Some(keeper) = saver.keeper.borrow_mut().as_mut() {
            let busy = keeper.is_busy();
            keeper.tend(committed);
            if busy && !keeper.is_busy() {
                // Who waits to end may save once more now.
                bell.ring();
            }
        }
    }
    look(None);
    let report = Rc::try_unwrap(report).ok()?.into_inner();
    let mut failures = std::mem::take(&mut board.borrow_mut().failures);
    // Of what was written before a failure nothing more can be said.
    if !board.borrow().broken {
        let closed = Rc::try_unwrap(sink).ok()?.into_inner().close();
        if closed.is_ok() {
            // All that was written is committed.
            showing.into_iter().for_each(|showing| showing.end(&report));
        }
        if let (Ok(()), Some(keeper)) = (&closed, saver.keeper.take()) {
            keeper.finish(Tick::MAX);
        }
        failures.extend(closed.err().map(Failure::Sink));
    }
    Some(Ended { report, failures })
}

/// What the dataflow's own ends, on worker 0, are made of.
struct Ends {
    input: Input,
    outlet: Outlet,
    bell: Bell,
    live: bool,
}

fn build(
    worker: &mut Worker,
    plan: &Arc<Plan>,
    ends: Option<Ends>,
    export: &Option<Export>,
    (board, saver): (SharedBoard, Saver),
) {
    // The models live beside ingest where there is one worker, away from it where there are more.
    let home = worker.peers() - 1;
    let (input, outlet, bell, live) = match ends {
        Some(ends) => (Some(ends.input), Some(ends.outlet), Some(ends.bell), ends.live),
        None => (None, None, None, false),
    };
    let rules = mint_rules(plan, live);
    worker.dataflow::<Tick, _, _>(|scope| {
        let mut address = Vec::new();
        let archive = &saver.archive;
        let ingested = ingest::ingest(scope, plan, rules, input, (board.clone(), saver.clone()), |at| address = at);
        if let Some(bell) = bell
            && let Ok(mut activator) = bell.activator.lock()
        {
            *activator = Some(scope.worker().sync_activator_for(address.clone()));
        }
        let marks = ingested.marks.broadcast();
        let resolutions = ingested.resolutions.exchange(move |_| home as u64);
        let modelled = if home == 0 {
            alone::alone(plan, ingested.rows, resolutions.clone(), marks.clone(), archive)
        } else {
            let matched = matching::matching(plan, ingested.rows, marks.clone(), archive);
            let (answers, refusals) = enrich::enrich(plan, matched.touches, marks.clone(), archive);
            let (cases, home) = (matched.cases, (archive, home));
            let vectors = vectoring::vectoring(plan, cases, answers, marks.clone(), home);
            let said = match plan.models().iter().any(|model| model.ensemble().is_some()) {
                true => voting::voting(plan, vectors.lessons.broadcast(), marks.clone(), archive),
                false => empty(scope),
            };
            let (resolutions, marks) = (resolutions.clone(), marks.clone());
            let rooms = modelling::modelling(plan, vectors.ready, said, resolutions, marks, home);
            let accounts = matched.accounts.concat(refusals).concat(vectors.accounts).concat(rooms.accounts);
            modelling::Modelled { accounts, ..rooms }
        };
        if let Some(export) = export {
            export::export(export.clone(), modelled.outcomes.clone());
        }
        let home = (archive, home);
        let counts = measure::measure(plan, modelled.outcomes.clone(), marks.clone(), home);
        let (metric_pages, figures) = publish::publish(plan, counts, marks.clone(), home);
        let signals = watch::watch(plan, modelled.outcomes.clone(), resolutions.clone(), marks.clone(), home);
        let filed = archiving(archive, marks.clone());
        let outcomes = modelled.outcomes;
        let heard = Heard { outcomes, states: modelled.states, figures, signals, resolutions, marks };
        let (decision_pages, words) = retrain::retrain(plan, heard, home);
        let minter = scope.activator_for(address.into());
        listen(words, board.clone(), minter.clone());
        hear(filed, board.clone(), saver.keeper.clone(), minter.clone());
        let pages = modelled.pages.concat(metric_pages).concat(decision_pages);
        let ends = (outlet, board, minter);
        emit::emit(plan, ingested.minted, pages, modelled.accounts, ends, (archive, &saver.keeper));
    });
}

/// Puts the words of the judging room on the board of worker 0.
fn listen(
    words: timely::dataflow::StreamVec<'_, Tick, Word>,
    board: SharedBoard,
    minter: timely::scheduling::Activator,
) {
    words.sink(Exchange::new(|_: &Word| 0), "Listen", move |(input, _)| {
        input.for_each(|_, batch| {
            board.borrow_mut().words.append(batch);
            minter.activate();
        });
    });
}

/// Takes what became of orders to the keeper and the board of worker 0.
fn hear(
    filed: timely::dataflow::StreamVec<'_, Tick, Filed>,
    board: SharedBoard,
    keeper: SharedKeeper,
    minter: timely::scheduling::Activator,
) {
    filed.sink(Exchange::new(|_: &Filed| 0), "Hear", move |(input, _)| {
        input.for_each(|_, batch| {
            for filed in batch.drain(..) {
                match filed {
                    Filed::Restored => board.borrow_mut().restored += 1,
                    Filed::Failed(Order::Restore(_), cause) => {
                        let mut board = board.borrow_mut();
                        board.broken = true;
                        board.failures.push(Failure::Checkpoint(cause));
                    }
                    saved => keeper.borrow_mut().iter_mut().for_each(|keeper| keeper.hear(saved.clone())),
                }
            }
            minter.activate();
        });
    });
}

/// Ticks that are minted and not yet written, at most.
pub fn ticks_in_flight(plan: &Plan) -> u64 {
    (RECORDS_IN_FLIGHT / plan.spec.tick_records.max(1) as u64).clamp(*TICKS_IN_FLIGHT.start(), *TICKS_IN_FLIGHT.end())
}

fn mint_rules(plan: &Plan, live: bool) -> MintRules {
    let spec = &plan.spec;
    MintRules {
        every: spec.every,
        reach: plan.reach(),
        max_ahead: spec.max_ahead,
        tick_records: spec.tick_records,
        tick_after: live.then_some(Duration::from_millis(spec.tick_ms)),
        in_flight: ticks_in_flight(plan),
    }
}
