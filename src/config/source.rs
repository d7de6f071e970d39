//! `[source.NAME]`: where records come from, what they are, and what columns they have.

use super::control;
use super::doubts::Doubts;
use super::features::{Load, read_values};
use super::item::{Item, names};
use super::nearest::suggest;
use super::spec::{Format, Publish, SourceSpec, Spanned};
use super::table::{Faults, Table, check_name};
use crate::record::{Column, Kind, Schema, Type};
use crate::task::Task;
use crate::time::Span;
use std::path::PathBuf;

/// The kinds by name, in the order in which help lists them.
const KINDS: [(&str, Kind); 5] = [
    ("events", Kind::Event),
    ("labels", Kind::Label),
    ("table", Kind::Table),
    ("context", Kind::Context),
    ("control", Kind::Control),
];
const FORMATS: [(&str, Format); 2] = [("json", Format::Json), ("csv", Format::Csv)];
const UNKNOWN_FIELDS: [(&str, bool); 2] = [("ignore", false), ("refuse", true)];
/// How long an event waits for its label where the file does not say: two days, the design's example.
const TIMEOUT: Span = Span(48 * Span::HOUR.0);
/// A hundred years: longer spans are mistakes.
pub(super) const LONGEST: Span = Span(36_500 * Span::DAY.0);
/// The streams that every run writes; a source may not read its own run's, nor those that it is asked for.
const OUTPUTS: [&str; 6] = ["predictions", "metrics", "models", "decisions", "dead_letters", "progress"];

/// The pipeline that the sources are of.
#[derive(Clone, Copy)]
pub(super) struct Own<'a> {
    /// Its name.
    pub(super) pipeline: &'a str,
    /// What it publishes beside the streams of every run.
    pub(super) publish: &'a [Publish],
}

/// Reads all sources, in the order of the file.
pub(super) fn read_all(table: &Table<'_>, own: Own<'_>, load: Load<'_>) -> Vec<SourceSpec> {
    let mut sources = Vec::new();
    for (name, item) in table.each() {
        check_name(&name, "source", table.faults);
        let called = name.value.clone();
        let source = item.table(table.title_of(&called)).and_then(|t| read(t, name, own, load));
        if source.is_none() {
            // It may have been the labels.
            [called.as_str(), Doubts::LABEL].iter().for_each(|name| table.faults.doubt(name));
        }
        sources.extend(source);
    }
    if sources.len() > usize::from(u16::MAX) {
        table.faults.add(table.span.clone(), format!("{} sources, allowed: at most {}", sources.len(), u16::MAX), "");
    }
    check_together(&sources, table);
    sources
}

