//! Values and their types.

use crate::time::Time;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// The type of a column or an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    /// `bool`
    Bool,
    /// `int`: 64 bits, signed.
    Int,
    /// `float`: 64 bits, finite.
    Float,
    /// `text`: UTF-8.
    Text,
    /// `timestamp`: microseconds, UTC.
    Timestamp,
}

impl Type {
    /// All types, by name.
    pub const ALL: [(&'static str, Type); 5] = [
        ("bool", Type::Bool),
        ("int", Type::Int),
        ("float", Type::Float),
        ("text", Type::Text),
        ("timestamp", Type::Timestamp),
    ];

    /// The name as it is typed in a schema.
    pub fn name(self) -> &'static str {
        Type::ALL.iter().find(|(_, t)| *t == self).map_or("", |(n, _)| n)
    }
}

/// One value of a row; 24 bytes, short texts inline.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// SQL null.
    #[default]
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number; never NaN or infinite.
    Float(f64),
    /// A text.
    Text(CompactString),
    /// An instant.
    Timestamp(Time),
}

impl Value {
    /// The number in it: a whole number, a float, or a truth value as 0 and 1; `None` for null, text and instants.
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Int(i) => Some(*i as f64),
            Value::Float(x) => Some(*x),
            Value::Bool(b) => Some(f64::from(u8::from(*b))),
            Value::Null | Value::Text(_) | Value::Timestamp(_) => None,
        }
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }
}
