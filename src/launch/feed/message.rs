//! A file's record as a message: its key as text, its value as JSON.
//!
//! In: a record that was read leniently (see [`lenient`]). Out: a message that a run decodes to what it would have read
//! from the file: the same row, tombstone or refusal. A JSON line stays as it is, a CSV record becomes an object of the
//! declared columns without those that are null.

use crate::config::spec::{Format, SourceSpec};
use crate::record::decode::DELETED;
use crate::record::{Column, DeadLetter, Kind, Row, Type, Value};
use crate::time::Time;
use serde_json::{Map, Number, Value as Json};

/// What is sent.
#[derive(Debug, PartialEq)]
pub(super) struct Message {
    /// The source, by its place among those played.
    pub(super) source: u16,
    /// Its event time; of a record that has none, that of the record before it in its file.
    pub(super) time: Time,
    /// The text of the key column, or a JSON array of several; `None` if it cannot be told.
    pub(super) key: Option<String>,
    /// The value; `None` is a tombstone.
    pub(super) value: Option<Vec<u8>>,
    /// Whether it is sent as it is because it does not decode.
    pub(super) undecoded: bool,
}

/// A source as the feed reads it: every record with its bytes, and whatever columns it has.
///
/// Null is allowed everywhere but in the key and the time, and with `marked` the mark of tombstones is a column: so a
/// tombstone's key is read as text and number, not only as a hash, and a record that a run is to refuse for a missing
/// field still has its key and its time.
pub(super) fn lenient(spec: &SourceSpec, marked: bool) -> SourceSpec {
    let mut spec = SourceSpec { kind: Kind::Event, refuse_unknown: false, ..spec.clone() };
    spec.schema.columns.iter_mut().for_each(|column| column.nullable = true);
    if marked && spec.schema.position(DELETED).is_none() {
        spec.schema.columns.push(Column { name: DELETED.to_string(), kind: Type::Bool, nullable: true });
    }
    spec
}

/// The message of a row that was read by `read` (a lenient schema) for the source `spec`.
pub(super) fn of_row(source: u16, spec: &SourceSpec, read: &SourceSpec, format: Format, row: Row) -> Message {
    let parts = spec.key.iter().filter_map(|name| read.schema.position(name)).map(|at| json_of(&row.values[at]));
    let parts: Vec<Json> = parts.collect();
    let key = match parts.as_slice() {
        [Json::String(text)] => text.clone(),
        [other] => other.to_string(),
        _ => Json::Array(parts).to_string(),
    };
    let mark = read.schema.columns.len() > spec.schema.columns.len();
    let deleted = mark && row.values.last() == Some(&Value::Bool(true));
    let value = match (deleted, format, row.raw.value) {
        (true, _, _) => None,
        (false, Format::Json, Some(line)) => Some(line.into_vec()),
        (false, _, _) => Some(object(spec, &row.values)),
    };
    Message { source, time: row.time, key: Some(key), value, undecoded: false }
}

/// The message of what does not decode: its bytes as they are.
pub(super) fn of_letter(source: u16, time: Time, letter: DeadLetter) -> Message {
    let value = Some(letter.raw.value.unwrap_or_default().into_vec());
    Message { source, time, key: None, value, undecoded: true }
}

fn object(spec: &SourceSpec, values: &[Value]) -> Vec<u8> {
    let mut fields = Map::new();
    for (column, value) in spec.schema.columns.iter().zip(values) {
        if !value.is_null() {
            fields.insert(column.name.clone(), json_of(value));
        }
    }
    Json::Object(fields).to_string().into_bytes()
}

