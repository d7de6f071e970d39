//! One worker's part in checkpoints: it passes orders on to its rooms, and their sections to a thread that writes them.
//!
//! In: orders, with marks, obeyed by each room on its own. Out: on the stream of its operator, one word an order: that
//! the part is durable, that all rooms have taken up what was theirs, or what went wrong. Keeps: while a part is being
//! written, the bytes that are not written yet.

use super::super::items::Mark;
use super::super::ticks::Tick;
use super::sections::{Keeps, Sections, Shares, Written};
use super::{Order, Store};
use crate::fault;
use crate::state::Digest;
use crate::state::checkpoint::{Checkpoints, Draft, Found, Name, Part, Section};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::scheduling::SyncActivator;

/// What became of an order on one worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Filed {
    /// The worker's part is durable; for so long its rooms were at it.
    Part(Draft, Part, Duration),
    /// All rooms go on from the checkpoint.
    Restored,
    /// It was not obeyed, and why.
    Failed(Order, String),
}

/// One worker's part.
pub struct Archive {
    /// None if the run has no checkpoints.
    checkpoints: Option<Checkpoints>,
    dropped: Arc<BTreeSet<String>>,
    pipeline: Digest,
    place: (usize, usize),
    rooms: usize,
    /// The order at hand, and how many rooms have still to obey it.
    at_hand: Option<(Order, usize)>,
    /// Where its sections go.
    sections: Option<Sections>,
    /// What it is taken up from.
    found: Option<Found>,
    failed: Option<String>,
    /// Time that rooms took for it.
    took: Duration,
    filed: (Sender<Filed>, Receiver<Filed>),
    /// Wakes the operator.
    bell: Option<SyncActivator>,
}

/// Shared by the rooms of one worker.
pub type SharedArchive = Rc<RefCell<Archive>>;

impl Archive {
    /// That of one of so many workers.
    pub fn new(store: Store, place: (usize, usize)) -> Archive {
        let Store { checkpoints, pipeline, dropped } = store;
        Archive {
            checkpoints,
            dropped,
            pipeline,
            place,
            rooms: 0,
            at_hand: None,
            sections: None,
            found: None,
            failed: None,
            took: Duration::ZERO,
            filed: channel(),
            bell: None,
        }
    }

    /// One more room will obey.
    pub fn enter(&mut self) {
        self.rooms += 1;
    }

    /// A room obeys an order, with all that it keeps; nothing, where it lives on another worker.
    pub fn obey(&mut self, order: Order, room: &mut [&mut dyn Keeps]) {
        let began = Instant::now();
        let left = match self.at_hand {
            Some((at_hand, left)) if at_hand == order => left - 1,
            _ => {
                self.begin(order);
                self.rooms - 1
            }
        };
        self.at_hand = Some((order, left));
        for state in room {
            self.obey_one(order, *state);
        }
        self.took += began.elapsed();
        if left == 0 {
            self.end(order);
        }
    }

    fn begin(&mut self, order: Order) {
        (self.failed, self.took) = (None, Duration::ZERO);
        match order {
            Order::Save(draft) => self.sections = self.write(draft),
            Order::Restore(name) => self.found = self.open(name),
        }
    }

    fn obey_one(&mut self, order: Order, state: &mut dyn Keeps) {
        match (order, &self.sections, &self.found) {
            (Order::Save(_), Some(sections), _) => state.save(sections),
            (Order::Restore(_), _, Some(found)) => {
                // What begins anew has done so when the changed pipeline saved for the first time.
                let changed = found.header().pipeline != self.pipeline;
                let dropped = if changed { &*self.dropped } else { &BTreeSet::new() };
                let outcome = state.restore(&Shares::of(found, self.place, dropped));
                self.failed = self.failed.take().or(outcome.err());
            }
            _ => {}
        }
    }

    fn end(&mut self, order: Order) {
        self.at_hand = None;
        self.found = None;
        if self.sections.take().is_some() {
            // No more sections come: its thread says the rest.
            return;
        }
        let filed = match self.failed.take() {
            Some(cause) => Filed::Failed(order, cause),
            None => Filed::Restored,
        };
        let _ = self.filed.0.send(filed);
        if let Some(bell) = &self.bell {
            // Refused only when the worker is gone.
            let _ = bell.activate();
        }
    }

