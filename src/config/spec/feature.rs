//! `[features]` as typed.

use super::Spanned;
use crate::time::Span;

/// One line of `[features]`.
#[derive(Clone, Debug)]
pub struct FeatureSpec {
    /// Its name, with its span.
    pub name: Spanned<String>,
    /// How it is computed.
    pub kind: FeatureKind,
    /// `missing = NUMBER`: stands in for null. Without it a null is an error at `check`.
    pub missing: Option<f64>,
    /// `indicator = true`: adds a 0/1 slot `<name>.missing`.
    pub indicator: bool,
    /// `slot = false`: only for use by features below it; not in the vector. Default true.
    pub slot: bool,
}

/// How a feature is computed.
#[derive(Clone, Debug)]
pub enum FeatureKind {
    /// A scalar expression over the event's columns, table columns (`weather.wind_speed`) and features above it.
    Expression(Spanned<String>),
    /// `{ one_hot = EXPR, values = [..] | "file" }`: one slot a value and one for `other`.
    OneHot {
        /// The categorical expression.
        argument: Spanned<String>,
        /// The values, in order, each as text.
        values: Vec<String>,
    },
    /// `{ hash = EXPR, slots = 256 }`: one of so many slots by the value's pinned hash, and one for null.
    Hash {
        /// The categorical expression.
        argument: Spanned<String>,
        /// How many slots, without that of null.
        slots: u32,
    },
    /// `{ standardize = EXPR }`: online standardization over all events so far.
    Standardize {
        /// The numeric expression.
        argument: Spanned<String>,
    },
    /// `{ mean = EXPR, by = .., over = .. }`: a rolling aggregate; `{ quantile = EXPR, q = 0.9, .. }` has its level.
    Aggregate {
        /// Which aggregate.
        function: Function,
        /// The argument; `*` for `count`. Columns are written bare (the event's, or `label`) or as `source.column`.
        argument: Spanned<String>,
        /// The event's columns that key it; empty for all rows.
        by: Vec<Spanned<String>>,
        /// The window.
        over: Over,
    },
    /// `{ lookup = "weather.wind_speed", max_age = "3h" }`: a table's column as of the event's time, not older than
    /// `max_age`. Without `max_age` write the column in an expression.
    Lookup {
        /// `table.column`.
        column: Spanned<String>,
        /// The greatest age of the row by its own event time.
        max_age: Option<Span>,
    },
}

/// The aggregates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Function {
    /// Rows (`*`) or values that are not null.
    Count,
    /// Sum, fixed point.
    Sum,
    /// Mean, from integer sums.
    Mean,
    /// Smallest value.
    Min,
    /// Greatest value.
    Max,
    /// Standard deviation of the population.
    Std,
    /// The newest value by event time.
    Last,
    /// The value that is above so many of the others, exact, between two in proportion.
    Quantile(Level),
    /// How many values differ.
    Distinct,
}

/// The level of a quantile, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Level(u64);

impl Level {
    /// That of the median.
    pub const MEDIAN: Level = Level(0.5_f64.to_bits());

    /// A level; `None` outside of 0 to 1.
    pub fn new(level: f64) -> Option<Level> {
        // Bits of numbers from 0 on have their order; -0 is 0.
        (0.0..=1.0).contains(&level).then(|| Level((level + 0.0).to_bits()))
    }

    /// As a number.
    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl Function {
    /// All, by name; the quantile is the median.
    pub const ALL: [(&'static str, Function); 9] = [
        ("count", Function::Count),
        ("sum", Function::Sum),
        ("mean", Function::Mean),
        ("min", Function::Min),
        ("max", Function::Max),
        ("std", Function::Std),
        ("last", Function::Last),
        ("quantile", Function::Quantile(Level::MEDIAN)),
        ("distinct", Function::Distinct),
    ];

    /// Its key in the pipeline file.
    pub fn name(self) -> &'static str {
        match self {
            Function::Count => "count",
            Function::Sum => "sum",
            Function::Mean => "mean",
            Function::Min => "min",
            Function::Max => "max",
            Function::Std => "std",
            Function::Last => "last",
            Function::Quantile(_) => "quantile",
            Function::Distinct => "distinct",
        }
    }

    /// Whether it counts: then it is 0 of nothing, where all others are null, and takes texts and timestamps too.
    pub fn counts(self) -> bool {
        matches!(self, Function::Count | Function::Distinct)
    }
}

/// The extent of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// `(t - span, t]` by the aggregated record's own time.
    Time(Span),
    /// The newest so many rows by event time.
    Rows(usize),
}
