//! Decoding against tables of bad input, against serde_json, and against bytes that nobody wrote.

use super::*;
use crate::config::spec::Spanned;
use crate::record::Kind;
use crate::record::Schema;
use proptest::prelude::*;
use serde_json::json;

const LIMIT: usize = 4096;

fn column(name: &str, kind: Type, nullable: bool) -> Column {
    Column { name: name.to_string(), kind, nullable }
}

fn columns() -> Vec<Column> {
    vec![
        column("id", Type::Text, false),
        column("at", Type::Timestamp, false),
        column("n", Type::Int, false),
        column("x", Type::Float, true),
        column("ok", Type::Bool, true),
        column("note", Type::Text, true),
        column("seen", Type::Timestamp, true),
    ]
}

fn spec(kind: Kind, key: &[&str], refuse_unknown: bool) -> SourceSpec {
    SourceSpec {
        name: Spanned { value: "s".to_string(), span: 0..0 },
        kind,
        key: key.iter().map(|k| k.to_string()).collect(),
        time: "at".to_string(),
        schema: Schema { columns: columns() },
        path: Vec::new(),
        format: None,
        topic: "p.s".to_string(),
        refuse_unknown,
        check: Vec::new(),
        label: None,
        classes: Vec::new(),
        timeout: None,
        erasable: None,
    }
}

fn decoder(format: Format) -> Decoder {
    Decoder::new(&spec(Kind::Event, &["id"], false), format, LIMIT)
}

fn at() -> Position {
    Position { source: 1, partition: 2, offset: 3 }
}

fn decode(decoder: &mut Decoder, value: &[u8]) -> Result<Row, Box<DeadLetter>> {
    decoder.decode(at(), None, Some(value), None)
}

/// The row's values, or the reason and the detail.
fn told(result: Result<Row, Box<DeadLetter>>) -> Result<Vec<Value>, (Reason, String)> {
    result.map(|row| row.values.into_vec()).map_err(|letter| (letter.reason, letter.detail))
}

fn micros(ms: i64) -> Value {
    Value::Timestamp(Time(ms * 1000))
}

const GOOD: &str = r#""id":"a","at":"2013-01-01T00:00:00Z","n":1"#;

#[test]
fn json_fields_become_values() {
    let mut d = decoder(Format::Json);
    let text = r#" { "id" : "a\u00e9\n\ud83d\ude00" ,"at":1356998400000, "n":3.0,"x":7,"ok":true,"note":"",
        "seen":"1969-12-31",
        "more":{"a":[1,{"b":[]},{}],"c":"}"} } "#;
    let expected = vec![
        Value::Text("aé\n😀".into()),
        micros(1_356_998_400_000),
        Value::Int(3),
        Value::Float(7.0),
        Value::Bool(true),
        Value::Text("".into()),
        Value::Timestamp(Time(-86_400_000_000)),
    ];
    assert_eq!(told(decode(&mut d, text.as_bytes())), Ok(expected));
    let row = decode(&mut d, format!("{{{GOOD}}}").as_bytes());
    let expected = Row {
        position: at(),
        time: Time(1_356_998_400_000_000),
        values: [Value::Text("a".into()), micros(1_356_998_400_000), Value::Int(1)]
            .into_iter()
            .chain([Value::Null, Value::Null, Value::Null, Value::Null])
            .collect(),
        key: Key::of_text("a"),
        tombstone: false,
        raw: Raw { key: None, value: Some(format!("{{{GOOD}}}").into_bytes().into()) },
    };
    assert_eq!(row, Ok(expected));
}

