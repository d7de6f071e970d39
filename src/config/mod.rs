//! The pipeline file: TOML with spans, read into [`spec`] with all errors at once.
//!
//! In: the file's text. Out: a [`PipelineSpec`] in which names resolve and numbers are in range, or [`ConfigErrors`]
//! with every error found: line, caret, nearest known name. Keeps: nothing. Limits: expressions and the conditions of
//! triggers stay text here; the layers above compile them and add their errors to the same report. One file a table of
//! the pipeline file.

mod bounds;
mod control;
mod deploy;
mod detector;
mod doubts;
mod error;
mod features;
mod golden;
mod item;
mod learner;
mod metrics;
mod model;
mod nearest;
mod pipeline;
mod retrain;
mod source;
pub mod spec;
mod table;
mod trigger;

pub use error::{ConfigError, ConfigErrors};
pub use nearest::{nearest, suggest};

use doubts::Doubts;
use spec::PipelineSpec;
use std::ops::Range;
use table::{Faults, Table};
use toml::de::DeTable;

/// A pipeline file as far as it could be read.
#[derive(Debug)]
pub struct Reading {
    /// What is there. If there are errors it is a torso, good for finding more of them: sources, features and triggers
    /// that could not be read are absent, and stand-ins are in the place of other things.
    pub spec: PipelineSpec,
    /// All errors.
    pub errors: ConfigErrors,
    doubts: Doubts,
}

impl Reading {
    /// Adds what the compilers of expressions and conditions have found, but what may be an echo of another error: each
    /// mistake is told once.
    pub fn add(&mut self, found: Vec<ConfigError>) {
        for error in self.doubts.clone().own(found, &self.spec, self.errors.is_empty()) {
            self.errors.push(error.message, error.span, error.help);
        }
    }
}

/// Reads a pipeline file, which must have no errors.
///
/// `file` is its name for the report. `load` reads a file that the pipeline names (the values of a one-hot feature), by
/// its path as typed, relative to the project's folder; its error is a sentence for a person. This layer opens no
/// files.
///
/// # Errors
/// As [`examine`].
///
/// ```
/// let errors = tidemill::config::read("[pipelin]\nname = 'a'\n", "a.toml", &|_| Err("no files here".into()));
/// assert!(errors.is_err_and(|e| e.to_string().contains("did you mean `pipeline`?")));
/// ```
pub fn read(
    text: &str,
    file: &str,
    load: &dyn Fn(&str) -> Result<String, String>,
) -> Result<PipelineSpec, ConfigErrors> {
    let reading = examine(text, file, load)?;
    if reading.errors.is_empty() { Ok(reading.spec) } else { Err(reading.errors) }
}

/// Reads as much of a pipeline file as can be read; the arguments are those of [`read`].
///
/// # Errors
/// Those of the syntax, if a table's header is broken: all else would be an echo of it. Other errors are in the
/// reading.
pub fn examine(text: &str, file: &str, load: &dyn Fn(&str) -> Result<String, String>) -> Result<Reading, ConfigErrors> {
    let mut errors = ConfigErrors::new(file, text);
    let (document, syntax) = DeTable::parse_recoverable(text);
    let mut broken = Vec::new();
    for fault in &syntax {
        let span = fault.span().unwrap_or(0..0);
        broken.push(line_around(text, span.start));
        // What toml takes for these is nearly always a string without quotes.
        let bare = ["invalid boolean", "string values must be quoted"].iter().any(|m| fault.message().starts_with(m));
        errors.push(lower_first(fault.message()), span, if bare { "a string stands in quotes: \"..\"" } else { "" });
    }
    if broken.iter().any(|line| text[line.clone()].trim_start().starts_with('[')) {
        return Err(errors);
    }
    let faults = Faults::new(errors, broken);
    let table = Table::new(String::new(), 0..0, document.get_ref(), &faults);
    let spec = pipeline::read(table, load);
    let (errors, doubts) = faults.into_parts();
    let read = spec.models.iter().all(|model| !model.name.is_empty());
    assert!(read || !errors.is_empty(), "a model that cannot be read has at least one error");
    Ok(Reading { spec, errors, doubts })
}

/// The line that holds a byte, its end included.
fn line_around(text: &str, at: usize) -> Range<usize> {
    let at = (0..=at.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    let start = text[..at].rfind('\n').map_or(0, |n| n + 1);
    start..text[at..].find('\n').map_or(text.len(), |n| at + n + 1)
}

fn lower_first(text: &str) -> String {
    let mut chars = text.trim_end_matches('.').chars();
    chars.next().map_or_else(String::new, |c| c.to_lowercase().chain(chars).collect())
}
