//! The checkpoints of a run: where they are, and which one it goes on from.
//!
//! In: the state's folder, what is committed, what is run. Out: the newest checkpoint that is whole and of this
//! history. One that is damaged is passed over for an older one, and said; if none is left, all is made again from the
//! beginning, which needs the whole input and takes its time. A pipeline that was changed goes on from the last tick of
//! the former one: what did not change keeps its state, what is new begins empty, and what would be lost has to be
//! named.

use super::outputs::made_by_another;
use crate::config::suggest;
use crate::flow::history::History;
use crate::flow::plan::Plan;
use crate::flow::saving::{ModelOperators, Operator, consumed};
use crate::sink::folder::Identity;
use crate::state::Digest;
use crate::state::checkpoint::{CheckpointError, Checkpoints, Found, Name};
use crate::state::disk::RealDisk;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

/// The checkpoints of a run with this folder for its state.
///
/// # Errors
/// The folder cannot be made.
pub(super) fn open(state: &Path) -> Result<Checkpoints, String> {
    Checkpoints::open(Arc::new(RealDisk), &state.join("checkpoints")).map_err(|error| error.to_string())
}

/// Removes all of them: a run starts over.
///
/// # Errors
/// The system refuses.
pub(super) fn forget(state: &Path) -> Result<(), String> {
    let folder = state.join("checkpoints");
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(format!("{}: {error}", folder.display())),
        _ => Ok(()),
    }
}

/// Where a run goes on.
pub(super) struct Resume {
    /// The checkpoint.
    pub(super) name: Name,
    /// The first offset that it had not consumed, by source and partition.
    pub(super) ends: BTreeMap<(u16, u16), u64>,
}

/// What a checkpoint is looked for.
pub(super) struct Wanted<'a> {
    pub(super) plan: &'a Plan,
    pub(super) history: &'a History,
    pub(super) identity: &'a Identity,
    /// Whether the pipeline was another until now.
    pub(super) changed: bool,
    /// Operators whose state may go.
    pub(super) dropped: &'a BTreeSet<String>,
}

/// The digest of a pipeline as it was declared, as checkpoints have it.
pub(super) fn digest(spec: &str) -> Digest {
    Digest::of(spec.as_bytes())
}

/// The checkpoint that a run goes on from.
///
/// # Errors
/// The folder cannot be read; or the pipeline was changed, and what was kept does not go with it.
pub(super) fn find(checkpoints: &Checkpoints, wanted: &Wanted<'_>) -> Result<Option<Resume>, String> {
    let Wanted { plan, history, identity, changed, .. } = *wanted;
    let Some(last) = history.end().checked_sub(1) else { return Ok(None) };
    let former = identity.before.last();
    // Ticks of a former pipeline cannot be made again: its last one is where the changed one begins.
    let begins = former.map(|former| if changed { history.end() } else { former.ticks });
    let found = checkpoints.load(last, |header| {
        let theirs = former.is_some_and(|former| header.pipeline == digest(&former.spec));
        let behind = begins == Some(header.tick + 1);
        match header.pipeline == digest(&identity.spec) || theirs && behind {
            true => history.vouches(header.tick, &header.inputs.to_string(), &header.outputs.to_string()),
            false => Err("it is of another pipeline".to_owned()),
        }
    });
    let found = match found {
        Ok(found) => found,
        Err(error @ CheckpointError::NoneLeft { .. }) => {
            tracing::warn!(%error, "no checkpoint is left");
            None
        }
        Err(error) => return Err(error.to_string()),
    };
    let Some(found) = found else {
        return match begins {
            None => Ok(None),
            Some(_) if changed => Err(format!(
                "the pipeline file of `{}` was another, and no checkpoint stands behind its last tick: run it once more \
                 with the former file until it is stopped, or start over with --fresh",
                plan.spec.name
            )),
            Some(ticks) => Err(made_by_another(ticks)),
        };
    };
    for refused in found.refused() {
        tracing::warn!(%refused, "a checkpoint is passed over");
    }
    if found.header().pipeline != digest(&identity.spec) {
        check_changes(wanted, &found)?;
    }
    Ok(Some(Resume { name: found.name(), ends: consumed(plan, &found)? }))
}

/// Refuses a changed pipeline that would lose what was kept, or cannot read it.
fn check_changes(wanted: &Wanted<'_>, found: &Found) -> Result<(), String> {
    let (spec, operators) = (&wanted.plan.spec, &wanted.plan.operators);
    let models: Vec<(&str, ModelOperators)> = spec
        .models
        .iter()
        .map(|model| (model.name.as_str(), ModelOperators::of(model, &wanted.plan.features, spec.every)))
        .collect();
    let all = operators.all().chain(models.iter().flat_map(|(_, operators)| operators.all()));
    let changes = found.changes(all.map(|operator| (operator.name.as_str(), operator.schema)));
    let lost: Vec<&String> = changes.removed.iter().chain(&changes.incompatible).collect();
    if let Some(unknown) = wanted.dropped.iter().find(|name| !lost.contains(name)) {
        let names: Vec<&str> = lost.iter().map(|name| name.as_str()).collect();
        return Err(format!("--drop-state {unknown:?}: nothing of it would be lost; {}", suggest(unknown, &names)));
    }
    let mut wrong = Vec::new();
    for name in &changes.incompatible {
        let is = |operator: &&Operator| operator.name == *name;
        if operators.of_run().iter().any(is) {
            wrong.push(format!("`{name}` is of another release"));
        } else if let Some((model, _)) = models.iter().find(|(_, operators)| operators.of_model().iter().any(is)) {
            wrong.push(format!(
                "`{name}` was of other features or another learner: that is another model, which needs a name other than \
                 `{model}`"
            ));
        } else if !wanted.dropped.contains(name) {
            wrong.push(format!("`{name}` has changed: --drop-state {name:?} lets it begin anew"));
        }
    }
    for name in changes.removed.iter().filter(|name| !wanted.dropped.contains(*name)) {
        wrong.push(format!("`{name}` is no longer there: --drop-state {name:?} lets go of what it had kept"));
    }
    if wrong.is_empty() {
        let (kept, added, dropped) = (changes.kept.len(), changes.added, wanted.dropped);
        tracing::warn!(kept, ?added, ?dropped, "the pipeline file was changed: the run goes on with this one");
        return Ok(());
    }
    Err(format!(
        "the pipeline file was changed, and what the run had kept does not go with it:\n  {}",
        wrong.join("\n  ")
    ))
}
