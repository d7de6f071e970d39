//! A dead letter as a line of JSON: who, where, why, and the bytes as they came.

use crate::record::DeadLetter;
use serde::Serialize;
use std::fmt::Write;

#[derive(Serialize)]
struct Line<'a> {
    tick: u64,
    source: &'a str,
    partition: u16,
    offset: u64,
    stage: &'a str,
    reason: &'static str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_hex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_hex: Option<String>,
}

/// The line of a dead letter, with its `\n`: `tick`, `source`, `partition`, `offset`, `stage`, `reason`, `detail`,
/// `key` and `value`. Key and value are the text as received, or null if there was none; what is not UTF-8 stands as
/// `key_hex` and `value_hex` instead, two hexadecimal digits a byte.
pub fn dead_letter_line(letter: &DeadLetter, source_name: &str, tick: u64) -> Vec<u8> {
    let (key, key_hex) = text_or_hex(letter.raw.key.as_deref());
    let (value, value_hex) = text_or_hex(letter.raw.value.as_deref());
    let line = Line {
        tick,
        source: source_name,
        partition: letter.position.partition,
        offset: letter.position.offset,
        stage: &letter.stage,
        reason: letter.reason.word(),
        detail: &letter.detail,
        key,
        key_hex,
        value,
        value_hex,
    };
    let mut out = Vec::with_capacity(256);
    // Writing to memory cannot fail, and every field is a text or a number.
    let written = serde_json::to_writer(&mut out, &line);
    assert!(written.is_ok(), "a dead letter is texts and numbers");
    out.push(b'\n');
    out
}

fn text_or_hex(bytes: Option<&[u8]>) -> (Option<Option<&str>>, Option<String>) {
    let Some(bytes) = bytes else {
        return (Some(None), None);
    };
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(Some(text)), None),
        Err(_) => (None, Some(hex(bytes))),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Position, Raw, Reason};
    use proptest::prelude::*;

    fn letter(key: Option<&[u8]>, value: Option<&[u8]>) -> DeadLetter {
        DeadLetter {
            position: Position { source: 3, partition: 1, offset: 42 },
            stage: "decode".into(),
            reason: Reason::WrongType,
            detail: "field `a`: found \"x\", expected a number".into(),
            raw: Raw { key: key.map(Box::from), value: value.map(Box::from) },
        }
    }

    #[test]
    fn a_line_says_who_where_why_and_what() {
        let line = dead_letter_line(&letter(None, Some(b"{\"a\":\"x\"}")), "departures", 7);
        assert_eq!(
            String::from_utf8_lossy(&line),
            concat!(
                r#"{"tick":7,"source":"departures","partition":1,"offset":42,"stage":"decode","reason":"wrong_type","#,
                r#""detail":"field `a`: found \"x\", expected a number","key":null,"value":"{\"a\":\"x\"}"}"#,
                "\n"
            )
        );
        let line = dead_letter_line(&letter(Some(b"\xff\x00k"), None), "departures", 7);
        assert!(String::from_utf8_lossy(&line).ends_with("\"key_hex\":\"ff006b\",\"value\":null}\n"));
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_had_back(key in proptest::option::of(any::<Vec<u8>>()), value in any::<Vec<u8>>()) {
            let line = dead_letter_line(&letter(key.as_deref(), Some(&value)), "s", 0);
            prop_assert_eq!(line.iter().filter(|b| **b == b'\n').count(), 1);
            let read: Result<serde_json::Value, _> = serde_json::from_slice(&line);
            let read = read.map_err(|e| TestCaseError::fail(e.to_string()))?;
            let back = |name: &str| match (&read[name], &read[format!("{name}_hex")]) {
                (serde_json::Value::String(text), _) => Some(text.clone().into_bytes()),
                (_, serde_json::Value::String(hex)) => (0..hex.len()).step_by(2)
                    .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).ok()).collect(),
                _ => None,
            };
            prop_assert_eq!(back("key"), key);
            prop_assert_eq!(back("value"), Some(value));
        }
    }
}
