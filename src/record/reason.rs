//! Why a record was refused: one word a cause, the same in headers, counts and the summary.

use serde::{Deserialize, Serialize};

/// The reason of a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The bytes are not the declared format (JSON cut short, a CSV line of other width).
    Malformed,
    /// The bytes are not UTF-8.
    InvalidUtf8,
    /// The record is longer than the limit (`max_record_bytes`).
    TooLong,
    /// A field has a value of another type than declared.
    WrongType,
    /// A declared field that is not nullable is absent or null.
    MissingField,
    /// The record has a field that the schema does not declare, and the source says `unknown_fields = "refuse"`.
    UnknownField,
    /// A number is NaN or infinite.
    NotFinite,
    /// A `check` of the source is false for it.
    CheckFailed,
    /// The event time is outside 1970 to 2100.
    TimeOutOfRange,
    /// The event time is more than `max_ahead` beyond pipeline time.
    TimeAhead,
    /// A second event with a known id.
    Duplicate,
    /// A label whose event did not come within the timeout.
    Orphan,
    /// The transport broke inside the record (a gzip or zstd cut short).
    Truncated,
    /// A label that is none of the declared classes.
    UnknownClass,
    /// A label's number is greater than can be counted with.
    OutOfRange,
    /// A bounded set was full.
    CapacityReached,
    /// A worker panicked on it.
    Poison,
    /// A label of an event that was forgotten by request.
    Forgotten,
}

impl Reason {
    /// The word used in headers and counts.
    pub fn word(self) -> &'static str {
        match self {
            Reason::Malformed => "malformed",
            Reason::InvalidUtf8 => "invalid_utf8",
            Reason::TooLong => "too_long",
            Reason::WrongType => "wrong_type",
            Reason::MissingField => "missing_field",
            Reason::UnknownField => "unknown_field",
            Reason::NotFinite => "not_finite",
            Reason::CheckFailed => "check_failed",
            Reason::TimeOutOfRange => "time_out_of_range",
            Reason::TimeAhead => "time_ahead",
            Reason::Duplicate => "duplicate",
            Reason::Orphan => "orphan",
            Reason::Truncated => "truncated",
            Reason::UnknownClass => "unknown_class",
            Reason::OutOfRange => "out_of_range",
            Reason::CapacityReached => "capacity_reached",
            Reason::Poison => "poison",
            Reason::Forgotten => "forgotten",
        }
    }
}
