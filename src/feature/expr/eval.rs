//! Evaluation of the compiled tree.
//!
//! Every arm is total: what has no finite answer is null, at the operator that would make it. Texts are borrowed from
//! the row or the tree until a function makes a new one.

use super::tree::{Arithmetic, Float, Int, Math, Node, Part, Text, Truth};
use super::{Columns, cast, text};
use crate::record::{Value, digest64};
use crate::time::Time;
use compact_str::CompactString;
use std::borrow::Cow;

/// A node of one type.
pub(super) trait Tree {
    /// What it gives; never a NaN, so the order is total within what occurs.
    type Out<'a>: PartialOrd
    where
        Self: 'a;

    fn eval<'a, C: Columns + ?Sized>(&'a self, columns: &'a C) -> Option<Self::Out<'a>>;
}

fn finite(x: f64) -> Option<f64> {
    x.is_finite().then_some(x)
}

impl Tree for Float {
    type Out<'a> = f64;

    #[inline]
    fn eval<'a, C: Columns + ?Sized>(&'a self, columns: &'a C) -> Option<f64> {
        match self {
            Float::Column(slot) => match columns.value(*slot) {
                Value::Float(x) => finite(*x),
                Value::Int(i) => Some(*i as f64),
                _ => None,
            },
            Float::Constant(x) => *x,
            other => other.compute(columns),
        }
    }
}

impl Float {
    fn compute<C: Columns + ?Sized>(&self, columns: &C) -> Option<f64> {
        match self {
            Float::Column(_) | Float::Constant(_) => self.eval(columns),
            Float::OfInt(i) => Some(i.eval(columns)? as f64),
            Float::OfTruth(b) => Some(f64::from(u8::from(b.eval(columns)?))),
            Float::OfText(t) => cast::float_of_text(&t.eval(columns)?),
            // 52 bits are exact in a float.
            Float::DigestOf(t) => Some((digest64(t.eval(columns)?.as_bytes()) >> 12) as f64),
            Float::Seconds(micros) => Some(micros.eval(columns)? as f64 / 1e6),
            Float::Negate(x) => Some(-x.eval(columns)?),
            Float::Arithmetic(op, sides) => {
                let (x, y) = (sides[0].eval(columns)?, sides[1].eval(columns)?);
                finite(match op {
                    Arithmetic::Add => x + y,
                    Arithmetic::Subtract => x - y,
                    Arithmetic::Multiply => x * y,
                    Arithmetic::Divide => x / y,
                    Arithmetic::Remainder => x % y,
                    Arithmetic::Power => x.powf(y),
                })
            }
            Float::Math(function, x) => {
                let x = x.eval(columns)?;
                finite(match function {
                    Math::Abs => x.abs(),
                    Math::Ln => x.ln(),
                    Math::Exp => x.exp(),
                    Math::Sqrt => x.sqrt(),
                    Math::Floor => x.floor(),
                    Math::Ceil => x.ceil(),
                    Math::Sin => x.sin(),
                    Math::Cos => x.cos(),
                })
            }
            Float::Round(sides) => Some(round(sides.0.eval(columns)?, sides.1.eval(columns)?)),
            Float::Choice(choice) => choice.eval(columns),
        }
    }
}

/// Rounds half away from zero, to `digits` after the point (before it, if negative), as if on the exact decimal digits
/// of `x`: 2.675 is a little less than it looks, and rounds to 2.67.
fn round(x: f64, digits: i64) -> f64 {
    if digits == 0 {
        return x.round();
    }
    let scale = 10f64.powi(digits.unsigned_abs().min(400) as i32);
    // `error` is what the division or product lost, exactly: it decides what looks like a tie and is none.
    let (scaled, error) = if digits < 0 {
        let scaled = x / scale;
        (scaled, (-scaled).mul_add(scale, x))
    } else {
        let scaled = x * scale;
        (scaled, x.mul_add(scale, -scaled))
    };
    let tie = (scaled - scaled.trunc()).abs() == 0.5;
    let short = tie && error != 0.0 && error.is_sign_negative() != x.is_sign_negative();
    let nearest = if short { scaled.trunc() } else { scaled.round() };
    let rounded = if digits < 0 { nearest * scale } else { nearest / scale };
    match rounded.is_finite() {
        true => rounded,
        // So far before the point that nothing is left, or so far after it that x has no digit there.
        false => {
            if digits < 0 {
                0.0
            } else {
                x
            }
        }
    }
}

impl Tree for Int {
    type Out<'a> = i64;

