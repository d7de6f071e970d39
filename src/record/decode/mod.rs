//! Decoding: from a record's bytes to a typed row by the declared schema, or to the dead letter that says why not.
//!
//! In: a position, the bytes of key and value, and what the transport says of the time. Out: a [`Row`] or a
//! [`DeadLetter`] with the bytes; never a panic and never an error: a bad record is data. Keeps: the order in which the
//! last record's fields came, only to be fast; it changes no result. Limits: `max_record_bytes` for key and value each;
//! JSON nested deeper than 128 is malformed.
//!
//! **JSON**: one object. A name that comes twice counts the last time. Absent is null. Integral floats are whole
//! numbers and the reverse; a timestamp is a text that [`Time::parse`] reads or whole milliseconds since 1970; nothing
//! else is converted. **CSV**: RFC 4180 with a header line, or in the schema's order without one. An empty field,
//! quoted or not, is null. Truth values are `true` and `false` in any case, `1` and `0`. **Tombstones** delete a
//! table's row or withdraw a label: a message without a value, whose key is the text of the key column (or a JSON array
//! of several), or a record whose field or column `_deleted` is true. They need a key, and a time from their time
//! column or else from the transport; their other fields are not looked at. An event or a context can have none: such a
//! record is malformed.
//!
//! Where several things are wrong the first of these is told: the length, UTF-8, the form, an unknown field, then the
//! declared fields in their order, then the range of the event time.

mod convert;
mod csv;
mod fault;
mod json;
mod number;
mod object;
#[cfg(test)]
mod tests;

use self::fault::{Fault, shown};
use self::json::Token;
use self::object::{Shape, Target};
use super::{Column, DeadLetter, Key, Kind, Position, Raw, Reason, Row, Type, Value};
use crate::config::spec::{Format, SourceSpec};
use crate::time::Time;
use std::borrow::Cow;

/// The field or column that marks a tombstone, unless the schema declares one of that name.
pub const DELETED: &str = "_deleted";

/// Decodes the records of one partition.
#[derive(Debug)]
pub struct Decoder {
    format: Format,
    columns: Box<[Column]>,
    /// Whether null is a fault: not nullable, or part of the key, or the event time.
    required: Box<[bool]>,
    key: Box<[usize]>,
    time: usize,
    refuse_unknown: bool,
    /// Whether a record may be a tombstone.
    tombstones: bool,
    max_record_bytes: usize,
    shape: Shape,
    header: Box<[Target]>,
    /// The first column of the header that is not declared.
    stranger: Option<String>,
}

/// A row on its way: what the fields said so far.
struct Draft {
    values: Box<[Value]>,
    /// The faults, by column; a later field of the same name takes its column's fault away.
    faults: Vec<(usize, Fault)>,
    deleted: Option<Result<bool, Fault>>,
    unknown: Option<Fault>,
}

impl Draft {
    #[inline]
    fn set(&mut self, column: usize, value: Result<Value, Fault>) {
        if !self.faults.is_empty() {
            self.faults.retain(|(faulty, _)| *faulty != column);
        }
        self.values[column] = match value {
            Ok(value) => value,
            Err(fault) => {
                self.faults.push((column, fault));
                Value::Null
            }
        };
    }
}

impl Decoder {
    /// A decoder for the records of `spec`. All rows keep their bytes.
    ///
    /// # Panics
    /// If the key's or the time's columns are not in the schema; the configuration has checked that they are.
    pub fn new(spec: &SourceSpec, format: Format, max_record_bytes: usize) -> Decoder {
        let columns: Box<[Column]> = spec.schema.columns.clone().into();
        let place = |name: &String| spec.schema.position(name);
        let key: Box<[usize]> = spec.key.iter().filter_map(place).collect();
        assert!(!key.is_empty() && key.len() == spec.key.len(), "the key's columns are checked to be in the schema");
        let time = place(&spec.time).filter(|at| columns[*at].kind == Type::Timestamp);
        assert!(time.is_some(), "the time's column is checked to be a timestamp of the schema");
        let time = time.unwrap_or_default();
        let required = |(at, c): (usize, &Column)| !c.nullable || at == time || key.contains(&at);
        Decoder {
            format,
            required: columns.iter().enumerate().map(required).collect(),
            shape: Shape::expecting(columns.iter().enumerate().map(|(at, c)| (c.name.as_str(), Target::Column(at)))),
            header: (0..columns.len()).map(Target::Column).collect(),
            stranger: None,
            refuse_unknown: spec.refuse_unknown,
            tombstones: matches!(spec.kind, Kind::Table | Kind::Label),
            columns,
            key,
            time,
            max_record_bytes,
        }
    }

