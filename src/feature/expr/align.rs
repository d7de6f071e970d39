//! Parts that meet, in a comparison, a `case` or a `coalesce`: they are given one type, then joined.

use super::check::{Checked, Checker};
use super::tree::{Choice, Comparison, Float, Int, Kind, Node, Relation, Subject, Text, Truth};
use sqlparser::ast::Expr;

/// Parts that were given one type.
pub(super) struct Aligned {
    pub kind: Kind,
    pub nodes: Vec<Node>,
    /// Whether each can be null.
    pub nullable: Vec<bool>,
    pub constant: bool,
}

impl Checker<'_> {
    /// Gives parts one type, that of all of them. `what` takes them, in messages.
    pub(super) fn align(&mut self, what: &str, exprs: &[&Expr], parts: Vec<Checked>) -> Option<Aligned> {
        let dated = parts.iter().any(|p| p.node.kind() == Kind::Time);
        let mut kind = Kind::Null;
        let mut aligned = Aligned { kind, nodes: vec![], nullable: vec![], constant: true };
        for (expr, mut part) in exprs.iter().zip(parts) {
            if let (true, Node::Text(Text::Constant(Some(text)))) = (dated, &part.node) {
                let text = text.to_string();
                part = self.instant(&text, self.span(expr))?;
            }
            let found = part.node.kind();
            let Some(both) = kind.unify(found) else {
                let span =
                    if exprs.len() == 2 { self.span(exprs[0]).start..self.span(exprs[1]).end } else { self.span(expr) };
                let message = format!("type mismatch: `{what}` is given {} and {}", kind.name(), found.name());
                return self.refuse(span, message, between(kind, found));
            };
            kind = both;
            aligned.nodes.push(part.node);
            aligned.nullable.push(part.nullable);
            aligned.constant &= part.constant;
        }
        // Nulls alone are whole numbers.
        aligned.kind = if kind == Kind::Null { Kind::Int } else { kind };
        Some(aligned)
    }
}

/// What to write where two parts of equal standing do not meet.
pub(super) fn between(a: Kind, b: Kind) -> Option<String> {
    if a == Kind::Truth { hint(b, a) } else { hint(a, b) }
}

/// What to write where one type is wanted and another found.
pub(super) fn hint(wanted: Kind, found: Kind) -> Option<String> {
    match (wanted, found) {
        (Kind::Text, Kind::Float | Kind::Int) | (Kind::Float | Kind::Int, Kind::Text) => {
            Some("turn one into the other with `cast(x as text)` or `cast(x as float)`".to_string())
        }
        (Kind::Truth, Kind::Float | Kind::Int) => Some("compare it: `x <> 0`".to_string()),
        (Kind::Float | Kind::Int, Kind::Truth) => Some("a bool is a number by `cast(x as int)`".to_string()),
        (Kind::Text, Kind::Truth | Kind::Time) | (Kind::Truth | Kind::Time, Kind::Text) => {
            Some("turn one into the other with `cast`".to_string())
        }
        _ => None,
    }
}

fn all<T>(nodes: Vec<Node>, into: fn(Node) -> Option<T>) -> Vec<T> {
    let given = nodes.len();
    let typed: Vec<T> = nodes.into_iter().filter_map(into).collect();
    assert_eq!(typed.len(), given, "nodes are aligned before they are joined");
    typed
}

/// Runs `$make` on `$nodes` as nodes of `$kind`; it must give a `Choice` of them.
macro_rules! choose {
    ($kind:expr, $nodes:expr, |$many:ident| $make:expr) => {{
        let nodes = $nodes;
        match $kind {
            Kind::Float => {
                let $many = all(nodes, Node::into_float);
                Node::Float(Float::Choice(Box::new($make)))
            }
            Kind::Int | Kind::Null => {
                let $many = all(nodes, Node::into_int);
                Node::Int(Int::Choice(Box::new($make)))
            }
            Kind::Time => {
                let $many = all(nodes, Node::into_micros);
                Node::Time(Int::Choice(Box::new($make)))
            }
            Kind::Interval => {
                let $many = all(nodes, Node::into_micros);
                Node::Interval(Int::Choice(Box::new($make)))
            }
            Kind::Truth => {
                let $many = all(nodes, Node::into_truth);
                Node::Truth(Truth::Choice(Box::new($make)))
            }
            Kind::Text => {
                let $many = all(nodes, Node::into_text);
                Node::Text(Text::Choice(Box::new($make)))
            }
        }
    }};
}

