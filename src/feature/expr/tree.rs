//! The compiled form: one enum of nodes per type, so that evaluation never asks what a value is.
//!
//! Timestamps and intervals are microseconds in [`Int`] nodes; [`Node`] remembers which is meant.

use super::like::Pattern;
use compact_str::CompactString;

/// A node of any type.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// The literal `null`, before its neighbours give it a type.
    Null,
    Float(Float),
    Int(Int),
    Truth(Truth),
    Text(Text),
    /// Microseconds since 1970.
    Time(Int),
    /// Microseconds.
    Interval(Int),
}

/// What a node gives. [`Kind::Null`] fits everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Float,
    Int,
    Truth,
    Text,
    Time,
    Interval,
}

/// Floats; each node gives a finite one or null.
#[derive(Clone, Debug)]
pub(super) enum Float {
    Column(u32),
    Constant(Option<f64>),
    OfInt(Box<Int>),
    OfTruth(Box<Truth>),
    OfText(Box<Text>),
    /// Another number for another text, all but surely; see [`super::Expression::told_apart`].
    DigestOf(Box<Text>),
    /// Microseconds as seconds: of an interval, and the epoch of an instant.
    Seconds(Box<Int>),
    Negate(Box<Float>),
    Arithmetic(Arithmetic, Box<[Float; 2]>),
    Math(Math, Box<Float>),
    Round(Box<(Float, Int)>),
    Choice(Box<Choice<Float>>),
}

/// Whole numbers, instants and intervals.
#[derive(Clone, Debug)]
pub(super) enum Int {
    Column(u32),
    /// A column of timestamps.
    TimeColumn(u32),
    Constant(Option<i64>),
    OfFloat(Box<Float>),
    OfTruth(Box<Truth>),
    OfText(Box<Text>),
    TimeOfText(Box<Text>),
    Negate(Box<Int>),
    Abs(Box<Int>),
    Arithmetic(Arithmetic, Box<[Int; 2]>),
    Round(Box<[Int; 2]>),
    Extract(Part, Box<Int>),
    Length(Box<Text>),
    Choice(Box<Choice<Int>>),
}

/// Truth values; null is unknown.
#[derive(Clone, Debug)]
pub(super) enum Truth {
    Column(u32),
    Constant(Option<bool>),
    /// Whether a number is not zero.
    OfFloat(Box<Float>),
    OfText(Box<Text>),
    Not(Box<Truth>),
    And(Vec<Truth>),
    Or(Vec<Truth>),
    IsNull(Box<Node>),
    /// `is true` and `is false`: never null.
    Is(bool, Box<Truth>),
    Floats(Box<Relation<Float>>),
    Ints(Box<Relation<Int>>),
    Texts(Box<Relation<Text>>),
    Truths(Box<Relation<Truth>>),
    Like(Box<Text>, Pattern),
    LikeText(Box<[Text; 2]>, Option<char>),
    Choice(Box<Choice<Truth>>),
}

/// Texts.
#[derive(Clone, Debug)]
pub(super) enum Text {
    Column(u32),
    Constant(Option<CompactString>),
    OfInt(Box<Int>),
    OfFloat(Box<Float>),
    OfTruth(Box<Truth>),
    OfTime(Box<Int>),
    /// `||`: null if one of them is.
    Concat(Vec<Text>),
    /// `concat`: skips nulls.
    Join(Vec<Text>),
    Lower(Box<Text>),
    Upper(Box<Text>),
    Substring(Box<(Text, Int, Option<Int>)>),
    Choice(Box<Choice<Text>>),
}

/// The operators on two numbers, and `power`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
}

/// Functions of one float.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Math {
    Abs,
    Ln,
    Exp,
    Sqrt,
    Floor,
    Ceil,
    Sin,
    Cos,
}

/// What `extract` takes from an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    DayOfWeek,
    DayOfYear,
}

