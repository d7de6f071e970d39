//! Reading a TOML table by hand: which keys were taken is remembered, so that the others are unknown, and every error
//! is written down instead of ending the reading.
//!
//! In: toml's tables with spans. Out: values, or `None` after an error was written down; the caller goes on with any
//! stand-in, since a file with errors yields no pipeline. Rejected: serde with `deny_unknown_fields`, which ends at the
//! first error and knows no spans inside of untagged forms.

use super::doubts::Doubts;
use super::error::ConfigErrors;
use super::item::Item;
use super::nearest::{nearest, suggest};
use super::spec::Spanned;
use std::cell::RefCell;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// The errors so far, shared by all readers of a file.
pub(super) struct Faults {
    errors: RefCell<ConfigErrors>,
    broken: Vec<Range<usize>>,
    doubts: RefCell<Doubts>,
}

impl Faults {
    /// `broken` are the lines that are no TOML. If there are any, what seems absent may only be unreadable.
    pub(super) fn new(errors: ConfigErrors, broken: Vec<Range<usize>>) -> Faults {
        let mut doubts = Doubts::default();
        broken.iter().for_each(|line| doubts.all_of(&errors.text()[line.clone()]));
        Faults { errors: RefCell::new(errors), broken, doubts: RefCell::new(doubts) }
    }

    /// What this name stands for is not known, because of an error that is written down.
    pub(super) fn doubt(&self, name: &str) {
        self.doubts.borrow_mut().add(name);
    }

    /// How many errors were written down so far.
    pub(super) fn count(&self) -> usize {
        self.errors.borrow().len()
    }

    /// Writes down an error that its own line shows; nothing on a broken line, where it is an echo.
    pub(super) fn add(&self, span: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        if self.broken.iter().any(|line| line.contains(&span.start)) {
            return;
        }
        self.errors.borrow_mut().push(message, span, help);
    }

    /// Writes down an error that depends on other lines; nothing if the syntax is broken, where it may be an echo.
    pub(super) fn add_across(&self, span: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        if self.broken.is_empty() {
            self.add(span, message, help);
        }
    }

    /// The file's bytes at a span.
    pub(super) fn text_at(&self, span: Range<usize>) -> String {
        self.errors.borrow().text().get(span).unwrap_or_default().to_string()
    }

    /// The errors, and the names that they leave in doubt.
    pub(super) fn into_parts(self) -> (ConfigErrors, Doubts) {
        (self.errors.into_inner(), self.doubts.into_inner())
    }
}

/// One key of a table with its value.
struct Entry<'a> {
    key: &'a str,
    key_span: Range<usize>,
    value: &'a toml::Spanned<DeValue<'a>>,
}

/// A table being read.
pub(super) struct Table<'a> {
    /// How it is named in messages: `[source.departures]`.
    pub(super) title: String,
    /// Its header, or the whole of an inline table.
    pub(super) span: Range<usize>,
    entries: Vec<Entry<'a>>,
    known: Vec<&'static str>,
    elsewhere: Vec<&'static str>,
    missing: Vec<(&'static str, String)>,
    /// Where errors go.
    pub(super) faults: &'a Faults,
}

impl<'a> Table<'a> {
    /// Begins to read a table; its keys stand in the order of the file.
    pub(super) fn new(title: String, span: Range<usize>, table: &'a DeTable<'a>, faults: &'a Faults) -> Table<'a> {
        let mut entries: Vec<Entry<'a>> = table
            .iter()
            .map(|(key, value)| Entry { key: key.get_ref().as_ref(), key_span: key.span(), value })
            .collect();
        entries.sort_by_key(|e| e.key_span.start);
        Table { title, span, entries, known: Vec::new(), elsewhere: Vec::new(), missing: Vec::new(), faults }
    }

    /// The value of a key that may be absent.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Item<'a>> {
        self.known.push(key);
        self.entries.iter().find(|e| e.key == key).map(|e| Item { name: e.key, value: e.value, faults: self.faults })
    }

