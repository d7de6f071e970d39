//! The room that judges and trains: triggers at boundaries, candidates off the worker's thread.
//!
//! In: outcomes (for the window of examples, and to compare versions), the champion's figures, what detectors said,
//! versions and turns at their effect. Keeps: the training window by (prediction time, id), the triggers' memory, the
//! deployment, what is under way (one training or one turn at a time), and what each version was made from, so that it
//! can be said what still carries an event that is forgotten. Out: decisions, and words to the minter. A
//! training holds a capability of its own for the verdict alone, so nothing else waits for it here; the minter does,
//! ahead of the effect that was announced.

use super::control::{Resolution, Resolved, Trained};
use super::items::{self, Asked, Measured, Outcome, Turn};
use super::plan::ModelPlan;
use super::publish::Figure;
use super::ticks::Tick;
use super::window::{Place, Window};
use crate::config::spec::{Measure, Metric};
use crate::deploy::{Deployment, Rollout, Wish};
use crate::drift::Profile;
use crate::feature::Vector;
use crate::model::Body;
use crate::time::{Span, Time};
use crate::train::{Contestant, Example, Job, Verdict};
use crate::trigger::{Decision, DriftSignal, Judge, Reading, Sight, Suppression};
use forgetting::{Carrier, Found};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::Duration;

mod forgetting;
mod kept;
mod timing;

pub(super) use kept::announced;
use timing::{Limit, Timed};

/// A training that was decided: what it is given, and when it takes effect.
struct Training {
    job: Arc<Job>,
    decision: Decision,
    tick: Tick,
    effect: Time,
    limit: Limit,
}

/// From a decision until its resolution comes by.
enum UnderWay {
    Nothing,
    /// On a thread of its own, whose verdict is awaited.
    Training(Training, Receiver<(Timed, Profile)>),
    /// To be begun: a run that goes on from a checkpoint has no thread yet.
    Due(Training),
    /// The minter has the verdict, or is to be told it once more.
    Decided(Arc<Resolution>),
}

/// What is known of a version that has a role.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Standing {
    is_live: bool,
    /// The figures with which it passed its gate.
    at_release: BTreeMap<Metric, f64>,
}

/// What is heard of a model at a boundary.
#[derive(Default)]
pub(super) struct Heard {
    /// Its champion's figures.
    pub(super) figures: Vec<Figure>,
    /// What its detectors said.
    pub(super) drifts: Vec<DriftSignal>,
    /// Its online learner's state.
    pub(super) live: Option<Arc<Body>>,
}

/// What a boundary came to.
pub(super) struct Judged {
    /// What was forgotten.
    pub(super) forgotten: Option<Value>,
    /// What was pushed first, then what the triggers came to.
    pub(super) decisions: Vec<Decision>,
    pub(super) deployments: Vec<Deployment>,
    /// When what began takes effect.
    pub(super) effect: Option<Time>,
    /// Said to the minter at once, if roles change.
    pub(super) turned: Option<Arc<Resolution>>,
}

/// What the room keeps.
pub(super) struct Judging {
    plan: Arc<ModelPlan>,
    judge: Judge,
    /// The training window.
    examples: Window<Arc<Example>>,
    /// When labels were known first that have changed or left since.
    known_first: BTreeMap<Place, Time>,
    /// What was found of events that are forgotten at this tick.
    found: Vec<Found>,
    /// What the versions so far were made from.
    carriers: Vec<Carrier>,
    /// Examples that left since there were too many.
    pub(super) crowded_out: u64,
    labels: u64,
    new_examples: u64,
    /// The prediction time of the newest example of the last training.
    newest_trained: Option<Time>,
    rollout: Rollout,
    /// The versions that have a role.
    standings: BTreeMap<u32, Standing>,
    /// When version 1 was first judged.
    began: Option<Time>,
    versions: u32,
    /// The last batch model, from which the next fit starts.
    last_batch: Option<Body>,
    /// The training under way that fits: its decision and boundary. What forgets asks this alone, and not whether a
    /// verdict is in, which depends on the clock.
    begun: Option<(String, Time)>,
    /// Whether it carries what was forgotten: nothing starts from what it comes to.
    cold: bool,
    under_way: UnderWay,
    /// The longest window in a `when` condition: version 1's first full one gives its figures at release.
    judged_window: Span,
}

