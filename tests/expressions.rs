//! SQL expressions against DuckDB: every expression of `golden/expressions.jsonl` on every row of it, types included.
//! `golden/expressions.py` wrote the file.

use serde_json::Value as Json;
use std::collections::BTreeMap;
use tidemill::feature::expr::{Binding, Expression, Scope};
use tidemill::record::{Type, Value};
use tidemill::time::Time;

/// The columns of the golden rows, all nullable.
struct Columns(Vec<(String, Type)>);

impl Scope for Columns {
    fn resolve(&self, qualifier: Option<&str>, name: &str) -> Option<Binding> {
        let slot = self.0.iter().position(|(known, _)| qualifier.is_none() && known == name)?;
        Some(Binding { slot: slot as u32, kind: self.0[slot].1, nullable: true })
    }

    fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.clone()).collect()
    }
}

fn type_of(name: &str) -> Type {
    Type::ALL.iter().find(|(known, _)| *known == name).expect("a type of ours").1
}

fn value(json: &Json, kind: Type) -> Value {
    match (kind, json) {
        (_, Json::Null) => Value::Null,
        (Type::Bool, Json::Bool(b)) => Value::Bool(*b),
        (Type::Int, Json::Number(n)) => Value::Int(n.as_i64().expect("64 bits")),
        (Type::Float, Json::Number(n)) => Value::Float(n.as_f64().expect("a float")),
        (Type::Text, Json::String(text)) => Value::Text(text.as_str().into()),
        (Type::Timestamp, Json::String(text)) => Value::Timestamp(Time::parse(text).expect("a timestamp")),
        (kind, json) => panic!("{json} is not a {}", kind.name()),
    }
}

/// Floats to twelve digits, all else exactly.
fn agree(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Float(x), Value::Float(y)) => (x - y).abs() <= 1e-12 * x.abs().max(y.abs()),
        (x, y) => x == y,
    }
}

#[test]
fn expressions_agree_with_duckdb() {
    let golden = include_str!("golden/expressions.jsonl");
    let mut lines = golden.lines().map(|line| serde_json::from_str::<Json>(line).expect("a line of JSON"));
    let head = lines.next().expect("a header");
    assert_eq!(head["tool"], "duckdb 2.0.1");
    // A JSON object keeps no order; that of a row's values is this.
    let declared: BTreeMap<String, String> = serde_json::from_value(head["columns"].clone()).expect("columns");
    let order = ["i", "j", "x", "y", "s", "p", "a", "b", "t", "u"];
    let columns = Columns(order.iter().map(|name| (name.to_string(), type_of(&declared[*name]))).collect());
    let rows: Vec<Vec<Value>> = head["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| {
            row.as_array().expect("a row").iter().zip(&columns.0).map(|(v, (_, kind))| value(v, *kind)).collect()
        })
        .collect();

    let (mut expressions, mut cases, mut wrong) = (0, 0, vec![]);
    for line in lines {
        let text = line["expr"].as_str().expect("an expression");
        expressions += 1;
        let compiled = match Expression::compile(text, &columns) {
            Ok(compiled) => compiled,
            Err(faults) => {
                wrong.push(format!("{text}: {faults:?}"));
                continue;
            }
        };
        // DuckDB's lone null has a type of its own.
        if line["type"] != "null" && line["type"] != compiled.kind().name() {
            wrong.push(format!("{text}: is {}, DuckDB says {}", compiled.kind().name(), line["type"]));
            continue;
        }
        for (n, (row, result)) in rows.iter().zip(line["results"].as_array().expect("results")).enumerate() {
            cases += 1;
            let (ours, theirs) = (compiled.eval(row.as_slice()), value(result, compiled.kind()));
            if !agree(&ours, &theirs) {
                wrong.push(format!("{text}, row {n}: {ours:?}, DuckDB says {theirs:?}"));
            }
            if compiled.number(row.as_slice()) != ours.number() {
                wrong.push(format!("{text}, row {n}: `number` and `eval` differ"));
            }
            // Row 4 and 5 overflow, which `nullable` does not foresee.
            if ours.is_null() && !compiled.nullable() && !(4..=5).contains(&n) {
                wrong.push(format!("{text}, row {n}: null, but not declared so"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {cases} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert!(expressions >= 150 && cases >= 1000, "{expressions} expressions, {cases} cases");
}