    /// Takes the header line of a CSV file (without its line end): columns in any order, others between them. Every
    /// declared column must be there, the nullable ones too, since a name mistyped would else be null for ever.
    ///
    /// # Errors
    /// The first declared column that is missing; also if the line is not UTF-8 or not CSV.
    pub fn header(&mut self, line: &[u8]) -> Result<(), String> {
        let mut targets = Vec::new();
        let mut stranger = None;
        let columns = &self.columns;
        let read = std::str::from_utf8(line).ok().and_then(|text| {
            csv::fields(text, |_, name| {
                let target = lookup(columns, name);
                if target == Target::Unknown && stranger.is_none() {
                    stranger = Some(name.to_string());
                }
                targets.push(target);
            })
            .ok()
        });
        let declared = |at: usize| read.is_some() && targets.contains(&Target::Column(at));
        if let Some(missing) = (0..columns.len()).find(|at| !declared(*at)) {
            return Err(columns[missing].name.clone());
        }
        self.header = targets.into();
        self.stranger = stranger;
        Ok(())
    }

    /// Decodes one record. A `value` of `None` is a tombstone, with its key in `key`; `stamp` is the time of a
    /// tombstone that has none of its own.
    #[inline]
    pub fn decode(
        &mut self,
        position: Position,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        stamp: Option<Time>,
    ) -> Result<Row, Box<DeadLetter>> {
        match self.row(key, value, stamp) {
            Ok(draft) if draft.tombstone && !self.tombstones => {
                let detail = "it is a tombstone, which only a table or labels can have".to_string();
                Err(self.refuse(position, Reason::Malformed, detail, key, value))
            }
            Ok(draft) => Ok(Row { position, raw: self.raw(key, value), ..draft }),
            Err(fault) => Err(self.refuse(position, fault.reason, fault.detail, key, value)),
        }
    }

