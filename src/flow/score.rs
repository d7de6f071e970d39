//! The room of one model: score, learn and settle, on one worker, in the law's order.
//!
//! In: events as vectors, labels, versions at their activation. Keeps: the online learner (or what its members on all
//! workers said, see [`super::online`]), the baselines, the versions that have a role, and every scored event with the
//! vector that was served, until its timeout, or longer where labels stay erasable. A label updates the learner with
//! that vector; a corrected one updates it only if the learner can take the wrong one back exactly. Such a learner can
//! also be rid of events that nothing else is kept of, as long as they stand in the training window: their vectors and
//! labels are kept for it. Out: predictions, and what became of each event.

use super::awaiting::Awaiting;
use super::control::{Resolution, Resolved};
use super::items::{Contestant, Forget, Outcome, Said, Scored, Turn};
use super::lines::{PageWriter, Speaker};
use super::online::{Online, teach};
use super::pairing::Relabelled;
use super::plan::{ModelPlan, text};
use super::saving::{Keeps, Sections, Shares};
use super::window::Window;
use crate::deploy::Roster;
use crate::feature::Vector;
use crate::model::{Body, Exactness, Fixed, Learner, Majority, NoChange};
use crate::record::{Key, Value};
use crate::sink::Stream;
use crate::task::{Label, Prediction};
use crate::time::Time;
use crate::train::{Contestant as Trained, Example, Verdict};
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::rc::Rc;
use std::sync::Arc;

/// What a version is.
#[derive(Clone, Serialize, Deserialize)]
enum Model {
    /// The online learner.
    Live,
    /// Fixed at its release.
    Fixed(Fixed),
}

/// An event with its vector, the same for all models.
#[derive(Clone)]
pub struct Vectored {
    /// Place in the tick.
    pub seq: u32,
    /// The event.
    pub key: Key,
    /// Running pipeline time.
    pub now: Time,
    /// Its prediction id.
    pub id: CompactString,
    /// Its own event time.
    pub time: Time,
    /// What is served to the models.
    pub vector: Arc<Vector>,
}

/// An event that may still get a label.
#[derive(Serialize, Deserialize)]
pub struct Pending {
    /// The event.
    pub scored: Rc<Scored>,
    /// What its label is now.
    pub label: Option<Label>,
    /// Whether it ever had one: an order-dependent learner has learned it then, and does not learn it again.
    pub learned: bool,
}

/// What a tick came to.
pub struct Scores {
    /// The prediction lines.
    pub page: PageWriter,
    /// What became of events.
    pub outcomes: Vec<Outcome>,
}

impl Scores {
    /// Nothing yet, with room for what becomes of so many events.
    pub fn with_capacity(outcomes: usize) -> Scores {
        let page = PageWriter::new(Stream::Predictions);
        Scores { page, outcomes: Vec::with_capacity(outcomes) }
    }
}

/// What the room of the model keeps.
pub struct ModelRoom {
    plan: Arc<ModelPlan>,
    live: Online,
    majority: Majority,
    no_change: NoChange,
    roster: Roster,
    /// Of the versions that have a role; the champion's first.
    models: Vec<(u32, Model)>,
    /// The last version that was released from the online learner.
    live_version: u32,
    /// The champion as of each `freeze_at` that has passed, with its version.
    frozen: Vec<Fixed>,
    frozen_versions: Vec<u32>,
    pending: Awaiting<Pending>,
    /// Those whose timeout has passed, while they are erasable.
    settled: Awaiting<Pending>,
    /// What an exact learner has learned and may have to be rid of; empty of others.
    learned: Window<(Arc<Vector>, Label)>,
}

/// What it keeps beside the online learner and the events that may still get a label.
#[derive(Serialize, Deserialize)]
struct Kept {
    majority: Majority,
    no_change: NoChange,
    roster: Roster,
    models: Vec<(u32, Model)>,
    live_version: u32,
    frozen: Vec<Fixed>,
    frozen_versions: Vec<u32>,
}

