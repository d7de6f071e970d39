//! The program that turns one event, its lookups and its windows into a vector.
//!
//! In: the event's columns, the tables' rows as of its time, and one answer a window group. Keeps: the online
//! standardizers, which see every event once, in the law's order. Out: a [`Vector`]; never a NaN or an infinity.

use super::Vector;
use super::expr::Expression;
use super::layout::Layout;
use super::scope::{FEATURE, View};
use super::standardize::Standardizer;
use crate::record::Value;
use crate::time::{Span, Time};
use compact_str::ToCompactString;
use std::sync::Arc;

/// How one value is computed.
#[derive(Clone, Debug)]
pub enum Step {
    /// A scalar expression.
    Expression(Expression),
    /// An expression, standardized online.
    Standardize {
        /// The expression.
        argument: Expression,
        /// Which standardizer.
        state: usize,
    },
    /// The result of a rolling aggregate.
    Aggregate {
        /// Which window group.
        group: usize,
        /// Which of its aggregates.
        result: usize,
    },
    /// A table's column, not older than `max_age`.
    Lookup {
        /// The column.
        argument: Expression,
        /// Which table.
        table: usize,
        /// The table's time column.
        time: usize,
        /// The greatest age.
        max_age: Option<Span>,
    },
}

/// One feature: a value with its place, or a category with its group of slots.
#[derive(Clone, Debug)]
pub enum Line {
    /// One value.
    Value {
        /// How it is computed.
        step: Step,
        /// What stands in for null.
        missing: Option<f64>,
        /// Its dense slot, if it has one.
        slot: Option<usize>,
        /// The dense slot that is 1 when it was null.
        indicator: Option<usize>,
    },
    /// A categorical expression to one slot of its group.
    OneHot {
        /// The expression.
        argument: Expression,
        /// Which group of the layout.
        group: usize,
    },
}

impl Line {
    /// The slots that it reads.
    pub fn columns(&self) -> &[u32] {
        match self {
            Line::OneHot { argument, .. } => argument.columns(),
            Line::Value { step, .. } => match step {
                Step::Expression(e) | Step::Standardize { argument: e, .. } | Step::Lookup { argument: e, .. } => {
                    e.columns()
                }
                Step::Aggregate { .. } => &[],
            },
        }
    }
}

/// What an event's features are computed from.
pub struct Inputs<'a> {
    /// The event's time.
    pub time: Time,
    /// Its columns.
    pub event: &'a [Value],
    /// Per table: its row as of then.
    pub tables: &'a [Option<Arc<[Value]>>],
    /// Per window group: its aggregates' results.
    pub windows: &'a [&'a [Option<f64>]],
}

/// All features, in order, and their layout.
#[derive(Clone, Debug)]
pub struct Program {
    lines: Vec<Line>,
    layout: Layout,
    standardizers: usize,
    tables: usize,
}

/// More features than there can be.
const STEPS: u32 = 1 << 24;

/// What a program keeps between events.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    standardizers: Vec<Standardizer>,
    features: Vec<Value>,
    dense: Vec<f64>,
    hot: Vec<u32>,
    /// How many categorical values went to `other`.
    pub others: u64,
}

impl Program {
    /// A program of these lines.
    pub fn new(lines: Vec<Line>, layout: Layout, standardizers: usize, tables: usize) -> Program {
        Program { lines, layout, standardizers, tables }
    }

    /// The names and order of the slots.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// How many tables an event's row is joined with.
    pub fn tables(&self) -> usize {
        self.tables
    }

    /// The memory before the first event.
    pub fn memory(&self) -> Memory {
        let standardizers = (0..self.standardizers).map(|_| Standardizer::default()).collect();
        Memory { standardizers, ..Memory::default() }
    }

    /// The vector of one event.
    pub fn run(&self, memory: &mut Memory, inputs: &Inputs) -> Vector {
        memory.features.clear();
        memory.hot.clear();
        memory.dense.clear();
        memory.dense.resize(self.layout.dense(), 0.0);
        for line in &self.lines {
            match line {
                Line::Value { step, missing, slot, indicator } => {
                    let value = self.value(step, memory, inputs);
                    if let (Some(place), true) = (indicator, value.is_null()) {
                        memory.dense[*place] = 1.0;
                    }
                    let value = match missing {
                        Some(missing) if value.is_null() => Value::Float(*missing),
                        _ => value,
                    };
                    if let Some(place) = slot {
                        // A slot without `missing` was proved never to be null when the plan was made.
                        memory.dense[*place] = value.number().unwrap_or(0.0);
                    }
                    memory.features.push(value);
                }
                Line::OneHot { argument, group } => {
                    let (slot, other) = match argument.eval(&view(memory, inputs)) {
                        Value::Text(text) => self.layout.hot_slot(*group, &text),
                        // Short numbers as text, without an allocation.
                        Value::Int(i) => self.layout.hot_slot(*group, &i.to_compact_string()),
                        Value::Float(x) => self.layout.hot_slot(*group, &x.to_string()),
                        Value::Bool(b) => self.layout.hot_slot(*group, if b { "true" } else { "false" }),
                        Value::Timestamp(t) => self.layout.hot_slot(*group, &t.to_string()),
                        Value::Null => (self.layout.other_slot(*group), true),
                    };
                    memory.others += u64::from(other);
                    memory.hot.push(slot);
                }
            }
        }
        memory.hot.sort_unstable();
        Vector { dense: memory.dense.as_slice().into(), hot: memory.hot.as_slice().into() }
    }

    #[inline]
    fn value(&self, step: &Step, memory: &mut Memory, inputs: &Inputs) -> Value {
        match step {
            Step::Expression(expression) => expression.eval(&view(memory, inputs)),
            Step::Standardize { argument, state } => {
                // Mostly an aggregate from the lines above.
                let number = match argument.bare_number().and_then(|slot| slot.checked_sub(FEATURE)) {
                    Some(place) if place < STEPS => memory.features.get(place as usize).and_then(Value::number),
                    _ => argument.number(&view(memory, inputs)),
                };
                number.map_or(Value::Null, |x| Value::Float(memory.standardizers[*state].push(x)))
            }
            // A group whose key is null was not asked, and has no results.
            Step::Aggregate { group, result } => {
                inputs.windows[*group].get(*result).copied().flatten().map_or(Value::Null, Value::Float)
            }
            Step::Lookup { argument, table, time, max_age } => {
                let stamped = inputs.tables[*table].as_ref().and_then(|row| row.get(*time));
                match (stamped, max_age) {
                    (Some(Value::Timestamp(at)), Some(age)) if at.plus(*age) < inputs.time => Value::Null,
                    _ => argument.eval(&view(memory, inputs)),
                }
            }
        }
    }
}

fn view<'a>(memory: &'a Memory, inputs: &'a Inputs) -> View<'a> {
    View { event: inputs.event, tables: inputs.tables, features: &memory.features, own: &[], label: None }
}
