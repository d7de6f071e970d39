//! The words of a condition, each with its place.
//!
//! In: the text. Out: numbers, words, `[windows]` and symbols, or the first thing that is none of them.

use crate::feature::plan::Fault;
use std::fmt;
use std::ops::Range;

/// One word of a condition.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A number, finite.
    Number(f64),
    /// A name or keyword.
    Word(String),
    /// What stands between brackets.
    Window(String),
    /// An operator or parenthesis.
    Symbol(&'static str),
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Token::Number(value) => write!(f, "`{value}`"),
            Token::Word(word) => write!(f, "`{word}`"),
            Token::Window(window) => write!(f, "`[{window}]`"),
            Token::Symbol(symbol) => write!(f, "`{symbol}`"),
        }
    }
}

/// The longer ones first: `>=` is not `>` and `=`.
const SYMBOLS: [&str; 14] = [">=", "<=", "==", "!=", "<>", ">", "<", "=", "+", "-", "*", "/", "(", ")"];

/// Cuts a condition into tokens.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, Range<usize>)>, Fault> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let rest = &text[at..];
        let (token, length) = if first.is_ascii_digit() || first == '.' {
            number(rest, at)?
        } else if first.is_ascii_alphabetic() || first == '_' {
            let length = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
            (Token::Word(rest[..length].to_string()), length)
        } else if first == '[' {
            let Some(length) = rest.find(']') else {
                return Err(fault("this bracket is not closed".to_string(), at..text.len()));
            };
            (Token::Window(rest[1..length].trim().to_string()), length + 1)
        } else if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            (Token::Symbol(symbol), symbol.len())
        } else {
            return Err(fault(format!("unknown character `{first}`"), at..at + first.len_utf8()));
        };
        found.push((token, at..at + length));
        at += length;
    }
    Ok(found)
}

fn number(rest: &str, at: usize) -> Result<(Token, usize), Fault> {
    let bytes = rest.as_bytes();
    let mut length = 0;
    while length < bytes.len() {
        let exponent = length > 0 && matches!(bytes[length - 1], b'e' | b'E') && matches!(bytes[length], b'+' | b'-');
        // `_` is allowed between digits, as in the pipeline file.
        if !(bytes[length].is_ascii_alphanumeric() || matches!(bytes[length], b'.' | b'_') || exponent) {
            break;
        }
        length += 1;
    }
    match rest[..length].replace('_', "").parse::<f64>() {
        Ok(value) if value.is_finite() => Ok((Token::Number(value), length)),
        _ => Err(fault(format!("`{}` is not a number", &rest[..length]), at..at + length)),
    }
}

fn fault(message: String, span: Range<usize>) -> Fault {
    Fault { message, span, help: None }
}
