//! `[features]`: one line a feature, a string (an expression) or a table that says how it is computed.

use super::bounds::Bounds;
use super::item::{Item, names};
use super::nearest::suggest;
use super::source::{LONGEST, find_column};
use super::spec::{FeatureKind, FeatureSpec, Function, Level, Over, SourceSpec, Spanned};
use super::table::{Faults, Table, check_name};
use crate::record::{Kind, Schema};
use crate::time::Span;
use toml::de::DeValue;

/// The keys of which a table has exactly one: the form of the feature.
const FORMS: [&str; 14] = [
    "expr",
    "one_hot",
    "hash",
    "standardize",
    "lookup",
    "count",
    "sum",
    "mean",
    "min",
    "max",
    "std",
    "last",
    "quantile",
    "distinct",
];
/// All options of all forms.
const OPTIONS: [&str; 9] = ["values", "slots", "max_age", "by", "over", "q", "missing", "indicator", "slot"];
/// A one-hot feature of more values is better hashed; more slots are too many for any learner.
const MOST_VALUES: usize = 65_536;
/// A window of rows keeps them all.
const MOST_ROWS: u64 = 1_000_000;

/// Reads a file of the project, by its path as typed; the error is for a person.
pub(super) type Load<'l> = &'l dyn Fn(&str) -> Result<String, String>;

/// What features refer to.
pub(super) struct Around<'a> {
    /// The sources that could be read.
    pub(super) sources: &'a [SourceSpec],
    /// Whether all could: if not, a name that is not found is no error.
    pub(super) complete: bool,
    /// Reads the files that lists of values are in.
    pub(super) load: Load<'a>,
}

impl Around<'_> {
    /// The columns of the events.
    pub(super) fn events(&self) -> Option<&Schema> {
        self.sources.iter().find(|s| s.kind == Kind::Event).map(|s| &s.schema)
    }
}

/// Reads all features, in the order of the file.
pub(super) fn read_all(table: &Table<'_>, around: &Around<'_>) -> Vec<FeatureSpec> {
    let mut features = Vec::new();
    for (name, item) in table.each() {
        let (before, called) = (table.faults.count(), name.value.clone());
        check_name(&name, "feature", table.faults);
        let feature = match item.value.get_ref() {
            DeValue::String(_) => item.words().map(|text| FeatureSpec {
                name,
                kind: FeatureKind::Expression(text),
                missing: None,
                indicator: false,
                slot: true,
            }),
            DeValue::Table(_) => item.table(table.title_of(&name.value)).and_then(|t| read_form(t, name, around)),
            _ => {
                let message = format!("feature `{}` must be an expression in a string, or a table", name.value);
                item.fault(message, "\"distance / 100\" or { mean = \"dep_delay\", by = \"origin\", over = \"3h\" }");
                None
            }
        };
        if table.faults.count() > before || feature.is_none() {
            table.faults.doubt(&called);
        }
        features.extend(feature);
    }
    let read_all = features.len() == table.each().len();
    if read_all && !features.iter().any(|f| f.slot) {
        table.faults.add_across(table.span.clone(), "no feature has a slot in the vector, allowed: at least one", "");
    }
    features
}