    fn eval<'a, C: Columns + ?Sized>(&'a self, columns: &'a C) -> Option<i64> {
        match self {
            Int::Column(slot) => match columns.value(*slot) {
                Value::Int(i) => Some(*i),
                _ => None,
            },
            Int::TimeColumn(slot) => match columns.value(*slot) {
                Value::Timestamp(t) => Some(t.0),
                _ => None,
            },
            Int::Constant(i) => *i,
            Int::OfFloat(x) => cast::int_of_float(x.eval(columns)?),
            Int::OfTruth(b) => Some(i64::from(b.eval(columns)?)),
            Int::OfText(t) => cast::int_of_text(&t.eval(columns)?),
            Int::TimeOfText(t) => cast::time_of_text(&t.eval(columns)?).map(|t| t.0),
            Int::Negate(i) => i.eval(columns)?.checked_neg(),
            Int::Abs(i) => i.eval(columns)?.checked_abs(),
            Int::Arithmetic(op, sides) => {
                let (x, y) = (sides[0].eval(columns)?, sides[1].eval(columns)?);
                match op {
                    Arithmetic::Add => x.checked_add(y),
                    Arithmetic::Subtract => x.checked_sub(y),
                    Arithmetic::Multiply => x.checked_mul(y),
                    // The least number over -1 overflows in hardware, but leaves nothing.
                    Arithmetic::Remainder => {
                        if y == -1 {
                            Some(0)
                        } else {
                            x.checked_rem(y)
                        }
                    }
                    Arithmetic::Divide | Arithmetic::Power => {
                        unreachable!("`/` and `power` give floats, check.rs makes no such node")
                    }
                }
            }
            Int::Round(sides) => round_int(sides[0].eval(columns)?, sides[1].eval(columns)?),
            Int::Extract(part, t) => Some(extract(*part, Time(t.eval(columns)?))),
            Int::Length(t) => Some(t.eval(columns)?.chars().count() as i64),
            Int::Choice(choice) => choice.eval(columns),
        }
    }
}

/// Rounds half away from zero, to a power of ten if `digits` is negative.
fn round_int(i: i64, digits: i64) -> Option<i64> {
    if digits >= 0 {
        return Some(i);
    }
    let places = u32::try_from(digits.unsigned_abs()).unwrap_or(u32::MAX);
    let Some(unit) = 10i128.checked_pow(places.min(38)) else { return Some(0) };
    let (i, half) = (i128::from(i), unit / 2);
    let rounded = (i + if i < 0 { -half } else { half }) / unit * unit;
    i64::try_from(rounded).ok()
}

fn extract(part: Part, time: Time) -> i64 {
    let civil = time.civil();
    match part {
        Part::Year => civil.year,
        Part::Month => civil.month,
        Part::Day => civil.day,
        Part::Hour => civil.hour,
        Part::Minute => civil.minute,
        Part::Second => civil.second,
        Part::DayOfWeek => civil.weekday,
        Part::DayOfYear => civil.yearday,
    }
}

impl Tree for Truth {
    type Out<'a> = bool;

    fn eval<'a, C: Columns + ?Sized>(&'a self, columns: &'a C) -> Option<bool> {
        match self {
            Truth::Column(slot) => match columns.value(*slot) {
                Value::Bool(b) => Some(*b),
                _ => None,
            },
            Truth::Constant(b) => *b,
            Truth::OfFloat(x) => Some(x.eval(columns)? != 0.0),
            Truth::OfText(t) => cast::truth_of_text(&t.eval(columns)?),
            Truth::Not(b) => Some(!b.eval(columns)?),
            Truth::And(terms) => decided(terms, false, columns),
            Truth::Or(terms) => decided(terms, true, columns),
            Truth::IsNull(node) => Some(node.is_null(columns)),
            Truth::Is(wanted, b) => Some(b.eval(columns) == Some(*wanted)),
            Truth::Floats(relation) => relation.eval(columns),
            Truth::Ints(relation) => relation.eval(columns),
            Truth::Texts(relation) => relation.eval(columns),
            Truth::Truths(relation) => relation.eval(columns),
            Truth::Like(t, pattern) => Some(pattern.matches(&t.eval(columns)?)),
            Truth::LikeText(sides, escape) => {
                let (t, pattern) = (sides[0].eval(columns)?, sides[1].eval(columns)?);
                Some(super::like::Pattern::compile(&pattern, *escape)?.matches(&t))
            }
            Truth::Choice(choice) => choice.eval(columns),
        }
    }
}

