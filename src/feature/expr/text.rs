//! Text functions, by code points (not graphemes), as DuckDB counts.

use std::ops::Range;

/// Every code point's lowercase, where that is one code point.
pub(super) fn lower(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    // DuckDB's simple mapping of the dotted capital I, whose full mapping is two code points.
    text.chars().map(|c| if c == 'İ' { 'i' } else { single(c, c.to_lowercase()) }).collect()
}

/// Every code point's uppercase, where that is one code point.
pub(super) fn upper(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_uppercase();
    }
    text.chars().map(|c| if c == 'ß' { 'ẞ' } else { single(c, c.to_uppercase()) }).collect()
}

fn single(c: char, mut mapped: impl Iterator<Item = char>) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

/// The bytes of `substr(text, start, length)`: `start` counts from 1, or from the end if negative; 0 is the place
/// before the first code point. A negative length goes back from there.
pub(super) fn substring(text: &str, start: i64, length: i64) -> Range<usize> {
    let size = if text.is_ascii() { text.len() } else { text.chars().count() } as i64;
    let (from, to) = slice(size, start, length);
    if text.is_ascii() {
        return from as usize..to as usize;
    }
    let mut places = text.char_indices().map(|(at, _)| at).chain(std::iter::once(text.len()));
    let first = places.nth(from as usize).unwrap_or(text.len());
    let last = if to > from { places.nth((to - from - 1) as usize).unwrap_or(text.len()) } else { first };
    first..last
}

/// The same in code points, `0 <= from <= to <= size`.
fn slice(size: i64, start: i64, length: i64) -> (i64, i64) {
    let (start, length) = match start {
        0 if length > 0 => (0, length - 1),
        0 => return (0, 0),
        s if s > 0 => (size.min(s - 1), length),
        s => (size.saturating_add(s).max(0), length),
    };
    if length >= 0 {
        (start, size.min(start.saturating_add(length)))
    } else {
        (start.saturating_add(length).max(0), start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_substring_is_one(text in "\\PC{0,12}", start in any::<i64>(), length in any::<i64>()) {
            for (start, length) in [(start, length), (start % 16, length % 16)] {
                let range = substring(&text, start, length);
                prop_assert!(text.get(range).is_some());
            }
        }

        #[test]
        fn it_takes_length_characters(text in "\\PC{0,12}", start in 1i64..14, length in 0i64..14) {
            let naive: String = text.chars().skip(start as usize - 1).take(length as usize).collect();
            prop_assert_eq!(&text[substring(&text, start, length)], naive);
        }
    }
}
