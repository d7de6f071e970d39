//! Release: what becomes of a resolution: the version's artifact and card, the registry's log, the records of `models`
//! and `decisions`.
//!
//! What is to be said is made first, and what the registry is told of it carried out afterwards, since a tick that
//! comes out otherwise than it was committed must leave nothing behind.

use super::control::{Resolution, Trained};
use super::lines::PageWriter;
use super::plan::ModelPlan;
use crate::config::spec::Strategy;
use crate::deploy::Turn;
use crate::model::{Artifact, Role};
use crate::registry::{Card, Entry, Event, Lineage, Offsets, Registry, RegistryError};
use crate::sink::{Page, Stream};
use crate::time::Time;
use crate::train::{Contestant, Verdict};
use serde_json::{Value, json};
use std::sync::Arc;

/// Writes a model's versions and what is said of them.
pub struct Releases {
    plan: Arc<ModelPlan>,
    registry: Registry,
}

/// One thing to tell the registry.
pub struct Deed(Told);

enum Told {
    Version(Vec<u8>, Box<Card>),
    Entry(Entry),
}

/// What is said of a version, or of a training without one.
#[derive(Default)]
pub struct Released {
    /// Pages of `models` and `decisions`.
    pub pages: Vec<Page>,
    /// The records in `models`, first of the version that it is about; none if there is no version.
    pub lines: Vec<Value>,
    /// What the registry is to be told, in this order.
    pub deeds: Vec<Deed>,
}

impl Releases {
    /// Over an open registry.
    pub fn new(plan: Arc<ModelPlan>, registry: Registry) -> Releases {
        Releases { plan, registry }
    }

    /// The model's name.
    pub fn model(&self) -> &str {
        &self.plan.model.name
    }

    /// What the registry has been told so far: entries, and the newest version.
    pub fn told(&self) -> (u64, u32) {
        self.registry.told()
    }

    /// Goes on where so much has been told.
    ///
    /// # Errors
    /// It has not so much.
    pub fn resume(&mut self, told: (u64, u32)) -> Result<(), RegistryError> {
        self.registry.resume(told)
    }

    /// Tells the registry.
    ///
    /// # Errors
    /// When it cannot be written, or has said otherwise before.
    pub fn carry_out(&mut self, deeds: Vec<Deed>) -> Result<(), RegistryError> {
        deeds.into_iter().try_for_each(|deed| match deed.0 {
            Told::Version(bytes, card) => self.registry.release(&bytes, &card),
            Told::Entry(entry) => self.registry.append(&entry),
        })
    }

