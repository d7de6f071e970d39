//! The room that judges and trains: triggers at boundaries, candidates off the worker's thread.
//!
//! In: outcomes (for the window of examples), the champion's figures, what detectors said, versions at their
//! activation. Keeps: the training window by (prediction time, id), the triggers' memory, the training under way. Out:
//! decisions, and words to the minter. A training holds a capability of its own for the verdict alone, so nothing else
//! waits for it here; the minter does, ahead of the effect that was announced.

use super::control::{Resolution, Word};
use super::items::{Outcome, Turn};
use super::plan::Plan;
use super::publish::Figure;
use super::ticks::Tick;
use crate::config::spec::{DeploySpec, Metric};
use crate::drift::Profile;
use crate::feature::Vector;
use crate::model::Body;
use crate::time::{Span, Time};
use crate::train::{Contestant, Example, Job, Verdict, run};
use crate::trigger::{Decision, DriftSignal, Judge, Reading, Sight};
use compact_str::CompactString;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

mod kept;

pub(super) use kept::announced;

/// A training that was decided: what it is given, and when it takes effect.
struct Training {
    job: Arc<Job>,
    decision: Decision,
    tick: Tick,
    effect: Time,
}

/// From a decision until its resolution comes by.
enum UnderWay {
    Nothing,
    /// On a thread of its own, whose verdict is awaited.
    Training(Training, Receiver<(Verdict, Profile, Duration)>),
    /// To be begun: a run that goes on from a checkpoint has no thread yet.
    Due(Training),
    /// The minter has the verdict, or is to be told it once more.
    Decided(Arc<Resolution>),
}

/// What the room keeps.
pub(super) struct Judging {
    plan: Arc<Plan>,
    judge: Judge,
    /// The training window.
    examples: BTreeMap<(Time, CompactString), Arc<Example>>,
    /// Examples that left since there were too many.
    pub(super) crowded_out: u64,
    labels: u64,
    new_examples: u64,
    /// Champion, its activation, and the figures with which it passed its gate.
    champion: u32,
    activated: Option<Time>,
    champion_is_live: bool,
    at_release: BTreeMap<Metric, f64>,
    versions: u32,
    /// The last batch model, from which the next fit starts.
    last_batch: Option<Body>,
    under_way: UnderWay,
    /// The longest window in a `when` condition: version 1's first full one gives its figures at release.
    judged_window: Span,
}

impl Judging {
    /// Version 1 is champion, nothing is learned yet.
    pub(super) fn new(plan: Arc<Plan>) -> Judging {
        let model = &plan.spec.model;
        let judge = Judge::new(&model.name, &model.triggers, &model.metrics.windows)
            .unwrap_or_else(|_| unreachable!("conditions were checked when the plan was made"));
        let judged_window = model.metrics.windows.iter().copied().max().unwrap_or(plan.spec.every);
        Judging {
            judge,
            examples: BTreeMap::new(),
            crowded_out: 0,
            labels: 0,
            new_examples: 0,
            champion: 1,
            activated: None,
            champion_is_live: true,
            at_release: BTreeMap::new(),
            versions: 1,
            last_batch: None,
            under_way: UnderWay::Nothing,
            judged_window,
            plan,
        }
    }

    /// Takes what became of an event.
    pub(super) fn take(&mut self, outcome: &Outcome) {
        let Turn::Labelled { after, first, .. } = outcome.turn else { return };
        let scored = &outcome.scored;
        self.labels += u64::from(first);
        self.new_examples += u64::from(first);
        // Nothing will ever be fitted: there is no window to keep. (A request by hand needs a batch learner.)
        if self.plan.spec.model.triggers.is_empty() && self.plan.spec.model.retrain.is_empty() {
            return;
        }
        let place = (scored.time, scored.id.clone());
        let Some(label) = after else {
            self.examples.remove(&place);
            return;
        };
        let example = Example {
            id: scored.id.clone(),
            predicted: scored.time,
            known: outcome.now,
            vector: scored.vector.clone(),
            label,
            served: scored.served(),
            live: scored.live,
        };
        self.examples.insert(place, Arc::new(example));
    }

    /// Whether a training was announced and its verdict is not in.
    pub(super) fn is_training(&self) -> bool {
        matches!(self.under_way, UnderWay::Training(..))
    }

    /// A resolution comes by, at the tick of its effect.
    pub(super) fn resolve(&mut self, resolution: &Resolution) {
        self.under_way = UnderWay::Nothing;
        let Verdict::Released { body, source, report } = &resolution.verdict else { return };
        if *source == Contestant::Batch {
            self.last_batch = Some(body.clone());
        }
        if self.plan.spec.model.deploy != DeploySpec::Immediate {
            return;
        }
        self.champion = resolution.version;
        self.champion_is_live = *source == Contestant::Live;
        self.activated = Some(resolution.at);
        let figures =
            if self.champion_is_live { Some(&report.live) } else { report.batch().and_then(|c| c.figures.as_ref()) };
        self.at_release.clear();
        for (name, metric) in Metric::ALL {
            if let Some(figure) = figures.and_then(|figures| figures.get(name)) {
                self.at_release.insert(metric, *figure);
            }
        }
    }

