//! Commands as records: what a source of kind `control` asks for, until the next boundary passes it on.
//!
//! In: its rows, whose columns and values the configuration and its checks have seen to. Out: the same requests as by
//! hand. Otherwise than those they are part of the input: none is lost, and a replay meets them again.

use super::super::items::{Asked, Forget};
use super::super::plan::Plan;
use crate::deploy::Wish;
use crate::record::{Row, Value};
use compact_str::CompactString;

/// Adds what a row asks for.
pub(super) fn take(plan: &Plan, row: &Row, asked: &mut Asked) {
    let schema = &plan.spec.sources[usize::from(row.position.source)].schema;
    let value = |name| schema.position(name).and_then(|place| row.values.get(place)).unwrap_or(&Value::Null);
    let text = |name| match value(name) {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    };
    let version = match value("version") {
        Value::Int(version) => u32::try_from(*version).ok(),
        _ => None,
    };
    let wish = match (text("command").as_deref(), version) {
        (Some("promote"), Some(version)) => Some(Wish::Promote(version)),
        (Some("rollback"), _) => Some(Wish::RollBack),
        (Some("pin"), _) => Some(Wish::Pin),
        (Some("unpin"), _) => Some(Wish::Unpin),
        (Some("retrain"), _) => {
            match text("model") {
                Some(model) => asked.trainings_of.push(model),
                None => asked.trainings = 1,
            }
            None
        }
        (Some("forget"), _) => {
            let id = text("id").filter(|id| asked.forget.iter().all(|known| known.id != *id));
            asked.forget.extend(id.map(|id| Forget { id, reason: text("reason").map(String::from) }));
            None
        }
        _ => None,
    };
    // Where the file has one model, it is meant.
    let only = || CompactString::from(&plan.spec.models[0].name);
    asked.wishes.extend(wish.map(|wish| (text("model").unwrap_or_else(only), wish)));
}