    /// The dead letter of a record that is refused before or beside decoding, with the first `max_record_bytes` bytes
    /// of key and value each.
    pub fn refuse(
        &self,
        position: Position,
        reason: Reason,
        detail: String,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Box<DeadLetter> {
        Box::new(DeadLetter { position, stage: Cow::Borrowed("decode"), reason, detail, raw: self.raw(key, value) })
    }

    /// The dead letter of a record of `bytes` bytes of which only the first were kept; nobody should have to hold such
    /// a record.
    pub fn too_long(&self, position: Position, key: Option<&[u8]>, kept: &[u8], bytes: u64) -> Box<DeadLetter> {
        let fault = self.length_fault(bytes);
        self.refuse(position, fault.reason, fault.detail, key, Some(kept))
    }

    fn length_fault(&self, bytes: u64) -> Fault {
        let limit = self.max_record_bytes;
        let detail = format!("the record has {bytes} bytes, at most {limit} are allowed; the first {limit} are kept");
        Fault { reason: Reason::TooLong, detail }
    }

    /// The bytes, cut to the limit: any row may still become a dead letter, which keeps them whole.
    fn raw(&self, key: Option<&[u8]>, value: Option<&[u8]>) -> Raw {
        let cut = |bytes: &[u8]| Box::from(&bytes[..bytes.len().min(self.max_record_bytes)]);
        Raw { key: key.map(cut), value: value.map(cut) }
    }

    #[inline]
    fn row(&mut self, key: Option<&[u8]>, value: Option<&[u8]>, stamp: Option<Time>) -> Result<Row, Fault> {
        for bytes in [key, value].into_iter().flatten() {
            if bytes.len() > self.max_record_bytes {
                return Err(self.length_fault(bytes.len() as u64));
            }
        }
        let Some(value) = value else {
            return self.tombstone(key, stamp);
        };
        let text = utf8(value)?;
        let values = vec![Value::Null; self.columns.len()].into_boxed_slice();
        let mut draft = Draft { values, faults: Vec::new(), deleted: None, unknown: None };
        match self.format {
            Format::Json => self.read_json(text, &mut draft)?,
            Format::Csv => self.read_csv(text, &mut draft)?,
        }
        self.finish(draft, stamp)
    }

    #[inline]
    fn read_json(&mut self, text: &str, draft: &mut Draft) -> Result<(), Fault> {
        let columns = &self.columns;
        let refuse_unknown = self.refuse_unknown;
        object::object(
            text,
            &mut self.shape,
            |name| lookup(columns, name),
            |target, name, token| match target {
                Target::Column(at) => draft.set(at, convert::from_token(&columns[at], token)),
                Target::Deleted => {
                    draft.deleted = Some(match token {
                        Token::Bool(b) => Ok(b),
                        Token::Null => Ok(false),
                        other => Err(Fault::wrong_type(DELETED, Type::Bool, other.shown())),
                    });
                }
                Target::Unknown if refuse_unknown && draft.unknown.is_none() => {
                    draft.unknown = Some(Fault::unknown(name.trim_end_matches(':').trim_matches('"')));
                }
                Target::Unknown => {}
            },
        )
    }

    #[inline]
    fn read_csv(&mut self, text: &str, draft: &mut Draft) -> Result<(), Fault> {
        let columns = &self.columns;
        let header = &self.header;
        let found = csv::fields(text, |place, field| match header.get(place) {
            Some(Target::Column(at)) => draft.set(*at, convert::from_field(&columns[*at], field)),
            Some(Target::Deleted) if !field.is_empty() => {
                let found = || Fault::wrong_type(DELETED, Type::Bool, format!("`{}`", shown(field)));
                draft.deleted = Some(convert::truth(field).ok_or_else(found));
            }
            Some(Target::Deleted | Target::Unknown) | None => {}
        })?;
        if found != header.len() {
            return Err(Fault::malformed(format!("found {found} fields, expected {} as in the header", header.len())));
        }
        if let Some(stranger) = self.stranger.as_ref().filter(|_| self.refuse_unknown) {
            draft.unknown = Some(Fault::unknown(stranger));
        }
        Ok(())
    }

    #[inline]
    fn finish(&self, draft: Draft, stamp: Option<Time>) -> Result<Row, Fault> {
        let Draft { values, mut faults, deleted, unknown } = draft;
        if let Some(fault) = unknown {
            return Err(fault);
        }
        let deleted = deleted.unwrap_or(Ok(false))?;
        let null = values.iter().zip(&self.required).any(|(value, required)| *required && value.is_null());
        if null || !faults.is_empty() {
            for (at, column) in self.columns.iter().enumerate() {
                let bears = if at == self.time { !deleted } else { !deleted || self.key.contains(&at) };
                match faults.iter().position(|(faulty, _)| *faulty == at) {
                    Some(fault) if bears || at == self.time => return Err(faults.swap_remove(fault).1),
                    None if bears && self.required[at] && values[at].is_null() => {
                        return Err(Fault::missing(&column.name));
                    }
                    _ => {}
                }
            }
        }
        let time = match values[self.time] {
            Value::Timestamp(time) => Some(time),
            _ => stamp,
        };
        let time = self.in_range(time)?;
        let key = self.key_of(self.key.iter().map(|at| &values[*at]))?;
        let values = if deleted { Box::default() } else { values };
        Ok(Row { position: Position::default(), time, values, key, tombstone: deleted, raw: Raw::default() })
    }

    /// A message without a value: all that it says is its key.
    fn tombstone(&self, key: Option<&[u8]>, stamp: Option<Time>) -> Result<Row, Fault> {
        let first = &self.columns[self.key[0]];
        let text = utf8(key.ok_or_else(|| Fault::missing(&first.name))?)?;
        let mut parts: Vec<Value> = Vec::with_capacity(self.key.len());
        if self.key.len() == 1 {
            parts.push(convert::from_text(first, text)?);
        } else {
            let (mut count, mut fault) = (0, None);
            json::array(text, |token| {
                if let Some(at) = self.key.get(count) {
                    match convert::from_token(&self.columns[*at], token) {
                        Ok(value) => parts.push(value),
                        Err(wrong) => fault = fault.take().or(Some(wrong)),
                    }
                }
                count += 1;
            })?;
            if count != self.key.len() {
                let detail = format!("the key has {count} parts, expected {} as in the declared key", self.key.len());
                return Err(Fault::malformed(detail));
            }
            if let Some(fault) = fault {
                return Err(fault);
            }
        }
        let time = self.in_range(stamp)?;
        let key = self.key_of(parts.iter())?;
        let values = Box::default();
        Ok(Row { position: Position::default(), time, values, key, tombstone: true, raw: Raw::default() })
    }

    #[inline]
    fn in_range(&self, time: Option<Time>) -> Result<Time, Fault> {
        let field = &self.columns[self.time].name;
        let time = time.ok_or_else(|| Fault::missing(field))?;
        if time < Time::EARLIEST || time >= Time::LATEST {
            return Err(Fault::out_of_range(field, time));
        }
        Ok(time)
    }

    #[inline]
    fn key_of<'a>(&self, values: impl Iterator<Item = &'a Value>) -> Result<Key, Fault> {
        Key::of(values).ok_or_else(|| Fault::missing(&self.columns[self.key[0]].name))
    }
}

fn lookup(columns: &[Column], name: &str) -> Target {
    match columns.iter().position(|column| column.name == name) {
        Some(at) => Target::Column(at),
        None if name == DELETED => Target::Deleted,
        None => Target::Unknown,
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|e| {
        let at = e.valid_up_to();
        let detail = format!("byte {at}: found 0x{:02x}, expected UTF-8", bytes.get(at).copied().unwrap_or_default());
        Fault { reason: Reason::InvalidUtf8, detail }
    })
}
