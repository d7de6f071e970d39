//! From syntax tree to typed tree: names, types, nullability, constants.
//!
//! In: a parsed expression and the scope. Out: the [`Expression`], or all faults: a part with a fault gives `None`, its
//! neighbours are checked all the same, and what holds it adds no second fault.

use super::align::hint;
use super::eval::Tree;
use super::syntax::{Parsed, too_deep};
use super::tree::{Float, Int, Kind, Node, Text, Truth};
use super::{Binding, Expression, Fault, Scope, cast, interval};
use crate::config::nearest;
use crate::record::{Type, Value};
use crate::time::Time;
use compact_str::CompactString;
use sqlparser::ast::{self, Expr, Ident};
use std::ops::Range;

/// More faults than these help nobody.
const MOST_FAULTS: usize = 32;

/// A checked part.
pub(super) struct Checked {
    pub node: Node,
    pub nullable: bool,
    /// Whether it reads no column.
    pub constant: bool,
}

/// The state of one check.
pub(super) struct Checker<'p> {
    parsed: &'p Parsed,
    scope: &'p dyn Scope,
    faults: Vec<Fault>,
    columns: Vec<u32>,
    depth: usize,
}

/// Checks and compiles a parsed expression.
pub(super) fn check(parsed: &Parsed, scope: &dyn Scope) -> Result<Expression, Vec<Fault>> {
    let mut checker = Checker { parsed, scope, faults: vec![], columns: vec![], depth: 0 };
    let checked = checker.expr(&parsed.expr);
    let Checker { mut faults, mut columns, .. } = checker;
    match checked {
        Some(Checked { node, nullable, .. }) if faults.is_empty() => {
            let kind = match node.kind() {
                Kind::Float | Kind::Interval => Type::Float,
                Kind::Int | Kind::Null => Type::Int,
                Kind::Truth => Type::Bool,
                Kind::Text => Type::Text,
                Kind::Time => Type::Timestamp,
            };
            columns.sort_unstable();
            columns.dedup();
            Ok(Expression { node, kind, nullable, columns })
        }
        _ => {
            assert!(!faults.is_empty(), "a part is refused only with a fault");
            faults.sort_by_key(|fault| (fault.span.start, fault.span.end));
            faults.truncate(MOST_FAULTS);
            Err(faults)
        }
    }
}

impl Checked {
    /// A part that reads nothing.
    pub(super) fn constant(node: Node) -> Checked {
        let nullable = matches!(node.value::<[Value]>(&[]), Value::Null);
        Checked { node, nullable, constant: true }
    }

    /// A part of constants is evaluated now.
    fn folded(self) -> Checked {
        if !self.constant {
            return self;
        }
        let row: &[Value] = &[];
        Checked::constant(match self.node {
            Node::Null => Node::Null,
            Node::Float(x) => Node::Float(Float::Constant(x.eval(row))),
            Node::Int(i) => Node::Int(Int::Constant(i.eval(row))),
            Node::Time(i) => Node::Time(Int::Constant(i.eval(row))),
            Node::Interval(i) => Node::Interval(Int::Constant(i.eval(row))),
            Node::Truth(b) => Node::Truth(Truth::Constant(b.eval(row))),
            Node::Text(t) => Node::Text(Text::Constant(t.eval(row).map(CompactString::from))),
        })
    }
}

impl<'p> Checker<'p> {
    /// Notes a fault; always `None`, so that a check can end with it.
    pub(super) fn refuse<T>(&mut self, span: Range<usize>, message: String, help: Option<String>) -> Option<T> {
        self.faults.push(Fault { message, span, help });
        None
    }

    /// The bytes of a part.
    pub(super) fn span(&self, expr: &Expr) -> Range<usize> {
        self.parsed.span(expr)
    }

    /// Checks one part.
    pub(super) fn expr(&mut self, expr: &Expr) -> Option<Checked> {
        let mut expr = expr;
        while let Expr::Nested(inner) = expr {
            expr = inner;
        }
        // A tree is judged on its first fault of depth only: below it nothing is looked at.
        if self.depth >= Expression::MAX_DEPTH {
            let fault = too_deep(self.span(expr));
            return self.refuse(fault.span, fault.message, None);
        }
        if self.faults.len() >= MOST_FAULTS {
            return None;
        }
        self.depth += 1;
        let checked = self.kinds_of_expr(expr);
        self.depth -= 1;
        checked.map(Checked::folded)
    }