    /// All that was committed has been told once more: what else the registry has never happened.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn settle(&mut self) -> Result<(), RegistryError> {
        if let Some(place) = self.registry.settle()? {
            let place = place.display();
            tracing::warn!(%place, "the registry had versions, and no tick was committed: they are set aside");
        }
        Ok(())
    }

    /// Version 1, the untrained online learner, is released and active from the first record on.
    pub fn start(&self, at: Time) -> Released {
        let body = self.plan.learner().save();
        let lineage = Lineage { features: self.plan.features_digest(), ..Lineage::default() };
        let card = Card {
            model: self.plan.model.name.clone(),
            number: 1,
            digest: String::new(),
            kind: body.kind().to_owned(),
            source: "start".to_owned(),
            parent: None,
            decision: None,
            cause: "start".to_owned(),
            decided_at: at,
            effective_at: at,
            lineage,
            report: None,
        };
        self.publish(card, body, Role::Champion)
    }

    /// What a training came to, at the tick of its effect, and the record of `decisions` that says so; `ends` are the
    /// offsets consumed when it was decided.
    pub fn resolve(&self, resolution: &Resolution, trained: &Trained, ends: Vec<Offsets>) -> (Value, Released) {
        let outcome = self.outcome(resolution, trained);
        let mut page = PageWriter::new(Stream::Decisions);
        page.object(&outcome, resolution.at, &self.plan.model.name);
        let page = page.finish();
        let Verdict::Released { body, source, report } = &trained.verdict else {
            let event = match trained.verdict {
                Verdict::Kept { .. } => Event::Kept,
                Verdict::Failed { .. } => Event::Failed,
                _ => Event::Rejected,
            };
            let deeds = vec![Deed(Told::Entry(entry(resolution, event, None, None)))];
            return (outcome, Released { pages: vec![page], lines: Vec::new(), deeds });
        };
        let lineage = Lineage {
            tick: resolution.tick,
            offsets: ends,
            window: report.window.filter(|_| *source == Contestant::Batch),
            updates: body.updates(),
            features: self.plan.features_digest(),
            outside: *source == Contestant::Pushed,
        };
        let card = Card {
            model: self.plan.model.name.clone(),
            number: trained.version,
            digest: String::new(),
            kind: body.kind().to_owned(),
            source: match source {
                Contestant::Batch => "batch",
                Contestant::Live => "live",
                Contestant::Pushed => "pushed",
            }
            .to_owned(),
            parent: Some(trained.parent),
            decision: Some(resolution.decision.clone()),
            cause: resolution.cause.clone(),
            decided_at: resolution.decided,
            effective_at: resolution.at,
            lineage,
            report: Some(report.clone()),
        };
        let role = match self.plan.model.deploy.strategy {
            Strategy::Immediate => Role::Champion,
            Strategy::Shadow => Role::Shadow,
            Strategy::Canary { .. } | Strategy::Ab { .. } => Role::Challenger,
        };
        let mut released = self.publish(card, body.clone(), role);
        released.pages.insert(0, page);
        (outcome, released)
    }

    /// Roles change: a record of `models` and an entry of the log for each version that has another one.
    pub fn turn(&self, resolution: &Resolution, turn: Turn, share: Option<f64>) -> Released {
        let told = match turn {
            Turn::Step { version, .. } => vec![(version, Event::Activated, Some(Role::Challenger))],
            Turn::Promote { version, over } => {
                let previous = (over, Event::Activated, Some(Role::Previous));
                vec![(version, Event::Activated, Some(Role::Champion)), previous]
            }
            Turn::Retire { version } => vec![(version, Event::Retired, None)],
            Turn::RollBack { to, from } => {
                vec![(to, Event::RolledBack, Some(Role::Champion)), (from, Event::Retired, None)]
            }
        };
        let model = &self.plan.model.name;
        let line = |(version, _, role): &(u32, Event, Option<Role>)| {
            json!({
                "at": resolution.at.to_string(),
                "model": model,
                "version": version,
                "role": role.map(Role::word),
                "share": share,
                "cause": resolution.cause,
                "decision": resolution.decision,
                "decided_at": resolution.decided.to_string(),
            })
        };
        let lines: Vec<Value> = told.iter().map(line).collect();
        let mut page = PageWriter::new(Stream::Models);
        lines.iter().for_each(|line| page.object(line, resolution.at, model));
        let deed = |(version, event, role)| Deed(Told::Entry(entry(resolution, event, Some(version), role)));
        Released { pages: vec![page.finish()], lines, deeds: told.into_iter().map(deed).collect() }
    }

    fn publish(&self, mut card: Card, body: crate::model::Body, role: Role) -> Released {
        let width = self.plan.features.program.layout().width();
        let features = self.plan.features_digest();
        // Whoever made the body has checked it; if it is unusable all the same, it stays on record without an artifact.
        let bytes = match Artifact::new(&card.model, &features, width, body) {
            Ok(artifact) => artifact.to_bytes(),
            Err(error) => {
                tracing::error!(version = card.number, %error, "the version has no usable artifact");
                Vec::new()
            }
        };
        card.digest = Artifact::digest(&bytes);
        let entry = |event: Event| Entry {
            at: card.effective_at,
            event,
            version: Some(card.number),
            role: (event == Event::Activated).then_some(role),
            digest: (event == Event::Released).then(|| card.digest.clone()),
            decision: card.decision.clone(),
            text: card.cause.clone(),
        };
        let entries = [Event::Released, Event::Activated].map(|event| Deed(Told::Entry(entry(event))));
        let line = json!({
            "at": card.effective_at.to_string(),
            "model": card.model,
            "version": card.number,
            "role": role.word(),
            "kind": card.kind,
            "source": card.source,
            "digest": card.digest,
            "parent": card.parent,
            "cause": card.cause,
            "decision": card.decision,
            "decided_at": card.decided_at.to_string(),
            "lineage": card.lineage,
            "report": card.report,
        });
        let mut page = PageWriter::new(Stream::Models);
        page.object(&line, card.effective_at, &card.model);
        let deeds = std::iter::once(Deed(Told::Version(bytes, Box::new(card)))).chain(entries).collect();
        Released { pages: vec![page.finish()], lines: vec![line], deeds }
    }

    /// The record of `decisions` that says how a training ended, with the figures.
    fn outcome(&self, resolution: &Resolution, trained: &Trained) -> Value {
        let released = matches!(trained.verdict, Verdict::Released { .. });
        let reason = match &trained.verdict {
            Verdict::Failed { reason, .. } => Some(reason.as_str()),
            _ => None,
        };
        json!({
            "at": resolution.at.to_string(),
            "decision": resolution.decision,
            "model": self.plan.model.name,
            "kind": "release",
            "verdict": resolution.word(),
            "reason": reason,
            "version": released.then_some(trained.version),
            "report": trained.verdict.report(),
        })
    }
}

/// A line of the log for what a decision came to.
fn entry(resolution: &Resolution, event: Event, version: Option<u32>, role: Option<Role>) -> Entry {
    Entry {
        at: resolution.at,
        event,
        version,
        role,
        digest: None,
        decision: Some(resolution.decision.clone()),
        text: resolution.cause.clone(),
    }
}
