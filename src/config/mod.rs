//! The pipeline file: TOML with spans, read into [`spec`] with all errors at once.
//!
//! In: the file's text. Out: a [`PipelineSpec`] in which names resolve and numbers are in range, or [`ConfigErrors`] with
//! every error found: line, caret, nearest known name. Keeps: nothing. Limits: expressions and the conditions of triggers
//! stay text here; the layers above compile them and add their errors to the same report. One file a table of the
//! pipeline file.

mod bounds;
mod error;
mod features;
mod item;
mod metrics;
mod model;
mod nearest;
mod pipeline;
mod source;
pub mod spec;
mod table;
mod trigger;

pub use error::{ConfigError, ConfigErrors};
pub use nearest::{nearest, suggest};

use spec::PipelineSpec;
use std::ops::Range;
use table::{Faults, Table};
use toml::de::DeTable;

/// Reads a pipeline file.
///
/// `file` is its name for the report. `load` reads a file that the pipeline names (the values of a one-hot feature), by
/// its path as typed, relative to the project's folder; its error is a sentence for a person. This layer opens no files.
///
/// # Errors
/// All errors of the file. A line that is no TOML hides only what would be an echo of it: if a table's header is broken,
/// nothing but the syntax is reported.
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
    let errors = faults.into_errors();
    match spec {
        Some(spec) if errors.is_empty() => Ok(spec),
        _ => {
            assert!(!errors.is_empty(), "a pipeline that cannot be read has at least one error");
            Err(errors)
        }
    }
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
