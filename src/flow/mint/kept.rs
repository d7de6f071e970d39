//! The minter and checkpoints: what it keeps itself, when it orders one, and how a run goes on behind one.
//!
//! Right behind a tick nothing is open, so its state there is how far each partition is consumed, pipeline time, and
//! the next boundary. The order goes out with the mark of the next tick; when the run is stopped, with one of its own
//! that is no tick. A run that goes on from a checkpoint sends the order to take it up at the tick that it is of, and
//! mints nothing before all workers have obeyed.

use super::super::items::Asked;
use super::super::judging::announced;
use super::super::plan::Plan;
use super::super::progress::{Stamp, name_of};
use super::super::saving::{Keeps, Order, Sections, Shares};
use super::{Mark, Minted, Minter, Outputs, Pause};
use crate::state::checkpoint::Found;
use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    now: Option<Stamp>,
    boundary: Option<Stamp>,
    closed: bool,
    commanded: Asked,
    partitions: Vec<Partition>,
}

/// What is kept of a partition.
#[derive(Serialize, Deserialize)]
struct Partition {
    /// `source/partition`
    name: String,
    /// The first offset not consumed.
    end: u64,
    last: Option<Stamp>,
    ahead: u32,
}

/// The first offset not consumed by a checkpoint, of each partition that it had read.
///
/// # Errors
/// It has none of this pipeline's.
pub fn consumed(plan: &Plan, found: &Found) -> Result<BTreeMap<(u16, u16), u64>, String> {
    let nothing = BTreeSet::new();
    let from = Shares::of(found, (0, 1), &nothing);
    let kept: Option<Kept> = from.value(&plan.operators.ingest, 0)?;
    let kept = kept.ok_or_else(|| format!("checkpoint {} has no section ingest", found.name()))?;
    let end = |partition: Partition| Some((plan.partition_of(&partition.name)?, partition.end));
    Ok(kept.partitions.into_iter().filter_map(end).collect())
}

impl Keeps for Minter {
    fn save(&self, to: &Sections) {
        let partition = |(partition, last, ahead): ((u16, u16), Option<Time>, u32)| {
            let end = *self.ends.get(&partition)?;
            Some(Partition { name: name_of(&self.plan, partition), end, last: last.map(Stamp), ahead })
        };
        let kept = Kept {
            now: self.now.map(Stamp),
            boundary: Some(self.boundary).filter(|boundary| *boundary != Time(i64::MAX)).map(Stamp),
            closed: self.closed,
            commanded: self.commanded.clone(),
            partitions: self.lanes.memory().into_iter().filter_map(partition).collect(),
        };
        to.value(&self.plan.operators.ingest, 0, &kept);
    }

    fn restore(&mut self, from: &Shares<'_>) -> Result<(), String> {
        let ingest = &self.plan.operators.ingest;
        let kept: Option<Kept> = from.value(ingest, 0)?;
        let kept = kept.ok_or_else(|| format!("it has no section {}", ingest.name))?;
        self.now = kept.now.map(|now| now.0);
        self.sent = self.now;
        self.boundary = kept.boundary.map_or(Time(i64::MAX), |boundary| boundary.0);
        self.closed = kept.closed;
        self.commanded = kept.commanded;
        for Partition { name, end, last, ahead } in kept.partitions {
            let Some(partition) = self.plan.partition_of(&name) else { continue };
            self.ends.insert(partition, end);
            self.lanes.remember(partition, last.map(|last| last.0), ahead);
        }
        // All earlier boundaries are judged in the state that the other rooms take up.
        for model in self.plan.models() {
            let effect = announced(&model, from)?;
            self.announced.extend(effect.map(|effect| ((effect, model.number), None)));
        }
        Ok(())
    }
}

impl Minter {
    /// Sends the order to take up a checkpoint, if the run goes on from one.
    pub(super) fn take_up(&mut self, out: &mut Outputs) {
        let Some(name) = self.restore.take() else { return };
        let order = Order::Restore(name);
        self.obey(order);
        for capability in &mut self.capabilities {
            capability.downgrade(&name.tick);
        }
        self.next = name.tick + 1;
        {
            let mut board = self.board.borrow_mut();
            (board.written, board.restoring) = (self.next, self.saver.peers);
        }
        self.send_alone(out, order);
        for capability in &mut self.capabilities {
            capability.downgrade(&self.next);
        }
    }

    /// Right behind a tick: saves, if that is due. What is made again was saved in its time.
    pub(super) fn save_if_due(&mut self) {
        let keeper = self.saver.keeper.clone();
        let mut keeper = keeper.borrow_mut();
        if self.order.is_none()
            && !self.replays()
            && let Some(keeper) = keeper.as_mut().filter(|keeper| keeper.is_due(self.next))
            && let Some(draft) = keeper.begin(self.next)
        {
            self.order = Some(Order::Save(draft));
            self.obey(Order::Save(draft));
        }
    }

    /// Nothing more is minted for now: saves once more, so that nothing has to be made again when the run is taken up.
    /// One that has come to the end of its input will never go on.
    pub(super) fn save_last(&mut self, out: &mut Outputs) -> Pause {
        let keeper = self.saver.keeper.clone();
        if let (None, Some(keeper)) = (self.order, keeper.borrow_mut().as_mut()) {
            if keeper.is_busy() && !self.closed {
                return Pause::Word;
            }
            if !self.closed
                && keeper.may_begin(self.next)
                && let Some(draft) = keeper.begin(self.next)
            {
                self.order = Some(Order::Save(draft));
                self.obey(Order::Save(draft));
            }
        }
        if let Some(order) = self.order.take() {
            self.send_alone(out, order);
        }
        Pause::Done
    }

    fn obey(&mut self, order: Order) {
        let archive = self.saver.archive.clone();
        archive.borrow_mut().obey(order, &mut [self]);
    }

    fn send_alone(&mut self, out: &mut Outputs, order: Order) {
        let (now, order) = (self.now.unwrap_or_default(), Some(order));
        // What a checkpoint had under way is begun anew, and was measured then.
        let measured = match order {
            Some(Order::Restore(name)) => self.history.measured_behind(name.tick),
            _ => Vec::new(),
        };
        let mark = Mark { now, boundary: None, last: false, asked: Asked { measured, ..Asked::default() }, order };
        out.marks.session(&self.capabilities[1]).give(mark);
        out.minted.session(&self.capabilities[3]).give(Minted { order, order_alone: true, ..Minted::default() });
    }
}
