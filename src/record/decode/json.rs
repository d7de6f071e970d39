//! A strict scanner of JSON text (RFC 8259).
//!
//! In: a text, UTF-8. Out: values as tokens, which borrow from it where they can. Keeps: nothing. Limits: values nested
//! deeper than [`MAX_DEPTH`] are malformed; nothing recurses. Written by hand, and not on serde_json's visitor, so that
//! UTF-8 is checked once a record and an expected name is compared where it lies.

use super::fault::{Fault, shown};
use super::number::Number;
use std::borrow::Cow;

/// Arrays and objects inside one another, at most.
pub(super) const MAX_DEPTH: u32 = 128;

/// One value.
#[derive(Debug)]
pub(super) enum Token<'a> {
    Null,
    Bool(bool),
    Number(Number<'a>),
    /// A string that is its own content.
    Text(&'a str),
    /// A string that had escapes.
    Unescaped(String),
    /// An array or object as it stands, checked.
    Nested(&'a str),
}

impl Token<'_> {
    /// How it looks in a detail.
    pub(super) fn shown(&self) -> String {
        match self {
            Token::Null => "null".to_string(),
            Token::Bool(b) => b.to_string(),
            Token::Number(number) => shown(number.text),
            Token::Text(text) => format!("\"{}\"", shown(text)),
            Token::Unescaped(text) => format!("\"{}\"", shown(text)),
            Token::Nested(text) => shown(text),
        }
    }
}

/// Scans an array and hands over each of its values.
pub(super) fn array<'a>(text: &'a str, mut take: impl FnMut(Token<'a>)) -> Result<(), Fault> {
    let mut scan = Scan::new(text);
    scan.expect(b'[', "an array")?;
    if scan.skip_if(b']') {
        return scan.end();
    }
    loop {
        take(scan.value()?);
        if scan.skip_if(b',') {
            continue;
        }
        scan.expect(b']', "`,` or `]`")?;
        return scan.end();
    }
}

pub(super) struct Scan<'a> {
    pub(super) text: &'a str,
    pub(super) bytes: &'a [u8],
    /// The next byte to look at.
    pub(super) at: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn new(text: &'a str) -> Scan<'a> {
        Scan { text, bytes: text.as_bytes(), at: 0 }
    }

    #[inline]
    pub(super) fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    #[inline]
    pub(super) fn skip_if(&mut self, byte: u8) -> bool {
        self.space();
        let there = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(there);
        there
    }

    #[inline]
    pub(super) fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), Fault> {
        if self.skip_if(byte) { Ok(()) } else { Err(self.wrong(expected)) }
    }

    pub(super) fn end(&mut self) -> Result<(), Fault> {
        self.space();
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.wrong("the end")) }
    }

    #[cold]
    fn wrong(&self, expected: &'static str) -> Fault {
        // A place inside a character is possible only just behind a backslash.
        match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(found) => Fault::malformed(format!("byte {}: found {found:?}, expected {expected}", self.at)),
            None => Fault::malformed(format!("byte {}: ends here, expected {expected}", self.at)),
        }
    }

    pub(super) fn name(&mut self) -> Result<Cow<'a, str>, Fault> {
        self.space();
        if self.bytes.get(self.at) != Some(&b'"') {
            return Err(self.wrong("a name in quotes"));
        }
        self.string()
    }

    #[inline]
    pub(super) fn value(&mut self) -> Result<Token<'a>, Fault> {
        self.space();
        match self.bytes.get(self.at) {
            Some(b'"') => Ok(match self.string()? {
                Cow::Borrowed(text) => Token::Text(text),
                Cow::Owned(text) => Token::Unescaped(text),
            }),
            Some(b'-' | b'0'..=b'9') => self.number().map(Token::Number),
            Some(b'{' | b'[') => self.nested().map(Token::Nested),
            Some(b't') => self.word("true").map(|()| Token::Bool(true)),
            Some(b'f') => self.word("false").map(|()| Token::Bool(false)),
            Some(b'n') => self.word("null").map(|()| Token::Null),
            _ => Err(self.wrong("a value")),
        }
    }

    #[inline]
    fn number(&mut self) -> Result<Number<'a>, Fault> {
        match Number::scan(self.text, self.at) {
            Some(number) => {
                self.at += number.text.len();
                Ok(number)
            }
            None => Err(self.wrong("a number")),
        }
    }

    #[inline]
    fn word(&mut self, word: &'static str) -> Result<(), Fault> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        Err(self.wrong(word))
    }

    /// A string from its opening quote on.
    #[inline]
    fn string(&mut self) -> Result<Cow<'a, str>, Fault> {
        let start = self.at + 1;
        self.at = plain_until(self.bytes, start);
        if self.bytes.get(self.at) == Some(&b'"') {
            self.at += 1;
            return Ok(Cow::Borrowed(&self.text[start..self.at - 1]));
        }
        self.escaped(start).map(Cow::Owned)
    }

    #[cold]
    fn escaped(&mut self, start: usize) -> Result<String, Fault> {
        let mut out = String::from(&self.text[start..self.at]);
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.at += 1;
                    out.push(self.escape()?);
                }
                Some(_) => return Err(self.wrong("a string without control characters")),
                None => return Err(self.wrong("a closing quote")),
            }
            let from = self.at;
            self.at = plain_until(self.bytes, from);
            out.push_str(&self.text[from..self.at]);
        }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<char, Fault> {
        let plain = match self.bytes.get(self.at) {
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(*c),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err(self.wrong("an escape")),
        };
        self.at += 1;
        Ok(plain)
    }

    fn unicode(&mut self) -> Result<char, Fault> {
        let first = self.hex()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).ok_or_else(|| self.wrong("a high surrogate before a low one"));
        }
        if !self.bytes[self.at..].starts_with(b"\\u") {
            return Err(self.wrong("a low surrogate"));
        }
        self.at += 2;
        let second = self.hex()?;
        if !(0xdc00..0xe000).contains(&second) {
            return Err(self.wrong("a low surrogate"));
        }
        let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        char::from_u32(code).ok_or_else(|| self.wrong("a character"))
    }

    fn hex(&mut self) -> Result<u32, Fault> {
        let mut code = 0;
        for _ in 0..4 {
            match self.bytes.get(self.at).and_then(|b| char::from(*b).to_digit(16)) {
                Some(digit) => code = code * 16 + digit,
                None => return Err(self.wrong("four hexadecimal digits")),
            }
            self.at += 1;
        }
        Ok(code)
    }

    /// An array or object with all that is in it, checked without recursion: bit 0 of `objects` tells what is open.
    fn nested(&mut self) -> Result<&'a str, Fault> {
        let start = self.at;
        let (mut objects, mut depth) = (0u128, 0u32);
        loop {
            self.space();
            let opened = self.bytes.get(self.at).copied();
            let mut open = false;
            if let Some(bracket @ (b'{' | b'[')) = opened {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(self.wrong("values nested at most 128 deep"));
                }
                self.at += 1;
                let object = bracket == b'{';
                objects = objects << 1 | u128::from(object);
                open = !self.skip_if(if object { b'}' } else { b']' });
                if open {
                    self.member(object)?;
                } else {
                    depth -= 1;
                    objects >>= 1;
                }
            } else {
                self.value()?;
            }
            while !open {
                if depth == 0 {
                    return Ok(&self.text[start..self.at]);
                }
                let object = objects & 1 == 1;
                if self.skip_if(b',') {
                    self.member(object)?;
                    open = true;
                } else if object {
                    self.expect(b'}', "`,` or `}`")?;
                } else {
                    self.expect(b']', "`,` or `]`")?;
                }
                if !open {
                    depth -= 1;
                    objects >>= 1;
                }
            }
        }
    }

    /// The name and colon of an object's member; nothing for an array's.
    fn member(&mut self, object: bool) -> Result<(), Fault> {
        if object {
            self.name()?;
            self.expect(b':', "`:`")?;
        }
        Ok(())
    }
}

/// The first byte at or after `at` that ends a plain run of string content: a quote, a backslash or a control
/// character; eight bytes at a time (Mycroft's test for a zero byte).
#[inline]
fn plain_until(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let zero = |x: u64| x.wrapping_sub(ONES) & !x & HIGHS;
    while let Some(eight) = bytes.get(at..at + 8).and_then(|b| <[u8; 8]>::try_from(b).ok()) {
        let x = u64::from_le_bytes(eight);
        let control = x.wrapping_sub(ONES * 0x20) & !x & HIGHS;
        let stops = zero(x ^ (ONES * u64::from(b'"'))) | zero(x ^ (ONES * u64::from(b'\\'))) | control;
        if stops != 0 {
            return at + (stops.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|b| !matches!(b, b'"' | b'\\' | 0..0x20)) {
        at += 1;
    }
    at
}