impl Judging {
    /// Version 1 is champion, nothing is learned yet.
    pub(super) fn new(plan: Arc<ModelPlan>) -> Judging {
        let model = &plan.model;
        let judge = Judge::new(&model.name, &model.triggers, &model.metrics.windows)
            .unwrap_or_else(|_| unreachable!("conditions were checked when the plan was made"));
        let judged_window = model.metrics.windows.iter().copied().max().unwrap_or(plan.spec.every);
        Judging {
            judge,
            examples: Window::of([]),
            known_first: BTreeMap::new(),
            found: Vec::new(),
            carriers: Vec::new(),
            crowded_out: 0,
            labels: 0,
            new_examples: 0,
            newest_trained: None,
            rollout: Rollout::new(model.deploy.clone()),
            standings: BTreeMap::from([(1, Standing { is_live: true, at_release: BTreeMap::new() })]),
            began: None,
            versions: 1,
            last_batch: None,
            begun: None,
            cold: false,
            under_way: UnderWay::Nothing,
            judged_window,
            plan,
        }
    }

    /// Takes what became of an event.
    pub(super) fn take(&mut self, outcome: &Outcome) {
        let scored = &outcome.scored;
        let (before, after, first) = match outcome.turn {
            Turn::Labelled { before, after, first } => (before, after, first),
            Turn::Forgotten { open, labelled, learned } => {
                let place = (scored.time, scored.id.clone());
                return self.found.push(Found { place, is_open: open, is_erased: true, labelled, learned });
            }
            Turn::Scored | Turn::Settled { .. } => return,
        };
        if self.rollout.compares() {
            self.rollout.take(scored.time, (before, after), |version| scored.said(version));
        }
        self.labels += u64::from(first);
        self.new_examples += u64::from(first);
        if !self.plan.keeps_examples() {
            return;
        }
        let place = (scored.time, scored.id.clone());
        let Some(label) = after else {
            let gone = self.examples.remove(&place);
            return self.note_known(place, gone.as_deref());
        };
        let gate = &self.plan.model.gate;
        let no_change =
            || scored.scores.iter().find(|(who, _)| *who == items::Contestant::NoChange).map(|(_, said)| said.clone());
        let by = gate.slices.iter().flat_map(|slices| &slices.by);
        let number = |column: &String| self.plan.slices.iter().position(|(name, _)| name == column);
        let sliced = by.map(|column| number(column).and_then(|n| scored.slices.get(n)).cloned().unwrap_or_default());
        let example = Example {
            no_change: gate.no_change.then(no_change).flatten(),
            slices: sliced.collect(),
            id: scored.id.clone(),
            predicted: scored.time,
            known: outcome.now,
            vector: scored.vector.clone(),
            label,
            served: scored.served().clone(),
            live: scored.live.clone(),
        };
        let corrected = self.examples.insert(place.clone(), Arc::new(example));
        self.note_known(place, corrected.as_deref());
    }

    /// Remembers when the label of an example that was changed or taken out was known first.
    fn note_known(&mut self, place: Place, gone: Option<&Example>) {
        if let Some(gone) = gone {
            self.known_first.entry(place).or_insert(gone.known);
        }
    }

    /// Whether a training was announced and its verdict is not in.
    pub(super) fn is_training(&self) -> bool {
        matches!(self.under_way, UnderWay::Training(..))
    }

