//! `like` patterns, compiled: `%` is any run of code points, `_` is one.
//!
//! A pattern is cut at its `%` into pieces; the first and last are anchored, those between are looked for from the
//! left, each at its first place. So matching is at worst text times pattern, never exponential.

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// What lies between the `%`; `None` stands for `_`. Never empty; one piece is a pattern without `%`.
    pieces: Vec<Vec<Option<char>>>,
}

impl Pattern {
    /// `None` if the pattern ends in its escape sign.
    pub(super) fn compile(pattern: &str, escape: Option<char>) -> Option<Pattern> {
        let mut pieces = vec![];
        let mut piece = vec![];
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            match c {
                c if Some(c) == escape => piece.push(Some(chars.next()?)),
                '%' => pieces.push(std::mem::take(&mut piece)),
                '_' => piece.push(None),
                c => piece.push(Some(c)),
            }
        }
        pieces.push(piece);
        Some(Pattern { pieces })
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        let (Some((first, rest)), Some(last)) = (self.pieces.split_first(), self.pieces.last()) else { return false };
        let Some(mut left) = eat(text, first) else { return false };
        if rest.is_empty() {
            return left.is_empty();
        }
        for piece in &rest[..rest.len() - 1] {
            let Some(after) = find(left, piece) else { return false };
            left = after;
        }
        // The last piece takes the end of what is left.
        let mut ends = left.chars();
        last.iter().rev().all(|wanted| ends.next_back().is_some_and(|c| wanted.is_none_or(|w| w == c)))
    }
}

/// What is left of `text` after `piece`, if it begins with it.
fn eat<'t>(text: &'t str, piece: &[Option<char>]) -> Option<&'t str> {
    let mut chars = text.chars();
    for wanted in piece {
        let c = chars.next()?;
        if wanted.is_some_and(|w| w != c) {
            return None;
        }
    }
    Some(chars.as_str())
}

/// What is left of `text` after the first place of `piece`.
fn find<'t>(mut text: &'t str, piece: &[Option<char>]) -> Option<&'t str> {
    loop {
        if let Some(after) = eat(text, piece) {
            return Some(after);
        }
        let mut chars = text.chars();
        chars.next()?;
        text = chars.as_str();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Straight from the definition; exponential, which short texts bear.
    fn naive(text: &[char], pattern: &[char]) -> bool {
        match (text, pattern) {
            ([], []) => true,
            (_, ['%', rest @ ..]) => (0..=text.len()).any(|skip| naive(&text[skip..], rest)),
            ([_, text @ ..], ['_', rest @ ..]) => naive(text, rest),
            ([t, text @ ..], [p, rest @ ..]) => t == p && naive(text, rest),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn it_is_the_definition(text in "[abé]{0,8}", pattern in "[abé%_]{0,6}") {
            let (t, p): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
            let compiled = Pattern::compile(&pattern, None).expect("no escape sign");
            prop_assert_eq!(compiled.matches(&text), naive(&t, &p), "{} like {}", text, pattern);
        }
    }

    #[test]
    fn escapes() {
        let pattern = Pattern::compile("100!%%!_!!", Some('!')).expect("well formed");
        assert!(pattern.matches("100% of_!"));
        assert!(!pattern.matches("100 of_!"));
        assert!(Pattern::compile("a!", Some('!')).is_none());
    }
}
