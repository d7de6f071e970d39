//! One value of the pipeline file, read as what it should be.
//!
//! Every method either yields a value or writes down one error with the value and what is allowed, and yields `None`.

use super::bounds::{Bounds, grouped};
use super::nearest::suggest;
use super::spec::Spanned;
use super::table::{Faults, Table};
use crate::time::{Span, Time};
use std::ops::Range;
use toml::de::DeValue;

/// A value, with the key that it has (elements of a list have the list's).
#[derive(Clone, Copy)]
pub(super) struct Item<'a> {
    /// The key.
    pub(super) name: &'a str,
    /// The value.
    pub(super) value: &'a toml::Spanned<DeValue<'a>>,
    /// Where errors go.
    pub(super) faults: &'a Faults,
}

impl<'a> Item<'a> {
    /// Where the value stands.
    pub(super) fn span(&self) -> Range<usize> {
        self.value.span()
    }

    /// Writes down an error at the value.
    pub(super) fn fault(&self, message: impl Into<String>, help: impl Into<String>) {
        self.faults.add(self.span(), message, help);
    }

    /// The value as it was typed, cut to a line's length.
    fn typed(&self) -> String {
        let text = self.faults.text_at(self.span());
        let line = text.lines().next().unwrap_or_default();
        let short: String = line.chars().take(40).collect();
        if short.len() < text.len() { format!("{short}..") } else { short }
    }

    fn wrong_type<T>(&self, wanted: &str) -> Option<T> {
        let found = match self.value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a datetime",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.fault(format!("`{}` must be {wanted}, found {found}", self.name), "");
        None
    }

    fn out_of_range<T>(&self, allowed: &str) -> Option<T> {
        self.fault(format!("`{}` is {}, allowed: {allowed}", self.name, self.typed()), "");
        None
    }