fn read_form(mut table: Table<'_>, name: Spanned<String>, around: &Around<'_>) -> Option<FeatureSpec> {
    let present: Vec<&str> = FORMS.into_iter().filter(|form| table.has(form)).collect();
    let kind = match present[..] {
        [form] => read_kind(&mut table, form, around),
        [] => {
            table.knows(&FORMS);
            table.knows(&OPTIONS);
            // An unknown key is likely to be the form, mistyped; it is reported as such.
            if !table.has_unknown() {
                let message = format!("feature `{}` does not say how it is computed", name.value);
                table.faults.add_across(name.span.clone(), message, format!("write one of {}", FORMS.join(", ")));
            }
            None
        }
        [first, second, ..] => {
            let message = format!("feature `{}` has both `{first}` and `{second}`, allowed: one of them", name.value);
            table.faults.add(name.span.clone(), message, "a feature is computed in one way");
            table.knows(&FORMS);
            table.knows(&OPTIONS);
            None
        }
    };
    let (mut missing, mut indicator, mut slot) = (None, false, true);
    if let ["one_hot" | "hash"] = present[..] {
        let why = match present[0] {
            "hash" => "a hash feature has a slot for null",
            _ => "a one_hot feature has a slot `other`, which null falls into",
        };
        ["missing", "indicator", "slot"].into_iter().for_each(|key| table.refuse(key, why));
    } else {
        missing = table.take("missing").and_then(|i| i.number(Bounds::FINITE));
        slot = table.take("slot").and_then(|i| i.boolean()).unwrap_or(true);
        if let Some(item) = table.take("indicator") {
            indicator = item.boolean().unwrap_or(false);
            if indicator && !table.has("missing") {
                item.fault("`indicator` needs `missing`, the number that stands in for null", "missing = 0");
            } else if indicator && !slot {
                item.fault("`indicator` adds a slot, but the feature says `slot = false`", "");
            }
        }
    }
    table.finish();
    Some(FeatureSpec { name, kind: kind?, missing, indicator, slot })
}

fn read_kind(table: &mut Table<'_>, form: &'static str, around: &Around<'_>) -> Option<FeatureKind> {
    let argument = table.take(form)?;
    let (mut values, mut slots, mut max_age) = (None, None, None);
    let (mut by, mut over, mut level) = (None, None, None);
    let function = Function::ALL.iter().find(|(name, _)| *name == form).map(|(_, f)| *f);
    match form {
        "one_hot" => values = Some(table.need("values", "a list, or a file with one value a line")),
        "hash" => slots = Some(table.need("slots", "how many slots the values are hashed into: 256")),
        "lookup" => max_age = table.take("max_age"),
        _ if function.is_some() => {
            by = table.take("by");
            over = Some(table.need("over", "the window: \"3h\" or \"30 rows\""));
            if form == "quantile" {
                level = Some(table.need("q", "the share of values below it, 0 to 1: 0.5 is the median"));
            }
        }
        _ => {}
    }
    // Each form knows its own options only; another form's is named as such, not as a typing error.
    for (key, owner, ours) in [
        ("values", "one_hot", values.is_some()),
        ("slots", "hash", slots.is_some()),
        ("max_age", "lookup", form == "lookup"),
        ("by", "an aggregate", over.is_some()),
        ("over", "an aggregate", over.is_some()),
        ("q", "quantile", level.is_some()),
    ] {
        if !ours {
            table.refuse(key, &format!("it belongs to {owner}, not to `{form}`"));
        }
    }

    let faults = table.faults;
    let argument = argument.words();
    if let Some(function) = function {
        let by = by.map_or(Some(Vec::new()), |i| names(&i));
        let over = over.flatten().and_then(|i| read_over(&i));
        let function = match level {
            None => Some(function),
            Some(item) => {
                item.and_then(|i| i.number(Bounds::from(0.0, 1.0))).and_then(Level::new).map(Function::Quantile)
            }
        };
        for column in by.iter().flatten() {
            check_event_column(column, "`by`", around, faults);
        }
        let argument = argument?;
        if argument.value.trim() == "*" && form != "count" {
            let message = format!("`*` counts rows and has no {form}");
            faults.add(argument.span, message, "write a column or an expression");
            return None;
        }
        return Some(FeatureKind::Aggregate { function: function?, argument, by: by?, over: over? });
    }
    match form {
        "one_hot" => {
            let values = values.flatten().and_then(|i| read_values(&i, around.load));
            Some(FeatureKind::OneHot { argument: argument?, values: values? })
        }
        "hash" => {
            let slots = slots.flatten().and_then(|i| i.whole(2, MOST_VALUES as u64));
            Some(FeatureKind::Hash { argument: argument?, slots: slots? as u32 })
        }
        "standardize" => Some(FeatureKind::Standardize { argument: argument? }),
        "lookup" => {
            let max_age = max_age.map_or(Some(None), |i| i.length(Span(1000), LONGEST).map(Some));
            let column = argument?;
            check_lookup(&column, around, faults);
            Some(FeatureKind::Lookup { column, max_age: max_age? })
        }
        _ => Some(FeatureKind::Expression(argument?)),
    }
}

