//! What is wrong with a record: the reason, and the sentence that tells a person where and what.

use crate::record::{Reason, Type};
use std::fmt::Display;

/// At most so many characters of a found value stand in a detail.
const SHOWN_CHARS: usize = 80;

/// A reason with its detail.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) reason: Reason,
    pub(super) detail: String,
}

impl Fault {
    pub(super) fn malformed(detail: String) -> Fault {
        Fault { reason: Reason::Malformed, detail }
    }

    pub(super) fn wrong_type(field: &str, kind: Type, found: impl Display) -> Fault {
        let expected = match kind {
            Type::Bool => "true or false",
            Type::Int => "a whole number of 64 bits",
            Type::Float => "a number",
            Type::Text => "a text",
            Type::Timestamp => "a time as RFC 3339 text or as whole milliseconds since 1970",
        };
        Fault { reason: Reason::WrongType, detail: format!("field `{field}`: found {found}, expected {expected}") }
    }

    pub(super) fn not_finite(field: &str, found: &str) -> Fault {
        let detail = format!("field `{field}`: found {}, expected a finite number", shown(found));
        Fault { reason: Reason::NotFinite, detail }
    }

    pub(super) fn missing(field: &str) -> Fault {
        let detail = format!("field `{field}`: found nothing or null, expected a value");
        Fault { reason: Reason::MissingField, detail }
    }

    pub(super) fn unknown(field: &str) -> Fault {
        let detail = format!("field `{}`: not declared in the schema, and unknown fields are refused", shown(field));
        Fault { reason: Reason::UnknownField, detail }
    }

    pub(super) fn out_of_range(field: &str, found: impl Display) -> Fault {
        let detail = format!("field `{field}`: found {found}, expected a time from 1970 to the end of 2099");
        Fault { reason: Reason::TimeOutOfRange, detail }
    }
}

/// A found text, cut to a length that a line of a log bears.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_string(),
    }
}
