//! What names mean in the expressions of a pipeline: which column, of which row, with which type.
//!
//! Slots are numbered by space: the event's own columns, the columns of tables as of its time, features above, the
//! columns of the label's or context's own row, and the label. A row is read through [`View`], which lays those side by
//! side.

use super::expr::{Binding, Columns, Scope};
use crate::config::spec::SourceSpec;
use crate::record::{Schema, Type, Value};

/// Slots of the event's columns start here.
pub const EVENT: u32 = 0;
/// Slots of table columns: `TABLE + table * STRIDE + column`.
pub const TABLE: u32 = 1 << 24;
/// Slots of features above.
pub const FEATURE: u32 = 2 << 24;
/// Slots of the columns of the aggregated row (a context's or a label's own).
pub const OWN: u32 = 3 << 24;
/// The slot of the label.
pub const LABEL: u32 = 4 << 24;
/// The most columns that a table may have.
pub const STRIDE: u32 = 1 << 12;

const NULL: Value = Value::Null;

/// One row as expressions see it; an absent part reads as null.
#[derive(Default)]
pub struct View<'a> {
    /// The event's columns.
    pub event: &'a [Value],
    /// Per table in use: its row as of the event's time.
    pub tables: &'a [Option<std::sync::Arc<[Value]>>],
    /// Features above.
    pub features: &'a [Value],
    /// The aggregated row's own columns.
    pub own: &'a [Value],
    /// The label.
    pub label: Option<&'a Value>,
}

impl Columns for View<'_> {
    #[inline]
    fn value(&self, slot: u32) -> &Value {
        let place = (slot & 0x00ff_ffff) as usize;
        match slot >> 24 {
            0 => self.event.get(place),
            1 => {
                let (table, column) = (place / STRIDE as usize, place % STRIDE as usize);
                self.tables.get(table).and_then(Option::as_ref).and_then(|row| row.get(column))
            }
            2 => self.features.get(place),
            3 => self.own.get(place),
            _ => self.label,
        }
        .unwrap_or(&NULL)
    }
}

/// One named, typed thing that an expression may read.
struct Name {
    qualifier: Option<String>,
    name: String,
    binding: Binding,
}

/// A list of names; later ones hide earlier ones of the same name, so a feature hides the column that it is named
/// after.
#[derive(Default)]
pub struct Names {
    names: Vec<Name>,
}

impl Names {
    /// Adds the columns of a schema, written bare or, with a qualifier, `qualifier.column`.
    pub fn add_schema(&mut self, qualifier: Option<&str>, schema: &Schema, base: u32, always_nullable: bool) {
        for (place, column) in schema.columns.iter().enumerate() {
            let nullable = column.nullable || always_nullable;
            self.add(qualifier, &column.name, Binding { slot: base + place as u32, kind: column.kind, nullable });
        }
    }

    /// Adds one name.
    pub fn add(&mut self, qualifier: Option<&str>, name: &str, binding: Binding) {
        self.names.push(Name { qualifier: qualifier.map(str::to_owned), name: name.to_owned(), binding });
    }

    /// The names of an event's feature expressions, without the features above: its columns, bare and qualified by its
    /// source, and the columns of all tables (`tables` in file order gives each its number).
    pub fn of_event(events: &SourceSpec, tables: &[&SourceSpec]) -> Names {
        let mut names = Names::default();
        names.add_schema(None, &events.schema, EVENT, false);
        names.add_schema(Some(&events.name.value), &events.schema, EVENT, false);
        for (number, table) in tables.iter().enumerate() {
            names.add_schema(Some(&table.name.value), &table.schema, TABLE + number as u32 * STRIDE, true);
        }
        names
    }

    /// The names of an aggregate over a context stream: that stream's columns.
    pub fn of_context(context: &SourceSpec) -> Names {
        let mut names = Names::default();
        names.add_schema(Some(&context.name.value), &context.schema, OWN, false);
        names
    }

    /// The names of an aggregate over labels: `label`, the label row's columns, and its event's columns.
    pub fn of_label(events: &SourceSpec, labels: &SourceSpec, label: Type) -> Names {
        let mut names = Names::default();
        names.add_schema(None, &events.schema, EVENT, false);
        names.add_schema(Some(&events.name.value), &events.schema, EVENT, false);
        names.add_schema(Some(&labels.name.value), &labels.schema, OWN, false);
        names.add(None, "label", Binding { slot: LABEL, kind: label, nullable: false });
        names
    }
}

impl Scope for Names {
    fn resolve(&self, qualifier: Option<&str>, name: &str) -> Option<Binding> {
        let found = self.names.iter().rev().find(|n| n.qualifier.as_deref() == qualifier && n.name == name)?;
        Some(Binding { slot: found.binding.slot, kind: found.binding.kind, nullable: found.binding.nullable })
    }

    fn names(&self) -> Vec<String> {
        let written = |n: &Name| n.qualifier.as_ref().map_or(n.name.clone(), |q| format!("{q}.{}", n.name));
        self.names.iter().map(written).collect()
    }
}