fn json_of(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(b) => Json::Bool(*b),
        Value::Int(i) => Json::Number((*i).into()),
        Value::Float(x) => Number::from_f64(*x).map_or(Json::Null, Json::Number),
        Value::Text(text) => Json::String(text.to_string()),
        Value::Timestamp(time) => Json::String(time.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::spec::Spanned;
    use crate::record::decode::Decoder;
    use crate::record::{Position, Reason, Schema};
    use proptest::prelude::*;

    fn spec(key: &[&str]) -> SourceSpec {
        let column = |name: &str, kind| Column { name: name.to_string(), kind, nullable: false };
        let columns =
            [("id", Type::Text), ("n", Type::Int), ("at", Type::Timestamp), ("x", Type::Float), ("b", Type::Bool)];
        SourceSpec {
            name: Spanned { value: "s".to_string(), span: 0..0 },
            kind: Kind::Table,
            key: key.iter().map(ToString::to_string).collect(),
            time: "at".to_string(),
            schema: Schema { columns: columns.into_iter().map(|(name, kind)| column(name, kind)).collect() },
            path: Vec::new(),
            format: None,
            topic: "s".to_string(),
            refuse_unknown: false,
            check: Vec::new(),
            label: None,
            classes: Vec::new(),
            timeout: None,
            erasable: None,
        }
    }

    /// What a run reads from the file, and what it reads from the topic.
    fn both(spec: &SourceSpec, format: Format, line: &[u8]) -> [Result<Row, Box<DeadLetter>>; 2] {
        let at = Position::default();
        let by_file = Decoder::new(spec, format, 1000).decode(at, None, Some(line), None);
        let read = lenient(spec, true);
        let mut decoder = Decoder::new(&read, format, 1001);
        // The schema's order and then the mark, as the CSV lines of these tests have it.
        let message = match decoder.decode(at, None, Some(line), None) {
            Ok(row) => of_row(0, spec, &read, format, row),
            Err(letter) => of_letter(0, Time(0), *letter),
        };
        let (key, stamp) = (message.key.as_ref().map(String::as_bytes), Some(message.time));
        [by_file, Decoder::new(spec, Format::Json, 1000).decode(at, key, message.value.as_deref(), stamp)]
    }

    /// A row without its bytes, which are those of its transport.
    fn bare(row: crate::record::Row) -> crate::record::Row {
        crate::record::Row { raw: crate::record::Raw::default(), ..row }
    }

    fn same(spec: &SourceSpec, line: &str) {
        match both(spec, Format::Json, line.as_bytes()) {
            [Ok(file), Ok(topic)] => assert_eq!(bare(file), bare(topic), "{line}"),
            [Err(file), Err(topic)] => {
                assert_eq!((file.reason, &file.raw.value), (topic.reason, &topic.raw.value));
                // How much too long a line was is not told twice.
                assert!(file.detail == topic.detail || file.reason == Reason::TooLong, "{file:?} {topic:?}");
            }
            [file, topic] => panic!("{line}: {file:?} by file, {topic:?} by topic"),
        }
    }

    #[test]
    fn a_run_sees_what_it_would_have_read_from_the_file() {
        for key in [&["id"][..], &["n"], &["at"], &["b"], &["x"], &["id", "n"], &["at", "x", "b"]] {
            let spec = spec(key);
            same(&spec, r#"{"id":"a","n":1,"at":"2013-01-01T05:00:00.123456Z","x":0.1,"b":true,"more":[1]}"#);
            same(&spec, r#"{"id":"a\u00e9","n":-7,"at":60000,"x":1e300,"b":false,"_deleted":true}"#);
            same(&spec, r#"{"id":"","n":0,"at":60000,"x":0.1,"b":false,"_deleted":false}"#);
            same(&spec, r#"{"id":"a","n":1,"at":60000}"#);
            same(&spec, r#"{"id":"a","n":1,"x":2.5,"b":true,"at":null}"#);
            same(&spec, r#"{"id":1,"n":"1"#);
            same(&spec, r#"{"id":"a","n":1,"at":9999999999999999,"x":0.5,"b":true}"#);
            same(&spec, &format!(r#"{{"id":"{}","n":1,"at":60000,"x":0.5,"b":true}}"#, "x".repeat(2000)));
        }
    }

    proptest! {
        #[test]
        fn a_csv_record_survives(id in "[a-z ]{1,9}", n: i64, ms in 0i64..4_000_000_000_000, x in -1e9f64..1e9, b: bool) {
            let line = format!("{id},{n},{},{x},{b}", Time(ms * 1000));
            for mark in ["", "true", "false"] {
                let spec = spec(&["id", "n"]);
                // The plain decoder has no column for the mark without a header line.
                let mut by_file = Decoder::new(&spec, Format::Csv, 1000);
                by_file.header(b"id,n,at,x,b,_deleted").unwrap();
                let marked = format!("{line},{mark}");
                let file = by_file.decode(Position::default(), None, Some(marked.as_bytes()), None).unwrap();
                let [_, topic] = both(&spec, Format::Csv, marked.as_bytes());
                prop_assert_eq!(bare(file), bare(topic.unwrap()));
            }
        }
    }
}
