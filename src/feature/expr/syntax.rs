//! From text to syntax tree, by `sqlparser`, and from its places back to byte ranges.
//!
//! In: the text. Out: one expression with its tokens, or the first syntax fault (after it nothing can be trusted).
//! Limits: length and tokens are bounded before parsing, so that no chain of operators makes a tree too deep to drop.

use super::{Expression, Fault};
use sqlparser::ast::{CastKind, Expr, Spanned};
use sqlparser::dialect::Dialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};
use std::ops::{Range, RangeInclusive};

/// The plainest dialect: none of the vendors' operators, literals and lambdas.
#[derive(Debug)]
struct Scalar;

impl Dialect for Scalar {
    fn is_identifier_start(&self, c: char) -> bool {
        c.is_alphabetic() || c == '_'
    }

    fn is_identifier_part(&self, c: char) -> bool {
        c.is_alphanumeric() || c == '_'
    }
}

/// A token that is not blank, and where it is.
pub(super) struct Place {
    pub token: Token,
    /// Its bytes in the text.
    pub bytes: Range<usize>,
    start: Location,
    end: Location,
}

/// An expression and its tokens.
pub(super) struct Parsed {
    pub expr: Expr,
    pub places: Vec<Place>,
    length: usize,
}

/// Parses the whole text as one expression.
pub(super) fn parse(text: &str) -> Result<Parsed, Fault> {
    let whole = 0..text.len();
    let refuse = |message: String, span: Range<usize>| Err(Fault { message, span, help: None });
    if text.len() > Expression::MAX_BYTES {
        let (length, most) = (text.len(), Expression::MAX_BYTES);
        return refuse(format!("the expression is {length} bytes long, {most} are allowed"), whole);
    }
    let tokens = match Tokenizer::new(&Scalar, text).tokenize_with_location() {
        Ok(tokens) => tokens,
        Err(e) => {
            let from = byte_of(text, e.location);
            return refuse(sentence(&e.message), from..next_boundary(text, from));
        }
    };
    let places = places(text, &tokens);
    if places.is_empty() {
        return refuse("the expression is empty".to_string(), whole);
    }
    if places.len() > Expression::MAX_TOKENS {
        let (length, most) = (places.len(), Expression::MAX_TOKENS);
        return refuse(format!("the expression has {length} tokens, {most} are allowed"), whole);
    }
    // Each level of nesting takes at most a few of the parser's; its own stack grows on the heap.
    let mut parser =
        Parser::new(&Scalar).with_recursion_limit(4 * Expression::MAX_DEPTH).with_tokens_with_locations(tokens);
    let fault = match parser.parse_expr() {
        Ok(expr) => match parser.peek_token() {
            TokenWithSpan { token: Token::EOF, .. } => return Ok(Parsed { expr, places, length: text.len() }),
            left => {
                let span = bytes_at(&places, left.span.start, text);
                Fault { message: format!("expected the end of the expression, found `{left}`"), span, help: None }
            }
        },
        Err(ParserError::RecursionLimitExceeded) => too_deep(whole),
        Err(ParserError::ParserError(message) | ParserError::TokenizerError(message)) => {
            let (message, location) = split_location(&message);
            let end = text.trim_end().len();
            let span = location.map_or(end..end, |location| bytes_at(&places, location, text));
            Fault { message: sentence(message), span, help: None }
        }
    };
    Err(fault)
}

/// The fault of a nesting beyond [`Expression::MAX_DEPTH`].
pub(super) fn too_deep(span: Range<usize>) -> Fault {
    let most = Expression::MAX_DEPTH;
    Fault { message: format!("the expression nests deeper than {most} levels"), span, help: None }
}

/// The tokens that are not blank, with their bytes; one walk over the text, since locations count characters.
fn places(text: &str, tokens: &[TokenWithSpan]) -> Vec<Place> {
    let mut at = Location { line: 1, column: 1 };
    let mut chars = text.char_indices().peekable();
    let mut byte_at = |location: Location| {
        while at < location {
            let Some((_, c)) = chars.next() else { break };
            at = if c == '\n' {
                Location { line: at.line + 1, column: 1 }
            } else {
                Location { line: at.line, column: at.column + 1 }
            };
        }
        chars.peek().map_or(text.len(), |(byte, _)| *byte)
    };
    let mut places = vec![];
    for TokenWithSpan { token, span } in tokens {
        if matches!(token, Token::Whitespace(_) | Token::EOF) {
            continue;
        }
        let start = byte_at(span.start);
        places.push(Place { token: token.clone(), bytes: start..byte_at(span.end), start: span.start, end: span.end });
    }
    places
}

