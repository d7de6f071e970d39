//! The state machine of one model's triggers.
//!
//! In: what is to be seen at each boundary of pipeline time ([`Sight`]). Out: at most one [`Decision`] a boundary.
//! Keeps: a few words a trigger ([`JudgeState`]), which go into checkpoints. Limits: none needed, nothing grows.
//!
//! A *level* cause (degradation, new data) holds on while its condition does; an *event* (drift, schedule, manual) is
//! over with its boundary, so one that was suppressed is gone, with its record. A level that was suppressed fires once
//! nothing suppresses it any more. A cause that lasts is recorded again only when the reason for suppressing it
//! changes: a record an hour for a week would bury the others. Degradation has hysteresis: it fires when its condition
//! becomes true, and again only after the condition was false or a training has ended. With `rearm` it begins an
//! episode, which only that condition ends, no training and no `when` that is false for a while: one episode, one
//! decision. The unknown fires nothing, changes nothing, and is no record.

use super::cause::{Found, Trigger};
use super::decision::{Cause, Decision, Suppression, Verdict};
use super::when::When;
use crate::config::spec::{CauseSpec, Measure, Metric, ModelSpec, TriggerSpec};
use crate::feature::plan::Fault;
use crate::time::{Span, Time};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What is to be seen at a boundary.
pub struct Sight<'a> {
    /// The boundary: pipeline time; strictly after the one before.
    pub boundary: Time,
    /// The first labels of this model so far.
    pub labels: u64,
    /// The first labels since the last training began.
    pub new_examples: u64,
    /// The examples in the training window.
    pub window_examples: u64,
    /// The prediction time of the newest example of the last training, if there was one.
    pub newest_trained: Option<Time>,
    /// Requests by hand since the last boundary.
    pub manual: u32,
    /// Whether the input ends here.
    pub last: bool,
    /// Whether a training or a change of roles of this model is under way, in pipeline time: from its decision to its
    /// effect.
    pub training: bool,
    /// Whether versions that were released before stand beside the champion, and no further one can.
    pub rollout: bool,
    /// Whether the champion is pinned by hand.
    pub pinned: bool,
    /// The champion's own figure in a window, over predictions since its release.
    pub metric: &'a dyn Fn(Measure, Span) -> Option<Reading>,
    /// The figure with which the champion passed its gate; for version 1 that of its first full window.
    pub at_release: &'a dyn Fn(Metric) -> Option<f64>,
    /// What the detectors said since the last boundary.
    pub drifts: &'a [DriftSignal],
}

/// A metric in a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// The metric's value.
    pub value: f64,
    /// The labelled predictions in the window.
    pub labelled: u64,
    /// Their share of the predictions that are labelled or still can be, in [0, 1].
    pub coverage: f64,
}

/// A detector's verdict that something drifted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftSignal {
    /// The trigger that the detector belongs to, by its place in the pipeline file.
    pub trigger: u32,
    /// The detector's name.
    pub detector: String,
    /// The feature that drifted; `None` if it watches the error.
    pub feature: Option<String>,
    /// The index of a feature's shift; or the error rate since the detector last fired.
    pub figure: f64,
    /// The event time of the row at which it said so.
    pub at: Time,
}

/// The faults of a model's conditions, at their places in the pipeline file; none, if a judge can be made of it.
pub fn check_triggers(model: &ModelSpec) -> Vec<Fault> {
    let mut faults = Vec::new();
    for trigger in &model.triggers {
        for condition in trigger.cause.conditions() {
            let found = match When::parse(&condition.value, &model.metrics.windows) {
                Err(found) => found,
                Ok(parsed) => {
                    parsed.measures().iter().filter_map(|(measure, at)| strange(*measure, model, at)).collect()
                }
            };
            for mut fault in found {
                fault.span = condition.place(&fault.span);
                faults.push(fault);
            }
        }
    }
    faults
}

/// A metric that says nothing of the model's task, or is not published: the condition would be unknown for ever. So is
/// its figure at the release of version 1, which passed no gate.
fn strange(measure: Measure, model: &ModelSpec, at: &Range<usize>) -> Option<Fault> {
    let metric = measure.metric();
    let fault = |message: String, help: String| Some(Fault { message, span: at.clone(), help: Some(help) });
    if !metric.is_of(model.task) {
        let names: Vec<&str> = Metric::of(model.task).into_iter().map(|(name, _)| name).collect();
        let message = format!("`{}` says nothing of the task `{}`", metric.name(), model.task.word());
        return fault(message, format!("metrics of this task are {}", names.join(", ")));
    }
    if measure == Measure::Known(metric) {
        if model.metrics.names.contains(&metric) {
            return None;
        }
        let message = format!("`{}` is not published", metric.name());
        return fault(message, format!("add `{}` to `names` of [model.{}.metrics]", metric.name(), model.name));
    }
    let estimate = &model.metrics.estimate;
    if !estimate.iter().any(|estimate| estimate.names.contains(&metric)) {
        let message = format!("`{}` is not estimated", metric.name());
        let help = format!("declare `estimate = {{ names = [\"{}\"] }}` in the model's metrics", metric.name());
        return fault(message, help);
    }
    None
}

/// The triggers of one model.
#[derive(Clone, Debug)]
pub struct Judge {
    model: String,
    triggers: Vec<Trigger>,
    state: JudgeState,
}

/// What a judge remembers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JudgeState {
    /// The first boundary judged: schedules count from it.
    first: Option<Time>,
    /// The last boundary judged.
    last: Option<Time>,
    /// The last firing of the model.
    fired: Option<Time>,
    /// Whether a training had begun by the last boundary and was not known to have ended.
    training: bool,
    /// One a trigger.
    memories: Vec<Memory>,
}

