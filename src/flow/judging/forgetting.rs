//! What is forgotten by request: the examples that leave the training window, and what still carries them.
//!
//! In: the ids that a boundary was asked to forget, what was found of those that are erasable, and what each version
//! was made from. Out: one record of `decisions` a model and boundary. A version carries an event if its label was
//! first known before the version's cut and, of one that was fitted, if the event was predicted within the window of
//! its lineage. Versions that were made elsewhere say nothing of what they learned from and are never named.

use super::super::control::Trained;
use super::super::items::Forget;
use super::super::window::Place;
use super::Judging;
use crate::model::{Exactness, learner};
use crate::time::Time;
use crate::train::{Contestant, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What a version was made from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Carrier {
    version: u32,
    /// The boundary of its decision: what was known before is in it.
    cut: Time,
    /// The first and last prediction that it was fitted on; `None` of the online learner, which has no window.
    window: Option<(Time, Time)>,
}

impl Carrier {
    /// That of a training's version, unless there is none or it was made elsewhere.
    pub(super) fn of(cut: Time, trained: &Trained) -> Option<Carrier> {
        let Verdict::Released { source, report, .. } = &trained.verdict else { return None };
        let window = match source {
            Contestant::Batch => Some(report.window.map(|window| (window.from, window.to))?),
            Contestant::Live => None,
            Contestant::Pushed => return None,
        };
        Some(Carrier { version: trained.version, cut, window })
    }

    /// Whether it carries an event whose label was first known then.
    fn carries(&self, predicted: Time, known: Time) -> bool {
        known < self.cut && self.window.is_none_or(|(from, to)| from <= predicted && predicted <= to)
    }
}

/// What was found of an event that is forgotten.
pub(super) struct Found {
    pub(super) place: Place,
    /// Whether its timeout has not passed.
    pub(super) is_open: bool,
    /// Whether it was erasable, so that metrics and windows over labels have lost it.
    pub(super) is_erased: bool,
    /// Whether it had a label.
    pub(super) labelled: bool,
    /// Whether it ever had one.
    pub(super) learned: bool,
}

/// An event that was forgotten, and what became of it.
struct Erased {
    found: Found,
    /// Whether an example was taken out.
    example: bool,
    versions: Vec<u32>,
    /// Whether the training under way carries it.
    training: bool,
}

impl Judging {
    /// Forgets what a boundary was asked to, behind what became of events at its tick: erasable ones have left the
    /// window already. Says what came of it, if anything was asked.
    pub(super) fn forget(&mut self, boundary: Time, asked: &[Forget]) -> Option<Value> {
        let mut all = std::mem::take(&mut self.found);
        if asked.is_empty() {
            return None;
        }
        let ids: BTreeSet<&str> = asked.iter().map(|forget| forget.id.as_str()).collect();
        for (place, example) in self.examples.remove_ids(&ids) {
            self.known_first.entry(place.clone()).or_insert(example.known);
            all.push(Found { place, is_open: false, is_erased: false, labelled: true, learned: true });
        }
        // Whatever the training comes to, the online learner's state or a fit: its candidates have all that was known.
        let under_way = self.begun.clone().map(|(id, cut)| (id, Carrier { version: 0, cut, window: None }));
        let mut by_id: BTreeMap<String, Vec<Erased>> = BTreeMap::new();
        for found in all {
            let first = self.known_first.remove(&found.place);
            // Of a label whose example had left the window already it is not known when it came: not before its event.
            let known = first.or(found.learned.then_some(found.place.0));
            let carries = |by: &Carrier| known.is_some_and(|known| by.carries(found.place.0, known));
            let versions = self.carriers.iter().filter(|by| carries(by)).map(|by| by.version).collect();
            let training = under_way.as_ref().is_some_and(|(_, by)| carries(by));
            let example = found.labelled && first.is_some();
            let erased = Erased { example, versions, training, found };
            by_id.entry(erased.found.place.1.to_string()).or_default().push(erased);
        }
        if !by_id.is_empty() {
            self.last_batch = None;
        }
        self.cold |= by_id.values().flatten().any(|erased| erased.training);
        Some(self.record(boundary, asked, &by_id, under_way.map(|(decision, _)| decision)))
    }

    fn record(
        &self,
        boundary: Time,
        asked: &[Forget],
        by_id: &BTreeMap<String, Vec<Erased>>,
        under_way: Option<String>,
    ) -> Value {
        let plan = &self.plan;
        let width = plan.features.program.layout().width();
        let is_exact = learner(&plan.model.learner, width, plan.model.task).exactness() == Exactness::Exact;
        let mut events = Vec::new();
        for Forget { id, reason } in asked {
            let Some(all) = by_id.get(id.as_str()) else {
                events.push(json!({ "prediction_id": id, "state": "unknown", "reason": reason }));
                continue;
            };
            for Erased { found, example, versions, training } in all {
                let had = |had: bool| if had { "removed" } else { "none" };
                events.push(json!({
                    "prediction_id": id,
                    "state": if found.is_open { "open" } else { "settled" },
                    "at": found.place.0.to_string(),
                    "label": had(found.labelled),
                    "example": had(*example),
                    "metrics": if found.is_erased { had(found.labelled) } else { "settled" },
                    "learner": match (found.learned, is_exact) {
                        (false, _) => "none",
                        (true, true) => "exact",
                        (true, false) => "replayed",
                    },
                    "versions": versions,
                    "training": training,
                    "reason": reason,
                }));
            }
        }
        let erased = || by_id.values().flatten();
        let versions: BTreeSet<u32> = erased().flat_map(|erased| erased.versions.iter().copied()).collect();
        let training = under_way.filter(|_| erased().any(|erased| erased.training));
        let replayed = !is_exact && erased().any(|erased| erased.found.learned);
        let mut told = vec![format!("{} of {} ids forgotten", by_id.len(), asked.len())];
        if by_id.len() < asked.len() {
            told.push(
                "nothing is kept of the others, and no learner can be rid of what it may have of them".to_owned(),
            );
        }
        if replayed {
            told.push(match plan.model.retrain.is_empty() {
                true => "the online learner depends on order and was not changed".to_owned(),
                false => {
                    "the online learner depends on order and was not changed; a retraining removes them".to_owned()
                }
            });
        }
        if !versions.is_empty() {
            let names: Vec<String> = versions.iter().map(|version| format!("v{version}")).collect();
            told.push(format!("still in {}", names.join(", ")));
        }
        if let Some(training) = &training {
            told.push(format!("the training of {training} is not changed and carries them"));
        }
        json!({
            "at": boundary.to_string(),
            "decision": format!("{}-forget-{boundary}", plan.model.name),
            "model": plan.model.name,
            "kind": "forget",
            "verdict": if by_id.is_empty() { "unknown" } else { "forgotten" },
            "reason": Value::Null,
            "learner": if is_exact { Exactness::Exact } else { Exactness::Replayed },
            "events": events,
            "versions": versions,
            "training": training,
            "text": told.join("; "),
        })
    }
}
