//! From a JSON token or a CSV field to a value of the declared type.
//!
//! Nothing is guessed: a whole number is taken for a float, an integral float (`3.0`) for a whole number, and whole
//! milliseconds since 1970 for a timestamp; a number is never taken for a text, nor a text for a number.

use super::fault::{Fault, shown};
use super::json::Token;
use super::number::{Number, whole};
use crate::record::{Column, Type, Value};
use crate::time::Time;

/// The value of a JSON token; `null` is null, whether the column allows it or not.
#[inline]
pub(super) fn from_token(column: &Column, token: Token<'_>) -> Result<Value, Fault> {
    match (column.kind, token) {
        (_, Token::Null) => Ok(Value::Null),
        (Type::Text, Token::Text(text)) => Ok(Value::Text(text.into())),
        (Type::Text, Token::Unescaped(text)) => Ok(Value::Text(text.into())),
        (Type::Float, Token::Number(number)) => finite(column, number.float(), number.text),
        (Type::Int, Token::Number(number)) => match number.int() {
            Some(i) => Ok(Value::Int(i)),
            None => Err(Fault::wrong_type(&column.name, column.kind, shown(number.text))),
        },
        (Type::Bool, Token::Bool(b)) => Ok(Value::Bool(b)),
        (Type::Timestamp, Token::Text(text)) => instant(column, text),
        (Type::Timestamp, Token::Unescaped(text)) => instant(column, &text),
        (Type::Timestamp, Token::Number(number)) => match number.int() {
            Some(ms) => milliseconds(column, ms),
            None => Err(Fault::wrong_type(&column.name, column.kind, shown(number.text))),
        },
        (kind, other) => Err(Fault::wrong_type(&column.name, kind, other.shown())),
    }
}

/// The value of a CSV field; an empty one is null.
///
/// Truth values are `true`, `false` in any case, `1` and `0`; numbers may also be written `+1`, `.5`, `5.` and `007`.
#[inline]
pub(super) fn from_field(column: &Column, field: &str) -> Result<Value, Fault> {
    if field.is_empty() {
        return Ok(Value::Null);
    }
    from_text(column, field)
}

/// The value of a text that stands for itself: a field that is not empty, or the key of a message.
pub(super) fn from_text(column: &Column, text: &str) -> Result<Value, Fault> {
    let wrong = || Err(Fault::wrong_type(&column.name, column.kind, format!("`{}`", shown(text))));
    match column.kind {
        Type::Text => Ok(Value::Text(text.into())),
        Type::Float => match float(text) {
            Some(x) => finite(column, x, text),
            None => wrong(),
        },
        Type::Int => match int(text) {
            Some(i) => Ok(Value::Int(i)),
            None => match float(text) {
                Some(x) if !x.is_finite() => Err(Fault::not_finite(&column.name, text)),
                _ => wrong(),
            },
        },
        Type::Bool => match truth(text) {
            Some(b) => Ok(Value::Bool(b)),
            None => wrong(),
        },
        Type::Timestamp => instant(column, text),
    }
}

/// A truth value as text.
pub(super) fn truth(text: &str) -> Option<bool> {
    match text {
        "1" => Some(true),
        "0" => Some(false),
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn finite(column: &Column, x: f64, found: &str) -> Result<Value, Fault> {
    if x.is_finite() { Ok(Value::Float(x)) } else { Err(Fault::not_finite(&column.name, found)) }
}

fn instant(column: &Column, text: &str) -> Result<Value, Fault> {
    match Time::parse(text) {
        Some(time) => Ok(Value::Timestamp(time)),
        None => match int(text) {
            Some(ms) => milliseconds(column, ms),
            None => Err(Fault::wrong_type(&column.name, column.kind, format!("`{}`", shown(text)))),
        },
    }
}

fn milliseconds(column: &Column, ms: i64) -> Result<Value, Fault> {
    match ms.checked_mul(1000) {
        Some(micros) => Ok(Value::Timestamp(Time(micros))),
        None => Err(Fault::out_of_range(&column.name, format_args!("{ms} ms"))),
    }
}

fn scan(text: &str) -> Option<Number<'_>> {
    Number::scan(text, 0).filter(|n| n.text.len() == text.len())
}

fn float(text: &str) -> Option<f64> {
    match scan(text) {
        Some(number) => Some(number.float()),
        None => text.parse().ok(),
    }
}

fn int(text: &str) -> Option<i64> {
    match scan(text) {
        Some(number) => number.int(),
        None => text.parse::<i64>().ok().or_else(|| whole(text.parse().ok()?)),
    }
}