/// What is remembered of one trigger.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Memory {
    /// Degradation: it has fired, and may not again yet.
    pub(super) spent: bool,
    /// Degradation with `rearm`: its condition was true, and what ends that has not been since.
    pub(super) episode: bool,
    /// The reason under which the lasting cause was last recorded.
    recorded: Option<Suppression>,
    /// Schedule: occurrences passed. Manual: instants passed.
    pub(super) passed: u64,
    /// The UTC day of `firings`, in days since 1970.
    day: i64,
    /// The firings in that day.
    firings: u32,
}

impl Judge {
    /// A judge that has seen nothing. `windows` are the configured windows of the model's metrics. A manual trigger is
    /// added where none is declared, with the default limits, so that a request always meets an answer.
    ///
    /// Faults are those of the `when` conditions, with the place of the trigger; spans count within the condition.
    pub fn new(model: &str, triggers: &[TriggerSpec], windows: &[Span]) -> Result<Judge, Vec<(usize, Fault)>> {
        let mut faults = Vec::new();
        let mut found = Vec::new();
        for (place, spec) in triggers.iter().enumerate() {
            let mut conditions = Vec::new();
            for condition in spec.cause.conditions() {
                match When::parse(&condition.value, windows) {
                    Ok(when) => conditions.push(when),
                    Err(wrong) => faults.extend(wrong.into_iter().map(|fault| (place, fault))),
                }
            }
            let mut conditions = conditions.into_iter();
            found.push(Trigger { spec: spec.clone(), when: conditions.next(), rearm: conditions.next() });
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        if !triggers.iter().any(|t| matches!(t.cause, CauseSpec::Manual { .. })) {
            found.push(Trigger::by_request());
        }
        let memories = vec![Memory::default(); found.len()];
        Ok(Judge { model: model.to_string(), triggers: found, state: JudgeState { memories, ..JudgeState::default() } })
    }

    /// What it remembers.
    pub fn state(&self) -> &JudgeState {
        &self.state
    }

    /// Goes on from what another judge of the same triggers remembered.
    pub fn resume(&mut self, state: JudgeState) {
        assert_eq!(state.memories.len(), self.triggers.len(), "a judge resumes from a state of the same triggers");
        self.state = state;
    }

    /// Judges a boundary. `None`: nothing asked for a decision, or only what is on record already.
    pub fn judge(&mut self, sight: &Sight) -> Option<Decision> {
        assert!(self.state.last.is_none_or(|last| last < sight.boundary), "boundaries are judged once, in order");
        let first = *self.state.first.get_or_insert(sight.boundary);
        let last = self.state.last.replace(sight.boundary);
        if self.state.training && !sight.training {
            // A training has ended: whatever it released or not, the conditions are looked at afresh, but for those in
            // an episode.
            self.state.memories.iter_mut().for_each(|memory| memory.spent &= memory.episode);
        }
        self.state.training = sight.training;

        let mut causes = Vec::new();
        let mut news = false;
        for (place, trigger) in self.triggers.iter().enumerate() {
            let memory = &mut self.state.memories[place];
            let Found { figures, text } = match trigger.look(place, (first, last), sight, memory) {
                Some(found) => found,
                None => {
                    // An episode is recorded once for each reason, also if its condition is false for a while.
                    memory.recorded = memory.recorded.filter(|_| memory.episode);
                    continue;
                }
            };
            let suppressed = suppression(&trigger.spec, sight, self.state.fired, memory);
            news |= suppressed.is_none() || suppressed != memory.recorded;
            memory.recorded = suppressed;
            let kind = trigger.kind().to_string();
            causes.push(Cause { trigger: place as u32, kind, suppressed, figures, text });
        }
        if !news {
            return None;
        }
        let fires = causes.iter().any(|cause| cause.suppressed.is_none());
        if fires {
            self.fire(sight.boundary, &causes);
        }
        Some(Decision {
            at: sight.boundary,
            id: format!("{}-{}", self.model, sight.boundary),
            model: self.model.clone(),
            kind: "retrain".to_string(),
            verdict: if fires { Verdict::Fired } else { Verdict::Suppressed },
            reason: if fires { None } else { causes.first().and_then(|cause| cause.suppressed) },
            causes,
        })
    }

    fn fire(&mut self, boundary: Time, causes: &[Cause]) {
        self.state.fired = Some(boundary);
        self.state.training = true;
        let day = day(boundary);
        for cause in causes.iter().filter(|cause| cause.suppressed.is_none()) {
            let memory = &mut self.state.memories[cause.trigger as usize];
            memory.spent = true;
            memory.firings = if memory.day == day { memory.firings + 1 } else { 1 };
            memory.day = day;
        }
    }
}

/// Why a cause does not count now; the reasons that concern all triggers first.
fn suppression(spec: &TriggerSpec, sight: &Sight, fired: Option<Time>, memory: &Memory) -> Option<Suppression> {
    if sight.last {
        Some(Suppression::EndOfInput)
    } else if sight.training {
        Some(Suppression::Training)
    } else if sight.rollout {
        Some(Suppression::Rollout)
    } else if sight.pinned {
        Some(Suppression::Pinned)
    } else if sight.labels < spec.warm_up {
        Some(Suppression::WarmUp)
    } else if fired.is_some_and(|fired| sight.boundary < fired.plus(spec.cooldown)) {
        Some(Suppression::Cooldown)
    } else {
        let spent = if memory.day == day(sight.boundary) { memory.firings } else { 0 };
        (spent >= spec.daily_budget).then_some(Suppression::Budget)
    }
}

fn day(time: Time) -> i64 {
    time.0.div_euclid(Span::DAY.0)
}