    /// A string.
    pub(super) fn text(&self) -> Option<&'a str> {
        match self.value.get_ref() {
            DeValue::String(text) => Some(text.as_ref()),
            _ => self.wrong_type("a string"),
        }
    }

    /// A string with something in it. The span is that of the text inside of its quotes where the file has it
    /// letter by letter, so that a place in the text is a place in the file; else (escapes) that of the whole value.
    pub(super) fn words(&self) -> Option<Spanned<String>> {
        let value = self.text()?;
        if value.trim().is_empty() {
            self.fault(format!("`{}` is empty", self.name), "");
            return None;
        }
        let whole = self.span();
        let inner = [3, 1].into_iter().map(|quotes| whole.start + quotes..whole.end.saturating_sub(quotes));
        let span = inner.into_iter().find(|s| s.start < s.end && self.faults.text_at(s.clone()) == value);
        Some(Spanned { value: value.to_string(), span: span.unwrap_or(whole) })
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self) -> Option<bool> {
        match self.value.get_ref() {
            DeValue::Boolean(b) => Some(*b),
            _ => self.wrong_type("true or false"),
        }
    }

    /// One of some words; `what` they are stands in the message.
    pub(super) fn choice<T: Copy>(&self, what: &str, known: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = known.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            self.fault(format!("unknown {what} `{}`", text.escape_debug()), suggest(text, &names));
        }
        found
    }

    /// A whole number from `low` to `high`.
    pub(super) fn whole(&self, low: u64, high: u64) -> Option<u64> {
        match self.value.get_ref() {
            DeValue::Integer(n) => match u64::from_str_radix(n.as_str(), n.radix()) {
                Ok(n) if low <= n && n <= high => Some(n),
                _ => self.out_of_range(&format!("{} to {}", grouped(low), grouped(high))),
            },
            _ => self.wrong_type("a whole number"),
        }
    }

    /// The same as a `usize`.
    pub(super) fn count(&self, low: u64, high: u64) -> Option<usize> {
        usize::try_from(self.whole(low, high)?).ok()
    }

    /// A number in some bounds; a whole number is one too.
    pub(super) fn number(&self, bounds: Bounds) -> Option<f64> {
        let number = match self.value.get_ref() {
            DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix()).ok().map(|n| n as f64),
            DeValue::Float(x) => x.as_str().parse().ok(),
            _ => return self.wrong_type("a number"),
        };
        match number {
            Some(x) if bounds.hold(x) => Some(x),
            _ => self.out_of_range(&bounds.to_string()),
        }
    }

    /// A span of time from `low` to `high`: `"3h"`.
    pub(super) fn length(&self, low: Span, high: Span) -> Option<Span> {
        let DeValue::String(text) = self.value.get_ref() else {
            return self.wrong_type("a length of time like \"3h\"");
        };
        match Span::parse(text) {
            None => {
                let message = format!("`{}` is {}, which is no length of time", self.name, self.typed());
                self.fault(message, "a whole number and one of ms, s, m, h, d, w: \"500ms\", \"90m\", \"7d\"");
                None
            }
            Some(span) if low <= span && span <= high => Some(span),
            Some(_) => self.out_of_range(&format!("{low} to {high}")),
        }
    }

    /// An instant between 1970 and 2100: a TOML datetime or the same as a string; UTC without a zone.
    pub(super) fn instant(&self) -> Option<Time> {
        let text = match self.value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Datetime(at) => at.to_string(),
            _ => return self.wrong_type("an instant like \"2013-04-01\""),
        };
        match Time::parse(&text) {
            None => {
                let message = format!("`{}` is {}, which is no instant", self.name, self.typed());
                self.fault(message, "write 2013-04-01 or 2013-04-01T05:15:00Z");
                None
            }
            Some(t) if Time::EARLIEST <= t && t < Time::LATEST => Some(t),
            Some(_) => self.out_of_range("1970-01-01 up to 2100-01-01"),
        }
    }

    /// The elements of a list.
    pub(super) fn list(&self) -> Option<Vec<Item<'a>>> {
        match self.value.get_ref() {
            DeValue::Array(list) => {
                Some(list.iter().map(|value| Item { name: self.name, value, faults: self.faults }).collect())
            }
            _ => self.wrong_type("a list"),
        }
    }

    /// The elements of a list, or the one value that is not in a list.
    pub(super) fn one_or_list(&self) -> Option<Vec<Item<'a>>> {
        match self.value.get_ref() {
            DeValue::String(_) => Some(vec![*self]),
            DeValue::Array(_) => self.list(),
            _ => self.wrong_type("a string or a list of strings"),
        }
    }

    /// A list read element by element, each at most once; the wrong ones are left out.
    pub(super) fn list_of<T: PartialEq>(&self, read: impl Fn(&Item<'a>) -> Option<T>) -> Option<Vec<T>> {
        let mut out: Vec<T> = Vec::new();
        for item in self.list()? {
            let Some(value) = read(&item) else { continue };
            if out.contains(&value) {
                item.fault(format!("{} stands twice in `{}`", item.typed(), self.name), "");
            } else {
                out.push(value);
            }
        }
        Some(out)
    }

    /// A table, called `title` in messages.
    pub(super) fn table(&self, title: String) -> Option<Table<'a>> {
        match self.value.get_ref() {
            DeValue::Table(table) => Some(Table::new(title, self.span(), table, self.faults)),
            _ => self.wrong_type("a table"),
        }
    }
}

/// The names in a string or a list of strings, each at most once, with their places.
pub(super) fn names(item: &Item<'_>) -> Option<Vec<Spanned<String>>> {
    let mut out: Vec<Spanned<String>> = Vec::new();
    for part in item.one_or_list()? {
        let Some(name) = part.words() else { continue };
        if out.iter().any(|n| n.value == name.value) {
            part.fault(format!("`{}` stands twice in `{}`", name.value, item.name), "");
        } else {
            out.push(name);
        }
    }
    Some(out)
}
