//! Whether one trigger has a cause at a boundary.

use super::judge::{Memory, Sight};
use super::when::When;
use crate::config::spec::{CauseSpec, TriggerSpec};
use crate::time::{Span, Time};
use std::collections::BTreeMap;

/// A trigger with its condition parsed.
#[derive(Clone, Debug)]
pub(super) struct Trigger {
    pub(super) spec: TriggerSpec,
    /// Degradation only.
    pub(super) when: Option<When>,
}

/// A cause, with the figures that it saw.
pub(super) struct Found {
    pub(super) figures: BTreeMap<String, f64>,
    pub(super) text: String,
}

impl Trigger {
    /// A manual trigger without instants, for a pipeline that declares none.
    pub(super) fn by_request() -> Trigger {
        let cause = CauseSpec::Manual { at: Vec::new() };
        Trigger {
            spec: TriggerSpec { cause, warm_up: 1000, cooldown: Span::DAY, daily_budget: 4, span: 0..0 },
            when: None,
        }
    }

    /// The word used in records.
    pub(super) fn kind(&self) -> &'static str {
        match self.spec.cause {
            CauseSpec::Drift(_) => "drift",
            CauseSpec::Degradation { .. } => "degradation",
            CauseSpec::NewData { .. } => "new_data",
            CauseSpec::Schedule { .. } => "schedule",
            CauseSpec::Manual { .. } => "manual",
        }
    }

    /// The cause that it has at this boundary, if any. `first` is the first boundary judged.
    pub(super) fn look(&self, place: usize, first: Time, sight: &Sight, memory: &mut Memory) -> Option<Found> {
        match &self.spec.cause {
            CauseSpec::Drift(_) => drift(place, sight),
            CauseSpec::Degradation { when, min_labels, min_coverage } => {
                let parsed = self.when.as_ref().expect("a degradation trigger is made with its condition");
                let now = |metric, window| {
                    let reading = (sight.metric)(metric, window)?;
                    // Written so that a NaN coverage is below every minimum.
                    let enough = reading.labelled >= *min_labels && reading.coverage >= *min_coverage;
                    enough.then_some(reading.value)
                };
                let outcome = parsed.holds(&now, sight.at_release);
                match outcome.holds {
                    Some(true) if !memory.spent => {
                        let seen: Vec<String> = outcome.figures.iter().map(|(n, v)| format!("{n} = {v:.6}")).collect();
                        let text = format!("{} with {}", when.value, seen.join(", "));
                        Some(Found { figures: outcome.figures, text })
                    }
                    Some(true) | None => None,
                    Some(false) => {
                        memory.spent = false;
                        None
                    }
                }
            }
            CauseSpec::NewData { examples } => (sight.new_examples >= *examples).then(|| Found {
                figures: figures([("new_examples", sight.new_examples as f64), ("examples", *examples as f64)]),
                text: format!("{} new examples, {examples} asked for", sight.new_examples),
            }),
            CauseSpec::Schedule { every } => schedule(*every, first, sight, memory),
            CauseSpec::Manual { at } => manual(at, sight, memory),
        }
    }
}

fn drift(place: usize, sight: &Sight) -> Option<Found> {
    let mut found = Found { figures: BTreeMap::new(), text: String::new() };
    for signal in sight.drifts.iter().filter(|signal| signal.trigger as usize == place) {
        let name = match &signal.feature {
            Some(feature) => format!("{} {feature}", signal.detector),
            None => signal.detector.clone(),
        };
        // What the figure is: an index for a feature, the error rate since the last firing for the error.
        let kind = if signal.feature.is_some() { "" } else { "error " };
        let between = if found.text.is_empty() { "" } else { ", " };
        found.text.push_str(&format!("{between}{name} {kind}{:.4} at {}", signal.figure, signal.at));
        // JSON has no infinity; a detector that reports one still has its text.
        if signal.figure.is_finite() {
            found.figures.insert(name, signal.figure);
        }
    }
    (!found.text.is_empty()).then_some(found)
}

fn schedule(every: Span, first: Time, sight: &Sight, memory: &mut Memory) -> Option<Found> {
    let distance = sight.boundary.0 - first.0;
    let reached = u64::try_from(distance / every.0.max(1)).unwrap_or(0);
    // Several occurrences passed at once, in a gap of the input, are one cause.
    let due = reached > memory.passed;
    memory.passed = memory.passed.max(reached);
    due.then(|| Found { figures: figures([("occurrence", reached as f64)]), text: format!("every {every}") })
}

fn manual(at: &[Time], sight: &Sight, memory: &mut Memory) -> Option<Found> {
    let passed = at.iter().filter(|instant| **instant <= sight.boundary).count() as u64;
    let mut reasons: Vec<String> =
        at[memory.passed as usize..passed as usize].iter().map(|instant| format!("set for {instant}")).collect();
    memory.passed = passed;
    if sight.manual > 0 {
        reasons.push("requested".to_string());
    }
    (!reasons.is_empty())
        .then(|| Found { figures: figures([("requests", f64::from(sight.manual))]), text: reasons.join(", ") })
}

fn figures<const N: usize>(list: [(&str, f64); N]) -> BTreeMap<String, f64> {
    list.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}
