//! The program that turns one event, its lookups and its windows into a vector.
//!
//! In: the event's columns, the tables' rows as of its time, and one answer a window group. Keeps: the online
//! standardizers, which see every event once, in the law's order. Out: a [`Vector`]; never a NaN or an infinity.

use super::Vector;
use super::expr::Expression;
use super::layout::Layout;
use super::scope::{FEATURE, View};
use super::standardize::Standardizer;
use crate::record::{Type, Value};
use crate::time::{Span, Time};
use std::ops::Range;
use std::sync::Arc;

/// How one value is computed.
#[derive(Clone, Debug)]
pub enum Step {
    /// A scalar expression.
    Expression(Expression),
    /// A number, standardized online.
    Standardize {
        /// The number.
        argument: Number,
        /// Which standardizer.
        state: usize,
    },
    /// The result of a rolling aggregate.
    Aggregate {
        /// Its place among the results of all windows.
        place: usize,
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

/// A number that a step takes.
#[derive(Clone, Debug)]
pub enum Number {
    /// That of a feature above, by its place: mostly an aggregate on its way into a slot.
    Feature(usize),
    /// Of an expression.
    Expression(Expression),
}

/// One feature: a value, or a category with its group of slots.
#[derive(Clone, Debug)]
pub enum Line {
    /// One value; those of a program are counted from 0, which is a value's place.
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
    /// The slots that its expression reads.
    pub fn columns(&self) -> &[u32] {
        match self {
            Line::OneHot { argument, .. } => argument.columns(),
            Line::Value { step, .. } => match step {
                Step::Expression(e)
                | Step::Standardize { argument: Number::Expression(e), .. }
                | Step::Lookup { argument: e, .. } => e.columns(),
                Step::Standardize { argument: Number::Feature(_), .. } | Step::Aggregate { .. } => &[],
            },
        }
    }
}

/// A feature, and where it stands in a vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slots {
    /// Its name.
    pub feature: String,
    /// Its slots: one, or those of a one-hot group.
    pub slots: Range<u32>,
    /// Whether it is made from a window: of what came before, and not of the event and tables alone.
    pub rolling: bool,
}

/// What an event's features are computed from.
pub struct Inputs<'a> {
    /// The event's time.
    pub time: Time,
    /// Its columns.
    pub event: &'a [Value],
    /// Per table: its row as of then.
    pub tables: &'a [Option<Arc<[Value]>>],
    /// The results of all windows' aggregates, one group after the other.
    pub windows: &'a [Option<f64>],
}

/// All features, in order, and their layout.
#[derive(Clone, Debug)]
pub struct Program {
    lines: Vec<Line>,
    /// By place, whether an expression reads the value.
    read: Vec<bool>,
    layout: Layout,
    standardizers: usize,
    tables: usize,
}

impl Program {
    /// The features in the order of their slots.
    pub fn features(&self) -> Vec<Slots> {
        // By place of the value, dense slot, and group.
        let (mut values, mut dense, mut groups) =
            (Vec::new(), vec![false; self.layout.dense()], vec![false; self.layout.groups()]);
        for line in &self.lines {
            let reads = |slot: &u32| {
                slot.checked_sub(FEATURE)
                    .is_some_and(|place| values.get(place as usize).is_some_and(|rolling| *rolling))
            };
            let mut rolling = line.columns().iter().any(reads);
            match line {
                Line::OneHot { group, .. } => groups[*group] = rolling,
                Line::Value { step, slot, indicator, .. } => {
                    rolling |= match step {
                        Step::Aggregate { .. } => true,
                        Step::Standardize { argument: Number::Feature(place), .. } => values[*place],
                        _ => false,
                    };
                    slot.iter().chain(indicator).for_each(|slot| dense[*slot] = rolling);
                    values.push(rolling);
                }
            }
        }
        let rolling = dense.into_iter().chain(groups);
        let named = self.layout.features().into_iter().zip(rolling);
        named.map(|((feature, slots), rolling)| Slots { feature, slots, rolling }).collect()
    }
}

/// What a program keeps between events.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    standardizers: Vec<Standardizer>,
    /// The event's values by place, as numbers; NaN is null, or no number.
    numbers: Vec<f64>,
    /// The same as expressions read them, where one does.
    values: Vec<Value>,
    dense: Vec<f64>,
    hot: Vec<u32>,
    /// How many categorical values went to `other`.
    pub others: u64,
}

impl Memory {
    /// What it keeps from one event to the next: the standardized features' states, in the order of the file.
    pub fn standardizers(&self) -> &[Standardizer] {
        &self.standardizers
    }

    /// Goes on from such states; `false`, and nothing is changed, if they are not as many.
    #[must_use]
    pub fn resume(&mut self, standardizers: Vec<Standardizer>) -> bool {
        let fits = standardizers.len() == self.standardizers.len();
        if fits {
            self.standardizers = standardizers;
        }
        fits
    }
}

