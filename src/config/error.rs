//! The errors of a pipeline file, all at once, each with its line, a caret and a line of help.
//!
//! In: messages with byte ranges of the file; the reader adds its own, and the compilers of expressions and conditions
//! add theirs later. Out: a report for a person. Keeps: the file's name and text. Limits: at most 100 errors are kept,
//! the rest is counted.

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, SourceCode,
    SourceSpan, SpanContents,
};
use std::fmt;
use std::ops::Range;

/// More errors than this are counted, not kept: a person repairs the first ones first.
const KEPT: usize = 100;
/// A line that is longer than this, in bytes, is not drawn: nobody can read it, and miette counts columns by 16 bits.
const DRAWN: usize = 2000;
/// The report is wrapped at this column.
const WIDTH: usize = 110;

/// One error of a pipeline file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// What is wrong: lowercase, with the value and what is allowed.
    pub message: String,
    /// The bytes of the file at fault; empty at the start of the file for what is absent from it as a whole.
    pub span: Range<usize>,
    /// What to do about it; may be empty.
    pub help: String,
}

/// The errors of one pipeline file.
#[derive(Clone)]
pub struct ConfigErrors {
    source: Source,
    errors: Vec<ConfigError>,
    dropped: usize,
}

impl ConfigErrors {
    /// No errors yet in the file `file` (its name is printed, not opened) with this text.
    pub fn new(file: &str, text: &str) -> ConfigErrors {
        ConfigErrors {
            source: Source { name: file.to_string(), text: text.to_string() },
            errors: Vec::new(),
            dropped: 0,
        }
    }

    /// Adds an error. A span that leaves the text is cut to it; one of several lines is shown by its first line.
    pub fn push(&mut self, message: impl Into<String>, span: Range<usize>, help: impl Into<String>) {
        let error = ConfigError { message: message.into(), span, help: help.into() };
        if self.errors.contains(&error) {
            return;
        }
        if self.errors.len() == KEPT {
            self.dropped += 1;
            return;
        }
        self.errors.push(error);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.errors.len() + self.dropped
    }

    /// The errors by their place in the file (the first 100).
    pub fn list(&self) -> Vec<&ConfigError> {
        let mut list: Vec<&ConfigError> = self.errors.iter().collect();
        list.sort_by_key(|e| (e.span.start, e.span.end));
        list
    }

    /// The file's text, to which the spans refer.
    pub fn text(&self) -> &str {
        &self.source.text
    }

    /// The report: every error with file, line, caret and help, and their number. `color` for a terminal.
    pub fn render(&self, color: bool) -> String {
        let theme = if color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler =
            GraphicalReportHandler::new_themed(theme).with_width(WIDTH).with_links(false).without_syntax_highlighting();
        let mut out = String::new();
        for error in self.list() {
            let at = self.one_line(&error.span);
            let before = &self.source.text[..at.start];
            let start = before.rfind('\n').map_or(0, |n| n + 1);
            let end = self.source.text[at.start..].find('\n').map_or(self.source.text.len(), |n| at.start + n);
            let shown = Shown { error, at, source: &self.source };
            if end - start > DRAWN || handler.render_report(&mut out, &shown).is_err() {
                // The message is worth more than its picture.
                let (line, column) = (before.matches('\n').count() + 1, before[start..].chars().count() + 1);
                out.push_str(&format!("  × {}\n     [{}:{line}:{column}]\n", error.message, self.source.name));
                if !error.help.is_empty() {
                    out.push_str(&format!("  help: {}\n", error.help));
                }
            }
            out.push('\n');
        }
        let (n, file) = (self.len(), &self.source.name);
        out.push_str(&format!("{n} error{} in {file}", if n == 1 { "" } else { "s" }));
        if self.dropped > 0 {
            out.push_str(&format!(" (the first {KEPT} are shown)"));
        }
        out.push('\n');
        out
    }

    /// The part of a span on its first line, inside the text and on character boundaries.
    fn one_line(&self, span: &Range<usize>) -> Range<usize> {
        let text = &self.source.text;
        let mut start = span.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let mut end = span.end.clamp(start, text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        let line = text[start..end].find(['\n', '\r']).map_or(end, |n| start + n);
        start..line
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl fmt::Debug for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::error::Error for ConfigErrors {}

/// The file, shown by whole lines: miette's own sources show either the span alone or its neighbours too.
#[derive(Clone, Debug)]
struct Source {
    name: String,
    text: String,
}

impl SourceCode for Source {
    /// `before` and `after` are 0 where only the place is wanted, and else those of the span's own line.
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        if before + after == 0 {
            let place = self.text.read_span(span, 0, 0)?;
            return Ok(Box::new(MietteSpanContents::new_named(
                self.name.clone(),
                place.data(),
                *place.span(),
                place.line(),
                place.column(),
                place.line_count(),
            )));
        }
        let at = span.offset();
        let head = self.text.get(..at).ok_or(MietteError::OutOfBounds)?;
        let start = head.rfind('\n').map_or(0, |n| n + 1);
        let end = self.text[at..].find('\n').map_or(self.text.len(), |n| at + n + 1);
        let line = head.matches('\n').count();
        let data = &self.text.as_bytes()[start..end];
        let lines = (start, end - start).into();
        Ok(Box::new(MietteSpanContents::new_named(self.name.clone(), data, lines, line, 0, 1)))
    }
}

/// One error as miette draws it.
#[derive(Debug)]
struct Shown<'a> {
    error: &'a ConfigError,
    at: Range<usize>,
    source: &'a Source,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error.message)
    }
}

impl std::error::Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn help<'h>(&'h self) -> Option<Box<dyn fmt::Display + 'h>> {
        if self.error.help.is_empty() { None } else { Some(Box::new(&self.error.help)) }
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        if self.source.text.is_empty() { None } else { Some(self.source) }
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = LabeledSpan::new_with_span(None, (self.at.start, self.at.len()));
        Some(Box::new(std::iter::once(label)))
    }
}
