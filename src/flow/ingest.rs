//! The room where records enter: the minter of ticks ([`super::mint`]) as an operator.
//!
//! Runs on worker 0; elsewhere it closes at once. Out: rows, marks, resolutions, and what the emitting room must know
//! of a tick ([`Minted`]).

use super::caution::{Caution, Culprit};
use super::control::{Resolution, SharedBoard};
use super::history::History;
use super::items::{Asked, Item, Mark};
use super::lanes::Lanes;
use super::mint::{Minter, Outputs, Pause};
use super::plan::Plan;
use super::saving::{Order, Saver};
use super::ticks::Tick;
use crate::record::DeadLetter;
use crate::registry::Registry;
use crate::state::checkpoint::Name;
use crate::time::{Span, Time};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant};
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::{Scope, StreamVec};

/// What the minter is configured with.
#[derive(Clone, Debug)]
pub struct MintRules {
    /// Boundaries stand at its multiples.
    pub every: Span,
    /// No record at or beyond the oldest unjudged boundary plus this is minted.
    pub reach: Span,
    /// Event times beyond pipeline time plus this are refused.
    pub max_ahead: Span,
    /// Records a tick.
    pub tick_records: usize,
    /// A live tick closes after this.
    pub tick_after: Option<Duration>,
    /// Ticks in flight at most.
    pub in_flight: u64,
}

/// What the emitting room is told of a tick, on worker 0.
#[derive(Clone, Debug, Default)]
pub struct Minted {
    /// Pipeline time after it.
    pub now: Time,
    /// The earliest event time of its rows, if it has any.
    pub began: Option<Time>,
    /// Set on a boundary.
    pub boundary: Option<Time>,
    /// Whether that is the end of the input.
    pub last: bool,
    /// The boundary that comes next; none before the first row.
    pub next_boundary: Option<Time>,
    /// The first offset not consumed, of each partition that the tick consumed from.
    pub ends: BTreeMap<(u16, u16), u64>,
    /// The rows and dead letters that it consumed, by source.
    pub records: BTreeMap<u16, u64>,
    /// The digest of the input that it consumed.
    pub digest: Option<[u8; 32]>,
    /// Of what was refused here: partition, offset, and pipeline time as of then.
    pub ahead: Vec<((u16, u16), u64, Time)>,
    /// Of what was refused here: what workers panicked on.
    pub poison: Vec<Culprit>,
    /// What was refused here or before.
    pub dead: Vec<DeadLetter>,
    /// What was asked for by hand and a boundary passes on.
    pub asked: Asked,
    /// The version that it brings, or why none.
    pub resolution: Option<Arc<Resolution>>,
    /// What every room does before anything of the tick.
    pub order: Option<Order>,
    /// Whether there is no more to it than that: such a tick is none.
    pub order_alone: bool,
    /// When it was cut; and when the batches arrived that it holds, with the events of each. For latency figures only.
    pub cut: Option<Instant>,
    /// See `cut`.
    pub arrivals: Vec<(Instant, u32)>,
    /// Time for which minting stood still for a training since the last tick.
    pub stalled: Duration,
}

/// The streams that leave the minter.
pub struct Ingested<'scope> {
    /// The rows of every tick.
    pub rows: StreamVec<'scope, Tick, Item>,
    /// One mark a tick.
    pub marks: StreamVec<'scope, Tick, Mark>,
    /// Versions at their activation.
    pub resolutions: StreamVec<'scope, Tick, Arc<Resolution>>,
    /// For the emitting room, on worker 0.
    pub minted: StreamVec<'scope, Tick, Minted>,
}

/// Yields what was asked for by hand since it was last called, for the tick whose number comes first; ticks below the
/// second are committed.
pub type Requests = Box<dyn FnMut(Tick, Tick) -> Asked + Send>;

/// What the minter mints from.
pub struct Input {
    /// The open partitions.
    pub lanes: Lanes,
    /// Yields what is asked for by hand.
    pub requests: Requests,
    /// Where models that were pushed are, by model.
    pub registries: Vec<Registry>,
    /// Set when the run is to stop: the end of the lanes is not the end of the input.
    pub stop: Arc<AtomicBool>,
    /// Whether the lanes end by themselves then, behind what was received.
    pub drains: bool,
    /// The ticks that are minted again first.
    pub history: Arc<History>,
    /// How careful it is behind them.
    pub caution: Caution,
    /// The checkpoint that the run goes on from.
    pub restore: Option<Name>,
    /// What the process holds.
    pub held: Held,
}

/// The memory that a process holds once it is more than it may, in bytes; 0 before.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// What it holds.
    pub bytes: Arc<AtomicU64>,
    /// What it may hold.
    pub allowed: u64,
}

/// Builds the minter. `input` is there on worker 0 only.
pub fn ingest<'scope>(
    scope: Scope<'scope, Tick>,
    plan: &Arc<Plan>,
    rules: MintRules,
    input: Option<Input>,
    (board, saver): (SharedBoard, Saver),
    wake: impl FnOnce(Vec<usize>),
) -> Ingested<'scope> {
    let mut builder = OperatorBuilder::new("Ingest".to_owned(), scope);
    let (rows, rows_stream) = builder.new_output::<Vec<Item>>();
    let (marks, marks_stream) = builder.new_output::<Vec<Mark>>();
    let (resolutions, resolutions_stream) = builder.new_output::<Vec<Arc<Resolution>>>();
    let (minted, minted_stream) = builder.new_output::<Vec<Minted>>();
    let (mut rows, mut marks) = (OutputBuilder::from(rows), OutputBuilder::from(marks));
    let (mut resolutions, mut minted) = (OutputBuilder::from(resolutions), OutputBuilder::from(minted));
    let address = builder.operator_info().address;
    let activator = scope.activator_for(address.clone());
    wake(address.to_vec());
    let plan = plan.clone();
    if input.is_some() {
        saver.archive.borrow_mut().enter();
    }
    builder.build(move |capabilities| {
        let mut minter = input.map(|input| Minter::new(plan, rules, input, (board, saver), capabilities));
        move |_| {
            let Some(running) = &mut minter else { return };
            let mut outputs = Outputs {
                rows: rows.activate(),
                marks: marks.activate(),
                resolutions: resolutions.activate(),
                minted: minted.activate(),
            };
            match running.pump(&mut outputs) {
                Pause::Done => minter = None,
                Pause::Until(delay) => activator.activate_after(delay),
                Pause::Word => {}
            }
        }
    });
    Ingested { rows: rows_stream, marks: marks_stream, resolutions: resolutions_stream, minted: minted_stream }
}
