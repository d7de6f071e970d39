//! The room of the model: score, learn and settle, on one worker, in the law's order.
//!
//! In: events and labels, the answers of windows and tables, versions at their activation. Keeps: the online learner,
//! the baselines, the champion and who stands beside it, and every scored event with the vector that was served, until
//! its timeout. A label updates the learner with that vector; a corrected one updates it only if the learner can take
//! the wrong one back exactly. Out: predictions, and what became of each event.

use super::agenda::Agenda;
use super::control::Resolution;
use super::items::{Answer, Case, CaseKind, Contestant, Found, Outcome, Scored, Turn};
use super::lines::{PageWriter, Speaker};
use super::plan::{Plan, text};
use crate::config::spec::DeploySpec;
use crate::feature::program::{Inputs, Memory};
use crate::model::{Body, Exactness, Fixed, Learner, Majority, NoChange, learner};
use crate::record::{Key, KeyMap, Value};
use crate::sink::Stream;
use crate::time::Time;
use crate::train::{Contestant as Trained, Verdict};
use compact_str::CompactString;
use smallvec::SmallVec;
use std::sync::Arc;

/// Who answers.
enum Champion {
    /// The online learner.
    Live,
    /// A released, fixed version.
    Fixed(Fixed),
}

/// An event that may still get a label.
struct Pending {
    scored: Arc<Scored>,
    label: Option<bool>,
    /// Whether it ever had one: an order-dependent learner has learned it then, and does not learn it again.
    learned: bool,
}

/// What a tick came to.
pub struct Scores {
    /// The prediction lines.
    pub page: PageWriter,
    /// What became of events.
    pub outcomes: Vec<Outcome>,
    /// Categorical values that went to the slot `other`.
    pub others: u64,
}

/// What the room of the model keeps.
pub struct ModelRoom {
    plan: Arc<Plan>,
    memory: Memory,
    live: Box<dyn Learner>,
    majority: Majority,
    no_change: NoChange,
    champion: Champion,
    version: u32,
    /// The last version that was released from the online learner.
    live_version: u32,
    shadow: Option<(u32, Fixed)>,
    /// The champion as of each `freeze_at` that has passed, with its version.
    frozen: Vec<Fixed>,
    frozen_versions: Vec<u32>,
    pending: KeyMap<Pending>,
    to_settle: Agenda,
    tables: Vec<Option<Arc<[Value]>>>,
}

impl ModelRoom {
    /// Version 1 is champion: the untrained online learner.
    pub fn new(plan: Arc<Plan>) -> ModelRoom {
        let width = plan.features.program.layout().width();
        ModelRoom {
            memory: plan.features.program.memory(),
            live: learner(&plan.spec.model.learner, width),
            majority: Majority::default(),
            no_change: NoChange::default(),
            champion: Champion::Live,
            version: 1,
            live_version: 1,
            shadow: None,
            frozen: Vec::new(),
            frozen_versions: Vec::new(),
            pending: KeyMap::default(),
            to_settle: Agenda::default(),
            tables: vec![None; plan.features.tables.len()],
            plan,
        }
    }

    /// The online learner's state, as it is now.
    pub fn save_live(&self) -> Body {
        self.live.save()
    }

    /// A version takes effect.
    pub fn activate(&mut self, resolution: &Resolution) {
        let Verdict::Released { body, source, .. } = &resolution.verdict else { return };
        let version = resolution.version;
        let online = *source == Trained::Live;
        if online {
            self.live_version = version;
        }
        match (self.plan.spec.model.deploy, online) {
            (DeploySpec::Immediate, true) => self.champion = Champion::Live,
            (DeploySpec::Immediate, false) => self.champion = Champion::Fixed(Fixed::from(body.clone())),
            // The online learner is scored beside the champion anyway.
            (DeploySpec::Shadow, true) => return,
            (DeploySpec::Shadow, false) => {
                self.shadow = Some((version, Fixed::from(body.clone())));
                return;
            }
        }
        self.version = version;
    }

    /// Takes the cases of a tick, in order, with the answers to its events.
    pub fn take(&mut self, cases: Vec<Case>, answers: &[Answer]) -> Scores {
        let page = PageWriter::new(Stream::Predictions);
        let mut scores = Scores { page, outcomes: Vec::with_capacity(cases.len()), others: 0 };
        let mut rest = answers;
        for case in cases {
            self.freeze_until(case.now);
            // An id that comes again in the tick in which it was forgotten is another event.
            self.pass(case.now, &mut scores.outcomes);
            match case.kind {
                CaseKind::Event { id, time, values } => {
                    let mine = rest.iter().take_while(|answer| answer.seq == case.seq).count();
                    let (answers, others) = rest.split_at(mine);
                    rest = others;
                    let scored = Arc::new(self.score(id, time, &values, answers));
                    self.speak(&mut scores.page, case.seq, &scored);
                    self.to_settle.add(time, case.key);
                    let pending = Pending { scored: scored.clone(), label: None, learned: false };
                    self.pending.insert(case.key, pending);
                    scores.outcomes.push(Outcome { scored, now: case.now, turn: Turn::Scored });
                }
                CaseKind::Label { before, after } => {
                    scores.outcomes.extend(self.label(case.key, case.now, before, after));
                }
            }
        }
        scores.others = std::mem::take(&mut self.memory.others);
        scores
    }