    /// A resolution comes by, at the tick of its effect.
    pub(super) fn resolve(&mut self, resolution: &Resolution) {
        (self.under_way, self.begun) = (UnderWay::Nothing, None);
        match &resolution.of {
            Resolved::Turn { turn, .. } => self.rollout.turn(*turn, resolution.at),
            Resolved::Training(trained) => {
                let is_cold = std::mem::take(&mut self.cold);
                let Verdict::Released { body, source, report } = &trained.verdict else { return };
                self.carriers.extend(Carrier::of(resolution.decided, trained));
                if *source == Contestant::Batch && !is_cold {
                    self.last_batch = Some(body.clone());
                }
                let is_live = *source == Contestant::Live;
                let figures =
                    if is_live { Some(&report.live) } else { report.batch().and_then(|c| c.figures.as_ref()) };
                let figure = |(name, metric): (&str, Metric)| Some((metric, *figures?.get(name)?));
                let at_release = Metric::ALL.into_iter().filter_map(figure).collect();
                self.standings.insert(trained.version, Standing { is_live, at_release });
                self.rollout.release(trained.version, resolution.at);
            }
        }
        let roster = self.rollout.roster();
        self.standings.retain(|version, _| roster.has(*version));
    }

    fn champion(&self) -> u32 {
        self.rollout.roster().champion
    }

    fn champion_is_live(&self) -> bool {
        self.standings.get(&self.champion()).is_some_and(|standing| standing.is_live)
    }

    /// Judges a boundary. A decision that fires begins a training, whose end wakes the room by `wake`; a turn of roles
    /// goes before it, and what was pushed before what triggers ask for.
    pub(super) fn judge(
        &mut self,
        tick: Tick,
        (boundary, last, asked): (Time, bool, &Asked),
        Heard { figures, drifts, live }: Heard,
        wake: impl FnOnce() + Send + 'static,
    ) -> Judged {
        let forgotten = self.forget(boundary, &asked.forget);
        self.evict(boundary);
        self.note_first_window(boundary, &figures);
        let wishes: Vec<Wish> = asked.of(&self.plan.model.name).collect();
        let deployments = self.rollout.look(boundary, &wishes, (self.is_under_way(), last));
        let turned = deployments.iter().find_map(|told| self.turn(told, tick));
        let (mut decisions, mut begun, mut wake) = (Vec::new(), None, Some(wake));
        let plan = self.plan.clone();
        let live = || match &live {
            Some(live) => Some(Body::clone(live)),
            // A training by hand ends for want of examples, whatever the learner has learned.
            None => (!plan.keeps_examples()).then(|| plan.learner().save()),
        };
        for pushed in asked.pushed_as(&plan.model.name) {
            let decision = self.on_pushed((boundary, last), &pushed.digest);
            // The first that fires begins, and is under way for the others.
            if decision.fired()
                && let (Some(live), Some(wake)) = (live(), wake.take())
            {
                let body = pushed.body.as_deref().expect("the minter has read what it passes on");
                let bodies = (live, Some(body.clone()));
                begun = Some(self.begin(decision.clone(), (boundary, tick), (bodies, &asked.measured), wake));
            }
            decisions.push(decision);
        }
        let decision = {
            let champion = self.champion();
            let find = |window: Span| figures.iter().find(|f| f.version == champion && f.window == window);
            let metric = |measure: Measure, window: Span| {
                let figure = find(window)?;
                let (_, value) = figure.values.iter().find(|(known, _)| *known == measure)?;
                Some(Reading { value: *value, labelled: figure.labelled.max(0) as u64, coverage: figure.coverage })
            };
            let standing = self.standings.get(&champion);
            let at_release = |metric: Metric| standing?.at_release.get(&metric).copied();
            self.judge.judge(&Sight {
                boundary,
                labels: self.labels,
                new_examples: self.new_examples,
                window_examples: self.examples.len() as u64,
                newest_trained: self.newest_trained,
                manual: asked.trainings_of(&self.plan.model.name),
                last,
                training: self.is_under_way(),
                rollout: self.rollout.is_full(),
                pinned: self.rollout.is_pinned(),
                metric: &metric,
                at_release: &at_release,
                drifts: &drifts,
            })
        };
        let fired = decision.as_ref().filter(|decision| decision.fired()).cloned();
        if let (Some(decision), Some(live), Some(wake)) = (fired, live(), wake.take()) {
            begun = Some(self.begin(decision, (boundary, tick), ((live, None), &asked.measured), wake));
            self.new_examples = 0;
            self.newest_trained = self.examples.newest();
        }
        decisions.extend(decision);
        let effect = turned.as_ref().map(|turned| turned.at).or(begun);
        Judged { forgotten, decisions, deployments, effect, turned }
    }