impl Keeps for ModelRoom {
    fn save(&self, to: &Sections) {
        let kept = Kept {
            majority: self.majority.clone(),
            no_change: self.no_change.clone(),
            roster: self.roster.clone(),
            models: self.models.clone(),
            live_version: self.live_version,
            frozen: self.frozen.clone(),
            frozen_versions: self.frozen_versions.clone(),
        };
        to.value(&self.plan.keeps.model, 0, &kept);
        self.live.save(&self.plan, to);
        let shards = self.pending.by_shard();
        let shards = shards.into_iter().chain(self.settled.by_shard());
        for (number, events) in shards.enumerate().filter(|(_, events)| !events.is_empty()) {
            to.value(&self.plan.keeps.pending, number as u32, &events);
        }
    }

    fn restore(&mut self, from: &Shares<'_>) -> Result<(), String> {
        if let Some(kept) = from.value::<Kept>(&self.plan.keeps.model, 0)? {
            (self.majority, self.no_change) = (kept.majority, kept.no_change);
            (self.roster, self.models, self.live_version) = (kept.roster, kept.models, kept.live_version);
            (self.frozen, self.frozen_versions) = (kept.frozen, kept.frozen_versions);
        }
        self.live.restore(&self.plan, from)?;
        self.pending.resume(pending(&self.plan, from)?);
        self.settled.resume(shards(&self.plan, from, Key::SHARDS as u32)?);
        self.restore_learned(from)
    }
}

/// The events of a checkpoint that may still get a label of a model, with their times.
///
/// # Errors
/// What cannot be read, in words.
pub fn pending(plan: &ModelPlan, from: &Shares<'_>) -> Result<Vec<(Key, Time, Pending)>, String> {
    shards(plan, from, 0)
}

/// The events of all shards, the first of which has this number: behind those that may still get a label stand those
/// that have settled.
fn shards(plan: &ModelPlan, from: &Shares<'_>, first: u32) -> Result<Vec<(Key, Time, Pending)>, String> {
    let mut all = Vec::new();
    for shard in first..first + Key::SHARDS as u32 {
        let events: Vec<(Key, Pending)> = from.value(&plan.keeps.pending, shard)?.unwrap_or_default();
        if all.is_empty() {
            all.reserve(events.len() * Key::SHARDS as usize);
        }
        all.extend(events.into_iter().map(|(key, event)| (key, event.scored.time, event)));
    }
    Ok(all)
}

/// How many instants of `freeze_at` had passed in the state of a model's room in a checkpoint.
///
/// # Errors
/// What cannot be read, in words.
pub fn frozen(plan: &ModelPlan, from: &Shares<'_>) -> Result<usize, String> {
    let kept = from.value::<Kept>(&plan.keeps.model, 0)?;
    Ok(kept.map_or(0, |kept| kept.frozen.len()))
}

impl ModelRoom {
    /// Version 1 is champion: the untrained online learner, with its members elsewhere if they may be `apart`.
    pub fn new(plan: Arc<ModelPlan>, apart: bool) -> ModelRoom {
        ModelRoom {
            live: Online::new(&plan, apart),
            majority: Majority::new(plan.model.task),
            no_change: NoChange::new(plan.model.task),
            roster: Roster::default(),
            models: vec![(1, Model::Live)],
            live_version: 1,
            frozen: Vec::new(),
            frozen_versions: Vec::new(),
            pending: Awaiting::new(plan.timeout),
            settled: Awaiting::new(plan.erasable),
            learned: Window::of([]),
            plan,
        }
    }

    /// The model.
    pub fn plan(&self) -> &ModelPlan {
        &self.plan
    }

    /// Takes in what the online learner's members elsewhere said of a tick, before anything of it.
    pub fn hear(&mut self, said: Vec<Said>) {
        self.live.hear(said);
    }

    /// The online learner's state, at a boundary, if something may be trained: a copy of a forest takes its time.
    pub fn save_live(&mut self) -> Option<Body> {
        self.plan.keeps_examples().then(|| self.live.state())
    }

    /// A version or a change of roles takes effect.
    pub fn activate(&mut self, resolution: &Resolution) {
        resolution.tell(&mut self.roster, &self.plan.model.deploy);
        if let Resolved::Training(trained) = &resolution.of
            && let Verdict::Released { body, source, .. } = &trained.verdict
        {
            let model = match source {
                Trained::Live => {
                    self.live_version = trained.version;
                    Model::Live
                }
                Trained::Batch | Trained::Pushed => Model::Fixed(Fixed::from(body.clone())),
            };
            self.models.push((trained.version, model));
        }
        let roster = &self.roster;
        self.models.retain(|(version, _)| roster.has(*version));
        self.models.sort_by_key(|(version, _)| (*version != roster.champion, *version));
    }