/// `"3h"` or `"30 rows"`.
fn read_over(item: &Item<'_>) -> Option<Over> {
    let text = item.text()?;
    let rows = text.strip_suffix("rows").or_else(|| text.strip_suffix("row")).map(str::trim_end);
    if let Some(rows) = rows {
        return match rows.parse::<u64>() {
            Ok(n) if (1..=MOST_ROWS).contains(&n) => Some(Over::Rows(n as usize)),
            _ => {
                item.fault(format!("`over` is \"{}\", allowed: 1 to 1_000_000 rows", text.escape_debug()), "");
                None
            }
        };
    }
    if Span::parse(text).is_none() {
        let message = format!("`over` is \"{}\", which is no window", text.escape_debug());
        item.fault(message, "a length of time (\"90m\", \"3h\", \"7d\") or a number of rows (\"30 rows\")");
        return None;
    }
    item.length(Span(1000), LONGEST).map(Over::Time)
}

/// Values: a list, or the name of a file with one value a line.
pub(super) fn read_values(item: &Item<'_>, load: Load<'_>) -> Option<Vec<String>> {
    let values = match item.value.get_ref() {
        DeValue::Array(_) => item.list_of(|i| match i.value.get_ref() {
            DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix()).ok().map(|n| n.to_string()),
            _ => i.text().map(str::to_string),
        })?,
        DeValue::String(path) => {
            let text = load(path).map_err(|why| {
                item.fault(format!("cannot read the values in `{}`: {why}", path.escape_debug()), "");
            });
            let mut values: Vec<String> = Vec::new();
            let mut seen = std::collections::BTreeSet::new();
            for line in text.ok()?.lines().map(str::trim).filter(|line| !line.is_empty()) {
                if !seen.insert(line.to_string()) {
                    item.fault(format!("`{}` stands twice in `{}`", line.escape_debug(), path.escape_debug()), "");
                    return None;
                }
                values.push(line.to_string());
            }
            values
        }
        _ => {
            let message = format!("`{}` must be a list, or the path of a file with one value a line", item.name);
            item.fault(message, "");
            return None;
        }
    };
    if values.is_empty() || values.len() > MOST_VALUES {
        let message = format!("`{}` has {} values, allowed: 1 to {MOST_VALUES}", item.name, values.len());
        item.fault(message, "");
        return None;
    }
    Some(values)
}

/// An error unless `name` is a column of the events.
pub(super) fn check_event_column(name: &Spanned<String>, what: &str, around: &Around<'_>, faults: &Faults) {
    if let Some(events) = around.events() {
        find_column(name, what, "the events", events, faults);
    }
}

/// `table.column`, both of which exist.
fn check_lookup(name: &Spanned<String>, around: &Around<'_>, faults: &Faults) {
    let Some((table, column)) = name.value.split_once('.') else {
        let message = format!("`lookup` is `{}`, allowed: `table.column`", name.value.escape_debug());
        faults.add(name.span.clone(), message, "");
        return;
    };
    if !around.complete {
        return;
    }
    let tables: Vec<&SourceSpec> = around.sources.iter().filter(|s| s.kind == Kind::Table).collect();
    match tables.iter().find(|s| s.name.value == table) {
        Some(source) => {
            let column = Spanned { value: column.to_string(), span: name.span.clone() };
            find_column(&column, "lookup", &format!("table `{table}`"), &source.schema, faults);
        }
        None => {
            let known: Vec<&str> = tables.iter().map(|s| s.name.value.as_str()).collect();
            let message = format!("`{}` is no source of kind \"table\"", table.escape_debug());
            faults.add_across(name.span.clone(), message, suggest(table, &known));
        }
    }
}