    /// Whether a model that was pushed is judged now.
    fn on_pushed(&self, (boundary, last): (Time, bool), digest: &str) -> Decision {
        let suppressed = if last {
            Some(Suppression::EndOfInput)
        } else if self.is_under_way() {
            Some(Suppression::Training)
        } else if self.rollout.is_full() {
            Some(Suppression::Rollout)
        } else {
            self.rollout.is_pinned().then_some(Suppression::Pinned)
        };
        let model = &self.plan.model;
        Decision::on_pushed(&model.name, model.triggers.len(), (boundary, digest), suppressed)
    }

    fn is_under_way(&self) -> bool {
        !matches!(self.under_way, UnderWay::Nothing)
    }

    /// What a decision on roles comes to, if it changes any: it is known at once, and takes effect like a training.
    fn turn(&mut self, told: &Deployment, tick: Tick) -> Option<Arc<Resolution>> {
        let turn = told.turn?;
        let resolution = Arc::new(Resolution {
            model: self.plan.number,
            at: told.at.plus(self.plan.turn_after()),
            decided: told.at,
            tick,
            decision: told.id(&self.plan.model.name),
            cause: told.text.clone(),
            of: Resolved::Turn { turn, share: told.share },
        });
        self.under_way = UnderWay::Decided(resolution.clone());
        Some(resolution)
    }

    /// The verdict of the training under way, once it is in.
    pub(super) fn verdict(&mut self) -> Option<Arc<Resolution>> {
        let UnderWay::Training(training, receiver) = &self.under_way else { return None };
        let (Timed { verdict, missed_deadline, took }, profile) = match receiver.try_recv() {
            Ok(ended) => ended,
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => {
                let reason = "the training's thread ended without a verdict".to_owned();
                let missed_deadline = training.limit.met();
                (Timed { verdict: failed(reason), missed_deadline, took: Duration::ZERO }, Profile::default())
            }
        };
        let Training { decision, tick, effect, .. } = training;
        if matches!(verdict, Verdict::Released { .. }) {
            self.versions += 1;
        }
        let resolution = Arc::new(Resolution {
            model: self.plan.number,
            at: *effect,
            decided: decision.at,
            tick: *tick,
            cause: decision.text(),
            decision: decision.id.clone(),
            of: Resolved::Training(Box::new(Trained {
                version: self.versions,
                parent: self.rollout.roster().champion,
                verdict,
                profile: Arc::new(profile),
                missed_deadline,
                took,
            })),
        });
        self.under_way = UnderWay::Decided(resolution.clone());
        Some(resolution)
    }

    /// Goes on with what a checkpoint had under way: begins its training, or gives the verdict that was in.
    pub(super) fn go_on(
        &mut self,
        measured: &[Measured],
        wake: impl FnOnce() + Send + 'static,
    ) -> Option<Arc<Resolution>> {
        match std::mem::replace(&mut self.under_way, UnderWay::Nothing) {
            UnderWay::Due(training) => {
                let limit = Limit::of(&training.job, &training.decision.id, measured);
                self.start(Training { limit, ..training }, wake);
            }
            other => self.under_way = other,
        }
        match &self.under_way {
            UnderWay::Decided(resolution) => Some(resolution.clone()),
            _ => None,
        }
    }