/// Comparisons within one type.
#[derive(Clone, Debug)]
pub(super) enum Relation<N> {
    Compare(Comparison, N, N),
    Between(N, N, N),
    In(N, Vec<N>),
    /// `is not distinct from`: null is like null; never null.
    Same(N, N),
}

/// The comparison signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

/// What picks one of several nodes of one type.
#[derive(Clone, Debug)]
pub(super) enum Choice<N> {
    /// `case when .. then .. else .. end`
    Case(Vec<(Truth, N)>, Option<N>),
    /// `case x when .. then .. else .. end`: the subject is evaluated once, so nested ones stay cheap.
    Switch(Subject, Vec<N>, Option<N>),
    Coalesce(Vec<N>),
    /// `nullif`: the first, unless both are equal.
    Unless(N, N),
    Least(Vec<N>),
    Greatest(Vec<N>),
}

/// A subject and what it is compared with, branch by branch.
#[derive(Clone, Debug)]
pub(super) enum Subject {
    Floats(Float, Vec<Float>),
    Ints(Int, Vec<Int>),
    Texts(Text, Vec<Text>),
    Truths(Truth, Vec<Truth>),
}

impl Kind {
    /// The name in messages: that of the type in a schema.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Float => "float",
            Kind::Int => "int",
            Kind::Truth => "bool",
            Kind::Text => "text",
            Kind::Time => "timestamp",
            Kind::Interval => "interval",
        }
    }

    /// The type that both can be read as, if there is one.
    pub(super) fn unify(self, other: Kind) -> Option<Kind> {
        match (self, other) {
            (a, b) if a == b => Some(a),
            (Kind::Null, k) | (k, Kind::Null) => Some(k),
            (Kind::Float | Kind::Int | Kind::Interval, Kind::Float | Kind::Int | Kind::Interval) => Some(Kind::Float),
            _ => None,
        }
    }

    /// Whether it is a number, or can be read as one (an interval is its seconds).
    pub(super) fn is_number(self) -> bool {
        matches!(self, Kind::Null | Kind::Float | Kind::Int | Kind::Interval)
    }
}

impl Node {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Node::Null => Kind::Null,
            Node::Float(_) => Kind::Float,
            Node::Int(_) => Kind::Int,
            Node::Truth(_) => Kind::Truth,
            Node::Text(_) => Kind::Text,
            Node::Time(_) => Kind::Time,
            Node::Interval(_) => Kind::Interval,
        }
    }

    /// As a float: whole numbers promoted, intervals in seconds.
    pub(super) fn into_float(self) -> Option<Float> {
        match self {
            Node::Float(x) => Some(x),
            Node::Int(Int::Constant(Some(i))) => Some(Float::Constant(Some(i as f64))),
            Node::Int(i) => Some(Float::OfInt(Box::new(i))),
            Node::Interval(i) => Some(Float::Seconds(Box::new(i))),
            Node::Null => Some(Float::Constant(None)),
            _ => None,
        }
    }

    /// As a whole number.
    pub(super) fn into_int(self) -> Option<Int> {
        match self {
            Node::Int(i) => Some(i),
            Node::Null => Some(Int::Constant(None)),
            _ => None,
        }
    }

    /// As the microseconds of an instant or an interval.
    pub(super) fn into_micros(self) -> Option<Int> {
        match self {
            Node::Time(i) | Node::Interval(i) => Some(i),
            Node::Null => Some(Int::Constant(None)),
            _ => None,
        }
    }

    /// As a truth value.
    pub(super) fn into_truth(self) -> Option<Truth> {
        match self {
            Node::Truth(b) => Some(b),
            Node::Null => Some(Truth::Constant(None)),
            _ => None,
        }
    }

    /// As a text.
    pub(super) fn into_text(self) -> Option<Text> {
        match self {
            Node::Text(t) => Some(t),
            Node::Null => Some(Text::Constant(None)),
            _ => None,
        }
    }
}
