//! `cast` and `extract`: which types they take and what they compile to. The values are converted in `cast.rs`.

use super::align::hint;
use super::check::{Checked, Checker};
use super::tree::{Float, Int, Kind, Node, Part, Text, Truth};
use sqlparser::ast::{DataType, DateTimeField, Expr};

impl Checker<'_> {
    pub(super) fn cast(&mut self, inner: &Expr, data_type: &DataType, whole: &Expr) -> Option<Checked> {
        let part = self.expr(inner);
        let Some(wanted) = kind_of(data_type) else {
            let message = format!("`{}` is not a type", data_type.to_string().to_lowercase());
            let help = "the types are int, float, text, bool and timestamp".to_string();
            return self.refuse(self.span(whole), message, Some(help));
        };
        let Checked { node, mut nullable, constant } = part?;
        let kind = node.kind();
        let node = match (wanted, node) {
            (Kind::Float, Node::Truth(b)) => Some(Node::Float(Float::OfTruth(Box::new(b)))),
            (Kind::Float, Node::Text(t)) => {
                nullable = true;
                Some(Node::Float(Float::OfText(Box::new(t))))
            }
            (Kind::Float, node) => node.into_float().map(Node::Float),
            (Kind::Int, Node::Truth(b)) => Some(Node::Int(Int::OfTruth(Box::new(b)))),
            (Kind::Int, Node::Text(t)) => {
                nullable = true;
                Some(Node::Int(Int::OfText(Box::new(t))))
            }
            (Kind::Int, node @ (Node::Float(_) | Node::Interval(_))) => {
                node.into_float().map(|x| Node::Int(Int::OfFloat(Box::new(x))))
            }
            (Kind::Int, node) => node.into_int().map(Node::Int),
            (Kind::Text, node) => Some(Node::Text(as_text(node))),
            (Kind::Truth, Node::Text(t)) => {
                nullable = true;
                Some(Node::Truth(Truth::OfText(Box::new(t))))
            }
            (Kind::Truth, node @ (Node::Float(_) | Node::Int(_))) => {
                node.into_float().map(|x| Node::Truth(Truth::OfFloat(Box::new(x))))
            }
            (Kind::Truth, node) => node.into_truth().map(Node::Truth),
            (Kind::Time, Node::Text(t)) => {
                nullable = true;
                Some(Node::Time(Int::TimeOfText(Box::new(t))))
            }
            (Kind::Time, node @ (Node::Time(_) | Node::Null)) => node.into_micros().map(Node::Time),
            _ => None,
        };
        let Some(node) = node else {
            let message = format!("type mismatch: {} cannot be cast to {}", kind.name(), wanted.name());
            let help = (kind == Kind::Time).then(|| "`extract(epoch from t)` gives seconds since 1970".to_string());
            return self.refuse(self.span(whole), message, help);
        };
        Some(Checked { node, nullable, constant })
    }

    pub(super) fn extract(&mut self, field: &DateTimeField, inner: &Expr, whole: &Expr) -> Option<Checked> {
        let part = self.expr(inner);
        let field = match field {
            DateTimeField::Year => Some(Part::Year),
            DateTimeField::Month => Some(Part::Month),
            DateTimeField::Day => Some(Part::Day),
            DateTimeField::Hour => Some(Part::Hour),
            DateTimeField::Minute => Some(Part::Minute),
            DateTimeField::Second => Some(Part::Second),
            DateTimeField::Dow | DateTimeField::DayOfWeek => Some(Part::DayOfWeek),
            DateTimeField::Doy | DateTimeField::DayOfYear => Some(Part::DayOfYear),
            DateTimeField::Epoch => None,
            other => {
                let message = format!("`extract` does not know `{}`", other.to_string().to_lowercase());
                let help = "it knows year, month, day, hour, minute, second, dow, doy and epoch".to_string();
                return self.refuse(self.span(whole), message, Some(help));
            }
        };
        let Checked { node, nullable, constant } = part?;
        let kind = node.kind();
        let node = match (field, node) {
            (None, node @ (Node::Time(_) | Node::Interval(_) | Node::Null)) => {
                node.into_micros().map(|i| Node::Float(Float::Seconds(Box::new(i))))
            }
            (Some(part), node @ (Node::Time(_) | Node::Null)) => {
                node.into_micros().map(|i| Node::Int(Int::Extract(part, Box::new(i))))
            }
            _ => None,
        };
        let Some(node) = node else {
            let message = format!("type mismatch: `extract` takes timestamp, found {}", kind.name());
            return self.refuse(self.span(inner), message, hint(Kind::Time, kind));
        };
        Some(Checked { node, nullable, constant })
    }
}

/// Any node as a text, as `cast` to text does.
pub(super) fn as_text(node: Node) -> Text {
    match node {
        Node::Null => Text::Constant(None),
        Node::Text(t) => t,
        Node::Int(i) => Text::OfInt(Box::new(i)),
        Node::Float(x) => Text::OfFloat(Box::new(x)),
        Node::Interval(i) => Text::OfFloat(Box::new(Float::Seconds(Box::new(i)))),
        Node::Truth(b) => Text::OfTruth(Box::new(b)),
        Node::Time(t) => Text::OfTime(Box::new(t)),
    }
}

/// The type that SQL calls so.
fn kind_of(data_type: &DataType) -> Option<Kind> {
    match data_type {
        DataType::Int(_) | DataType::Integer(_) | DataType::BigInt(_) | DataType::Int8(_) | DataType::Int64 => {
            Some(Kind::Int)
        }
        DataType::Float(_) | DataType::Double(_) | DataType::DoublePrecision | DataType::Real => Some(Kind::Float),
        DataType::Float8 | DataType::Float64 => Some(Kind::Float),
        DataType::Text | DataType::Varchar(_) | DataType::String(_) | DataType::CharacterVarying(_) => Some(Kind::Text),
        DataType::Bool | DataType::Boolean => Some(Kind::Truth),
        DataType::Timestamp(..) | DataType::Datetime(_) => Some(Kind::Time),
        _ => None,
    }
}
