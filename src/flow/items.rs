//! What travels between the rooms, in the order of the walk.

use super::saving::Order;
use crate::deploy::Wish;
use crate::model::{Body, Share, Vote};
use crate::record::{Key, Row, Value};
use crate::task::{Label, Prediction};
use crate::time::Time;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::rc::Rc;
use std::sync::Arc;

/// A row at its place in a tick: from ingest to match.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Item {
    /// Its place in the tick by the law's order; even, so that a label which waited goes right behind its event.
    pub seq: u32,
    /// Running pipeline time: the greatest event time of all records up to and including this one.
    pub now: Time,
    /// The row.
    pub row: Row,
}

/// What every room is told of every tick, once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mark {
    /// Pipeline time after the tick.
    pub now: Time,
    /// Set on the tick that stands at a multiple of `every`, after all records before it: metrics are published and
    /// triggers judged.
    pub boundary: Option<Time>,
    /// The end of the input: judged like a boundary, but nothing starts any more.
    pub last: bool,
    /// At a boundary: what was asked for by hand since the last one.
    pub asked: Asked,
    /// What every room does before anything of the tick.
    pub order: Option<Order>,
}

/// A model that was made elsewhere, to be judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pushed {
    /// The model's name.
    pub model: CompactString,
    /// The digest of its artifact.
    pub digest: String,
    /// What it is, once the minter has read it.
    pub body: Option<Arc<Body>>,
}

/// An event whose label is to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forget {
    /// Its prediction id.
    pub id: CompactString,
    /// Why, for a person.
    pub reason: Option<String>,
}

/// What was asked for by hand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// Trainings, of all models.
    pub trainings: u32,
    /// Trainings of one model each, by the models' names.
    pub trainings_of: Vec<CompactString>,
    /// Changes of roles, with the model's name.
    pub wishes: Vec<(CompactString, Wish)>,
    /// Models that were made elsewhere.
    pub pushed: Vec<Pushed>,
    /// Events whose labels are to be forgotten, each id once.
    pub forget: Vec<Forget>,
    /// Of ticks that are made again: what the clock said of the trainings that begin.
    pub measured: Vec<Measured>,
}

/// What the clock said of a training once and for all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// The decision that began it.
    pub decision: String,
    /// Whether it missed its deadline.
    pub missed: bool,
}

impl Asked {
    /// What else was asked for; no event is forgotten twice.
    pub fn join(&mut self, other: Asked) {
        self.trainings = self.trainings.max(other.trainings);
        self.trainings_of.extend(other.trainings_of);
        self.wishes.extend(other.wishes);
        self.pushed.extend(other.pushed);
        self.measured.extend(other.measured);
        let new = |forget: &Forget| self.forget.iter().all(|known| known.id != forget.id);
        let forget: Vec<Forget> = other.forget.into_iter().filter(new).collect();
        self.forget.extend(forget);
    }

    /// The trainings of one model.
    pub fn trainings_of(&self, model: &str) -> u32 {
        self.trainings + u32::from(self.trainings_of.iter().any(|of| of == model))
    }

    /// The changes of one model's roles.
    pub fn of(&self, model: &str) -> impl Iterator<Item = Wish> {
        self.wishes.iter().filter(move |(of, _)| of == model).map(|(_, wish)| *wish)
    }

    /// What was pushed as one model.
    pub fn pushed_as(&self, model: &str) -> impl Iterator<Item = &Pushed> {
        self.pushed.iter().filter(move |pushed| pushed.model == model)
    }
}

/// One operation on a window or a table: from match to enrich.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Touch {
    /// Place in the tick.
    pub seq: u32,
    /// Window groups first, then tables, as numbered in the plan.
    pub store: u16,
    /// Whose state.
    pub key: Key,
    /// Running pipeline time.
    pub now: Time,
    /// The record's own event time.
    pub time: Time,
    /// What to do.
    pub deed: Deed,
}

/// What a touch does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Deed {
    /// An event asks; nothing changes.
    Ask,
    /// An event asks, then joins the window itself, at this place among rows of its time.
    AskAndJoin(u64, Arguments),
    /// A context or label row joins the window, at this place among rows of its time.
    Join(u64, Arguments),
    /// A label row leaves the window again.
    Leave(u64, Arguments),
    /// A table's row, or its deletion.
    Put(u64, Option<Arc<[Value]>>),
}

/// One value an argument of the group.
pub type Arguments = SmallVec<[Option<f64>; 2]>;

/// What a store answers an event: from enrich to score.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// The event's place in the tick.
    pub seq: u32,
    /// Which store.
    pub store: u16,
    /// Its answer.
    pub found: Found,
}