    /// Scores an event.
    #[inline]
    pub fn event(&mut self, event: &Vectored, values: &[Value], scores: &mut Scores) {
        let Vectored { seq, key, now, .. } = *event;
        self.reach(now, scores);
        let scored = Rc::new(self.score(event, values));
        self.speak(&mut scores.page, seq, &scored);
        self.pending.insert(key, scored.time, Pending { scored: scored.clone(), label: None, learned: false });
        scores.outcomes.push(self.outcome(scored, now, Turn::Scored));
    }

    /// Learns a label that became known, changed, or was withdrawn.
    #[inline]
    pub fn label(&mut self, label: &Relabelled, scores: &mut Scores) {
        self.reach(label.now, scores);
        scores.outcomes.extend(self.learn(label));
    }

    fn reach(&mut self, now: Time, scores: &mut Scores) {
        self.freeze_until(now);
        // An id that comes again in the tick in which it was forgotten is another event.
        self.pass(now, &mut scores.outcomes);
    }

    /// Pipeline time is `now`: timeouts pass.
    pub fn pass(&mut self, now: Time, outcomes: &mut Vec<Outcome>) {
        while let Some((key, event)) = self.pending.due(now) {
            let turn = Turn::Settled { labelled: event.label.is_some() };
            outcomes.push(self.outcome(event.scored.clone(), now, turn));
            if self.plan.keeps_settled() {
                self.settled.insert(key, event.scored.time, event);
            }
        }
        while self.settled.due(now).is_some() {}
    }

    fn outcome(&self, scored: Rc<Scored>, now: Time, turn: Turn) -> Outcome {
        Outcome { model: self.plan.number, scored, now, turn }
    }

    fn score(&mut self, event: &Vectored, values: &[Value]) -> Scored {
        let Vectored { key, time, vector, .. } = event;
        let live = self.live.predict(vector);
        let plan = &self.plan;
        let mut scores: SmallVec<[(Contestant, Prediction); 5]> = SmallVec::new();
        let answering = self.roster.answering(plan.sticky(*key, values), &plan.model.deploy);
        let mut live_is_told = false;
        for (version, model) in &self.models {
            let Some(who) = self.stands(*version, answering, *time) else { continue };
            let score = match model {
                Model::Live => live.clone(),
                Model::Fixed(fixed) => fixed.predict(vector),
            };
            live_is_told |= matches!(model, Model::Live);
            match who {
                Contestant::Champion(_) | Contestant::Challenger(_) => scores.insert(0, (who, score)),
                _ => scores.push((who, score)),
            }
        }
        if !live_is_told {
            scores.insert(1, (Contestant::Shadow(self.live_version), live.clone()));
        }
        for (place, frozen) in self.frozen.iter().enumerate() {
            scores.push((Contestant::Frozen(place as u16), frozen.predict(vector)));
        }
        scores.push((Contestant::Majority, self.majority.predict(vector)));
        scores.push((Contestant::NoChange, self.no_change.predict(vector)));
        let slices = plan.slices.iter().map(|(_, place)| text(&values[*place])).collect();
        Scored { id: event.id.clone(), time: *time, vector: vector.clone(), scores, live, slices }
    }

    /// As what a version is scored for an event that `answering` answers, or else the champion; `None` if it is not.
    fn stands(&self, version: u32, answering: Option<u32>, time: Time) -> Option<Contestant> {
        let roster = &self.roster;
        if version == answering.unwrap_or(roster.champion) {
            return Some(if answering.is_some() { Contestant::Challenger } else { Contestant::Champion }(version));
        }
        let challenges = || roster.challengers.iter().any(|seat| seat.version == version);
        if version == roster.champion || roster.shadow == Some(version) || challenges() {
            return Some(Contestant::Shadow(version));
        }
        roster.compared_previous(time).filter(|previous| *previous == version).map(Contestant::Previous)
    }

