//! The checks of a source: what every record of it must satisfy, as SQL's `check` has it.
//!
//! In: the source as it was declared, then the values of each of its rows. Out: why a row is refused, if it is. A check
//! is a truth value over the source's own columns; a row is refused for which one is *false*. Null passes, as in SQL:
//! who wants nulls refused says `x is not null`, or declares the column without `?`. Keeps: nothing between rows, so a
//! verdict depends on the row alone.

use super::expr::Expression;
use super::plan::{Fault, placed};
use super::scope::{EVENT, Names};
use crate::config::spec::{SourceSpec, Spanned};
use crate::record::{Type, Value};

/// At most so many characters of a text stand in a detail.
const SHOWN_CHARS: usize = 80;

/// One check.
#[derive(Clone, Debug)]
struct Check {
    text: String,
    expression: Expression,
}

/// The checks of a source, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Checks {
    checks: Vec<Check>,
    columns: Vec<String>,
}

impl Checks {
    /// Compiles the checks of a source.
    ///
    /// # Errors
    /// All faults of all of them at once.
    pub fn compile(source: &SourceSpec) -> Result<Checks, Vec<Fault>> {
        let mut names = Names::default();
        names.add_schema(None, &source.schema, EVENT, false);
        names.add_schema(Some(&source.name.value), &source.schema, EVENT, false);
        let (mut checks, mut faults) = (Vec::new(), Vec::new());
        for text in &source.check {
            match compile(text, &names) {
                Ok(expression) => checks.push(Check { text: text.value.clone(), expression }),
                Err(found) => faults.extend(found),
            }
        }
        let columns = source.schema.columns.iter().map(|column| column.name.clone()).collect();
        if faults.is_empty() { Ok(Checks { checks, columns }) } else { Err(faults) }
    }

    /// The checks of a source whose pipeline has been compiled.
    ///
    /// # Panics
    /// If one of them does not compile; the pipeline has been checked before a source is opened.
    pub fn of(source: &SourceSpec) -> Checks {
        match Checks::compile(source) {
            Ok(checks) => checks,
            Err(faults) => panic!("the checks of a source are compiled before it is opened: {faults:?}"),
        }
    }

    /// The first check that is false for a row with these values, and the values that it read, for a person.
    #[inline]
    pub fn violated(&self, values: &[Value]) -> Option<String> {
        let broken = self.checks.iter().find(|check| check.expression.eval(values) == Value::Bool(false))?;
        Some(self.detail(broken, values))
    }

    fn detail(&self, check: &Check, values: &[Value]) -> String {
        let mut detail = format!("check `{}` is false", check.text.trim());
        for (place, slot) in check.expression.columns().iter().enumerate() {
            let column = *slot as usize;
            let sign = if place == 0 { ":" } else { "," };
            detail.push_str(&format!("{sign} {} = {}", self.columns[column], shown(&values[column])));
        }
        detail
    }
}

fn compile(text: &Spanned<String>, names: &Names) -> Result<Expression, Vec<Fault>> {
    let expression = Expression::compile(&text.value, names)
        .map_err(|found| found.into_iter().map(|fault| placed(fault, text)).collect::<Vec<_>>())?;
    if expression.kind() == Type::Bool {
        return Ok(expression);
    }
    let message = format!("a check is a truth value; this is {}", expression.kind().name());
    Err(vec![Fault { message, span: text.span.clone(), help: Some("compare it: `distance > 0`".to_owned()) }])
}

/// A value as a person reads it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Int(i) => i.to_string(),
        Value::Float(x) => x.to_string(),
        Value::Timestamp(time) => time.to_string(),
        Value::Text(text) => match text.char_indices().nth(SHOWN_CHARS) {
            Some((end, _)) => format!("{:?}...", &text[..end]),
            None => format!("{text:?}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Column, Kind, Schema};
    use crate::time::Time;

    fn source(checks: &[&str]) -> SourceSpec {
        let column = |(name, kind, nullable): &(&str, Type, bool)| Column {
            name: name.to_string(),
            kind: *kind,
            nullable: *nullable,
        };
        let columns = [
            ("id", Type::Text, false),
            ("at", Type::Timestamp, false),
            ("x", Type::Float, true),
            ("n", Type::Int, false),
        ];
        let mut place = 0;
        let spanned = |text: &&str| {
            place += 100;
            Spanned { value: text.to_string(), span: place..place + text.len() }
        };
        SourceSpec {
            name: Spanned { value: "s".to_string(), span: 0..0 },
            kind: Kind::Event,
            key: vec!["id".to_string()],
            time: "at".to_string(),
            schema: Schema { columns: columns.iter().map(column).collect() },
            path: Vec::new(),
            format: None,
            topic: "p.s".to_string(),
            refuse_unknown: false,
            check: checks.iter().map(spanned).collect(),
            label: None,
            classes: Vec::new(),
            timeout: None,
            erasable: None,
        }
    }

    fn row(id: &str, x: Option<f64>, n: i64) -> Vec<Value> {
        let x = x.map_or(Value::Null, Value::Float);
        vec![Value::Text(id.into()), Value::Timestamp(Time(0)), x, Value::Int(n)]
    }

    #[test]
    fn false_is_refused_and_null_passes() {
        let checks = Checks::compile(&source(&["x > 0", "n < 10 or s.id like 'big%'"])).expect("they are right");
        for (row, verdict) in [
            (row("a", Some(1.5), 3), None),
            (row("a", None, 3), None),
            (row("a", Some(-1.5), 30), Some("check `x > 0` is false: x = -1.5")),
            (row("a", None, 30), Some("check `n < 10 or s.id like 'big%'` is false: id = \"a\", n = 30")),
            (row("big", None, 30), None),
        ] {
            assert_eq!(checks.violated(&row).as_deref(), verdict, "{row:?}");
        }
        let strict = Checks::compile(&source(&["x is not null and x > 0"])).expect("it is right");
        let detail = strict.violated(&row("a", None, 0));
        assert_eq!(detail.as_deref(), Some("check `x is not null and x > 0` is false: x = null"));
        assert_eq!(Checks::default().violated(&[]), None);
    }

    #[test]
    fn long_texts_are_cut() {
        let checks = Checks::compile(&source(&["id = 'a'"])).expect("it is right");
        let detail = checks.violated(&row(&"ü".repeat(200), None, 0)).expect("it is another");
        assert_eq!(detail, format!("check `id = 'a'` is false: id = \"{}\"...", "ü".repeat(80)));
    }

    #[test]
    fn what_is_no_truth_value_or_not_there_is_a_fault_at_its_place() {
        let faults = Checks::compile(&source(&["x + 1", "y > 0", "x > 'a'", "n > 0", "null"])).expect_err("four wrong");
        let places: Vec<usize> = faults.iter().map(|fault| fault.span.start / 100).collect();
        assert_eq!(places, [1, 2, 3, 5], "{faults:?}");
        assert_eq!(faults[0].message, "a check is a truth value; this is float");
    }
}
