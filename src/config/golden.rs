//! `golden` of the gate: a file of rows, one JSON object a line.
//!
//! A row has `features`, the slots of a vector by name, as `tidemill export examples` writes them, and what must be
//! said of it: `class`, or the bounds `at_least` and `at_most`. Other fields are for people, so that a line of an
//! export needs nothing but what is expected.

use super::item::Item;
use super::spec::{Expected, GoldenRow, GoldenSpec};
use crate::task::{Label, Task};
use serde_json::{Map, Value};

/// More are a test set, and no golden rows.
const MOST_ROWS: usize = 10_000;

/// Reads the file; `classes` are those of the labels, by number.
pub(super) fn read(
    item: &Item<'_>,
    (task, classes): (Task, &[String]),
    load: &dyn Fn(&str) -> Result<String, String>,
) -> Option<GoldenSpec> {
    let path = item.words()?;
    let named = path.value.escape_debug().to_string();
    let text =
        load(&path.value).map_err(|why| item.fault(format!("cannot read the golden rows in `{named}`: {why}"), ""));
    let mut rows = Vec::new();
    for (line, text) in (1..).zip(text.ok()?.lines()).filter(|(_, text)| !text.trim().is_empty()) {
        let row = row(text, (task, classes));
        let row = row.map_err(|(why, help)| item.fault(format!("line {line} of `{named}`: {why}"), help));
        let (slots, expected) = row.ok()?;
        rows.push(GoldenRow { line, slots, expected });
    }
    if rows.is_empty() || rows.len() > MOST_ROWS {
        item.fault(format!("`{named}` has {} rows, allowed: 1 to {MOST_ROWS}", rows.len()), "");
        return None;
    }
    Some(GoldenSpec { path, rows })
}

type Told = (String, &'static str);

fn row(text: &str, of: (Task, &[String])) -> Result<(Vec<(String, f64)>, Expected), Told> {
    let help = "{\"features\": {\"x\": 1.5}, \"at_least\": 0.5}";
    let row: Map<String, Value> = serde_json::from_str(text).map_err(|why| (format!("no JSON object: {why}"), help))?;
    let Some(Value::Object(features)) = row.get("features") else {
        return Err(("it has no `features`".to_owned(), help));
    };
    let mut slots = Vec::new();
    for (name, value) in features {
        let value = value.as_f64().ok_or_else(|| (format!("slot `{name}` is {value}, allowed: a number"), ""))?;
        if value != 0.0 {
            slots.push((name.clone(), value));
        }
    }
    Ok((slots, expected(&row, of)?))
}

fn expected(row: &Map<String, Value>, (task, classes): (Task, &[String])) -> Result<Expected, Told> {
    let class = match (row.get("class"), task) {
        (None | Some(Value::Null), _) => None,
        (Some(Value::Bool(label)), Task::Binary) => Some(usize::from(*label)),
        (Some(Value::String(name)), Task::Multiclass(_)) if classes.contains(name) => {
            classes.iter().position(|class| class == name)
        }
        (Some(other), task) => {
            let allowed = match task {
                Task::Binary => "true or false",
                Task::Multiclass(_) => "one of the labels' classes",
                Task::Regression => "none of a regression",
            };
            return Err((format!("`class` is {other}, allowed: {allowed}"), ""));
        }
    };
    let most = if task == Task::Regression { Label::LIMIT } else { 1.0 };
    let bound = |name: &str| match row.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(_) if matches!(task, Task::Multiclass(_)) => {
            Err((format!("`{name}` has no place here: of several classes `class` is expected"), ""))
        }
        Some(value) => match value.as_f64().filter(|bound| bound.abs() <= most) {
            Some(bound) => Ok(Some(bound)),
            None => Err((format!("`{name}` is {value}, allowed: a number up to {most}"), "")),
        },
    };
    let expected = Expected { class, at_least: bound("at_least")?, at_most: bound("at_most")? };
    if expected == Expected::default() {
        return Err(("nothing is expected of it".to_owned(), "say `class`, `at_least` or `at_most`"));
    }
    Ok(expected)
}