#[test]
fn the_last_of_two_fields_counts() {
    let mut d = decoder(Format::Json);
    let n =
        |d: &mut Decoder, tail: &str| told(decode(d, format!("{{{GOOD},{tail}}}").as_bytes())).map(|v| v[2].clone());
    assert_eq!(n(&mut d, r#""n":2"#), Ok(Value::Int(2)));
    assert_eq!(n(&mut d, r#""n":"x","n":2"#), Ok(Value::Int(2)));
    assert_eq!(n(&mut d, r#""n":null"#).map_err(|e| e.0), Err(Reason::MissingField));
    assert_eq!(n(&mut d, r#""n":2,"n":"x""#).map_err(|e| e.0), Err(Reason::WrongType));
}

/// Every way in which a JSON record goes wrong, after `GOOD` unless it is whole.
#[test]
fn bad_json_is_refused_with_its_reason() {
    use Reason::*;
    let deep = format!(r#"{{{GOOD},"deep":{}1{}}}"#, "[".repeat(129), "]".repeat(129));
    let cases: &[(&str, Reason, &str)] = &[
        ("", Malformed, "byte 0: ends here, expected an object"),
        ("[]", Malformed, "byte 0: found '[', expected an object"),
        ("null", Malformed, "expected an object"),
        (r#"{"id":"a","at":"2013-01-01","n":1"#, Malformed, "byte 33: ends here, expected `,` or `}`"),
        (r#"{"id":"a","at":"2013-0"#, Malformed, "ends here, expected a closing quote"),
        (r#"{"id":"a","at"#, Malformed, "expected a closing quote"),
        (r#"{"id":"a",}"#, Malformed, "found '}', expected a name in quotes"),
        (r#"{"id":"a"} x"#, Malformed, "found 'x', expected the end"),
        (r#"{"id":"a" "n":1}"#, Malformed, "expected `,` or `}`"),
        (r#"{"x":NaN}"#, Malformed, "found 'N', expected a value"),
        (r#"{"x":Infinity}"#, Malformed, "expected a value"),
        (r#"{"x":-Infinity}"#, Malformed, "expected a number"),
        (r#"{"x":01}"#, Malformed, "expected a number"),
        (r#"{"x":1.}"#, Malformed, "expected a number"),
        (r#"{"x":tru}"#, Malformed, "expected true"),
        (r#"{"x":"\q"}"#, Malformed, "found 'q', expected an escape"),
        (r#"{"x":"\ud800"}"#, Malformed, "expected a low surrogate"),
        (r#"{"x":"\udc00"}"#, Malformed, "surrogate"),
        ("{\"x\":\"a\tb\"}", Malformed, "without control characters"),
        ("{\"x\":\"\\é\"}", Malformed, "expected an escape"),
        (&deep, Malformed, "nested at most 128 deep"),
        (r#"{"id":1,"at":"2013-01-01","n":1}"#, WrongType, "field `id`: found 1, expected a text"),
        (r#"{"id":"a","at":"2013-02-29","n":1}"#, WrongType, "field `at`: found `2013-02-29`, expected a time"),
        (r#"{"id":"a","at":1.5,"n":1}"#, WrongType, "field `at`: found 1.5"),
        (r#"{"id":"a","at":true,"n":1}"#, WrongType, "field `at`: found true"),
        (r#"{"id":"a","at":0,"n":1.5}"#, WrongType, "field `n`: found 1.5, expected a whole number"),
        (r#"{"id":"a","at":0,"n":9223372036854775808}"#, WrongType, "field `n`: found 9223372036854775808"),
        (r#"{"id":"a","at":0,"n":"1"}"#, WrongType, "field `n`: found \"1\""),
        (r#"{"id":"a","at":0,"n":1,"x":"1"}"#, WrongType, "field `x`: found \"1\", expected a number"),
        (r#"{"id":"a","at":0,"n":1,"x":{"y":[1]}}"#, WrongType, "field `x`: found {\"y\":[1]}"),
        (r#"{"id":"a","at":0,"n":1,"ok":1}"#, WrongType, "field `ok`: found 1, expected true or false"),
        (r#"{"id":"a","at":0,"n":1,"ok":"true"}"#, WrongType, "field `ok`"),
        (r#"{"id":"a","at":0,"n":1,"_deleted":1}"#, WrongType, "field `_deleted`"),
        (r#"{"at":0,"n":1}"#, MissingField, "field `id`"),
        (r#"{"id":null,"at":0,"n":1}"#, MissingField, "field `id`"),
        (r#"{"id":"a","n":1}"#, MissingField, "field `at`"),
        (r#"{"id":"a","at":0}"#, MissingField, "field `n`"),
        (r#"{"id":"a","at":0,"n":1,"x":1e400}"#, NotFinite, "field `x`: found 1e400"),
        (r#"{"id":"a","at":-1,"n":1}"#, TimeOutOfRange, "field `at`: found 1969-12-31T23:59:59.999Z"),
        (r#"{"id":"a","at":"2262-04-11T23:47:17Z","n":1}"#, TimeOutOfRange, "field `at`: found 2262-04-11T23:47:17Z"),
        (r#"{"id":"a","at":"2100-01-01","n":1}"#, TimeOutOfRange, "field `at`"),
        (r#"{"id":"a","at":9223372036854775807,"n":1}"#, TimeOutOfRange, "field `at`: found 9223372036854775807 ms"),
        (r#"{"id":"a","at":9223372036854775,"n":1}"#, TimeOutOfRange, "field `at`: found 294247-01-10T"),
        (r#"{"n":"x","at":"?"}"#, MissingField, "field `id`"),
    ];
    let mut d = decoder(Format::Json);
    for (text, reason, part) in cases {
        let letter = decode(&mut d, text.as_bytes());
        let Err(letter) = letter else { panic!("{text} was taken") };
        assert_eq!(letter.reason, *reason, "{text}: {}", letter.detail);
        assert!(letter.detail.contains(part), "{text}: {} lacks {part}", letter.detail);
        assert_eq!(letter.raw.value.as_deref(), Some(text.as_bytes()));
        assert_eq!((letter.position, &*letter.stage), (at(), "decode"));
    }
}

#[test]
fn refusals_of_any_format() {
    let mut d = decoder(Format::Json);
    let letter = decode(&mut d, b"{\"id\":\"\xff\"}").map_err(|l| (l.reason, l.detail, l.raw.value));
    let raw = Some(Box::from(&b"{\"id\":\"\xff\"}"[..]));
    assert_eq!(letter, Err((Reason::InvalidUtf8, "byte 7: found 0xff, expected UTF-8".to_string(), raw)));

    let long = vec![b' '; LIMIT + 1];
    let letter = decode(&mut d, &long).map_err(|l| (l.reason, l.detail, l.raw.value.map(|v| v.len())));
    let detail = "the record has 4097 bytes, at most 4096 are allowed; the first 4096 are kept".to_string();
    assert_eq!(letter, Err((Reason::TooLong, detail, Some(LIMIT))));

    let mut strict = Decoder::new(&spec(Kind::Event, &["id"], true), Format::Json, LIMIT);
    let letter = told(decode(&mut strict, format!("{{{GOOD},\"nn\":1}}").as_bytes()));
    let detail = "field `nn`: not declared in the schema, and unknown fields are refused".to_string();
    assert_eq!(letter, Err((Reason::UnknownField, detail)));
    assert!(decode(&mut strict, format!("{{{GOOD},\"_deleted\":false}}").as_bytes()).is_ok());

    let long = format!("{{{GOOD},\"x\":\"{}\"}}", "é".repeat(200));
    let letter = told(decode(&mut d, long.as_bytes()));
    assert!(letter.is_err_and(|(_, detail)| detail.contains(&format!("\"{}...\"", "é".repeat(80)))));
}

#[test]
fn csv_fields_become_values() {
    let mut d = decoder(Format::Csv);
    assert_eq!(d.header(b"n,extra,\"id\",at,seen,x,ok,note"), Ok(()));
    let row = told(decode(&mut d, b"007,?,\"a\"\"b,c\",2013-01-01 00:00,,-.5e1,True,\"two\nlines\""));
    let expected = vec![
        Value::Text("a\"b,c".into()),
        micros(1_356_998_400_000),
        Value::Int(7),
        Value::Float(-5.0),
        Value::Bool(true),
        Value::Text("two\nlines".into()),
        Value::Null,
    ];
    assert_eq!(row, Ok(expected));
    let row = told(decode(&mut d, b"1.0,,a,1356998400000,,5,0,\"\""));
    let expected = vec![
        Value::Text("a".into()),
        micros(1_356_998_400_000),
        Value::Int(1),
        Value::Float(5.0),
        Value::Bool(false),
        Value::Null,
        Value::Null,
    ];
    assert_eq!(row, Ok(expected));
}

#[test]
fn bad_csv_is_refused_with_its_reason() {
    use Reason::*;
    // id,at,n,x,ok,note,seen
    let cases: &[(&str, Reason, &str)] = &[
        ("a,0,1,,,", Malformed, "found 6 fields, expected 7 as in the header"),
        ("a,0,1,,,,,", Malformed, "found 8 fields"),
        ("\"a,0,1,,,,", Malformed, "byte 0: a quote is opened here and not closed"),
        ("\"a\"b,0,1,,,,", Malformed, "byte 3: found more after the closing quote"),
        ("a,0,one,,,,", WrongType, "field `n`: found `one`"),
        ("a,0,1.5,,,,", WrongType, "field `n`: found `1.5`"),
        ("a,0,1,1 ,,,", WrongType, "field `x`: found `1 `"),
        ("a,0,1,,yes,,", WrongType, "field `ok`: found `yes`"),
        ("a,today,1,,,,", WrongType, "field `at`: found `today`"),
        (",0,1,,,,", MissingField, "field `id`"),
        ("a,,1,,,,", MissingField, "field `at`"),
        ("a,0,,,,,", MissingField, "field `n`"),
        ("a,0,1,nan,,,", NotFinite, "field `x`: found nan"),
        ("a,0,1,NaN,,,", NotFinite, "field `x`"),
        ("a,0,1,-inf,,,", NotFinite, "field `x`"),
        ("a,0,1,1e999,,,", NotFinite, "field `x`"),
        ("a,0,nan,,,,", NotFinite, "field `n`"),
        ("a,2262-01-01,1,,,,", TimeOutOfRange, "field `at`"),
        ("a,1969-12-31,1,,,,", TimeOutOfRange, "field `at`"),
    ];
    let mut d = decoder(Format::Csv);
    for (text, reason, part) in cases {
        let Err(letter) = decode(&mut d, text.as_bytes()) else { panic!("{text} was taken") };
        assert_eq!(letter.reason, *reason, "{text}: {}", letter.detail);
        assert!(letter.detail.contains(part), "{text}: {} lacks {part}", letter.detail);
        assert_eq!(letter.raw.value.as_deref(), Some(text.as_bytes()));
    }
    assert_eq!(decoder(Format::Csv).header(b"id,at,n,x,ok,note"), Err("seen".to_string()));
    assert_eq!(decoder(Format::Csv).header(b"\xff"), Err("id".to_string()));
    let mut strict = Decoder::new(&spec(Kind::Event, &["id"], true), Format::Csv, LIMIT);
    assert_eq!(strict.header(b"id,at,n,x,ok,note,seen,nn"), Ok(()));
    assert_eq!(told(decode(&mut strict, b"a,0,1,,,,,")).map_err(|e| e.0), Err(UnknownField));
}

#[test]
fn tombstones_have_a_key_and_a_time() {
    let stamp = Some(Time(5));
    let row = |key: Key, time: Time| {
        Ok(Row { position: at(), time, values: [].into(), key, tombstone: true, raw: Raw::default() })
    };
    let reason = |result: Result<Row, Box<DeadLetter>>| result.map(|_| ()).map_err(|letter| letter.reason);
    let bare = |decoded: Result<Row, Box<DeadLetter>>| decoded.map(|row| Row { raw: Raw::default(), ..row });
    let a = Key::of_text("a");

    let mut one = Decoder::new(&spec(Kind::Table, &["id"], false), Format::Json, LIMIT);
    assert_eq!(bare(one.decode(at(), Some(b"a"), None, stamp)), row(a, Time(5)));
    assert_eq!(reason(one.decode(at(), None, None, stamp)), Err(Reason::MissingField));
    assert_eq!(reason(one.decode(at(), Some(b"a"), None, None)), Err(Reason::MissingField));
    assert_eq!(reason(one.decode(at(), Some(b"a"), None, Some(Time::LATEST))), Err(Reason::TimeOutOfRange));
    assert_eq!(reason(one.decode(at(), Some(b"\xff"), None, stamp)), Err(Reason::InvalidUtf8));
    let marked = br#"{"id":"a","_deleted":true,"n":"not looked at"}"#;
    assert_eq!(bare(one.decode(at(), None, Some(marked), stamp)), row(a, Time(5)));
    let marked = br#"{"id":"a","at":7,"_deleted":true}"#;
    assert_eq!(bare(one.decode(at(), None, Some(marked), stamp)), row(a, Time(7000)));
    assert_eq!(reason(one.decode(at(), None, Some(br#"{"at":7,"_deleted":true}"#), None)), Err(Reason::MissingField));
    assert_eq!(reason(one.decode(at(), None, Some(br#"{"id":"a","_deleted":true}"#), None)), Err(Reason::MissingField));

    let mut two = Decoder::new(&spec(Kind::Table, &["id", "n"], false), Format::Json, LIMIT);
    let key = two.decode(at(), None, Some(br#"{"id":"a","at":7,"n":4}"#), None).map(|row| row.key);
    let gone = two.decode(at(), Some(br#" ["a", 4.0] "#), None, stamp);
    assert_eq!(gone.map(|row| row.key), key);
    assert_eq!(reason(two.decode(at(), Some(br#"["a"]"#), None, stamp)), Err(Reason::Malformed));
    assert_eq!(reason(two.decode(at(), Some(br#"["a",4,5]"#), None, stamp)), Err(Reason::Malformed));
    assert_eq!(reason(two.decode(at(), Some(br#"["a","4"]"#), None, stamp)), Err(Reason::WrongType));
    assert_eq!(reason(two.decode(at(), Some(br#"["a",null]"#), None, stamp)), Err(Reason::MissingField));

    let mut number = Decoder::new(&spec(Kind::Table, &["n"], false), Format::Json, LIMIT);
    let key = number.decode(at(), None, Some(br#"{"id":"a","at":7,"n":4}"#), None).map(|row| row.key);
    assert_eq!(number.decode(at(), Some(b"4"), None, stamp).map(|row| row.key), key);

    let mut csv = Decoder::new(&spec(Kind::Table, &["id"], false), Format::Csv, LIMIT);
    assert_eq!(csv.header(b"id,at,n,x,ok,note,seen,_deleted"), Ok(()));
    assert_eq!(bare(csv.decode(at(), None, Some(b"a,7,,,,,,true"), None)), row(a, Time(7000)));
    assert_eq!(reason(csv.decode(at(), None, Some(b"a,7,,,,,,no"), None)), Err(Reason::WrongType));
    assert_eq!(csv.decode(at(), None, Some(b"a,7,1,,,,,"), None).map(|row| row.tombstone), Ok(false));
}

#[test]
fn only_tables_and_labels_have_tombstones() {
    for (kind, expected) in [
        (Kind::Table, Ok(true)),
        (Kind::Label, Ok(true)),
        (Kind::Event, Err(Reason::Malformed)),
        (Kind::Context, Err(Reason::Malformed)),
    ] {
        let mut decoder = Decoder::new(&spec(kind, &["id"], false), Format::Json, LIMIT);
        let told = |row: Result<Row, Box<DeadLetter>>| row.map(|row| row.tombstone).map_err(|letter| letter.reason);
        assert_eq!(told(decoder.decode(at(), Some(b"a"), None, Some(Time(5)))), expected);
        let marked = br#"{"id":"a","at":7,"_deleted":true}"#;
        assert_eq!(told(decoder.decode(at(), None, Some(marked), None)), expected);
    }
}

#[test]
fn rows_of_every_kind_keep_their_bytes() {
    let raw = |kind| {
        let mut d = Decoder::new(&spec(kind, &["id"], false), Format::Json, LIMIT);
        d.decode(at(), Some(b"k"), Some(format!("{{{GOOD}}}").as_bytes()), None).map(|row| row.raw)
    };
    let whole = Raw { key: Some(Box::from(&b"k"[..])), value: Some(format!("{{{GOOD}}}").into_bytes().into()) };
    assert_eq!(raw(Kind::Table), Ok(whole.clone()));
    assert_eq!(raw(Kind::Context), Ok(whole.clone()));
    assert_eq!(raw(Kind::Label), Ok(whole.clone()));
    assert_eq!(raw(Kind::Event), Ok(whole));
}

/// Random values of the columns, the required ones never null.
fn values() -> impl Strategy<Value = Vec<Value>> {
    let instant = (0..Time::LATEST.0 / 1000).prop_map(micros);
    let float = any::<f64>().prop_filter("finite", |x| x.is_finite()).prop_map(Value::Float);
    let text = || ".{0,40}".prop_map(|t| Value::Text(t.into()));
    let maybe = |s: BoxedStrategy<Value>| prop_oneof![Just(Value::Null), s.clone(), s];
    (
        text(),
        instant.clone(),
        any::<i64>().prop_map(Value::Int),
        maybe(float.boxed()),
        maybe(any::<bool>().prop_map(Value::Bool).boxed()),
        maybe(text().boxed()),
        maybe(instant.boxed()),
    )
        .prop_map(|(id, at, n, x, ok, note, seen)| vec![id, at, n, x, ok, note, seen])
}

fn as_json(value: &Value, as_number: bool) -> serde_json::Value {
    match value {
        Value::Null => json!(null),
        Value::Bool(b) => json!(b),
        Value::Int(i) => json!(i),
        Value::Float(x) => json!(x),
        Value::Text(t) => json!(t.as_str()),
        Value::Timestamp(t) if as_number => json!(t.0 / 1000),
        Value::Timestamp(t) => json!(t.to_string()),
    }
}

fn as_csv(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(b) => b.to_string(),
        Value::Int(i) => i.to_string(),
        Value::Float(x) => format!("{x:?}"),
        Value::Text(t) if t.contains([',', '"', '\n', '\r']) => format!("\"{}\"", t.replace('"', "\"\"")),
        Value::Text(t) => t.to_string(),
        Value::Timestamp(t) => t.to_string(),
    }
}

/// JSON as a machine gone wrong would write it: pieces of the grammar in any order.
fn almost_json() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(","),
        Just(":"),
        Just("\""),
        Just("\\"),
        Just("\\u00e9"),
        Just("\"id\":\"a\""),
        Just("\"at\":5"),
        Just("\"n\":1"),
        Just("\"x\":"),
        Just("\"q\":"),
        Just("null"),
        Just("true"),
        Just("-1.5e3"),
        Just("1e"),
        Just(" "),
        Just("\n"),
        Just("é"),
        Just("\u{1}"),
        Just("[1,{}]"),
        Just("{\"a\":[]}"),
    ];
    let whole = (proptest::collection::vec(piece.clone(), 0..4), any::<bool>())
        .prop_map(|(tail, comma)| format!("{{{GOOD}{}{}}}", if comma { ",\"x\":" } else { "" }, tail.concat()));
    prop_oneof![proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat()), whole]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_are_a_row_or_a_whole_dead_letter(
        records in proptest::collection::vec(prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..60), almost_json().prop_map(String::into_bytes),
        ], 1..8),
        csv in any::<bool>(), key in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20)),
        header in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        let mut d = decoder(if csv { Format::Csv } else { Format::Json });
        let _ = d.header(&header);
        for value in &records {
            let raw = match d.decode(at(), key.as_deref(), Some(value), Some(Time(0))) {
                Ok(row) => row.raw,
                Err(letter) => letter.raw,
            };
            prop_assert_eq!(raw.value.as_deref(), Some(&value[..]));
            prop_assert_eq!(raw.key.as_deref(), key.as_deref());
        }
        let _ = d.decode(at(), key.as_deref(), None, Some(Time(0)));
    }

    /// What is malformed to us is malformed to serde_json, and the reverse.
    #[test]
    fn the_grammar_is_that_of_serde_json(texts in proptest::collection::vec(almost_json(), 1..6)) {
        // One decoder for all, so that the remembered names of one record meet the next.
        let mut d = decoder(Format::Json);
        for text in texts {
            let theirs = serde_json::from_str::<std::collections::BTreeMap<String, serde_json::Value>>(&text).is_ok();
            let ours = !matches!(decode(&mut d, text.as_bytes()), Err(l) if l.reason == Reason::Malformed);
            prop_assert_eq!(ours, theirs, "{}", text);
        }
    }

    #[test]
    fn json_written_by_serde_json_reads_back(
        rows in proptest::collection::vec((values(), any::<u64>(), any::<bool>()), 1..6), pretty in any::<bool>(),
    ) {
        let mut d = decoder(Format::Json);
        for (values, order, as_number) in rows {
            // The fields in some order of their own, an unknown one among them, nulls written or left out.
            let mut fields: Vec<(String, serde_json::Value)> = columns().iter().zip(&values)
                .filter(|(_, value)| as_number || !value.is_null())
                .map(|(column, value)| (column.name.clone(), as_json(value, as_number))).collect();
            fields.push(("q\"uote".to_string(), json!({"a": [1, "}", {"b": null}], "c": {}})));
            let length = fields.len() as u64;
            fields.rotate_left((order % length) as usize);
            if order % 3 == 0 {
                fields.reverse();
            }
            let parts: Vec<String> = fields.iter()
                .map(|(name, value)| format!("{}:{}{value}", json!(name), if pretty { " " } else { "" })).collect();
            let text = format!("{{{}}}", parts.join(if pretty { ",\n  " } else { "," }));
            let row = decode(&mut d, text.as_bytes());
            prop_assert_eq!(row.as_ref().map(|r| r.values.to_vec()), Ok(values.clone()), "{}", text);
            prop_assert_eq!(row.map(|r| r.key), Ok(Key::of(values[..1].iter()).unwrap_or_default()));
        }
    }

    #[test]
    fn csv_reads_back(values in values(), rotate in 0usize..7) {
        // The empty text and null are one in CSV.
        let empty = Value::Text("".into());
        prop_assume!(values[0] != empty);
        let values: Vec<Value> = values.into_iter().map(|v| if v == empty { Value::Null } else { v }).collect();
        let mut names: Vec<String> = columns().iter().map(|c| c.name.clone()).collect();
        let mut fields: Vec<String> = values.iter().map(as_csv).collect();
        names.rotate_left(rotate);
        fields.rotate_left(rotate);
        let mut d = decoder(Format::Csv);
        prop_assert_eq!(d.header(names.join(",").as_bytes()), Ok(()));
        prop_assert_eq!(told(decode(&mut d, fields.join(",").as_bytes())), Ok(values));
    }
}