    fn speak(&self, page: &mut PageWriter, seq: u32, scored: &Scored) {
        let online = |who: Contestant| {
            let Some(version) = who.version() else { return false };
            match self.models.iter().find(|(known, _)| *known == version) {
                Some((_, model)) => matches!(model, Model::Live),
                None => version == self.live_version,
            }
        };
        let updates = |who: Contestant| online(who).then(|| self.live.updates());
        Speaker { plan: &self.plan, frozen: &self.frozen_versions, updates: &updates }.predictions(page, seq, scored);
    }

    fn learn(&mut self, label: &Relabelled) -> Option<Outcome> {
        let Relabelled { key, now, before, after, .. } = *label;
        let event = self.pending.get_mut(key)?;
        let first = !event.learned;
        event.label = after;
        event.learned = true;
        let scored = event.scored.clone();
        Some(self.relabel(scored, now, (before, after), first))
    }

    /// An event's label changes; `first` if it never had one.
    fn relabel(
        &mut self,
        scored: Rc<Scored>,
        now: Time,
        (before, after): (Option<Label>, Option<Label>),
        first: bool,
    ) -> Outcome {
        self.live.teach(&scored.vector, before, after, first);
        let baselines: [&mut dyn Learner; 2] = [&mut self.majority, &mut self.no_change];
        baselines.into_iter().for_each(|baseline| teach(baseline, &scored.vector, before, after, first));
        let turn = Turn::Labelled { before, after, first };
        if self.keeps_learned() {
            let place = (scored.time, scored.id.clone());
            match after {
                Some(label) => self.learned.insert(place, (scored.vector.clone(), label)),
                None => self.learned.remove(&place),
            };
        }
        self.outcome(scored, now, turn)
    }

    /// Whether it can be rid of what has settled.
    fn keeps_learned(&self) -> bool {
        self.live.exactness() == Exactness::Exact && self.plan.keeps_examples()
    }

    /// The training window is written by the room that trains.
    fn restore_learned(&mut self, from: &Shares<'_>) -> Result<(), String> {
        if !self.keeps_learned() {
            return Ok(());
        }
        let examples = &self.plan.keeps.examples;
        let mut all = Vec::new();
        for piece in from.written(examples) {
            let piece: Vec<Example> = from.value(examples, piece)?.unwrap_or_default();
            all.extend(piece.into_iter().map(|e| ((e.predicted, e.id), (e.vector, e.label))));
        }
        self.learned = Window::of(all);
        Ok(())
    }

    /// Forgets labels by request, after timeouts have passed: as withdrawals while the events are erasable, and by what
    /// is kept for exact learners when they are not.
    pub fn forget(&mut self, asked: &[Forget], now: Time, outcomes: &mut Vec<Outcome>) {
        for forget in asked {
            let Some(key) = self.plan.key_of_id(&forget.id) else { continue };
            let (open, event) = match (self.pending.get_mut(key), self.settled.get_mut(key)) {
                (Some(event), _) => (true, event),
                (None, Some(event)) => (false, event),
                (None, None) => continue,
            };
            let (scored, before, learned) = (event.scored.clone(), event.label.take(), event.learned);
            if before.is_some() {
                outcomes.push(self.relabel(scored.clone(), now, (before, None), false));
                if !open {
                    outcomes.push(self.outcome(scored.clone(), now, Turn::Settled { labelled: false }));
                }
            }
            outcomes.push(self.outcome(scored, now, Turn::Forgotten { open, labelled: before.is_some(), learned }));
        }
        let ids = asked.iter().map(|forget| forget.id.as_str()).collect();
        for (_, (vector, label)) in self.learned.remove_ids(&ids) {
            self.live.unlearn(&vector, label);
            self.majority.unlearn(&vector, label);
        }
    }

    /// Examples leave the training window, at a boundary.
    pub fn evict(&mut self, boundary: Time) {
        self.learned.evict(&self.plan.model.train, boundary);
    }

    /// Copies the champion's state at each `freeze_at` that pipeline time has reached.
    fn freeze_until(&mut self, now: Time) {
        while self.plan.freeze_at().get(self.frozen.len()).is_some_and(|at| *at <= now) {
            let live = self.live.state();
            let frozen = match self.models.first() {
                Some((_, Model::Fixed(fixed))) => fixed.clone(),
                _ => Fixed::from(live),
            };
            self.frozen.push(frozen);
            self.frozen_versions.push(self.roster.champion);
        }
    }
}
