//! What the judging room keeps in checkpoints: the window, the triggers' memory, and the training under way.
//!
//! A training is not kept as far as it has come but as what it was given: begun once more it comes to the same. Of its
//! examples those that still stand in the window are named by their place there.

use super::super::control::Resolution;
use super::super::plan::ModelPlan;
use super::super::saving::{Keeps, ModelOperators, Sections, Shares};
use super::super::ticks::Tick;
use super::super::window::{Place, Window};
use super::forgetting::Carrier;
use super::{Judging, Limit, Standing, Training, UnderWay};
use crate::deploy::RolloutState;
use crate::model::Body;
use crate::time::Time;
use crate::train::{Example, Job};
use crate::trigger::{Decision, JudgeState};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where this room stands among the sections of the training.
const JUDGE: u32 = 0;

/// What the room keeps beside the examples and the triggers' memory.
#[derive(Serialize, Deserialize)]
struct Kept {
    crowded_out: u64,
    labels: u64,
    new_examples: u64,
    newest_trained: Option<Time>,
    rollout: RolloutState,
    standings: BTreeMap<u32, Standing>,
    began: Option<Time>,
    versions: u32,
    last_batch: Option<Body>,
    begun: Option<(String, Time)>,
    cold: bool,
    carriers: Vec<Carrier>,
    known_first: Vec<(Place, Time)>,
    under_way: Option<KeptUnderWay>,
}

/// What was under way.
#[derive(Serialize, Deserialize)]
enum KeptUnderWay {
    Training(Box<KeptTraining>),
    Decided(Arc<Resolution>),
}

/// What makes its job once more, beside the pipeline.
#[derive(Serialize, Deserialize)]
struct KeptTraining {
    decision: Decision,
    tick: Tick,
    effect: Time,
    live: Body,
    champion_is_live: bool,
    start_from: Option<Body>,
    pushed: Option<Body>,
    examples: Vec<Fitted>,
}

/// An example of a training under way.
#[derive(Serialize, Deserialize)]
enum Fitted {
    /// It still stands in the window, at this place.
    Kept(u32),
    /// It has changed or left since.
    Then(Arc<Example>),
}

/// So many examples are a section.
const PIECE: usize = 4096;

impl Keeps for Judging {
    fn save(&self, to: &Sections) {
        let ModelOperators { triggers, training, examples, .. } = &self.plan.keeps;
        let window: Vec<&Arc<Example>> = self.examples.values().collect();
        for (number, piece) in window.chunks(PIECE).enumerate() {
            to.value(examples, number as u32, &piece);
        }
        let under_way = match &self.under_way {
            UnderWay::Nothing => None,
            UnderWay::Decided(resolution) => Some(KeptUnderWay::Decided(resolution.clone())),
            UnderWay::Training(job, _) | UnderWay::Due(job) => {
                Some(KeptUnderWay::Training(Box::new(job.kept(&window))))
            }
        };
        let kept = Kept {
            crowded_out: self.crowded_out,
            labels: self.labels,
            new_examples: self.new_examples,
            newest_trained: self.newest_trained,
            rollout: self.rollout.state().clone(),
            standings: self.standings.clone(),
            began: self.began,
            versions: self.versions,
            last_batch: self.last_batch.clone(),
            begun: self.begun.clone(),
            cold: self.cold,
            carriers: self.carriers.clone(),
            known_first: self.known_first.clone().into_iter().collect(),
            under_way,
        };
        to.value(training, JUDGE, &kept);
        to.value(triggers, 0, self.judge.state());
    }

    fn restore(&mut self, from: &Shares<'_>) -> Result<(), String> {
        let plan = self.plan.clone();
        let ModelOperators { triggers, training, examples, .. } = &plan.keeps;
        if let Some(state) = from.value::<JudgeState>(triggers, 0)? {
            self.judge.resume(state);
        }
        let mut window: Vec<Arc<Example>> = Vec::new();
        for piece in from.written(examples) {
            window.extend(from.value::<Vec<Arc<Example>>>(examples, piece)?.unwrap_or_default());
        }
        let Some(kept) = from.value::<Kept>(training, JUDGE)? else {
            self.examples = Window::of(window.into_iter().map(placed));
            return Ok(());
        };
        (self.crowded_out, self.labels, self.new_examples) = (kept.crowded_out, kept.labels, kept.new_examples);
        self.newest_trained = kept.newest_trained;
        self.rollout.resume(kept.rollout);
        (self.standings, self.began) = (kept.standings, kept.began);
        (self.versions, self.last_batch, self.cold) = (kept.versions, kept.last_batch, kept.cold);
        self.begun = kept.begun;
        (self.carriers, self.known_first) = (kept.carriers, kept.known_first.into_iter().collect());
        self.under_way = match kept.under_way {
            None => UnderWay::Nothing,
            Some(KeptUnderWay::Decided(resolution)) => UnderWay::Decided(resolution),
            Some(KeptUnderWay::Training(kept)) => {
                let example = |fitted: Fitted| match fitted {
                    Fitted::Kept(place) => window.get(place as usize).cloned(),
                    Fitted::Then(example) => Some(example),
                };
                let KeptTraining { decision, tick, effect, live, champion_is_live, start_from, pushed, examples } =
                    *kept;
                let all: Option<Vec<_>> = examples.into_iter().map(example).collect();
                let all =
                    all.ok_or_else(|| format!("section {}: an example of its training is missing", training.name))?;
                let job = self.job(all, (live, champion_is_live), start_from);
                let job = Arc::new(Job { pushed, ..job });
                UnderWay::Due(Training { job, decision, tick, effect, limit: Limit::None })
            }
        };
        self.examples = Window::of(window.into_iter().map(placed));
        Ok(())
    }
}

impl Training {
    /// What is kept of it, beside the window as it is now: both are in order, so one walk finds what they share.
    fn kept(&self, window: &[&Arc<Example>]) -> KeptTraining {
        let mut place = 0;
        let fitted = |example: &Arc<Example>| {
            let key = |example: &Arc<Example>| (example.predicted, example.id.clone());
            while window.get(place).is_some_and(|now| key(now) < key(example)) {
                place += 1;
            }
            match window.get(place) {
                Some(now) if Arc::ptr_eq(now, example) => Fitted::Kept(place as u32),
                _ => Fitted::Then(example.clone()),
            }
        };
        KeptTraining {
            decision: self.decision.clone(),
            tick: self.tick,
            effect: self.effect,
            live: self.job.live.clone(),
            champion_is_live: self.job.champion_is_live,
            start_from: self.job.start_from.clone(),
            pushed: self.job.pushed.clone(),
            examples: self.job.examples.iter().map(fitted).collect(),
        }
    }
}

fn placed(example: Arc<Example>) -> (Place, Arc<Example>) {
    ((example.predicted, example.id.clone()), example)
}

/// The effect of what a checkpoint had under way of a model: the minter waits there for its verdict.
pub fn announced(plan: &ModelPlan, from: &Shares<'_>) -> Result<Option<Time>, String> {
    let kept: Option<Kept> = from.value(&plan.keeps.training, JUDGE)?;
    Ok(kept.and_then(|kept| kept.under_way).map(|under_way| match under_way {
        KeptUnderWay::Training(kept) => kept.effect,
        KeptUnderWay::Decided(resolution) => resolution.at,
    }))
}
