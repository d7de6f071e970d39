//! Operators and `case`: their types and what they compile to.

use super::align::{Shape, between, hint};
use super::check::{Checked, Checker};
use super::convert::as_text;
use super::like::Pattern;
use super::tree::{Arithmetic, Comparison, Float, Int, Kind, Node, Text, Truth};
use sqlparser::ast::{BinaryOperator, CaseWhen, Expr, UnaryOperator, Value};

impl Checker<'_> {
    pub(super) fn unary(&mut self, op: UnaryOperator, inner: &Expr, whole: &Expr) -> Option<Checked> {
        match (op, inner) {
            (UnaryOperator::Not, _) => {
                let (truth, nullable, constant) = self.truth("not", inner)?;
                Some(Checked { node: Node::Truth(Truth::Not(Box::new(truth))), nullable, constant })
            }
            // The least whole number has no positive counterpart: the sign belongs to the literal.
            (UnaryOperator::Minus, Expr::Value(literal)) if matches!(literal.value, Value::Number(..)) => {
                match &literal.value {
                    Value::Number(digits, _) => self.number(&format!("-{digits}"), whole),
                    _ => None,
                }
            }
            (UnaryOperator::Minus | UnaryOperator::Plus, _) => {
                let Checked { node, nullable, constant } = self.expr(inner)?;
                let node = match (op, node) {
                    (_, Node::Null) => Node::Null,
                    (UnaryOperator::Plus, node @ (Node::Int(_) | Node::Float(_) | Node::Interval(_))) => node,
                    (_, Node::Int(i)) => Node::Int(Int::Negate(Box::new(i))),
                    (_, Node::Interval(i)) => Node::Interval(Int::Negate(Box::new(i))),
                    (_, Node::Float(x)) => Node::Float(Float::Negate(Box::new(x))),
                    (_, node) => {
                        let message = format!("type mismatch: `{op}` takes a number, found {}", node.kind().name());
                        return self.refuse(self.span(inner), message, hint(Kind::Float, node.kind()));
                    }
                };
                Some(Checked { node, nullable, constant })
            }
            _ => self.refuse(self.span(whole), format!("operator `{op}` is not supported"), None),
        }
    }

    pub(super) fn binary(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr, whole: &Expr) -> Option<Checked> {
        let arithmetic = match op {
            BinaryOperator::Plus => Arithmetic::Add,
            BinaryOperator::Minus => Arithmetic::Subtract,
            BinaryOperator::Multiply => Arithmetic::Multiply,
            BinaryOperator::Divide => Arithmetic::Divide,
            BinaryOperator::Modulo => Arithmetic::Remainder,
            BinaryOperator::Eq => return self.compare(op, Comparison::Equal, [left, right]),
            BinaryOperator::NotEq => return self.compare(op, Comparison::NotEqual, [left, right]),
            BinaryOperator::Lt => return self.compare(op, Comparison::Less, [left, right]),
            BinaryOperator::LtEq => return self.compare(op, Comparison::LessEqual, [left, right]),
            BinaryOperator::Gt => return self.compare(op, Comparison::Greater, [left, right]),
            BinaryOperator::GtEq => return self.compare(op, Comparison::GreaterEqual, [left, right]),
            BinaryOperator::And | BinaryOperator::Or => return self.logic(op, whole),
            BinaryOperator::StringConcat => return self.concat(whole),
            _ => return self.refuse(self.span(whole), format!("operator `{op}` is not supported"), None),
        };
        let (left, right) = (self.expr(left), self.expr(right));
        self.arithmetic(arithmetic, left?, right?, &op.to_string(), whole)
    }

    fn arithmetic(
        &mut self,
        op: Arithmetic,
        left: Checked,
        right: Checked,
        sign: &str,
        whole: &Expr,
    ) -> Option<Checked> {
        use Arithmetic::{Add, Divide, Multiply, Remainder, Subtract};
        let kinds = (left.node.kind(), right.node.kind());
        let constant = left.constant && right.constant;
        let mut nullable = left.nullable || right.nullable;
        if matches!(op, Divide | Remainder) {
            nullable |= !right.is_nonzero_constant();
        }
        let ints = |x: Option<Int>, y: Option<Int>| Some(Int::Arithmetic(op, Box::new([x?, y?])));
        let (x, y) = (left.node, right.node);
        let node = match (op, kinds.0, kinds.1) {
            (Add, Kind::Time, Kind::Interval | Kind::Null)
            | (Add, Kind::Interval | Kind::Null, Kind::Time)
            | (Subtract, Kind::Time, Kind::Interval | Kind::Null) => {
                ints(x.into_micros(), y.into_micros()).map(Node::Time)
            }
            (Subtract, Kind::Time | Kind::Null, Kind::Time)
            | (Add | Subtract, Kind::Interval, Kind::Interval | Kind::Null)
            | (Add | Subtract, Kind::Null, Kind::Interval) => {
                ints(x.into_micros(), y.into_micros()).map(Node::Interval)
            }
            (Multiply, Kind::Interval, Kind::Int) => ints(x.into_micros(), y.into_int()).map(Node::Interval),
            (Multiply, Kind::Int, Kind::Interval) => ints(x.into_int(), y.into_micros()).map(Node::Interval),
            (Add | Subtract | Multiply | Remainder, Kind::Int | Kind::Null, Kind::Int | Kind::Null) => {
                ints(x.into_int(), y.into_int()).map(Node::Int)
            }
            (_, a, b) if a.is_number() && b.is_number() => {
                x.into_float().zip(y.into_float()).map(|(x, y)| Node::Float(Float::Arithmetic(op, Box::new([x, y]))))
            }
            _ => None,
        };
        let Some(node) = node else {
            let (a, b) = kinds;
            let message = format!("type mismatch: `{sign}` is given {} and {}", a.name(), b.name());
            let help = match (a, b) {
                (Kind::Text, Kind::Text) => Some("texts are joined by `||`".to_string()),
                (Kind::Time, Kind::Int | Kind::Float) | (Kind::Int | Kind::Float, Kind::Time) => {
                    Some("give the length of time as an interval, such as `interval '3 hours'`".to_string())
                }
                _ => between(a, b),
            };
            return self.refuse(self.span(whole), message, help);
        };
        Some(Checked { node, nullable, constant })
    }

    fn compare(&mut self, op: &BinaryOperator, sign: Comparison, sides: [&Expr; 2]) -> Option<Checked> {
        self.related(&op.to_string(), &sides, Shape::Compare(sign), false)
    }

    /// A relation of some parts: null if one that counts is.
    fn related(&mut self, what: &str, exprs: &[&Expr], shape: Shape, negated: bool) -> Option<Checked> {
        let parts = self.exprs(exprs)?;
        let aligned = self.align(what, exprs, parts)?;
        let nullable = !matches!(shape, Shape::Same) && aligned.nullable.contains(&true);
        let constant = aligned.constant;
        let truth = aligned.relation(shape);
        let truth = if negated { Truth::Not(Box::new(truth)) } else { truth };
        Some(Checked { node: Node::Truth(truth), nullable, constant })
    }

    pub(super) fn between(&mut self, x: &Expr, low: &Expr, high: &Expr, negated: bool) -> Option<Checked> {
        self.related("between", &[x, low, high], Shape::Between, negated)
    }

    pub(super) fn within(&mut self, x: &Expr, list: &[Expr], negated: bool) -> Option<Checked> {
        let parts: Vec<&Expr> = std::iter::once(x).chain(list).collect();
        self.related("in", &parts, Shape::In, negated)
    }

    pub(super) fn distinct(&mut self, x: &Expr, y: &Expr, negated: bool) -> Option<Checked> {
        self.related("is distinct from", &[x, y], Shape::Same, negated)
    }

    /// A chain of one operator, `a and b and c`, from the left; it counts as one level, however long.
    fn chain<'e>(whole: &'e Expr, wanted: &BinaryOperator) -> Vec<&'e Expr> {
        let mut parts = vec![];
        let mut rest = whole;
        while let Expr::BinaryOp { left, op, right } = rest {
            if op != wanted {
                break;
            }
            parts.push(&**right);
            rest = left;
        }
        parts.push(rest);
        parts.reverse();
        parts
    }

    fn logic(&mut self, op: &BinaryOperator, whole: &Expr) -> Option<Checked> {
        let what = op.to_string().to_lowercase();
        let parts: Vec<_> = Checker::chain(whole, op).into_iter().map(|e| self.truth(&what, e)).collect();
        let parts: Vec<_> = parts.into_iter().collect::<Option<_>>()?;
        let nullable = parts.iter().any(|(_, nullable, _)| *nullable);
        let constant = parts.iter().all(|(_, _, constant)| *constant);
        let terms = parts.into_iter().map(|(truth, _, _)| truth).collect();
        let truth = if *op == BinaryOperator::And { Truth::And(terms) } else { Truth::Or(terms) };
        Some(Checked { node: Node::Truth(truth), nullable, constant })
    }

    fn concat(&mut self, whole: &Expr) -> Option<Checked> {
        let parts = self.exprs(&Checker::chain(whole, &BinaryOperator::StringConcat))?;
        let nullable = parts.iter().any(|p| p.nullable);
        let constant = parts.iter().all(|p| p.constant);
        let node = Node::Text(Text::Concat(parts.into_iter().map(|p| as_text(p.node)).collect()));
        Some(Checked { node, nullable, constant })
    }

    pub(super) fn is_null(&mut self, inner: &Expr, negated: bool) -> Option<Checked> {
        let Checked { node, constant, .. } = self.expr(inner)?;
        let truth = Truth::IsNull(Box::new(node));
        let truth = if negated { Truth::Not(Box::new(truth)) } else { truth };
        Some(Checked { node: Node::Truth(truth), nullable: false, constant })
    }

    pub(super) fn is(&mut self, inner: &Expr, wanted: bool, negated: bool) -> Option<Checked> {
        let (truth, _, constant) = self.truth(if wanted { "is true" } else { "is false" }, inner)?;
        let truth = Truth::Is(wanted, Box::new(truth));
        let truth = if negated { Truth::Not(Box::new(truth)) } else { truth };
        Some(Checked { node: Node::Truth(truth), nullable: false, constant })
    }

    pub(super) fn like(&mut self, x: &Expr, pattern: &Expr, escape: Option<&Expr>, negated: bool) -> Option<Checked> {
        let (text, template) = (self.text("like", x), self.text("like", pattern));
        let escape = match escape {
            None => None,
            Some(expr) => match single_character(expr) {
                Some(escape) => escape,
                None => {
                    return self.refuse(self.span(expr), "`escape` takes one character in quotes".to_string(), None);
                }
            },
        };
        let ((text, text_nullable, text_constant), (template, nullable, constant)) = (text?, template?);
        let mut nullable = text_nullable || nullable;
        let truth = match template {
            Text::Constant(Some(template)) => match Pattern::compile(&template, escape) {
                Some(compiled) => Truth::Like(Box::new(text), compiled),
                None => {
                    let message = "the pattern ends in its escape character".to_string();
                    return self.refuse(self.span(pattern), message, None);
                }
            },
            template => {
                // Only a row can tell whether a pattern ends in its escape character.
                nullable |= escape.is_some();
                Truth::LikeText(Box::new([text, template]), escape)
            }
        };
        let truth = if negated { Truth::Not(Box::new(truth)) } else { truth };
        Some(Checked { node: Node::Truth(truth), nullable, constant: text_constant && constant })
    }

    pub(super) fn case(
        &mut self,
        operand: Option<&Expr>,
        branches: &[CaseWhen],
        otherwise: Option<&Expr>,
    ) -> Option<Checked> {
        let results: Vec<&Expr> = branches.iter().map(|b| &b.result).chain(otherwise).collect();
        if let Some(operand) = operand {
            let compared: Vec<&Expr> = std::iter::once(operand).chain(branches.iter().map(|b| &b.condition)).collect();
            let (compared_parts, result_parts) = (self.exprs(&compared), self.exprs(&results));
            let subject = compared_parts.and_then(|parts| self.align("case", &compared, parts));
            let results = result_parts.and_then(|parts| self.align("then", &results, parts));
            let (subject, results) = (subject?, results?);
            let constant = subject.constant && results.constant;
            let nullable = otherwise.is_none() || results.nullable.contains(&true);
            let node = results.switch(subject.subject(), branches.len());
            return Some(Checked { node, nullable, constant });
        }
        let conditions: Vec<_> = branches.iter().map(|b| self.truth("when", &b.condition)).collect();
        let result_parts = self.exprs(&results);
        let results = result_parts.and_then(|parts| self.align("then", &results, parts));
        let conditions: Vec<_> = conditions.into_iter().collect::<Option<_>>()?;
        let results = results?;
        let constant = results.constant && conditions.iter().all(|(_, _, constant)| *constant);
        let nullable = otherwise.is_none() || results.nullable.contains(&true);
        let node = results.case(conditions.into_iter().map(|(truth, _, _)| truth).collect());
        Some(Checked { node, nullable, constant })
    }
}

impl Checked {
    fn is_nonzero_constant(&self) -> bool {
        self.constant && !self.nullable && self.node.number::<[crate::record::Value]>(&[]).is_some_and(|x| x != 0.0)
    }
}

/// The escape character of a literal; an empty one is none.
fn single_character(expr: &Expr) -> Option<Option<char>> {
    let Expr::Value(literal) = expr else { return None };
    let Value::SingleQuotedString(text) = &literal.value else { return None };
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (escape, None) => Some(escape),
        _ => None,
    }
}
