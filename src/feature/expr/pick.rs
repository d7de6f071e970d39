//! Evaluation of what is the same for every type: comparisons, and the choice of one of several nodes.

use super::Columns;
use super::eval::Tree;
use super::tree::{Choice, Comparison, Relation, Subject};
use std::cmp::Ordering;

impl<N: Tree> Choice<N> {
    pub(super) fn eval<'a, C: Columns + ?Sized>(&'a self, columns: &'a C) -> Option<N::Out<'a>> {
        let best = |nodes: &'a [N], wanted: Ordering| {
            nodes
                .iter()
                .filter_map(|n| n.eval(columns))
                .reduce(|best, x| if x.partial_cmp(&best) == Some(wanted) { x } else { best })
        };
        match self {
            Choice::Case(branches, otherwise) => {
                for (condition, result) in branches {
                    if condition.eval(columns) == Some(true) {
                        return result.eval(columns);
                    }
                }
                otherwise.as_ref()?.eval(columns)
            }
            Choice::Switch(subject, results, otherwise) => match subject.first_equal(columns) {
                Some(branch) => results[branch].eval(columns),
                None => otherwise.as_ref()?.eval(columns),
            },
            Choice::Coalesce(nodes) => nodes.iter().find_map(|n| n.eval(columns)),
            Choice::Unless(node, unwanted) => {
                let value = node.eval(columns)?;
                (unwanted.eval(columns).as_ref() != Some(&value)).then_some(value)
            }
            Choice::Least(nodes) => best(nodes, Ordering::Less),
            Choice::Greatest(nodes) => best(nodes, Ordering::Greater),
        }
    }
}

impl Subject {
    /// The first branch whose value equals the subject's; null equals nothing.
    fn first_equal<C: Columns + ?Sized>(&self, columns: &C) -> Option<usize> {
        fn first<N: Tree, C: Columns + ?Sized>(subject: &N, branches: &[N], columns: &C) -> Option<usize> {
            let value = subject.eval(columns)?;
            branches.iter().position(|n| n.eval(columns).as_ref() == Some(&value))
        }
        match self {
            Subject::Floats(x, branches) => first(x, branches, columns),
            Subject::Ints(i, branches) => first(i, branches, columns),
            Subject::Texts(t, branches) => first(t, branches, columns),
            Subject::Truths(b, branches) => first(b, branches, columns),
        }
    }
}

impl<N: Tree> Relation<N> {
    pub(super) fn eval<C: Columns + ?Sized>(&self, columns: &C) -> Option<bool> {
        match self {
            Relation::Compare(sign, x, y) => Some(sign.holds(&x.eval(columns)?, &y.eval(columns)?)),
            Relation::Between(x, low, high) => {
                let x = x.eval(columns)?;
                // A null bound leaves it open, unless the other bound already excludes x.
                let above = low.eval(columns).map(|low| x >= low);
                let below = high.eval(columns).map(|high| x <= high);
                match (above, below) {
                    (Some(false), _) | (_, Some(false)) => Some(false),
                    (Some(true), Some(true)) => Some(true),
                    _ => None,
                }
            }
            Relation::In(x, list) => {
                let x = x.eval(columns)?;
                let mut open = false;
                for item in list {
                    match item.eval(columns) {
                        Some(item) if item == x => return Some(true),
                        Some(_) => {}
                        None => open = true,
                    }
                }
                (!open).then_some(false)
            }
            Relation::Same(x, y) => Some(x.eval(columns) == y.eval(columns)),
        }
    }
}

impl Comparison {
    fn holds<T: PartialOrd>(self, x: &T, y: &T) -> bool {
        match self {
            Comparison::Equal => x == y,
            Comparison::NotEqual => x != y,
            Comparison::Less => x < y,
            Comparison::LessEqual => x <= y,
            Comparison::Greater => x > y,
            Comparison::GreaterEqual => x >= y,
        }
    }
}
