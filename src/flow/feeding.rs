//! What a row says to the windows that it asks or joins: keys and arguments, each computed once a row.
//!
//! Windows that are keyed by the same columns have one key, and arguments that compile to the same tree have one value;
//! pipelines name few of either, many times.

use super::items::Arguments;
use super::plan::Plan;
use crate::feature::expr::Expression;
use crate::feature::plan::Feed;
use crate::feature::scope::View;
use crate::record::{Key, Type, Value};
use smallvec::SmallVec;

/// The keys of windows and tables in an event's columns.
pub struct Keys {
    distinct: Vec<Vec<usize>>,
    of_group: Vec<usize>,
    of_table: Vec<usize>,
}

impl Keys {
    /// The keys of a pipeline.
    pub fn new(plan: &Plan) -> Keys {
        let mut distinct: Vec<Vec<usize>> = Vec::new();
        let mut number = |columns: &Vec<usize>| place_of(&mut distinct, |known| known == columns, || columns.clone());
        let of_group = plan.features.groups.iter().map(|group| number(&group.by)).collect();
        let of_table = plan.features.tables.iter().map(|table| number(&table.key)).collect();
        Keys { distinct, of_group, of_table }
    }

    /// All keys of an event, `None` where one is null; read them with `group` and `table`.
    pub fn of(&self, values: &[Value]) -> SmallVec<[Option<Key>; 8]> {
        self.distinct.iter().map(|columns| Key::of(columns.iter().map(|place| &values[*place]))).collect()
    }

    /// Which of the keys is that of a window group.
    pub fn group(&self, group: usize) -> usize {
        self.of_group[group]
    }

    /// Which of the keys is that of a table.
    pub fn table(&self, table: usize) -> usize {
        self.of_table[table]
    }
}

/// The values of the arguments of one feed, one a distinct expression.
pub type Said = SmallVec<[Option<f64>; 2]>;

/// The groups that one stream feeds.
pub struct Feeding {
    /// The groups, by their place in the plan, each with the places of its arguments in [`Said`].
    pub groups: Vec<(usize, SmallVec<[usize; 2]>)>,
    distinct: Vec<Expression>,
}

impl Feeding {
    /// The groups of a feed.
    pub fn new(plan: &Plan, feed: Feed) -> Feeding {
        let mut distinct: Vec<Expression> = Vec::new();
        // A compiled expression has no equality; what it prints as is its whole tree.
        let mut trees: Vec<String> = Vec::new();
        let mut number = |argument: &Expression| {
            let tree = format!("{argument:?}");
            let place = place_of(&mut trees, |known| *known == tree, || tree.clone());
            if place == distinct.len() {
                distinct.push(argument.clone());
            }
            place
        };
        let fed = plan.features.groups.iter().enumerate().filter(|(_, group)| group.feed == feed);
        let groups = fed.map(|(place, group)| (place, group.arguments.iter().map(&mut number).collect())).collect();
        Feeding { groups, distinct }
    }

    /// What a row says, as it prints.
    pub fn trees(&self) -> Vec<String> {
        self.distinct.iter().map(|argument| format!("{argument:?}")).collect()
    }

    /// What a row says.
    pub fn said(&self, view: &View) -> Said {
        self.distinct.iter().map(|argument| value(argument, view)).collect()
    }
}

/// The arguments of one group.
pub fn arguments(said: &Said, places: &[usize]) -> Arguments {
    places.iter().map(|place| said[*place]).collect()
}

/// An argument's value. Of what is not a number only `count` is taken, which asks whether it is null.
fn value(argument: &Expression, view: &View) -> Option<f64> {
    match argument.kind() {
        Type::Bool | Type::Int | Type::Float => argument.number(view),
        Type::Text | Type::Timestamp => (!argument.eval(view).is_null()).then_some(1.0),
    }
}

/// The place of the element that is meant, which is made if it is not there.
fn place_of<T>(elements: &mut Vec<T>, is: impl Fn(&T) -> bool, make: impl FnOnce() -> T) -> usize {
    elements.iter().position(is).unwrap_or_else(|| {
        elements.push(make());
        elements.len() - 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feature::expr::{Binding, Scope};

    struct Click;

    impl Scope for Click {
        fn resolve(&self, _: Option<&str>, name: &str) -> Option<Binding> {
            (name == "user").then_some(Binding { slot: 0, kind: Type::Text, nullable: true })
        }

        fn names(&self) -> Vec<String> {
            vec!["user".to_owned()]
        }
    }

    #[test]
    fn a_text_counts_unless_it_is_null() {
        let user = Expression::compile("user", &Click).expect("it compiles");
        for (row, counts) in [(Value::Text("u1".into()), Some(1.0)), (Value::Null, None)] {
            assert_eq!(value(&user, &View { event: &[row], ..View::default() }), counts);
        }
    }
}