    /// The value of a key that must be there; `help` says how to write it.
    pub(super) fn need(&mut self, key: &'static str, help: &str) -> Option<Item<'a>> {
        let item = self.take(key);
        if item.is_none() {
            self.missing.push((key, help.to_string()));
        }
        item
    }

    /// The table below a key, which may be absent.
    pub(super) fn section(&mut self, key: &'static str) -> Option<Table<'a>> {
        let title = self.title_of(key);
        self.take(key)?.table(title)
    }

    /// A key that is known but has no place here: an error with `why` if it is there.
    pub(super) fn refuse(&mut self, key: &'static str, why: &str) {
        self.elsewhere.push(key);
        if let Some(entry) = self.entries.iter().find(|e| e.key == key) {
            self.faults.add(entry.key_span.clone(), format!("`{key}` has no place here: {why}"), "");
        }
    }

    /// Of keys that only some kinds have, refuses those that `kind` has not; of an unknown kind nothing is known, and
    /// its keys are no further errors.
    pub(super) fn refuse_others<K: PartialEq>(&mut self, kind: Option<K>, keys: &[(&'static str, &[K], &str)]) {
        for (key, kinds, why) in keys {
            match &kind {
                Some(kind) if kinds.contains(kind) => {}
                Some(_) => self.refuse(key, why),
                None => self.known.push(key),
            }
        }
    }

    /// Keys that are known here, whatever their values.
    pub(super) fn knows(&mut self, keys: &[&'static str]) {
        self.known.extend_from_slice(keys);
    }

    /// Whether a key is there, without taking it.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|e| e.key == key)
    }

    /// Whether no key is there.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether there is a key that was not taken so far.
    pub(super) fn has_unknown(&self) -> bool {
        self.unknown().next().is_some()
    }

    fn unknown(&self) -> impl Iterator<Item = &Entry<'a>> {
        self.entries.iter().filter(|e| !self.known.contains(&e.key) && !self.elsewhere.contains(&e.key))
    }

    /// Every key not taken is unknown. One that is nearly a missing key is that key, mistyped: one mistake, one error.
    pub(super) fn finish(mut self) {
        let mut meant = Vec::new();
        for entry in self.unknown() {
            let message = format!("unknown key `{}` in {}", entry.key, self.title);
            self.faults.add(entry.key_span.clone(), message, suggest(entry.key, &self.known));
            meant.extend(nearest(entry.key, self.known.iter().copied()));
        }
        self.missing.retain(|(key, _)| !meant.contains(key));
    }

    /// All entries by name, in the order of the file, for tables whose keys the user names.
    pub(super) fn each(&self) -> Vec<(Spanned<String>, Item<'a>)> {
        self.entries
            .iter()
            .map(|e| {
                let name = Spanned { value: e.key.to_string(), span: e.key_span.clone() };
                (name, Item { name: e.key, value: e.value, faults: self.faults })
            })
            .collect()
    }

    /// The title of a table below this one.
    pub(super) fn title_of(&self, key: &str) -> String {
        match self.title.strip_suffix(']') {
            Some(start) => format!("{start}.{key}]"),
            None => format!("[{key}]"),
        }
    }
}

impl Drop for Table<'_> {
    /// What is missing is written down when the table is left, on whatever way.
    fn drop(&mut self) {
        for (key, help) in self.missing.drain(..) {
            self.faults.add_across(self.span.clone(), format!("missing key `{key}` in {}", self.title), help);
        }
    }
}

/// Writes down an error unless `name` is `[a-zA-Z_][a-zA-Z0-9_-]*`, at most 100 letters: it becomes a part of topic,
/// file and slot names.
pub(super) fn check_name(name: &Spanned<String>, what: &str, faults: &Faults) {
    let mut bytes = name.value.bytes();
    let starts = bytes.next().is_some_and(|c| c.is_ascii_alphabetic() || c == b'_');
    if !starts || !bytes.all(|c| c.is_ascii_alphanumeric() || c == b'_' || c == b'-') || name.value.len() > 100 {
        let message = format!("`{}` cannot be the name of a {what}", name.value.escape_debug());
        faults.add(name.span.clone(), message, "a letter or `_`, then up to 99 letters, digits, `_` and `-`");
    }
}
