//! The whole file: `[pipeline]`, then the tables below it.

use super::control;
use super::detector::check_told;
use super::features::{self, Around, Load};
use super::item::Item;
use super::model;
use super::source::{self, LONGEST, Own};
use super::spec::{PipelineSpec, Publish, Spanned};
use super::table::{Table, check_name};
use crate::record::Kind;
use crate::time::Span;

/// A year of one record a second fits; above it is a mistake.
const MOST_PENDING: u64 = 1_000_000_000;

/// Some tens of TB.
const MOST_ROWS: u64 = 1_000_000_000_000;

/// The keys of `[pipeline]`, with their defaults.
struct Head {
    name: String,
    every: Span,
    tick_records: usize,
    tick_ms: u64,
    max_ahead: Span,
    idle_ms: u64,
    max_record_bytes: usize,
    max_pending: usize,
    max_keys: usize,
    max_rows: usize,
    publish: Vec<Publish>,
}

/// Reads the document; what is absent or wrong has a stand-in, and an error is written down.
pub(super) fn read(mut table: Table<'_>, load: Load<'_>) -> PipelineSpec {
    table.title = "the file".to_string();
    let head = read_head(below(&mut table, "pipeline", "[pipeline] with the pipeline's name"));
    let sources = below(&mut table, "source", "[source.NAME], one a stream");
    let own = Own { pipeline: &head.name, publish: &head.publish };
    let declared = sources.as_ref().map_or(0, |t| t.each().len());
    let sources = sources.map(|t| source::read_all(&t, own, load)).unwrap_or_default();
    let around = Around { sources: &sources, complete: sources.len() == declared, load };
    let features = below(&mut table, "features", "[features], one line a feature");
    let listed = features.as_ref().map_or(0, |t| t.each().len());
    let features = features.map(|t| features::read_all(&t, &around)).unwrap_or_default();
    let model = below(&mut table, "model", "[model.NAME]");
    let models = model.map(|t| model::read_all(&t, head.every, &around)).unwrap_or_default();
    if listed == features.len() && listed > 0 {
        check_told(&models, &features, table.faults);
    }
    table.finish();
    let models = if models.is_empty() { vec![model::stand_in(head.every)] } else { models };
    let mut sources = sources;
    for source in sources.iter_mut().filter(|source| source.kind == Kind::Control) {
        source.check.extend(control::checks(&models, &source.name.span));
    }
    PipelineSpec {
        name: head.name,
        every: head.every,
        tick_records: head.tick_records,
        tick_ms: head.tick_ms,
        max_ahead: head.max_ahead,
        idle_ms: head.idle_ms,
        max_record_bytes: head.max_record_bytes,
        max_pending: head.max_pending,
        max_keys: head.max_keys,
        max_rows: head.max_rows,
        publish: head.publish,
        features,
        models,
        sources,
    }
}

/// A table of the file, which must be there.
fn below<'a>(table: &mut Table<'a>, key: &'static str, help: &str) -> Option<Table<'a>> {
    table.need(key, help)?.table(format!("[{key}]"))
}

fn read_head(table: Option<Table<'_>>) -> Head {
    let mut head = Head {
        name: String::new(),
        every: Span::HOUR,
        tick_records: 1000,
        tick_ms: 5,
        max_ahead: Span(30 * Span::DAY.0),
        idle_ms: 500,
        max_record_bytes: 1 << 20,
        max_pending: 10_000_000,
        max_keys: 10_000_000,
        max_rows: 1_000_000_000,
        publish: Vec::new(),
    };
    let Some(mut table) = table else { return head };
    if let Some(item) = table.need("name", "name = \"flights\"")
        && let Some(name) = item.text()
    {
        head.name = name.to_string();
        check_name(&Spanned { value: head.name.clone(), span: item.span() }, "pipeline", table.faults);
    }
    if let Some(every) = table.take("every").and_then(|i| i.length(Span::SECOND, Span(3650 * Span::DAY.0))) {
        head.every = every;
    }
    if let Some(records) = table.take("tick_records").and_then(|i| i.count(1, 1_000_000)) {
        head.tick_records = records;
    }
    if let Some(ms) = table.take("tick_ms").and_then(|i| i.whole(1, 60_000)) {
        head.tick_ms = ms;
    }
    if let Some(ahead) = table.take("max_ahead").and_then(|i| i.length(Span::SECOND, LONGEST)) {
        head.max_ahead = ahead;
    }
    if let Some(ms) = table.take("idle_ms").and_then(|i| i.whole(1, 86_400_000)) {
        head.idle_ms = ms;
    }
    if let Some(bytes) = table.take("max_record_bytes").and_then(|i| i.count(64, 1 << 30)) {
        head.max_record_bytes = bytes;
    }
    if let Some(pending) = table.take("max_pending").and_then(|i| i.count(1, MOST_PENDING)) {
        head.max_pending = pending;
    }
    if let Some(keys) = table.take("max_keys").and_then(|i| i.count(1, MOST_PENDING)) {
        head.max_keys = keys;
    }
    if let Some(rows) = table.take("max_rows").and_then(|i| i.count(256, MOST_ROWS)) {
        head.max_rows = rows;
    }
    let output = |item: &Item<'_>| item.choice("output", &Publish::ALL);
    if let Some(publish) = table.take("publish").and_then(|i| i.list_of(output)) {
        head.publish = publish;
    }
    table.finish();
    head
}
