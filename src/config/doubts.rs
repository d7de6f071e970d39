//! Which names of a pipeline file are in doubt, so that a mistake is not told a second time by what refers to it.
//!
//! In: the names that an error leaves without a meaning (a source that could not be read, a column of an unknown type,
//! a feature that has an error), then the errors of the later stages. Out: those of them that are mistakes of their
//! own. Keeps: the names. Limits: a text that mentions a doubtful name is not judged at all, though another mistake may
//! be in it; it is found once the first one is mended.

use super::error::ConfigError;
use super::spec::{FeatureKind, FeatureSpec, PipelineSpec, Spanned};
use crate::record::Kind;
use std::collections::BTreeSet;
use std::ops::Range;

/// Names in doubt, in lower case, as SQL may write them.
#[derive(Clone, Debug, Default)]
pub(super) struct Doubts {
    names: BTreeSet<String>,
}

impl Doubts {
    /// The label, by which aggregates over labels name it.
    pub(super) const LABEL: &str = "label";
    /// The windows of the metrics: a text that is no name.
    pub(super) const WINDOWS: &str = "[windows]";

    /// A name.
    pub(super) fn add(&mut self, name: &str) {
        self.names.insert(name.to_lowercase());
    }

    /// Every word of a text.
    pub(super) fn all_of(&mut self, text: &str) {
        words(text).for_each(|word| self.add(word));
    }

    fn has(&self, name: &str) -> bool {
        self.names.contains(&name.to_lowercase())
    }

    fn mentioned_in(&self, text: &str) -> bool {
        words(text).any(|word| self.has(word))
    }

    /// The errors that are mistakes of their own, of those that the compilers of expressions and conditions have found.
    /// What has such an error is in doubt, too, for what stands below it. `sound` if there are no errors so far.
    pub(super) fn own(mut self, found: Vec<ConfigError>, spec: &PipelineSpec, sound: bool) -> Vec<ConfigError> {
        let mut own = Vec::new();
        let mut rest = found;
        for piece in pieces(spec) {
            let (mine, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(|error| piece.holds(&error.span));
            rest = others;
            let doubtful = self.doubts(&piece);
            if doubtful || !mine.is_empty() {
                piece.names.iter().for_each(|name| self.add(name));
            }
            if !doubtful {
                own.extend(mine);
            }
        }
        let windows = [Doubts::WINDOWS, "windows", "metrics"].iter().any(|name| self.names.contains(*name));
        let echo = |error: &ConfigError| windows && error.message.starts_with("window ");
        own.retain(|error| !echo(error));
        // What is absent as a whole, or at odds as a whole, may be so because of an error.
        own.extend(rest.into_iter().filter(|_| sound));
        own
    }

    fn doubts(&self, piece: &Piece<'_>) -> bool {
        piece.own.is_some_and(|name| self.has(name)) || piece.texts.iter().any(|text| self.mentioned_in(text))
    }
}

/// A part of the file that the later stages judge.
#[derive(Default)]
struct Piece<'a> {
    /// The name under which an error of its shape was written down.
    own: Option<&'a str>,
    /// What is in doubt if it is.
    names: Vec<&'a str>,
    texts: Vec<&'a str>,
    places: Vec<Range<usize>>,
}

impl<'a> Piece<'a> {
    fn holds(&self, span: &Range<usize>) -> bool {
        self.places.iter().any(|place| place.start <= span.start && span.end <= place.end)
    }

    fn reads(&mut self, text: &'a Spanned<String>) {
        self.texts.push(&text.value);
        self.places.push(text.span.clone());
    }
}

/// The checks, labels, tables, features and conditions, each behind what it may refer to.
fn pieces(spec: &PipelineSpec) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    for source in &spec.sources {
        pieces.extend(source.check.iter().map(|text| {
            let mut piece = Piece::default();
            piece.reads(text);
            piece
        }));
        let name = source.name.value.as_str();
        let mut piece = Piece::default();
        match (source.kind, &source.label) {
            (Kind::Label, Some(label)) => {
                piece.names = vec![name, Doubts::LABEL];
                piece.reads(label);
            }
            (Kind::Table, _) => {
                piece.names = vec![name];
                piece.texts = source.key.iter().map(String::as_str).collect();
                piece.places.push(source.name.span.clone());
            }
            _ => continue,
        }
        pieces.push(piece);
    }
    pieces.extend(spec.features.iter().map(of_feature));
    for trigger in spec.models.iter().flat_map(|model| &model.triggers) {
        for condition in trigger.cause.conditions() {
            let mut piece = Piece::default();
            piece.reads(condition);
            pieces.push(piece);
        }
    }
    pieces
}

fn of_feature(feature: &FeatureSpec) -> Piece<'_> {
    let name = feature.name.value.as_str();
    let place = feature.name.span.clone();
    let mut piece = Piece { own: Some(name), names: vec![name], texts: Vec::new(), places: vec![place] };
    match &feature.kind {
        FeatureKind::Expression(text) => piece.reads(text),
        FeatureKind::OneHot { argument, .. }
        | FeatureKind::Hash { argument, .. }
        | FeatureKind::Standardize { argument } => piece.reads(argument),
        FeatureKind::Lookup { column, .. } => piece.reads(column),
        FeatureKind::Aggregate { argument, by, .. } => {
            piece.reads(argument);
            by.iter().for_each(|column| piece.reads(column));
        }
    }
    piece
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').flat_map(|word| {
        // A name may have hyphens, and a difference may have none around it.
        std::iter::once(word).chain(word.split('-')).filter(|word| !word.is_empty())
    })
}