    fn open(&mut self, name: Name) -> Option<Found> {
        let found = match &self.checkpoints {
            Some(checkpoints) => checkpoints.open_found(name).map_err(|error| error.to_string()),
            None => Err("this process has no folder for checkpoints".to_owned()),
        };
        found.map_err(|cause| self.failed = Some(cause)).ok()
    }

    /// Starts the thread that writes this worker's part.
    fn write(&mut self, draft: Draft) -> Option<Sections> {
        let Some(checkpoints) = self.checkpoints.clone() else {
            self.failed = Some("this process has no folder for checkpoints".to_owned());
            return None;
        };
        let (to, sections) = channel();
        let (filed, bell, writer) = (self.filed.0.clone(), self.bell.clone(), self.place.0 as u32);
        let work = move || {
            let _ = filed.send(match write(&checkpoints, draft, writer, &sections) {
                Ok(part) => Filed::Part(draft, part, Duration::ZERO),
                Err(cause) => Filed::Failed(Order::Save(draft), cause),
            });
            if let Some(bell) = bell {
                let _ = bell.activate();
            }
        };
        match thread::Builder::new().name("checkpoint".to_owned()).spawn(work) {
            Ok(_) => Some(Sections { to }),
            Err(error) => {
                self.failed = Some(error.to_string());
                None
            }
        }
    }
}

/// Writes sections until no more come.
fn write(
    checkpoints: &Checkpoints,
    draft: Draft,
    writer: u32,
    sections: &Receiver<Result<Written, String>>,
) -> Result<Part, String> {
    let mut part = checkpoints.part(draft, writer).map_err(|error| error.to_string())?;
    for section in sections {
        let Written { operator, shard, schema, bytes } = section?;
        let section = Section { operator: &operator, shard, schema, bytes: &bytes };
        part.section(section).map_err(|error| error.to_string())?;
    }
    fault::point("checkpoint.written");
    let part = part.finish().map_err(|error| error.to_string())?;
    fault::point("checkpoint.part");
    Ok(part)
}

/// Lets a room obey the order that came with a mark, if one did.
pub fn heed(archive: &SharedArchive, mark: Option<&Mark>, room: &mut [&mut dyn Keeps]) {
    if let Some(order) = mark.and_then(|mark| mark.order) {
        archive.borrow_mut().obey(order, room);
    }
}

/// The operator that says what became of orders, to whom it may concern on worker 0.
pub fn archiving<'scope>(
    archive: &SharedArchive,
    marks: StreamVec<'scope, Tick, Mark>,
) -> StreamVec<'scope, Tick, Filed> {
    let scope = marks.scope();
    let mut builder = OperatorBuilder::new("Archive".to_owned(), scope);
    let mut marks = builder.new_input(marks, Pipeline);
    let (words, stream) = builder.new_output::<Vec<Filed>>();
    let mut words = OutputBuilder::from(words);
    let address = builder.operator_info().address.to_vec();
    archive.borrow_mut().bell = Some(scope.worker().sync_activator_for(address));
    let archive = archive.clone();
    builder.build(move |_| {
        // Held from an order until its outcome: the dataflow does not end before its last checkpoint is written.
        let mut permit: Option<Capability<Tick>> = None;
        move |_| {
            marks.for_each(|capability, batch| {
                if batch.drain(..).any(|mark| mark.order.is_some())
                    && let Some(tick) = capability.least()
                {
                    permit = Some(capability.delayed(tick, 0));
                }
            });
            let archive = archive.borrow();
            if permit.is_some()
                && let Ok(mut filed) = archive.filed.1.try_recv()
                && let Some(permit) = permit.take()
            {
                if let Filed::Part(_, _, took) = &mut filed {
                    *took = archive.took;
                }
                words.activate().session(&permit).give(filed);
            }
        }
    });
    stream
}