/// `and` (decided by a false) and `or` (decided by a true): a null leaves it open unless another term decides.
fn decided<C: Columns + ?Sized>(terms: &[Truth], decision: bool, columns: &C) -> Option<bool> {
    let mut open = false;
    for term in terms {
        match term.eval(columns) {
            Some(b) if b == decision => return Some(decision),
            Some(_) => {}
            None => open = true,
        }
    }
    (!open).then_some(!decision)
}

impl Tree for Text {
    type Out<'a> = Cow<'a, str>;

    fn eval<'a, C: Columns + ?Sized>(&'a self, columns: &'a C) -> Option<Cow<'a, str>> {
        match self {
            Text::Column(slot) => match columns.value(*slot) {
                Value::Text(t) => Some(Cow::Borrowed(t.as_str())),
                _ => None,
            },
            Text::Constant(t) => t.as_deref().map(Cow::Borrowed),
            Text::OfInt(i) => Some(Cow::Owned(i.eval(columns)?.to_string())),
            Text::OfFloat(x) => Some(Cow::Owned(cast::text_of_float(x.eval(columns)?))),
            Text::OfTruth(b) => Some(Cow::Borrowed(if b.eval(columns)? { "true" } else { "false" })),
            Text::OfTime(t) => Some(Cow::Owned(cast::text_of_time(Time(t.eval(columns)?)))),
            Text::Concat(parts) => {
                let mut whole = String::new();
                for part in parts {
                    whole.push_str(&part.eval(columns)?);
                }
                Some(Cow::Owned(whole))
            }
            Text::Join(parts) => Some(Cow::Owned(parts.iter().filter_map(|part| part.eval(columns)).collect())),
            Text::Lower(t) => Some(Cow::Owned(text::lower(&t.eval(columns)?))),
            Text::Upper(t) => Some(Cow::Owned(text::upper(&t.eval(columns)?))),
            Text::Substring(parts) => {
                let (whole, start) = (parts.0.eval(columns)?, parts.1.eval(columns)?);
                let length = match &parts.2 {
                    Some(length) => length.eval(columns)?,
                    None => i64::MAX,
                };
                let range = text::substring(&whole, start, length);
                Some(match whole {
                    Cow::Borrowed(whole) => Cow::Borrowed(&whole[range]),
                    Cow::Owned(whole) => Cow::Owned(whole[range].to_string()),
                })
            }
            Text::Choice(choice) => choice.eval(columns),
        }
    }
}

impl Node {
    /// Its value; an interval is its seconds.
    pub(super) fn value<C: Columns + ?Sized>(&self, columns: &C) -> Value {
        let value = match self {
            Node::Null => None,
            Node::Float(x) => x.eval(columns).map(Value::Float),
            Node::Int(i) => i.eval(columns).map(Value::Int),
            Node::Truth(b) => b.eval(columns).map(Value::Bool),
            Node::Text(t) => t.eval(columns).map(|t| Value::Text(CompactString::from(t))),
            Node::Time(t) => t.eval(columns).map(|t| Value::Timestamp(Time(t))),
            Node::Interval(i) => i.eval(columns).map(|i| Value::Float(i as f64 / 1e6)),
        };
        value.unwrap_or(Value::Null)
    }

    /// Its value as a text.
    #[inline]
    pub(super) fn text<'a, C: Columns + ?Sized>(&'a self, columns: &'a C) -> Option<Cow<'a, str>> {
        match self {
            Node::Text(t) => t.eval(columns),
            _ => None,
        }
    }

    /// Its value as a number.
    #[inline]
    pub(super) fn number<C: Columns + ?Sized>(&self, columns: &C) -> Option<f64> {
        match self {
            Node::Float(x) => x.eval(columns),
            Node::Int(i) => i.eval(columns).map(|i| i as f64),
            Node::Truth(b) => b.eval(columns).map(|b| f64::from(u8::from(b))),
            Node::Interval(i) => i.eval(columns).map(|i| i as f64 / 1e6),
            Node::Null | Node::Text(_) | Node::Time(_) => None,
        }
    }

    fn is_null<C: Columns + ?Sized>(&self, columns: &C) -> bool {
        match self {
            Node::Null => true,
            Node::Float(x) => x.eval(columns).is_none(),
            Node::Int(i) | Node::Time(i) | Node::Interval(i) => i.eval(columns).is_none(),
            Node::Truth(b) => b.eval(columns).is_none(),
            Node::Text(t) => t.eval(columns).is_none(),
        }
    }
}