    /// Pipeline time is `now`: timeouts pass.
    pub fn pass(&mut self, now: Time, outcomes: &mut Vec<Outcome>) {
        while let Some(key) = self.to_settle.due(now, self.plan.timeout) {
            if self.pending.get(&key).is_none_or(|event| event.scored.time.plus(self.plan.timeout) >= now) {
                continue;
            }
            if let Some(event) = self.pending.remove(&key) {
                let turn = Turn::Settled { labelled: event.label.is_some() };
                outcomes.push(Outcome { scored: event.scored, now, turn });
            }
        }
    }

    fn score(&mut self, id: CompactString, time: Time, values: &[Value], answers: &[Answer]) -> Scored {
        let plan = self.plan.clone();
        let groups = &plan.features.groups;
        self.tables.fill(None);
        // A window whose key is null was not asked: all of its aggregates are null.
        let mut windows: SmallVec<[&[Option<f64>]; 16]> = SmallVec::from_elem(&[][..], groups.len());
        for answer in answers {
            match &answer.found {
                Found::Window(results) => windows[usize::from(answer.store)] = results,
                Found::Row(row) => self.tables[usize::from(answer.store) - groups.len()] = row.clone(),
            }
        }
        let inputs = Inputs { time, event: values, tables: &self.tables, windows: &windows };
        let vector = plan.features.program.run(&mut self.memory, &inputs);
        let live = self.live.predict(&vector);
        let mut scores: SmallVec<[(Contestant, f64); 5]> = SmallVec::new();
        match &self.champion {
            Champion::Live => scores.push((Contestant::Champion(self.version), live)),
            Champion::Fixed(fixed) => {
                scores.push((Contestant::Champion(self.version), fixed.predict(&vector)));
                scores.push((Contestant::Shadow(self.live_version), live));
            }
        }
        if let Some((version, shadow)) = &self.shadow {
            scores.push((Contestant::Shadow(*version), shadow.predict(&vector)));
        }
        for (place, frozen) in self.frozen.iter().enumerate() {
            scores.push((Contestant::Frozen(place as u16), frozen.predict(&vector)));
        }
        scores.push((Contestant::Majority, self.majority.predict(&vector)));
        scores.push((Contestant::NoChange, self.no_change.predict(&vector)));
        let slices = plan.slices.iter().map(|(_, place)| text(&values[*place])).collect();
        Scored { id, time, vector: Arc::new(vector), scores, live, slices }
    }

    fn speak(&self, page: &mut PageWriter, seq: u32, scored: &Scored) {
        let online = |who: Contestant| match who {
            Contestant::Champion(_) => matches!(self.champion, Champion::Live),
            Contestant::Shadow(version) => version == self.live_version,
            _ => false,
        };
        let updates = |who: Contestant| online(who).then(|| self.live.updates());
        Speaker { plan: &self.plan, frozen: &self.frozen_versions, updates: &updates }.predictions(page, seq, scored);
    }

    fn label(&mut self, key: Key, now: Time, before: Option<bool>, after: Option<bool>) -> Option<Outcome> {
        let event = self.pending.get_mut(&key)?;
        let first = !event.learned;
        event.label = after;
        event.learned = true;
        let vector = &event.scored.vector;
        let learners: [&mut dyn Learner; 3] = [&mut *self.live, &mut self.majority, &mut self.no_change];
        for learner in learners {
            if learner.exactness() == Exactness::Exact {
                before.into_iter().for_each(|label| {
                    learner.unlearn(vector, label);
                });
                after.into_iter().for_each(|label| learner.learn(vector, label));
            } else if first {
                after.into_iter().for_each(|label| learner.learn(vector, label));
            }
        }
        let turn = Turn::Labelled { before, after, first };
        Some(Outcome { scored: event.scored.clone(), now, turn })
    }

    /// Copies the champion's state at each `freeze_at` that pipeline time has reached.
    fn freeze_until(&mut self, now: Time) {
        while self.plan.freeze_at().get(self.frozen.len()).is_some_and(|at| *at <= now) {
            let frozen = match &self.champion {
                Champion::Live => Fixed::from(self.live.save()),
                Champion::Fixed(fixed) => fixed.clone(),
            };
            self.frozen.push(frozen);
            self.frozen_versions.push(self.version);
        }
    }
}
