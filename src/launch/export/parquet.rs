//! Examples as a Parquet file: the columns of the CSV, each with its type.
//!
//! In: examples, in order. Out: the file, in groups of rows. Instants are microseconds in UTC; a label is a boolean,
//! the name of a class, or a number, and null where none is known; probabilities are lists. Slots are flat columns,
//! `features.NAME`. Nothing in the file depends on the clock, and it is not packed. Keeps: the open group, about
//! [`CELLS`] cells. Source: the format of Apache Parquet, written by its `parquet` crate without Arrow.

use super::COLUMNS;
use crate::task::Task;
use crate::time::Time;
use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{Type, TypePtr};
use serde_json::Value;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;

/// A group is written when it has so many cells: some 4 MiB.
const CELLS: usize = 1 << 19;
/// Rows of a group, at least and at most.
const ROWS: std::ops::RangeInclusive<usize> = 64..=65_536;

type File = BufWriter<Box<dyn Write + Send>>;

/// The file, while it is written.
pub(super) struct Table {
    file: SerializedFileWriter<File>,
    columns: Vec<Column>,
    rows: usize,
    most: usize,
}

/// A column of the open group.
struct Column {
    cells: Cells,
    /// Of columns with nulls and of lists: whether a value is there.
    there: Option<Vec<i16>>,
    /// Of lists: 0 where one begins.
    begins: Option<Vec<i16>>,
}

enum Cells {
    Texts(Vec<ByteArray>),
    Instants(Vec<i64>),
    Wholes(Vec<i64>),
    Flags(Vec<bool>),
    Numbers(Vec<f64>),
}

impl Column {
    fn of(name: &str, tasks: &[Task]) -> Column {
        let classes = tasks.iter().any(|task| matches!(task, Task::Multiclass(_)));
        let flags = tasks.iter().all(|task| *task == Task::Binary);
        let cells = match name {
            "prediction_id" | "model" | "role" => Cells::Texts(Vec::new()),
            "label" if classes => Cells::Texts(Vec::new()),
            "at" => Cells::Instants(Vec::new()),
            "version" | "tick" => Cells::Wholes(Vec::new()),
            "settled" => Cells::Flags(Vec::new()),
            "label" if flags => Cells::Flags(Vec::new()),
            _ => Cells::Numbers(Vec::new()),
        };
        let list = classes && ["score", "live"].contains(&name);
        Column { cells, there: (list || name == "label").then(Vec::new), begins: list.then(Vec::new) }
    }

    fn schema(&self, name: &str) -> Result<TypePtr, ParquetError> {
        let (physical, logical) = match self.cells {
            Cells::Texts(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Cells::Instants(_) => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS))),
            Cells::Wholes(_) => (Physical::INT64, None),
            Cells::Flags(_) => (Physical::BOOLEAN, None),
            Cells::Numbers(_) => (Physical::DOUBLE, None),
        };
        let cell = |name: &str, repetition: Repetition| -> Result<TypePtr, ParquetError> {
            let cell = Type::primitive_type_builder(name, physical).with_logical_type(logical.clone());
            Ok(Arc::new(cell.with_repetition(repetition).build()?))
        };
        let group = |name: &str, repetition: Repetition, of: TypePtr| {
            let group = Type::group_type_builder(name).with_repetition(repetition).with_fields(vec![of]);
            let list = (repetition == Repetition::REQUIRED).then_some(LogicalType::List);
            Ok(Arc::new(group.with_logical_type(list).build()?))
        };
        match (&self.there, &self.begins) {
            (_, Some(_)) => {
                let element = cell("element", Repetition::REQUIRED)?;
                group(name, Repetition::REQUIRED, group("list", Repetition::REPEATED, element)?)
            }
            (Some(_), None) => cell(name, Repetition::OPTIONAL),
            (None, None) => cell(name, Repetition::REQUIRED),
        }
    }

    fn put(&mut self, value: &Value, at: Time) {
        if let (Value::Array(all), Some(begins)) = (value, &mut self.begins) {
            begins.extend((0..all.len()).map(|place| i16::from(place > 0)));
            all.iter().for_each(|one| self.put_one(one, at));
        } else {
            self.begins.iter_mut().for_each(|begins| begins.push(0));
            self.put_one(value, at);
        }
    }

    fn put_one(&mut self, value: &Value, at: Time) {
        if let Some(there) = &mut self.there {
            there.push(i16::from(!value.is_null()));
            if value.is_null() {
                return;
            }
        }
        match &mut self.cells {
            Cells::Texts(cells) => cells.push(value.as_str().unwrap_or_default().into()),
            Cells::Instants(cells) => cells.push(at.0),
            Cells::Wholes(cells) => cells.push(value.as_i64().unwrap_or_default()),
            Cells::Flags(cells) => cells.push(value.as_bool().unwrap_or_default()),
            // A model of two classes beside a regression has labels 0 and 1.
            Cells::Numbers(cells) => {
                cells.push(value.as_f64().unwrap_or_else(|| f64::from(u8::from(value == &Value::Bool(true)))));
            }
        }
    }

    fn write(&mut self, to: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let (there, begins) = (self.there.as_deref(), self.begins.as_deref());
        match &mut self.cells {
            Cells::Texts(cells) => {
                to.typed::<ByteArrayType>().write_batch(cells, there, begins)?;
                cells.clear();
            }
            Cells::Instants(cells) | Cells::Wholes(cells) => {
                to.typed::<Int64Type>().write_batch(cells, there, begins)?;
                cells.clear();
            }
            Cells::Flags(cells) => {
                to.typed::<BoolType>().write_batch(cells, there, begins)?;
                cells.clear();
            }
            Cells::Numbers(cells) => {
                to.typed::<DoubleType>().write_batch(cells, there, begins)?;
                cells.clear();
            }
        }
        self.there.iter_mut().chain(&mut self.begins).for_each(Vec::clear);
        Ok(())
    }
}