/// Reads one; `None` if it is too wrong to be of use to what refers to it, for which its kind and schema are enough.
fn read(mut table: Table<'_>, name: Spanned<String>, own: Own<'_>, load: Load<'_>) -> Option<SourceSpec> {
    let faults = table.faults;
    let kind_help = "one of events (scored on arrival), labels, table (the last row per key), context, control";
    let kind = table.need("kind", kind_help).and_then(|i| i.choice("kind", &KINDS));
    let (key, time, schema) = if kind == Some(Kind::Control) {
        control::refuse_declarations(&mut table);
        let given = |value: &str| Spanned { value: value.to_owned(), span: name.span.clone() };
        (Some(vec![given(control::KEY)]), Some(given(control::TIME)), Some(control::schema()))
    } else {
        let key = table.need("key", "the column, or list of columns, that identifies a record").and_then(|i| names(&i));
        let time = table.need("time", "the column of the event time, of type timestamp").and_then(|i| i.words());
        let schema = table.need("schema", "schema = { column = \"text\", .. }").and_then(|i| read_schema(&i, &table));
        (key, time, schema)
    };
    let path = table.take("path").and_then(|i| names(&i)).unwrap_or_default();
    let format = table.take("format").and_then(|i| i.choice("format", &FORMATS));
    let topic = table.take("topic").and_then(|i| read_topic(&i));
    let refuse = table.take("unknown_fields").and_then(|i| i.choice("value", &UNKNOWN_FIELDS));
    let check = table.take("check").and_then(|i| names(&i)).unwrap_or_default();

    let (mut label, mut timeout, mut erasable, mut classes) = (None, None, None, Vec::new());
    match kind {
        Some(Kind::Label) => {
            label = table.need("label", "an expression over this source's columns: \"arr_delay > 15\"");
            timeout = table.take("timeout").map_or(Some(TIMEOUT), |i| i.length(Span(1000), LONGEST));
            erasable = table.take("erasable").map_or(Some(Span(0)), |i| i.length(Span(0), LONGEST));
            classes = table.take("classes").and_then(|i| read_classes(&i, load)).unwrap_or_default();
        }
        Some(_) => {
            table.refuse("label", "only a source of kind \"labels\" has a label");
            table.refuse("timeout", "only a source of kind \"labels\" has a timeout");
            table.refuse("erasable", "only labels of a source of kind \"labels\" can be forgotten");
            table.refuse("classes", "only a source of kind \"labels\" has classes");
        }
        // The kind is unknown, and so is whether these are in place.
        None => table.knows(&["label", "timeout", "erasable", "classes"]),
    }
    let label = label.and_then(|i| i.words());
    if kind == Some(Kind::Label) && label.is_none() {
        [name.value.as_str(), Doubts::LABEL].iter().for_each(|name| faults.doubt(name));
    }
    if kind == Some(Kind::Table) && (key.is_none() || time.is_none()) {
        faults.doubt(&name.value);
    }
    if let (Some(schema), Some(time)) = (&schema, &time) {
        check_time(time, schema, faults);
    }
    if let (Some(schema), Some(key)) = (&schema, &key) {
        check_key(key, schema, kind, &name, faults);
    }
    table.finish();

    let topic =
        topic.unwrap_or_else(|| Spanned { value: format!("{}.{}", own.pipeline, name.value), span: name.span.clone() });
    check_topic(&topic, own, faults);
    Some(SourceSpec {
        kind: kind?,
        key: key.into_iter().flatten().map(|k| k.value).collect(),
        time: time.map(|t| t.value).unwrap_or_default(),
        schema: schema?,
        path: path.into_iter().map(|p| PathBuf::from(p.value)).collect(),
        format,
        topic: topic.value,
        refuse_unknown: refuse.unwrap_or(false),
        check,
        label,
        classes,
        timeout,
        erasable,
        name,
    })
}

/// The values that a label may have.
fn read_classes(item: &Item<'_>, load: Load<'_>) -> Option<Vec<String>> {
    let classes = read_values(item, load)?;
    let most = usize::from(Task::MAX_CLASSES);
    if !(3..=most).contains(&classes.len()) {
        let help = "of two classes one is true: label = \"kind = 'spam'\"";
        item.fault(format!("`classes` has {} values, allowed: 3 to {most}", classes.len()), help);
        return None;
    }
    Some(classes)
}

/// `{ column = "text?", .. }`, in the order of the file.
fn read_schema(item: &Item<'_>, source: &Table<'_>) -> Option<Schema> {
    let table = item.table(source.title_of("schema"))?;
    let mut columns = Vec::new();
    for (name, item) in table.each() {
        let Some(text) = item.text() else {
            item.faults.doubt(&name.value);
            continue;
        };
        let (base, nullable) = text.strip_suffix('?').map_or((text, false), |base| (base, true));
        match Type::ALL.iter().find(|(n, _)| *n == base) {
            Some((_, kind)) => columns.push(Column { name: name.value, kind: *kind, nullable }),
            None => {
                let help = suggest(base, &Type::ALL.map(|(n, _)| n));
                item.fault(
                    format!("unknown type `{}`", text.escape_debug()),
                    format!("{help}; `?` after it allows null"),
                );
                // It stays known by name, so that what refers to it is not an error too.
                item.faults.doubt(&name.value);
                columns.push(Column { name: name.value, kind: Type::Timestamp, nullable: false });
            }
        }
    }
    if table.is_empty() {
        item.fault("`schema` has no columns", "");
        return None;
    }
    Some(Schema { columns })
}

fn read_topic(item: &Item<'_>) -> Option<Spanned<String>> {
    let topic = item.words()?;
    let legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
    if !topic.value.bytes().all(legal) || topic.value.len() > 249 || [".", ".."].contains(&topic.value.as_str()) {
        item.fault(
            format!("`{}` cannot be the name of a topic", topic.value.escape_debug()),
            "1 to 249 letters, digits, `.`, `_` and `-`",
        );
    }
    Some(topic)
}