/// The byte of a location, by a walk from the start.
fn byte_of(text: &str, location: Location) -> usize {
    let mut at = Location { line: 1, column: 1 };
    for (byte, c) in text.char_indices() {
        if at >= location {
            return byte;
        }
        at = if c == '\n' {
            Location { line: at.line + 1, column: 1 }
        } else {
            Location { line: at.line, column: at.column + 1 }
        };
    }
    text.len()
}

fn next_boundary(text: &str, from: usize) -> usize {
    text[from..].chars().next().map_or(from, |c| from + c.len_utf8())
}

/// The bytes of the token at a location; the end of the text if there is none.
fn bytes_at(places: &[Place], location: Location, text: &str) -> Range<usize> {
    let found = (location.line > 0).then(|| places.iter().find(|p| p.start >= location)).flatten();
    let end = text.trim_end().len();
    found.map_or(end..end, |place| place.bytes.clone())
}

/// Splits ` at Line: 1, Column: 5` off a message.
fn split_location(message: &str) -> (&str, Option<Location>) {
    let Some((head, tail)) = message.rsplit_once(" at Line: ") else { return (message, None) };
    let location = tail.split_once(", Column: ").and_then(|(line, column)| {
        Some(Location { line: line.trim().parse().ok()?, column: column.trim().parse().ok()? })
    });
    (head, location)
}

/// A message of the parser in our manner: lowercase, no full stop.
fn sentence(message: &str) -> String {
    let message =
        message.trim_end_matches('.').replace("Expected: ", "expected ").replace("found: EOF", "found the end");
    let message = message.replace("found: ", "found ");
    let mut chars = message.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => "the expression does not parse".to_string(),
    }
}

impl Parsed {
    /// The bytes of a part of the expression, parentheses included; the whole text if the parser lost its place.
    pub(super) fn span(&self, expr: &Expr) -> Range<usize> {
        match self.tokens(expr) {
            Some(tokens) => self.places[*tokens.start()].bytes.start..self.places[*tokens.end()].bytes.end,
            None => 0..self.length,
        }
    }

    /// The first and last token. The parser's spans lack keywords, casts and parentheses; they are added here.
    fn tokens(&self, expr: &Expr) -> Option<RangeInclusive<usize>> {
        let (before, inner, after) = match expr {
            Expr::Nested(inner) => (1, self.tokens(inner)?, 1),
            Expr::Cast { kind: CastKind::DoubleColon, expr, .. } => (0, self.tokens(expr)?, 2),
            Expr::Cast { expr, .. } | Expr::Substring { expr, .. } => (2, self.tokens(expr)?, 0),
            Expr::Ceil { expr, .. } | Expr::Floor { expr, .. } => (2, self.tokens(expr)?, 0),
            Expr::Extract { expr, .. } => (4, self.tokens(expr)?, 0),
            Expr::UnaryOp { expr, .. } => (1, self.tokens(expr)?, 0),
            Expr::BinaryOp { left, right, .. } => (0, *self.tokens(left)?.start()..=*self.tokens(right)?.end(), 0),
            Expr::Interval(interval) => {
                (1, self.tokens(&interval.value)?, usize::from(interval.leading_field.is_some()))
            }
            Expr::TypedString(_) => (1, self.leaf(expr)?, 0),
            Expr::Function(_) => {
                let leaf = self.leaf(expr)?;
                // Without arguments that have a place, only the name has one.
                let bare = self.places.get(leaf.end() + 1).is_some_and(|next| next.token == Token::LParen);
                (0, leaf, usize::from(bare))
            }
            _ => (0, self.leaf(expr)?, 0),
        };
        let first = inner.start().saturating_sub(before);
        let last = (inner.end() + after).min(self.places.len() - 1);
        Some(self.balance(first..=last))
    }

    fn leaf(&self, expr: &Expr) -> Option<RangeInclusive<usize>> {
        let span = expr.span();
        let first = self.places.binary_search_by_key(&span.start, |p| p.start).ok()?;
        let last = self.places.binary_search_by_key(&span.end, |p| p.end).ok()?;
        (first <= last).then_some(first..=last)
    }

    /// Grows a range of tokens until its parentheses match.
    fn balance(&self, range: RangeInclusive<usize>) -> RangeInclusive<usize> {
        let (mut first, mut last) = (*range.start(), *range.end());
        let (mut open, mut lacking) = (0usize, 0usize);
        for place in &self.places[range] {
            match place.token {
                Token::LParen => open += 1,
                Token::RParen if open > 0 => open -= 1,
                Token::RParen => lacking += 1,
                _ => {}
            }
        }
        while lacking > 0 && first > 0 {
            first -= 1;
            match self.places[first].token {
                Token::LParen => lacking -= 1,
                Token::RParen => lacking += 1,
                _ => {}
            }
        }
        while open > 0 && last + 1 < self.places.len() {
            last += 1;
            match self.places[last].token {
                Token::LParen => open += 1,
                Token::RParen => open -= 1,
                _ => {}
            }
        }
        first..=last
    }
}