/// An answer's content.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Found {
    /// One result an aggregate.
    Window(SmallVec<[Option<f64>; 4]>),
    /// The row as of the event's time.
    Row(Option<Arc<[Value]>>),
}

/// What happens to an event: from match to score.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Case {
    /// Place in the tick.
    pub seq: u32,
    /// The event.
    pub key: Key,
    /// Running pipeline time.
    pub now: Time,
    /// What happens.
    pub kind: CaseKind,
}

/// What happens to an event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum CaseKind {
    /// It comes, to be scored.
    Event {
        /// Its prediction id.
        id: CompactString,
        /// Its own event time.
        time: Time,
        /// Its columns.
        values: Box<[Value]>,
    },
    /// Its label becomes known, changes, or is withdrawn (`None`).
    Label {
        /// What it was before, as far as known.
        before: Option<Label>,
        /// What it is now.
        after: Option<Label>,
    },
}

/// What an ensemble whose members are on all workers is told of a tick: from vector to vote.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Lessons {
    /// The model, by its place in the pipeline file.
    pub model: u16,
    /// One after the other, in the law's order.
    pub steps: Vec<Lesson>,
}

/// One thing that such an ensemble is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Lesson {
    /// To vote on an event.
    Vote(Arc<crate::feature::Vector>),
    /// To learn.
    Learn(Arc<crate::feature::Vector>, Label),
    /// To give its state.
    Save,
}

/// What one worker's members of an ensemble say to their lessons: from vote to score.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Said {
    /// The model, by its place in the pipeline file.
    pub model: u16,
    /// Which members.
    pub share: Share,
    /// The votes of all these members, event by event.
    pub votes: Vec<Option<Vote>>,
    /// The states that were asked for.
    pub states: Vec<Body>,
}

/// Who made a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Contestant {
    /// The champion, where it answered.
    Champion(u32),
    /// A challenger, where it answered.
    Challenger(u32),
    /// A version scored beside the one that answered.
    Shadow(u32),
    /// The champion before, scored beside its successor.
    Previous(u32),
    /// The champion's state as frozen at the so-manieth `freeze_at`.
    Frozen(u16),
    /// The majority baseline.
    Majority,
    /// The no-change baseline.
    NoChange,
}

impl Contestant {
    /// The version whose score as of now it is; `None` for frozen states and baselines.
    pub fn version(self) -> Option<u32> {
        match self {
            Contestant::Champion(version)
            | Contestant::Challenger(version)
            | Contestant::Shadow(version)
            | Contestant::Previous(version) => Some(version),
            Contestant::Frozen(_) | Contestant::Majority | Contestant::NoChange => None,
        }
    }
}

/// An event as it was scored; shared by everybody who looks at it later.
#[derive(Debug, Serialize, Deserialize)]
pub struct Scored {
    /// Its prediction id.
    pub id: CompactString,
    /// Its own event time.
    pub time: Time,
    /// What was served to the models.
    pub vector: Arc<crate::feature::Vector>,
    /// Every score made, that of the version that answered first.
    pub scores: SmallVec<[(Contestant, Prediction); 5]>,
    /// What the online learner said.
    pub live: Prediction,
    /// The values of the slice columns, in the order of `slices`.
    pub slices: SmallVec<[CompactString; 2]>,
}

impl Scored {
    /// What was served: *the* prediction.
    pub fn served(&self) -> &Prediction {
        self.scores.first().map_or(&self.live, |(_, said)| said)
    }

    /// What a version said, if it was scored.
    pub fn said(&self, version: u32) -> Option<&Prediction> {
        self.scores.iter().find(|(who, _)| who.version() == Some(version)).map(|(_, said)| said)
    }
}

/// What became of an event that a model scored: from score to measure, watch and retrain, on one worker.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The model, by its place in the pipeline file.
    pub model: u16,
    /// The event.
    pub scored: Rc<Scored>,
    /// Running pipeline time.
    pub now: Time,
    /// What became of it.
    pub turn: Turn,
}

/// What became of a scored event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Turn {
    /// It was scored.
    Scored,
    /// Its label changed.
    Labelled {
        /// Before.
        before: Option<Label>,
        /// Now.
        after: Option<Label>,
        /// Whether it never had one before.
        first: bool,
    },
    /// Its timeout passed, labelled or not: it gets no other label. One that is forgotten later is settled once more,
    /// without.
    Settled {
        /// Whether it had a label.
        labelled: bool,
    },
    /// It is forgotten by request while it is erasable. A label that was in force has left as [`Turn::Labelled`]
    /// before; this only says so.
    Forgotten {
        /// Whether its timeout has not passed.
        open: bool,
        /// Whether it had a label.
        labelled: bool,
        /// Whether it ever had one.
        learned: bool,
    },
}
