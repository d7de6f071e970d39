//! `tidemill forget`: asks a run to forget the labels of events.
//!
//! In: prediction ids, or whose they are, and the outputs of the run. Out: the request, and a word on learners that
//! cannot be rid of what they have learned, with the command that fits a model without it. What became of each id is
//! said by the run.

use super::args::ForgetArgs;
use super::whose::ids_where;
use super::{Exit, requests, usage};
use crate::flow::items::Forget;
use crate::model::Exactness;
use crate::registry::{Registry, list};
use std::path::Path;

/// Leaves the request.
pub(super) fn forget(args: &ForgetArgs) -> Exit {
    let out = &args.out;
    let replayed = match replayed(out) {
        Ok(replayed) => replayed,
        Err(message) => return usage(&message),
    };
    let theirs = match (&args.whose, &args.pipeline) {
        (Some(whose), Some(pipeline)) => match ids_where(pipeline, whose, &args.kafka, &args.inputs) {
            Ok(ids) if ids.is_empty() && args.ids.is_empty() => {
                return usage(&format!("no event of the input so far has {}={}: nothing is asked", whose.0, whose.1));
            }
            Ok(ids) => ids,
            Err(refusal) => {
                eprintln!("{}", refusal.message.trim_end());
                return refusal.exit;
            }
        },
        _ => Vec::new(),
    };
    let wanted = |id: &String| Forget { id: id.as_str().into(), reason: args.reason.clone() };
    let all: Vec<Forget> = args.ids.iter().chain(&theirs).map(wanted).collect();
    if let Err(error) = requests::forget(out, &all) {
        return usage(&format!("cannot ask the run that writes to {}: {error}", out.display()));
    }
    println!("asked to forget {} ids at the run's next boundary; its record is in decisions, kind forget", all.len());
    for model in replayed {
        println!("{model}: its online learner depends on order and is not changed; a retraining removes them:");
        println!("  tidemill retrain --out {} --model {model}", out.display());
    }
    Exit::Done
}

/// The models whose online learner cannot be rid of what it has learned.
fn replayed(out: &Path) -> Result<Vec<String>, String> {
    let known = list(out).map_err(|error| error.to_string())?;
    if known.is_empty() {
        return Err(format!("no run writes to {}: it has no models", out.display()));
    }
    let mut replayed = Vec::new();
    for model in known.into_iter().map(|listing| listing.model) {
        let registry = Registry::read(out, &model).map_err(|error| error.to_string())?;
        // Version 1 is the online learner as it began.
        let first = registry.artifact(1).map_err(|error| error.to_string())?;
        if first.body.learner().is_some_and(|learner| learner.exactness() == Exactness::Replayed) {
            replayed.push(model);
        }
    }
    Ok(replayed)
}
