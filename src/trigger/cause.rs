//! Whether one trigger has a cause at a boundary.

use super::judge::{Memory, Sight};
use super::when::When;
use crate::config::spec::{CauseSpec, Cron, Measure, NewData, TriggerSpec};
use crate::time::{Span, Time};
use std::collections::BTreeMap;

/// A trigger with its condition parsed.
#[derive(Clone, Debug)]
pub(super) struct Trigger {
    pub(super) spec: TriggerSpec,
    /// Degradation only.
    pub(super) when: Option<When>,
    /// Degradation with hysteresis: what ends an episode.
    pub(super) rearm: Option<When>,
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
            rearm: None,
        }
    }

    /// The word used in records.
    pub(super) fn kind(&self) -> &'static str {
        match self.spec.cause {
            CauseSpec::Drift(_) => "drift",
            CauseSpec::Degradation { .. } => "degradation",
            CauseSpec::NewData(_) => "new_data",
            CauseSpec::Schedule { .. } | CauseSpec::Cron(_) => "schedule",
            CauseSpec::Manual { .. } => "manual",
        }
    }

    /// The cause that it has at this boundary, if any. `first` is the first boundary judged, `last` the one before.
    pub(super) fn look(
        &self,
        place: usize,
        (first, last): (Time, Option<Time>),
        sight: &Sight,
        memory: &mut Memory,
    ) -> Option<Found> {
        match &self.spec.cause {
            CauseSpec::Drift(_) => drift(place, sight),
            CauseSpec::Degradation { when, min_labels, min_coverage, .. } => {
                let parsed = self.when.as_ref().expect("a degradation trigger is made with its condition");
                let now = |measure, window| {
                    let reading = (sight.metric)(measure, window)?;
                    // Written so that a NaN coverage is below every minimum.
                    let enough = reading.labelled >= *min_labels && reading.coverage >= *min_coverage;
                    // What is estimated needs no labels in the window.
                    (enough || matches!(measure, Measure::Estimated(_))).then_some(reading.value)
                };
                let outcome = parsed.holds(&now, sight.at_release);
                if outcome.holds != Some(true) {
                    let over = match &self.rearm {
                        None => outcome.holds.is_some(),
                        Some(rearm) => rearm.holds(&now, sight.at_release).holds == Some(true),
                    };
                    memory.spent &= !over;
                    memory.episode &= !over;
                    return None;
                }
                memory.episode = self.rearm.is_some();
                (!memory.spent).then(|| {
                    let seen: Vec<String> = outcome.figures.iter().map(|(n, v)| format!("{n} = {v:.6}")).collect();
                    let text = format!("{} with {}", when.value, seen.join(", "));
                    Found { figures: outcome.figures, text }
                })
            }
            CauseSpec::NewData(enough) => new_data(*enough, first, sight),
            CauseSpec::Schedule { every } => schedule(*every, first, sight, memory),
            CauseSpec::Cron(cron) => due(cron, last, sight),
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

fn new_data(enough: NewData, first: Time, sight: &Sight) -> Option<Found> {
    let new = sight.new_examples;
    match enough {
        NewData::Examples(examples) => (new >= examples).then(|| Found {
            figures: figures([("new_examples", new as f64), ("examples", examples as f64)]),
            text: format!("{new} new examples, {examples} asked for"),
        }),
        NewData::Share(share) => {
            let window = sight.window_examples;
            let is_enough = window > 0 && new as f64 >= share * window as f64;
            is_enough.then(|| Found {
                figures: figures([("new_examples", new as f64), ("window", window as f64), ("share", share)]),
                text: format!("{new} new examples beside a window of {window}, a share of {share} asked for"),
            })
        }
        NewData::After(after) => {
            let newest = sight.newest_trained.unwrap_or(first);
            // Without a new one the same training would be run again.
            (new > 0 && sight.boundary >= newest.plus(after)).then(|| Found {
                figures: figures([("new_examples", new as f64)]),
                text: match sight.newest_trained {
                    Some(newest) => format!("{after} since {newest}, the newest example of the last training"),
                    None => format!("{after} since {first}, the first boundary"),
                },
            })
        }
    }
}

/// Whether an instant of the calendar has come since the boundary before; at the first, whether it is one.
fn due(cron: &Cron, last: Option<Time>, sight: &Sight) -> Option<Found> {
    let since = last.unwrap_or(sight.boundary.minus(Span(1)));
    // Several instants passed at once, in a gap of the input or between boundaries, are one cause.
    let due = cron.next(since).filter(|due| *due <= sight.boundary)?;
    Some(Found { figures: BTreeMap::new(), text: format!("cron {} due {due}", cron.text()) })
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
