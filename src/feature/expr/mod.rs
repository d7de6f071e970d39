//! SQL scalar expressions: parsed once, type-checked against a scope, compiled to a typed tree, evaluated per row.
//!
//! In: one expression's text, and a [`Scope`] that says where names resolve; at run time anything that answers
//! [`Columns`]. Out: an [`Expression`], or every [`Fault`] found in the text. Keeps: nothing between rows.
//! Limits: [`Expression::MAX_BYTES`], [`Expression::MAX_TOKENS`], [`Expression::MAX_DEPTH`], against a text that would
//! overflow the stack.
//!
//! Null is SQL's: it goes through operators and functions, comparison with it is unknown, `and`/`or` are three-valued,
//! `concat`, `coalesce`, `least` and `greatest` skip it. The reference is DuckDB 2.0.1 (`tests/golden/expressions.py`).
//! What differs, on purpose:
//! - What DuckDB refuses while it runs (an overflow, a cast that fails, `7 % 0`), and what makes an infinity or a NaN
//!   there (`x / 0`, `ln(0)`, `sqrt(-1)`, `exp(1000)`), is null here, at the operator that made it.
//! - `1.5` is a float, not a decimal; every whole number has 64 bits, also after `cast(x as int)`; a whole number is
//!   compared with a float as a float; `float`, `real` and `double` are 64 bits.
//! - Text is never read as a number or a truth value by itself, nor a number as a truth value: that is a fault at
//!   start, `cast` says it. A text *literal* beside a timestamp is read as a timestamp.
//! - An instant with an offset (`+01:00`) is turned into UTC; DuckDB drops the offset.
//! - The difference of two timestamps is an interval; where a number is wanted, and as a result, it is seconds.
//!   Intervals of months and years do not exist, their length depends on the calendar.
//!
//! Adding a function is one line in `functions.rs`, a variant in `tree.rs` and an arm in `eval.rs`.

mod align;
mod cast;
mod check;
mod convert;
mod eval;
mod functions;
mod interval;
mod like;
mod operators;
mod pick;
mod syntax;
mod text;
mod tree;

use crate::record::{Type, Value};
use std::borrow::Cow;
use std::ops::Range;
use tree::Node;

/// Where a name resolves: the slot to read at run time, its type, and whether it may be null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// What [`Columns::value`] is asked for.
    pub slot: u32,
    /// The type of the slot's values.
    pub kind: Type,
    /// Whether the slot may hold a null.
    pub nullable: bool,
}

/// The names that an expression may use, at start.
pub trait Scope {
    /// What `qualifier.name`, or `name` alone, stands for; `None` if it is unknown.
    fn resolve(&self, qualifier: Option<&str>, name: &str) -> Option<Binding>;
    /// All names as they would be typed, for "did you mean".
    fn names(&self) -> Vec<String>;
}

/// The values that an expression reads, at run time.
pub trait Columns {
    /// The value in a slot that the scope gave out. A value of another type than was declared reads as null.
    fn value(&self, slot: u32) -> &Value;
}

impl Columns for [Value] {
    fn value(&self, slot: u32) -> &Value {
        &self[slot as usize]
    }
}

/// What is wrong with an expression, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// One lowercase sentence.
    pub message: String,
    /// The byte range in the text.
    pub span: Range<usize>,
    /// What to type instead, where that is known.
    pub help: Option<String>,
}

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Expression {
    node: Node,
    kind: Type,
    nullable: bool,
    columns: Vec<u32>,
}

impl Expression {
    /// The longest text that is read, in bytes.
    pub const MAX_BYTES: usize = 64 * 1024;
    /// The most words, literals and signs that a text may have.
    pub const MAX_TOKENS: usize = 4096;
    /// How deep an expression may nest. A chain of `and`, `or` or `||` counts once.
    pub const MAX_DEPTH: usize = 64;

    /// Parses, checks and compiles one expression. On failure all faults, by place (32 at most).
    ///
    /// ```
    /// use tidemill::feature::expr::{Binding, Expression, Scope};
    /// use tidemill::record::{Type, Value};
    /// struct Flight;
    /// impl Scope for Flight {
    ///     fn resolve(&self, _qualifier: Option<&str>, name: &str) -> Option<Binding> {
    ///         (name == "dep_delay").then_some(Binding { slot: 0, kind: Type::Float, nullable: true })
    ///     }
    ///     fn names(&self) -> Vec<String> {
    ///         vec!["dep_delay".into()]
    ///     }
    /// }
    /// let capped = Expression::compile("least(180, coalesce(dep_delay, 0))", &Flight).unwrap();
    /// assert!(!capped.nullable());
    /// assert_eq!(capped.eval([Value::Float(500.0)].as_slice()), Value::Float(180.0));
    ///
    /// let faults = Expression::compile("1 + dep_dealy", &Flight).unwrap_err();
    /// assert_eq!(faults[0].span, 4..13);
    /// assert_eq!(faults[0].help.as_deref(), Some("did you mean `dep_delay`?"));
    /// ```
    pub fn compile(text: &str, scope: &dyn Scope) -> Result<Expression, Vec<Fault>> {
        let parsed = syntax::parse(text).map_err(|fault| vec![fault])?;
        check::check(&parsed, scope)
    }

    /// The type of its values. That of a lone `null` is `int`.
    pub fn kind(&self) -> Type {
        self.kind
    }

    /// Whether it can be null: by a column that may be, a `case` without `else`, a divisor that may be zero, a function
    /// outside of its domain, or a text that does not read. Not foreseen is an overflow of `+ - *`, `abs`, `round` and
    /// casts to `int` (beyond 1.8e308, or 64 bits): it is null all the same, whatever this says.
    pub fn nullable(&self) -> bool {
        self.nullable
    }

    /// The slots that it reads, ascending, each once.
    pub fn columns(&self) -> &[u32] {
        &self.columns
    }

    /// The slot whose number it is, if it is a number column and nothing else.
    pub fn bare_number(&self) -> Option<u32> {
        match &self.node {
            tree::Node::Float(tree::Float::Column(slot)) | tree::Node::Int(tree::Int::Column(slot)) => Some(*slot),
            _ => None,
        }
    }

    /// The same as a number by which its values can be told apart, for counting different ones: a number as it is
    /// (whole ones beyond 2^53 as the nearest float), an instant as its microseconds, a text as 52 bits of its pinned
    /// hash. Among n texts two have the same with a chance of about n²/2^53: one in a hundred million of 10,000.
    pub fn told_apart(self) -> Expression {
        let node = match self.node {
            tree::Node::Text(text) => tree::Node::Float(tree::Float::DigestOf(Box::new(text))),
            tree::Node::Time(micros) => tree::Node::Float(tree::Float::OfInt(Box::new(micros))),
            other => return Expression { node: other, ..self },
        };
        Expression { node, kind: Type::Float, ..self }
    }

    /// Its value on a row; never a NaN or an infinity.
    pub fn eval<C: Columns + ?Sized>(&self, columns: &C) -> Value {
        self.node.value(columns)
    }

    /// Its value on a row as a text, borrowed where it can be; `None` for null, and for what is no text always.
    #[inline]
    pub fn text<'a, C: Columns + ?Sized>(&'a self, columns: &'a C) -> Option<Cow<'a, str>> {
        self.node.text(columns)
    }

    /// Its value on a row as a number: a truth value as 0 or 1; `None` for null, and for text and timestamps always.
    #[inline]
    pub fn number<C: Columns + ?Sized>(&self, columns: &C) -> Option<f64> {
        self.node.number(columns)
    }
}

#[cfg(test)]
mod tests;
