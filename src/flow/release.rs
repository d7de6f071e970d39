//! Release: what becomes of a resolution: the version's artifact and card, the registry's log, the records of `models`
//! and
//! `decisions`.

use super::control::Resolution;
use super::lines::PageWriter;
use super::plan::Plan;
use crate::config::spec::DeploySpec;
use crate::model::{Artifact, Role, learner};
use crate::registry::{Card, Entry, Event, Lineage, Offsets, Registry, RegistryError};
use crate::sink::{Page, Stream};
use crate::time::Time;
use crate::train::{Contestant, Verdict};
use serde_json::{Value, json};
use std::sync::Arc;

/// Writes versions and what is said of them.
pub struct Releases {
    plan: Arc<Plan>,
    registry: Registry,
}

impl Releases {
    /// Over an open registry.
    pub fn new(plan: Arc<Plan>, registry: Registry) -> Releases {
        Releases { plan, registry }
    }

    /// Version 1, the untrained online learner, is released and active from the first record on.
    ///
    /// # Errors
    /// When the registry cannot be written.
    pub fn start(&mut self, at: Time) -> Result<(Page, Value), RegistryError> {
        let body = learner(&self.plan.spec.model.learner, self.plan.features.program.layout().width()).save();
        let lineage = Lineage { features: self.plan.features_digest(), ..Lineage::default() };
        let card = Card {
            model: self.plan.spec.model.name.clone(),
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

    /// What a training came to, at the tick of its effect; `ends` are the offsets consumed when it was decided.
    ///
    /// # Errors
    /// When the registry cannot be written.
    pub fn resolve(
        &mut self,
        resolution: &Resolution,
        ends: Vec<Offsets>,
    ) -> Result<(Vec<Page>, Option<Value>, Value), RegistryError> {
        let outcome = self.outcome(resolution);
        let mut page = PageWriter::new(Stream::Decisions);
        page.object(&outcome, resolution.at, &self.plan.spec.model.name);
        let mut pages = vec![page.finish()];
        let Verdict::Released { body, source, report } = &resolution.verdict else {
            let event = match resolution.verdict {
                Verdict::Kept { .. } => Event::Kept,
                Verdict::Failed { .. } => Event::Failed,
                _ => Event::Rejected,
            };
            self.log(resolution, event, None, None, None)?;
            return Ok((pages, None, outcome));
        };
        let lineage = Lineage {
            tick: resolution.tick,
            offsets: ends,
            window: report.window.filter(|_| *source == Contestant::Batch),
            updates: body.updates(),
            features: self.plan.features_digest(),
        };
        let card = Card {
            model: self.plan.spec.model.name.clone(),
            number: resolution.version,
            digest: String::new(),
            kind: body.kind().to_owned(),
            source: if *source == Contestant::Batch { "batch" } else { "live" }.to_owned(),
            parent: Some(resolution.parent),
            decision: Some(resolution.decision.clone()),
            cause: resolution.cause.clone(),
            decided_at: resolution.decided,
            effective_at: resolution.at,
            lineage,
            report: Some(report.clone()),
        };
        let role = match self.plan.spec.model.deploy {
            DeploySpec::Immediate => Role::Champion,
            DeploySpec::Shadow => Role::Shadow,
        };
        let (page, version) = self.publish(card, body.clone(), role)?;
        pages.push(page);
        Ok((pages, Some(version), outcome))
    }

    fn publish(
        &mut self,
        mut card: Card,
        body: crate::model::Body,
        role: Role,
    ) -> Result<(Page, Value), RegistryError> {
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
        self.registry.release(&bytes, &card)?;
        for event in [Event::Released, Event::Activated] {
            self.registry.append(&Entry {
                at: card.effective_at,
                event,
                version: Some(card.number),
                role: (event == Event::Activated).then_some(role),
                digest: (event == Event::Released).then(|| card.digest.clone()),
                decision: card.decision.clone(),
                text: card.cause.clone(),
            })?;
        }
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
        Ok((page.finish(), line))
    }

    fn log(
        &mut self,
        resolution: &Resolution,
        event: Event,
        version: Option<u32>,
        role: Option<Role>,
        digest: Option<String>,
    ) -> Result<(), RegistryError> {
        self.registry.append(&Entry {
            at: resolution.at,
            event,
            version,
            role,
            digest,
            decision: Some(resolution.decision.clone()),
            text: resolution.cause.clone(),
        })
    }

    /// The record of `decisions` that says how a training ended, with the figures.
    fn outcome(&self, resolution: &Resolution) -> Value {
        let released = matches!(resolution.verdict, Verdict::Released { .. });
        let reason = match &resolution.verdict {
            Verdict::Failed { reason, .. } => Some(reason.as_str()),
            _ => None,
        };
        json!({
            "at": resolution.at.to_string(),
            "decision": resolution.decision,
            "model": self.plan.spec.model.name,
            "kind": "release",
            "verdict": resolution.verdict.word(),
            "reason": reason,
            "version": released.then_some(resolution.version),
            "report": resolution.verdict.report(),
        })
    }
}