fn check_topic(topic: &Spanned<String>, own: Own<'_>, faults: &Faults) {
    let published = |name: &str| Publish::ALL.iter().any(|(known, of)| *known == name && own.publish.contains(of));
    let stream = topic.value.strip_prefix(own.pipeline).and_then(|rest| rest.strip_prefix('.'));
    if let Some(stream) = stream.filter(|name| OUTPUTS.contains(name) || published(name)) {
        let message = format!("topic `{}` is an output of this pipeline (`{stream}`)", topic.value);
        faults.add_across(topic.span.clone(), message, "name the source or its topic otherwise");
    }
}

/// The column, or an error with the nearest one.
pub(super) fn find_column<'s>(
    name: &Spanned<String>,
    what: &str,
    of: &str,
    schema: &'s Schema,
    faults: &Faults,
) -> Option<&'s Column> {
    let found = schema.columns.iter().find(|c| c.name == name.value);
    if found.is_none() {
        let known: Vec<&str> = schema.columns.iter().map(|c| c.name.as_str()).collect();
        let message = format!("{what} `{}` is no column of {of}", name.value.escape_debug());
        faults.add_across(name.span.clone(), message, suggest(&name.value, &known));
    }
    found
}

fn check_time(time: &Spanned<String>, schema: &Schema, faults: &Faults) {
    let Some(column) = find_column(time, "time", "this source's schema", schema, faults) else { return };
    let typed = format!("{}{}", column.kind.name(), if column.nullable { "?" } else { "" });
    if column.kind != Type::Timestamp || column.nullable {
        let message = format!("the time column `{}` is declared `{typed}`, allowed: `timestamp`", column.name);
        faults.add_across(time.span.clone(), message, "every record has an event time");
    }
}

fn check_key(key: &[Spanned<String>], schema: &Schema, kind: Option<Kind>, source: &Spanned<String>, faults: &Faults) {
    for name in key {
        let Some(column) = find_column(name, "key", "this source's schema", schema, faults) else { continue };
        if column.nullable {
            let message =
                format!("the key column `{0}` is declared `{1}?`, allowed: `{1}`", column.name, column.kind.name());
            faults.add_across(name.span.clone(), message, "a record without its key cannot be placed");
        }
    }
    let single = matches!(kind, Some(Kind::Event | Kind::Label));
    if key.is_empty() || (single && key.len() > 1) {
        let allowed = if single { "one column: it is the prediction_id" } else { "at least one column" };
        let span = key.get(1).map_or(&source.span, |k| &k.span).clone();
        faults.add_across(span, format!("`key` has {} columns, allowed: {allowed}", key.len()), "");
    }
}

/// Exactly one source of events, at most one of labels, and the two meet by keys of one type.
fn check_together(sources: &[SourceSpec], table: &Table<'_>) {
    let faults = table.faults;
    let of = |kind: Kind| sources.iter().filter(move |s| s.kind == kind);
    for (kind, word) in [(Kind::Event, "events"), (Kind::Label, "labels"), (Kind::Control, "control")] {
        for extra in of(kind).skip(1) {
            let message = format!("`{}` is another source of kind \"{word}\", allowed: one for now", extra.name.value);
            faults.add(extra.name.span.clone(), message, "");
        }
    }
    // A source that could not be read may have been the one of events.
    if of(Kind::Event).next().is_none() && sources.len() == table.each().len() {
        faults.add_across(table.span.clone(), "no source of kind \"events\", allowed: exactly one", "");
    }
    let key_type = |s: &SourceSpec| {
        let key = s.key.first()?;
        s.schema.columns.iter().find(|c| &c.name == key).map(|c| c.kind)
    };
    if let (Some(events), Some(labels)) = (of(Kind::Event).next(), of(Kind::Label).next())
        && let (Some(a), Some(b)) = (key_type(events), key_type(labels))
        && a != b
    {
        let message = format!("labels are keyed by `{}` and events by `{}`: they would never meet", b.name(), a.name());
        faults.add_across(labels.name.span.clone(), message, "declare both key columns with the same type");
    }
}