impl Table {
    /// An empty one, of models with these tasks and vectors of these slots.
    pub(super) fn begin(to: File, tasks: &[Task], slots: &[String]) -> io::Result<Table> {
        let mut columns: Vec<Column> = COLUMNS.iter().map(|name| Column::of(name, tasks)).collect();
        let mut names: Vec<String> = COLUMNS.iter().map(|name| (*name).to_owned()).collect();
        names.extend(slots.iter().map(|slot| format!("features.{slot}")));
        columns.extend(slots.iter().map(|_| Column { cells: Cells::Numbers(Vec::new()), there: None, begins: None }));
        let open = || -> Result<SerializedFileWriter<File>, ParquetError> {
            let fields: Result<Vec<TypePtr>, ParquetError> =
                columns.iter().zip(&names).map(|(column, name)| column.schema(name)).collect();
            let schema = Arc::new(Type::group_type_builder("example").with_fields(fields?).build()?);
            let by = format!("tidemill {}", env!("CARGO_PKG_VERSION"));
            let properties = WriterProperties::builder().set_created_by(by).build();
            SerializedFileWriter::new(to, schema, Arc::new(properties))
        };
        let most = (CELLS / columns.len()).clamp(*ROWS.start(), *ROWS.end());
        Ok(Table { file: open().map_err(told)?, columns, rows: 0, most })
    }

    /// Adds an example.
    pub(super) fn take(&mut self, columns: &[Value; COLUMNS.len()], at: Time, vector: &[f64]) -> io::Result<()> {
        let (named, slots) = self.columns.split_at_mut(COLUMNS.len());
        named.iter_mut().zip(columns).for_each(|(column, value)| column.put(value, at));
        for (column, x) in slots.iter_mut().zip(vector) {
            if let Cells::Numbers(cells) = &mut column.cells {
                cells.push(*x);
            }
        }
        self.rows += 1;
        if self.rows == self.most { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> io::Result<()> {
        self.rows = 0;
        let mut group = self.file.next_row_group().map_err(told)?;
        for column in &mut self.columns {
            // There is one for each column of the schema.
            let Some(mut to) = group.next_column().map_err(told)? else { break };
            column.write(&mut to).and_then(|()| to.close()).map_err(told)?;
        }
        group.close().map(drop).map_err(told)
    }

    /// Writes what is left, and the end.
    pub(super) fn end(mut self) -> io::Result<()> {
        if self.rows > 0 {
            self.write()?;
        }
        self.file.into_inner().map_err(told)?.flush()
    }
}

/// What went wrong, as the system said it.
fn told(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(cause) => io::Error::other(cause),
        },
        other => io::Error::other(other),
    }
}