    fn begin(
        &mut self,
        decision: Decision,
        (boundary, tick): (Time, Tick),
        ((live, pushed), measured): ((Body, Option<Body>), &[Measured]),
        wake: impl FnOnce() + Send + 'static,
    ) -> Time {
        let effect = boundary.plus(self.plan.model.train.activate_after);
        self.begun = pushed.is_none().then(|| (decision.id.clone(), boundary));
        let examples = self.examples.values().cloned().collect();
        let job = self.job(examples, (live, self.champion_is_live()), self.last_batch.clone());
        let job = Arc::new(Job { pushed, ..job });
        let limit = Limit::of(&job, &decision.id, measured);
        self.start(Training { job, decision, tick, effect, limit }, wake);
        effect
    }

    fn job(
        &self,
        examples: Vec<Arc<Example>>,
        (live, champion_is_live): (Body, bool),
        start_from: Option<Body>,
    ) -> Job {
        let model = &self.plan.model;
        Job {
            examples,
            width: self.plan.features.program.layout().width(),
            features: self.plan.features.program.features(),
            features_digest: self.plan.features_digest(),
            model: model.name.clone(),
            task: model.task,
            retrain: model.retrain.clone(),
            train: model.train.clone(),
            gate: model.gate.clone(),
            golden: self.plan.golden.clone(),
            live,
            champion_is_live,
            start_from,
            pushed: None,
        }
    }

    fn start(&mut self, training: Training, wake: impl FnOnce() + Send + 'static) {
        let (plan, job, limit) = (self.plan.clone(), training.job.clone(), training.limit);
        let (sender, receiver) = channel();
        let work = move || {
            let timed = limit.run(&job);
            let profile = match &timed.verdict {
                Verdict::Released { .. } => {
                    let vectors: Vec<&Vector> = job.examples.iter().map(|example| &*example.vector).collect();
                    Profile::of(plan.features.program.layout(), vectors.iter().copied())
                }
                _ => Profile::default(),
            };
            // The room may be gone when the process ends; then nobody asks any more.
            let _ = sender.send((timed, profile));
            wake();
        };
        // Without a thread to be had, the verdict is the hang-up of the sender: a failed training.
        let _ = thread::Builder::new().name("training".to_owned()).spawn(work);
        self.under_way = UnderWay::Training(training, receiver);
    }

    /// Examples leave the window by prediction time; beyond `max_examples` the oldest leave first.
    fn evict(&mut self, boundary: Time) {
        let train = &self.plan.model.train;
        self.crowded_out += self.examples.evict(train, boundary);
        let oldest = boundary.minus(train.window);
        while self.known_first.first_key_value().is_some_and(|((predicted, _), _)| *predicted < oldest)
            || self.known_first.len() > train.max_examples
        {
            self.known_first.pop_first();
        }
    }

    /// Version 1 passed no gate: its figures at release are those of its first full window.
    fn note_first_window(&mut self, boundary: Time, figures: &[Figure]) {
        let began = *self.began.get_or_insert(boundary.minus(self.plan.spec.every));
        if self.champion() != 1 || boundary < began.plus(self.judged_window) {
            return;
        }
        let Some(standing) = self.standings.get_mut(&1).filter(|standing| standing.at_release.is_empty()) else {
            return;
        };
        if let Some(figure) = figures.iter().find(|f| f.version == 1 && f.window == self.judged_window) {
            let known = |(measure, value): &(Measure, f64)| match measure {
                Measure::Known(metric) => Some((*metric, *value)),
                Measure::Estimated(_) | Measure::Error(_) => None,
            };
            standing.at_release = figure.values.iter().filter_map(known).collect();
        }
    }
}

fn failed(reason: String) -> Verdict {
    Verdict::Failed { reason, report: Default::default() }
}