    /// Checks several parts, all of them even if one has a fault.
    pub(super) fn exprs(&mut self, exprs: &[&Expr]) -> Option<Vec<Checked>> {
        let checked: Vec<_> = exprs.iter().map(|e| self.expr(e)).collect();
        checked.into_iter().collect()
    }

    fn kinds_of_expr(&mut self, expr: &Expr) -> Option<Checked> {
        match expr {
            Expr::Identifier(name) => self.column(None, name, expr),
            Expr::CompoundIdentifier(names) => match names.as_slice() {
                [qualifier, name] => self.column(Some(qualifier), name, expr),
                _ => self.refuse(self.span(expr), "a name has at most one qualifier".to_string(), None),
            },
            Expr::Value(literal) => self.literal(&literal.value, expr),
            Expr::TypedString(typed) => self.typed_literal(typed, expr),
            Expr::Interval(value) => self.interval(value, expr),
            Expr::UnaryOp { op, expr: inner } => self.unary(*op, inner, expr),
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right, expr),
            Expr::IsNull(inner) => self.is_null(inner, false),
            Expr::IsNotNull(inner) => self.is_null(inner, true),
            Expr::IsTrue(inner) => self.is(inner, true, false),
            Expr::IsNotTrue(inner) => self.is(inner, true, true),
            Expr::IsFalse(inner) => self.is(inner, false, false),
            Expr::IsNotFalse(inner) => self.is(inner, false, true),
            Expr::IsUnknown(inner) => self.is_null(inner, false),
            Expr::IsNotUnknown(inner) => self.is_null(inner, true),
            Expr::IsDistinctFrom(x, y) => self.distinct(x, y, true),
            Expr::IsNotDistinctFrom(x, y) => self.distinct(x, y, false),
            Expr::In { expr: x, target: ast::InTarget::List(list), negated, .. } => self.within(x, list, *negated),
            Expr::Between { expr: x, negated, low, high } => self.between(x, low, high, *negated),
            Expr::Like { negated, any: false, expr: x, pattern, escape_char } => {
                self.like(x, pattern, escape_char.as_deref(), *negated)
            }
            Expr::ILike { .. } => {
                let help = "write `lower(x) like 'pattern'`".to_string();
                self.refuse(self.span(expr), "`ilike` is not supported".to_string(), Some(help))
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref())
            }
            Expr::Cast { expr: inner, data_type, format: None, .. } => self.cast(inner, data_type, expr),
            Expr::Extract { field, expr: inner, .. } => self.extract(field, inner, expr),
            Expr::Ceil { expr: x, field: ast::CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) } => {
                self.call("ceil", vec![x], expr)
            }
            Expr::Floor { expr: x, field: ast::CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) } => {
                self.call("floor", vec![x], expr)
            }
            Expr::Ceil { .. } | Expr::Floor { .. } => {
                let help = "`round` takes a number of digits".to_string();
                self.refuse(self.span(expr), "`ceil` and `floor` take 1 argument".to_string(), Some(help))
            }
            Expr::Substring { expr: x, substring_from, substring_for, .. } => {
                let one = Expr::value(ast::Value::Number("1".to_string(), false));
                let start = match (substring_from, substring_for) {
                    (None, Some(_)) => Some(&one),
                    (start, _) => start.as_deref(),
                };
                let args = [Some(&**x), start, substring_for.as_deref()];
                self.call("substr", args.into_iter().flatten().collect(), expr)
            }
            Expr::Function(function) => self.function(function, expr),
            _ => {
                let message = "this is not supported in an expression on one row".to_string();
                self.refuse(self.span(expr), message, None)
            }
        }
    }

    fn column(&mut self, qualifier: Option<&Ident>, name: &Ident, expr: &Expr) -> Option<Checked> {
        let typed = qualifier.map(|q| q.value.as_str());
        let mut found = self.scope.resolve(typed, &name.value);
        if found.is_none() && name.quote_style.is_none() {
            // Names without quotes are the same in any case, as in SQL.
            let folded = typed.map(str::to_lowercase);
            found = self.scope.resolve(folded.as_deref(), &name.value.to_lowercase());
        }
        let Some(Binding { slot, kind, nullable }) = found else {
            let full = qualifier.map_or_else(|| name.value.clone(), |q| format!("{}.{}", q.value, name.value));
            let help = match nearest(&full, self.scope.names().iter().map(String::as_str)) {
                Some(known) => Some(format!("did you mean `{known}`?")),
                None if name.quote_style.is_some() => Some(format!("a text is in single quotes: '{}'", name.value)),
                None => None,
            };
            return self.refuse(self.span(expr), format!("unknown column `{full}`"), help);
        };
        self.columns.push(slot);
        let node = match kind {
            Type::Bool => Node::Truth(Truth::Column(slot)),
            Type::Int => Node::Int(Int::Column(slot)),
            Type::Float => Node::Float(Float::Column(slot)),
            Type::Text => Node::Text(Text::Column(slot)),
            Type::Timestamp => Node::Time(Int::TimeColumn(slot)),
        };
        Some(Checked { node, nullable, constant: false })
    }

    fn literal(&mut self, value: &ast::Value, expr: &Expr) -> Option<Checked> {
        let node = match value {
            ast::Value::Number(digits, _) => return self.number(digits, expr),
            ast::Value::SingleQuotedString(text) => Node::Text(Text::Constant(Some(text.as_str().into()))),
            ast::Value::Boolean(b) => Node::Truth(Truth::Constant(Some(*b))),
            ast::Value::Null => Node::Null,
            _ => {
                let help = "texts are in single quotes".to_string();
                return self.refuse(self.span(expr), "this literal is not supported".to_string(), Some(help));
            }
        };
        Some(Checked::constant(node))
    }

    /// A number's literal; one without point and exponent that fits 64 bits is whole.
    pub(super) fn number(&mut self, digits: &str, expr: &Expr) -> Option<Checked> {
        if let Ok(i) = digits.parse() {
            return Some(Checked::constant(Node::Int(Int::Constant(Some(i)))));
        }
        match cast::float_of_text(digits) {
            Some(x) => Some(Checked::constant(Node::Float(Float::Constant(Some(x))))),
            None => self.refuse(self.span(expr), format!("`{digits}` is not a finite number"), None),
        }
    }

    fn typed_literal(&mut self, typed: &ast::TypedString, expr: &Expr) -> Option<Checked> {
        let span = self.span(expr);
        let (ast::DataType::Timestamp(..), ast::Value::SingleQuotedString(text)) =
            (&typed.data_type, &typed.value.value)
        else {
            let message = format!("literals of type `{}` are not supported", typed.data_type).to_lowercase();
            return self.refuse(span, message, Some("write `timestamp '2013-01-31 05:00:00'`".to_string()));
        };
        self.instant(text, span)
    }

    /// A timestamp's literal.
    pub(super) fn instant(&mut self, text: &str, span: Range<usize>) -> Option<Checked> {
        match cast::time_of_text(text) {
            Some(Time(micros)) => Some(Checked::constant(Node::Time(Int::Constant(Some(micros))))),
            None => {
                let help = "write it as `2013-01-31 05:00:00`".to_string();
                self.refuse(span, format!("`{text}` is not a timestamp"), Some(help))
            }
        }
    }

    fn interval(&mut self, value: &ast::Interval, expr: &Expr) -> Option<Checked> {
        let text = match &*value.value {
            Expr::Value(literal) => match &literal.value {
                ast::Value::SingleQuotedString(text) | ast::Value::Number(text, _) => text.clone(),
                _ => String::new(),
            },
            _ => String::new(),
        };
        let text = match &value.leading_field {
            Some(unit) => format!("{text} {unit}"),
            None => text,
        };
        match interval::micros(&text) {
            Ok(micros) => Some(Checked::constant(Node::Interval(Int::Constant(Some(micros))))),
            Err(message) => {
                let help = "write `interval '3 hours'`".to_string();
                self.refuse(self.span(expr), message, Some(help))
            }
        }
    }

    /// A part that must be a truth value, whether it can be null, and whether it is constant.
    pub(super) fn truth(&mut self, what: &str, expr: &Expr) -> Option<(Truth, bool, bool)> {
        let Checked { node, nullable, constant } = self.expr(expr)?;
        let kind = node.kind();
        match node.into_truth() {
            Some(truth) => Some((truth, nullable, constant)),
            None => {
                let message = format!("type mismatch: `{what}` takes bool, found {}", kind.name());
                self.refuse(self.span(expr), message, hint(Kind::Truth, kind))
            }
        }
    }

    /// The same for a text.
    pub(super) fn text(&mut self, what: &str, expr: &Expr) -> Option<(Text, bool, bool)> {
        let Checked { node, nullable, constant } = self.expr(expr)?;
        let kind = node.kind();
        match node.into_text() {
            Some(text) => Some((text, nullable, constant)),
            None => {
                let message = format!("type mismatch: `{what}` takes text, found {}", kind.name());
                self.refuse(self.span(expr), message, hint(Kind::Text, kind))
            }
        }
    }
}
