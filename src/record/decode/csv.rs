//! The fields of one CSV record (RFC 4180).
//!
//! In: a record without its line end. Out: its fields with quotes taken off. A quote opens a quoted field only at the
//! field's start, elsewhere it is a character; after a closing quote only a comma or the end may come. Commas only, no
//! escapes by backslash, spaces are part of the field.

use super::fault::Fault;
use memchr::{memchr, memchr_iter};

/// Hands over each field with its place; returns how many there are.
#[inline]
pub(super) fn fields(text: &str, mut take: impl FnMut(usize, &str)) -> Result<usize, Fault> {
    let bytes = text.as_bytes();
    if memchr(b'"', bytes).is_some() {
        return quoted_fields(text, take);
    }
    let (mut start, mut place) = (0, 0);
    for comma in memchr_iter(b',', bytes) {
        take(place, &text[start..comma]);
        start = comma + 1;
        place += 1;
    }
    take(place, &text[start..]);
    Ok(place + 1)
}

fn quoted_fields(text: &str, mut take: impl FnMut(usize, &str)) -> Result<usize, Fault> {
    let bytes = text.as_bytes();
    let mut unquoted = String::new();
    let (mut at, mut place) = (0, 0);
    loop {
        let end = if bytes.get(at) == Some(&b'"') {
            unquoted.clear();
            let end = quoted(text, at, &mut unquoted)?;
            take(place, &unquoted);
            end
        } else {
            let end = memchr(b',', &bytes[at..]).map_or(bytes.len(), |n| at + n);
            take(place, &text[at..end]);
            end
        };
        place += 1;
        if end == bytes.len() {
            return Ok(place);
        }
        at = end + 1;
    }
}

/// Reads a quoted field from its opening quote on; the place behind its closing quote.
fn quoted(text: &str, open: usize, out: &mut String) -> Result<usize, Fault> {
    let bytes = text.as_bytes();
    let mut from = open + 1;
    loop {
        let Some(quote) = memchr(b'"', &bytes[from..]).map(|n| from + n) else {
            return Err(Fault::malformed(format!("byte {open}: a quote is opened here and not closed")));
        };
        out.push_str(&text[from..quote]);
        match bytes.get(quote + 1) {
            Some(b'"') => {
                out.push('"');
                from = quote + 2;
            }
            Some(b',') | None => return Ok(quote + 1),
            Some(_) => {
                return Err(Fault::malformed(format!(
                    "byte {}: found more after the closing quote, expected `,` or the end",
                    quote + 1
                )));
            }
        }
    }
}