impl Program {
    /// A program of these lines.
    pub fn new(lines: Vec<Line>, layout: Layout, standardizers: usize, tables: usize) -> Program {
        let mut read = vec![false; lines.iter().filter(|line| matches!(line, Line::Value { .. })).count()];
        for slot in lines.iter().flat_map(Line::columns) {
            if let Some(place) = feature_of(*slot) {
                read[place] = true;
            }
        }
        Program { lines, read, layout, standardizers, tables }
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
        let (numbers, values) = (vec![f64::NAN; self.read.len()], vec![Value::Null; self.read.len()]);
        Memory { standardizers, numbers, values, ..Memory::default() }
    }

    /// The vector of one event.
    pub fn run(&self, memory: &mut Memory, inputs: &Inputs) -> Vector {
        memory.hot.clear();
        memory.dense.clear();
        memory.dense.resize(self.layout.dense(), 0.0);
        let mut place = 0;
        for line in &self.lines {
            match line {
                Line::Value { step, missing, slot, indicator } => {
                    let number = self.number(step, place, *missing, memory, inputs);
                    let filled = number.or(*missing);
                    if let (Some(slot), None) = (indicator, number) {
                        memory.dense[*slot] = 1.0;
                    }
                    if let Some(slot) = slot {
                        // A slot without `missing` was proved never to be null when the plan was made.
                        memory.dense[*slot] = filled.unwrap_or(0.0);
                    }
                    memory.numbers[place] = filled.unwrap_or(f64::NAN);
                    place += 1;
                }
                Line::OneHot { argument, group } => {
                    let (slot, other) = self.hot_slot(*group, argument, &view(memory, inputs));
                    memory.others += u64::from(other);
                    memory.hot.push(slot);
                }
            }
        }
        memory.hot.sort_unstable();
        Vector { dense: memory.dense.as_slice().into(), hot: memory.hot.as_slice().into() }
    }

    /// The slot of a category in its group, and whether it is that of all others.
    fn hot_slot(&self, group: usize, argument: &Expression, view: &View) -> (u32, bool) {
        if argument.kind() == Type::Text {
            let text = argument.text(view);
            return text.map_or_else(|| self.layout.null_slot(group), |text| self.layout.hot_slot(group, &text));
        }
        match argument.eval(view) {
            Value::Text(text) => self.layout.hot_slot(group, &text),
            Value::Int(i) => self.layout.hot_slot_of_int(group, i),
            Value::Float(x) => self.layout.hot_slot(group, &x.to_string()),
            Value::Bool(b) => self.layout.hot_slot(group, if b { "true" } else { "false" }),
            Value::Timestamp(t) => self.layout.hot_slot(group, &t.to_string()),
            Value::Null => self.layout.null_slot(group),
        }
    }

    /// What a step gives as a number. Where an expression reads it, it is kept as a value, or what stands in for null.
    #[inline]
    fn number(
        &self,
        step: &Step,
        place: usize,
        missing: Option<f64>,
        memory: &mut Memory,
        inputs: &Inputs,
    ) -> Option<f64> {
        let number = match step {
            Step::Aggregate { place } => inputs.windows[*place],
            Step::Standardize { argument, state } => {
                let number = match argument {
                    Number::Feature(above) => Some(memory.numbers[*above]).filter(|x| !x.is_nan()),
                    Number::Expression(expression) => expression.number(&view(memory, inputs)),
                };
                number.map(|x| memory.standardizers[*state].push(x))
            }
            Step::Expression(expression) if !self.read[place] => return expression.number(&view(memory, inputs)),
            Step::Expression(expression) => {
                let value = expression.eval(&view(memory, inputs));
                return keep(memory, place, missing, value);
            }
            Step::Lookup { argument, table, time, max_age } => {
                let stamped = inputs.tables[*table].as_ref().and_then(|row| row.get(*time));
                let value = match (stamped, max_age) {
                    (Some(Value::Timestamp(at)), Some(age)) if at.plus(*age) < inputs.time => Value::Null,
                    _ => argument.eval(&view(memory, inputs)),
                };
                return keep(memory, place, missing, value);
            }
        };
        if self.read[place] {
            memory.values[place] = number.or(missing).map_or(Value::Null, Value::Float);
        }
        number
    }
}

fn keep(memory: &mut Memory, place: usize, missing: Option<f64>, value: Value) -> Option<f64> {
    let number = value.number();
    memory.values[place] = match missing {
        Some(missing) if value.is_null() => Value::Float(missing),
        _ => value,
    };
    number
}

/// The place of the feature that a slot is.
pub(super) fn feature_of(slot: u32) -> Option<usize> {
    /// More features than there can be.
    const STEPS: u32 = 1 << 24;
    slot.checked_sub(FEATURE).filter(|place| *place < STEPS).map(|place| place as usize)
}

fn view<'a>(memory: &'a Memory, inputs: &'a Inputs) -> View<'a> {
    View { event: inputs.event, tables: inputs.tables, features: &memory.values, own: &[], label: None }
}
