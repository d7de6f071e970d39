//! When a run saves, and when what was saved becomes a checkpoint; on worker 0 of process 0.
//!
//! In: that ticks were minted, what the emitting room knows of the tick before, the parts of all workers, how far the
//! sink has committed. Out: drafts, one at a time, and checkpoints. A draft becomes one when all parts are durable and
//! its tick is committed, so no checkpoint is ever ahead of the outputs. What goes wrong is said and costs that
//! checkpoint: the stream goes on. Keeps: the digests and parts of the open draft.

use super::super::ticks::Tick;
use super::Order;
use super::archive::Filed;
use crate::fault;
use crate::state::Digest;
use crate::state::checkpoint::{CheckpointError, Checkpoints, Draft, Header, Part};
use std::cell::RefCell;
use std::rc::Rc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often a run saves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cadence {
    /// At the latest after so long, if there is anything new.
    Time(Duration),
    /// After so many ticks, and at the end.
    Ticks(u64),
}

/// A checkpoint on its way.
struct Open {
    draft: Draft,
    /// The digests of inputs and outputs up to its tick.
    digests: Option<([u8; 32], [u8; 32])>,
    parts: Vec<Part>,
    /// Words that are still to come.
    missing: usize,
    failed: Option<String>,
}

/// What decides.
pub struct Keeper {
    checkpoints: Checkpoints,
    pipeline: Digest,
    cadence: Cadence,
    /// Workers of all processes.
    peers: usize,
    /// When the last one was begun, and of which tick.
    began: Instant,
    tick: Option<Tick>,
    /// The longest that rooms of a worker were at the last one.
    took: Duration,
    open: Option<Open>,
    committing: Option<JoinHandle<Result<(), CheckpointError>>>,
}

/// Shared by the rooms of worker 0.
pub type SharedKeeper = Rc<RefCell<Option<Keeper>>>;

/// Rooms are at it for at most a twentieth of the time.
const SHARE: u32 = 20;

impl Keeper {
    /// For a pipeline with this digest; `tick` is that of the checkpoint from which the run goes on.
    pub fn new(
        checkpoints: Checkpoints,
        pipeline: Digest,
        cadence: Cadence,
        peers: usize,
        tick: Option<Tick>,
    ) -> Keeper {
        let (began, took) = (Instant::now(), Duration::ZERO);
        Keeper { checkpoints, pipeline, cadence, peers, began, tick, took, open: None, committing: None }
    }

    /// Whether the state ahead of tick `next` is to be saved.
    pub fn is_due(&self, next: Tick) -> bool {
        match self.cadence {
            Cadence::Time(every) => self.began.elapsed() >= every.max(self.took * SHARE) && self.may_begin(next),
            Cadence::Ticks(ticks) => next > self.tick.map_or(0, |tick| tick + 1) + ticks - 1 && self.may_begin(next),
        }
    }

    /// Whether the state ahead of tick `next` is newer than what was saved last, and nothing is on its way.
    pub fn may_begin(&self, next: Tick) -> bool {
        !self.is_busy() && next.checked_sub(1).is_some_and(|last| self.tick.is_none_or(|tick| tick < last))
    }

    /// Whether a checkpoint is on its way.
    pub fn is_busy(&self) -> bool {
        self.open.is_some() || self.committing.is_some()
    }

    /// Begins one of the state ahead of tick `next`.
    pub fn begin(&mut self, next: Tick) -> Option<Draft> {
        let tick = next.checked_sub(1)?;
        (self.began, self.tick, self.took) = (Instant::now(), Some(tick), Duration::ZERO);
        match self.checkpoints.draft(tick) {
            Ok(draft) => {
                fault::point("checkpoint.begun");
                let (parts, missing) = (Vec::new(), self.peers);
                self.open = Some(Open { draft, digests: None, parts, missing, failed: None });
                Some(draft)
            }
            Err(error) => {
                tracing::warn!(tick, %error, "no checkpoint could be begun");
                None
            }
        }
    }

    /// What the progress record of the open draft's tick says of inputs and outputs.
    pub fn digests(&mut self, inputs: [u8; 32], outputs: [u8; 32]) {
        if let Some(open) = &mut self.open {
            open.digests = Some((inputs, outputs));
        }
    }

    /// What became of an order to save on one worker.
    pub fn hear(&mut self, filed: Filed) {
        let Some(open) = &mut self.open else { return };
        match filed {
            Filed::Part(draft, part, took) if draft == open.draft => {
                open.parts.push(part);
                self.took = self.took.max(took);
            }
            Filed::Failed(Order::Save(draft), cause) if draft == open.draft => open.failed = Some(cause),
            _ => return,
        }
        open.missing -= 1;
    }

    /// Goes on with what is on its way; ticks below `committed` are committed.
    pub fn tend(&mut self, committed: Tick) {
        self.committing = self.committing.take().and_then(|thread| {
            if thread.is_finished() {
                tell(thread.join());
                return None;
            }
            Some(thread)
        });
        let Some(open) = self.open.take_if(|open| open.missing == 0 && open.draft.tick() < committed) else { return };
        self.committing = self.commit(open);
    }

    /// Waits for what is on its way, as far as it can still become a checkpoint.
    pub fn finish(mut self, committed: Tick) {
        self.tend(committed);
        if let Some(thread) = self.committing.take() {
            tell(thread.join());
        }
    }

    fn commit(&mut self, open: Open) -> Option<JoinHandle<Result<(), CheckpointError>>> {
        let Open { draft, digests, parts, failed, .. } = open;
        let tick = draft.tick();
        let (Some((inputs, outputs)), None) = (digests, &failed) else {
            tracing::warn!(tick, cause = failed, "a checkpoint could not be written");
            // Or one that fails every time would fill the disk with what is left of it.
            if let Err(error) = self.checkpoints.discard(draft) {
                tracing::warn!(tick, %error, "what is left of it could not be removed");
            }
            return None;
        };
        let (rooms_ms, since_ms) = (self.took.as_millis() as u64, self.began.elapsed().as_millis() as u64);
        tracing::debug!(tick, rooms_ms, since_ms, "all parts of a checkpoint are durable and its tick is committed");
        let (inputs, outputs) = (Digest(inputs), Digest(outputs));
        let header = Header { tick, pipeline: self.pipeline, inputs, outputs };
        let checkpoints = self.checkpoints.clone();
        let work = move || {
            fault::point("checkpoint.before");
            checkpoints.commit(draft, header, parts)?;
            fault::point("checkpoint.after");
            Ok(())
        };
        let thread = thread::Builder::new().name("checkpoints".to_owned()).spawn(work);
        thread.map_err(|error| tracing::warn!(tick, %error, "a checkpoint could not be committed")).ok()
    }
}

fn tell(ended: thread::Result<Result<(), CheckpointError>>) {
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "a checkpoint could not be committed"),
        Err(_) => tracing::error!("the thread that commits checkpoints panicked"),
    }
}
