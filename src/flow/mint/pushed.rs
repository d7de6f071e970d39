//! Models that were made elsewhere: from the digest in a request, or in the progress record, to what it names.
//!
//! Whoever pushes a model has put its artifact into the registry durably before a run is asked to take it, and the
//! progress record has the digest, so a tick that was committed finds there what it took. What a request names and
//! nobody can use is let go, and said.

use super::super::failure::Failure;
use super::super::items::{Asked, Pushed};
use super::super::progress::Progress;
use super::Minter;
use crate::model::Body;
use compact_str::CompactString;
use std::sync::Arc;

impl Minter {
    /// What was asked for by hand since this was called last.
    pub(super) fn requested(&mut self) -> Asked {
        let committed = self.board.borrow().written;
        let mut asked = (self.requests)(self.next, committed);
        asked.pushed.retain_mut(|pushed| match self.read(&pushed.model, &pushed.digest) {
            Ok(body) => {
                pushed.body = Some(body);
                true
            }
            Err(cause) => {
                tracing::warn!(model = %pushed.model, cause, "a pushed model cannot be used");
                false
            }
        });
        asked.join(std::mem::take(&mut self.commanded));
        asked
    }

    /// What a committed tick was asked for.
    pub(super) fn recorded(&self, progress: &Progress) -> Result<Asked, Failure> {
        let pushed = |(model, digest): &(CompactString, String)| {
            let body = self.read(model, digest);
            let body = body.map_err(|cause| Failure::Pushed { tick: progress.tick, cause })?;
            Ok(Pushed { model: model.clone(), digest: digest.clone(), body: Some(body) })
        };
        let pushed = progress.pushed.iter().map(pushed).collect::<Result<_, Failure>>()?;
        let (trainings, trainings_of) = (progress.manual, progress.retrain.clone());
        let (wishes, forget) = (progress.wishes.clone(), progress.forget.clone());
        let measured = progress.boundary.map(|boundary| self.history.measured_at(boundary.0)).unwrap_or_default();
        Ok(Asked { trainings, trainings_of, wishes, pushed, forget, measured })
    }

    fn read(&self, model: &str, digest: &str) -> Result<Arc<Body>, String> {
        let registry = self.registries.iter().find(|registry| registry.model() == model);
        let registry = registry.ok_or_else(|| format!("there is no model `{model}`"))?;
        let artifact = registry.pushed(digest).map_err(|error| error.to_string())?;
        let task = self.plan.spec.models.iter().find(|spec| spec.name == model).map(|spec| spec.task);
        let task = task.ok_or_else(|| format!("there is no model `{model}`"))?;
        artifact.suits((model, task), &self.plan.features_digest(), self.plan.features.program.layout().width())?;
        Ok(Arc::new(artifact.body))
    }
}