impl Aligned {
    pub(super) fn coalesce(self) -> Node {
        choose!(self.kind, self.nodes, |many| Choice::Coalesce(many))
    }

    pub(super) fn least(self) -> Node {
        choose!(self.kind, self.nodes, |many| Choice::Least(many))
    }

    pub(super) fn greatest(self) -> Node {
        choose!(self.kind, self.nodes, |many| Choice::Greatest(many))
    }

    /// `nullif`, of two.
    pub(super) fn unless(self) -> Node {
        choose!(self.kind, self.nodes, |many| {
            let [node, unwanted] = exactly(many);
            Choice::Unless(node, unwanted)
        })
    }

    /// `case when`: the result of each condition, then the `else`, if there is one.
    pub(super) fn case(self, conditions: Vec<Truth>) -> Node {
        choose!(self.kind, self.nodes, |many| {
            let mut results = many.into_iter();
            let branches = conditions.into_iter().zip(results.by_ref()).collect();
            Choice::Case(branches, results.next())
        })
    }

    /// `case x when`: the result of each branch, then the `else`, if there is one.
    pub(super) fn switch(self, subject: Subject, branches: usize) -> Node {
        choose!(self.kind, self.nodes, |many| {
            let mut results = many.into_iter();
            let taken = results.by_ref().take(branches).collect();
            Choice::Switch(subject, taken, results.next())
        })
    }

    /// The subject of a `case`, then what it is compared with.
    pub(super) fn subject(self) -> Subject {
        fn split<N>(mut nodes: Vec<N>) -> (N, Vec<N>) {
            let branches = nodes.split_off(1);
            let [subject] = exactly(nodes);
            (subject, branches)
        }
        match self.kind {
            Kind::Float => {
                let (subject, branches) = split(all(self.nodes, Node::into_float));
                Subject::Floats(subject, branches)
            }
            Kind::Int | Kind::Null => {
                let (subject, branches) = split(all(self.nodes, Node::into_int));
                Subject::Ints(subject, branches)
            }
            Kind::Time | Kind::Interval => {
                let (subject, branches) = split(all(self.nodes, Node::into_micros));
                Subject::Ints(subject, branches)
            }
            Kind::Truth => {
                let (subject, branches) = split(all(self.nodes, Node::into_truth));
                Subject::Truths(subject, branches)
            }
            Kind::Text => {
                let (subject, branches) = split(all(self.nodes, Node::into_text));
                Subject::Texts(subject, branches)
            }
        }
    }

    /// A relation of the nodes, as many as it takes.
    pub(super) fn relation(self, shape: Shape) -> Truth {
        match self.kind {
            Kind::Float => Truth::Floats(Box::new(shape.of(all(self.nodes, Node::into_float)))),
            Kind::Int | Kind::Null => Truth::Ints(Box::new(shape.of(all(self.nodes, Node::into_int)))),
            Kind::Time | Kind::Interval => Truth::Ints(Box::new(shape.of(all(self.nodes, Node::into_micros)))),
            Kind::Truth => Truth::Truths(Box::new(shape.of(all(self.nodes, Node::into_truth)))),
            Kind::Text => Truth::Texts(Box::new(shape.of(all(self.nodes, Node::into_text)))),
        }
    }
}

/// Which relation.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    Compare(Comparison),
    Between,
    In,
    Same,
}

impl Shape {
    fn of<N>(self, mut nodes: Vec<N>) -> Relation<N> {
        match self {
            Shape::Compare(sign) => {
                let [x, y] = exactly(nodes);
                Relation::Compare(sign, x, y)
            }
            Shape::Between => {
                let [x, low, high] = exactly(nodes);
                Relation::Between(x, low, high)
            }
            Shape::In => {
                let list = nodes.split_off(1);
                let [x] = exactly(nodes);
                Relation::In(x, list)
            }
            Shape::Same => {
                let [x, y] = exactly(nodes);
                Relation::Same(x, y)
            }
        }
    }
}

fn exactly<N, const COUNT: usize>(nodes: Vec<N>) -> [N; COUNT] {
    let given = nodes.len();
    nodes.try_into().unwrap_or_else(|_| unreachable!("{COUNT} nodes were checked, {given} came"))
}
