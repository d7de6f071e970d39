//! A source of kind `control`: commands as records, each of which takes effect at the first boundary behind its time.
//!
//! Its columns are the same everywhere, and so is what must hold for a record: commands are known, models are those of
//! the file, and what a command needs is there. What violates that is a dead letter, as by any `check`.

use super::spec::{ModelSpec, Spanned};
use super::table::Table;
use crate::record::{Column, Schema, Type};
use std::ops::Range;

/// The key, which orders nothing: commands are taken by their time.
pub(super) const KEY: &str = "command";
/// The column of the event time.
pub(super) const TIME: &str = "at";

/// `at`, `command`, and what a command may need.
pub(super) fn schema() -> Schema {
    let column = |(name, kind, nullable): (&str, Type, bool)| Column { name: name.to_owned(), kind, nullable };
    let columns = [
        (TIME, Type::Timestamp, false),
        (KEY, Type::Text, false),
        ("model", Type::Text, true),
        ("version", Type::Int, true),
        ("id", Type::Text, true),
        ("reason", Type::Text, true),
    ];
    Schema { columns: columns.map(column).into() }
}

/// Refuses what a source of another kind would declare.
pub(super) fn refuse_declarations(table: &mut Table<'_>) {
    for key in ["key", "time", "schema"] {
        table.refuse(key, "commands have columns of their own: at, command, model, version, id, reason");
    }
}

/// What must hold for every record, told at `span`.
pub(super) fn checks(models: &[ModelSpec], span: &Range<usize>) -> Vec<Spanned<String>> {
    let names: Vec<String> = models.iter().map(|model| format!("'{}'", model.name)).collect();
    let mut checks = vec![
        "command in ('retrain', 'promote', 'rollback', 'pin', 'unpin', 'forget')".to_owned(),
        format!("model in ({})", names.join(", ")),
        "command <> 'promote' or version is not null".to_owned(),
        format!("version between 1 and {}", u32::MAX),
        "command <> 'forget' or id is not null".to_owned(),
    ];
    if models.len() > 1 {
        checks.push("command in ('retrain', 'forget') or model is not null".to_owned());
    }
    checks.into_iter().map(|value| Spanned { value, span: span.clone() }).collect()
}