    /// Judges a boundary; a decision that fires begins a training, whose end wakes the room by `wake`.
    pub(super) fn judge(
        &mut self,
        tick: Tick,
        (boundary, last, manual): (Time, bool, u32),
        figures: &[Figure],
        drifts: &[DriftSignal],
        live: Option<Body>,
        wake: impl FnOnce() + Send + 'static,
    ) -> (Option<Decision>, Word) {
        self.forget(boundary);
        self.note_first_window(boundary, figures);
        let decision = {
            let find = |window: Span| figures.iter().find(|f| f.version == self.champion && f.window == window);
            let metric = |metric: Metric, window: Span| {
                let figure = find(window)?;
                let (_, value) = figure.values.iter().find(|(m, _)| *m == metric)?;
                Some(Reading { value: *value, labelled: figure.labelled.max(0) as u64, coverage: figure.coverage })
            };
            let at_release = |metric: Metric| self.at_release.get(&metric).copied();
            self.judge.judge(&Sight {
                boundary,
                labels: self.labels,
                new_examples: self.new_examples,
                manual,
                last,
                training: !matches!(self.under_way, UnderWay::Nothing),
                metric: &metric,
                at_release: &at_release,
                drifts,
            })
        };
        let fired = decision.as_ref().filter(|decision| decision.fired()).cloned();
        let effect = fired.zip(live).map(|(decision, live)| self.begin(decision, (boundary, tick), live, wake));
        (decision, Word::Judged(boundary, effect))
    }

    /// The verdict of the training under way, once it is in.
    pub(super) fn verdict(&mut self) -> Option<Arc<Resolution>> {
        let UnderWay::Training(training, receiver) = &self.under_way else { return None };
        let (verdict, profile, took) = match receiver.try_recv() {
            Ok(ended) => ended,
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => {
                let reason = "the training's thread ended without a verdict".to_owned();
                (failed(reason), Profile::default(), Duration::ZERO)
            }
        };
        let Training { decision, tick, effect, .. } = training;
        if matches!(verdict, Verdict::Released { .. }) {
            self.versions += 1;
        }
        let resolution = Arc::new(Resolution {
            at: *effect,
            decided: decision.at,
            tick: *tick,
            cause: decision.text(),
            decision: decision.id.clone(),
            version: self.versions,
            parent: self.champion,
            verdict,
            profile: Arc::new(profile),
            took,
        });
        self.under_way = UnderWay::Decided(resolution.clone());
        Some(resolution)
    }

    /// Goes on with what a checkpoint had under way: begins its training, or gives the verdict that was in.
    pub(super) fn go_on(&mut self, wake: impl FnOnce() + Send + 'static) -> Option<Arc<Resolution>> {
        match std::mem::replace(&mut self.under_way, UnderWay::Nothing) {
            UnderWay::Due(training) => self.start(training, wake),
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
        live: Body,
        wake: impl FnOnce() + Send + 'static,
    ) -> Time {
        let effect = boundary.plus(self.plan.spec.model.train.activate_after);
        let examples = self.examples.values().cloned().collect();
        let job = Arc::new(self.job(examples, (live, self.champion_is_live), self.last_batch.clone()));
        self.new_examples = 0;
        self.start(Training { job, decision, tick, effect }, wake);
        effect
    }

    fn job(
        &self,
        examples: Vec<Arc<Example>>,
        (live, champion_is_live): (Body, bool),
        start_from: Option<Body>,
    ) -> Job {
        let model = &self.plan.spec.model;
        Job {
            examples,
            width: self.plan.features.program.layout().width(),
            features_digest: self.plan.features_digest(),
            model: model.name.clone(),
            retrain: model.retrain.clone(),
            train: model.train.clone(),
            gate: model.gate.clone(),
            live,
            champion_is_live,
            start_from,
        }
    }

    fn start(&mut self, training: Training, wake: impl FnOnce() + Send + 'static) {
        let (plan, job) = (self.plan.clone(), training.job.clone());
        let (sender, receiver) = channel();
        let work = move || {
            let start = Instant::now();
            let verdict = run(&job);
            let profile = match &verdict {
                Verdict::Released { .. } => {
                    let vectors: Vec<&Vector> = job.examples.iter().map(|example| &*example.vector).collect();
                    Profile::of(plan.features.program.layout(), vectors.iter().copied())
                }
                _ => Profile::default(),
            };
            // The room may be gone when the process ends; then nobody asks any more.
            let _ = sender.send((verdict, profile, start.elapsed()));
            wake();
        };
        // Without a thread to be had, the verdict is the hang-up of the sender: a failed training.
        let _ = thread::Builder::new().name("training".to_owned()).spawn(work);
        self.under_way = UnderWay::Training(training, receiver);
    }

    /// Examples leave the window by prediction time; beyond `max_examples` the oldest leave first.
    fn forget(&mut self, boundary: Time) {
        let train = &self.plan.spec.model.train;
        let oldest = boundary.minus(train.window);
        while self.examples.first_key_value().is_some_and(|((predicted, _), _)| *predicted < oldest) {
            self.examples.pop_first();
        }
        while self.examples.len() > train.max_examples {
            self.examples.pop_first();
            self.crowded_out += 1;
        }
    }

    /// Version 1 passed no gate: its figures at release are those of its first full window.
    fn note_first_window(&mut self, boundary: Time, figures: &[Figure]) {
        let start = *self.activated.get_or_insert(boundary.minus(self.plan.spec.every));
        if self.champion != 1 || !self.at_release.is_empty() || boundary < start.plus(self.judged_window) {
            return;
        }
        if let Some(figure) = figures.iter().find(|f| f.version == 1 && f.window == self.judged_window) {
            self.at_release = figure.values.iter().copied().collect();
        }
    }
}

fn failed(reason: String) -> Verdict {
    Verdict::Failed { reason, report: Default::default() }
}
