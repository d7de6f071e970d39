//! A strict scanner of one JSON object (RFC 8259), which hands over its members as they come.
//!
//! In: a text. Out: for each member its place among the known names, and its value as a token. Keeps: the names of the
//! last objects in their order, since the fields of a stream come in the same order in almost every record: a name that
//! stands where it stood before is one comparison of bytes. Limits: values nested deeper than [`MAX_DEPTH`] are malformed;
//! nothing recurses. serde_json's visitor was the alternative; it looks at each name's bytes twice and checks UTF-8
//! string by string.

use super::fault::{Fault, shown};
use super::number::Number;
use std::borrow::Cow;

/// Arrays and objects inside one another, at most.
pub(super) const MAX_DEPTH: u32 = 128;

/// The names of at most so many members are remembered.
const MAX_REMEMBERED: usize = 256;

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

/// What a member's name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The column at this place.
    Column(usize),
    /// The mark of a tombstone.
    Deleted,
    /// Nothing that was declared.
    Unknown,
}

/// The names of the last objects, in order: `"name":` as bytes, and what each stands for.
#[derive(Debug, Default)]
pub(super) struct Shape {
    names: Vec<(Vec<u8>, Target)>,
}

impl Shape {
    /// A shape that expects these names in this order.
    pub(super) fn expecting<'a>(names: impl Iterator<Item = (&'a str, Target)>) -> Shape {
        let quoted = |(name, target): (&str, _)| (format!("\"{name}\":").into_bytes(), target);
        Shape { names: names.map(quoted).collect() }
    }

    /// The name at `bytes[at..]` if it is the expected one or the one after it: its length, target and place.
    #[inline]
    fn expected(&self, bytes: &[u8], place: usize) -> Option<(usize, Target, usize)> {
        for (ahead, (name, target)) in self.names.get(place..)?.iter().take(2).enumerate() {
            if bytes.starts_with(name) {
                return Some((name.len(), *target, place + ahead + 1));
            }
        }
        None
    }

    fn remember(&mut self, name: &[u8], target: Target, place: usize) {
        if let Some(kept) = self.names.get_mut(place) {
            kept.0.clear();
            kept.0.extend_from_slice(name);
            kept.1 = target;
        } else if self.names.len() < MAX_REMEMBERED {
            self.names.push((name.to_vec(), target));
        }
    }
}

/// Scans an object: `lookup` says what a name stands for, `take` gets each member with its name as it is written (with
/// quotes and escapes). What `take` refuses is its own matter; only the grammar's faults are returned.
#[inline]
pub(super) fn object<'a>(
    text: &'a str,
    shape: &mut Shape,
    lookup: impl Fn(&str) -> Target,
    mut take: impl FnMut(Target, &'a str, Token<'a>),
) -> Result<(), Fault> {
    let mut scan = Scan::new(text);
    scan.expect(b'{', "an object")?;
    if scan.skip_if(b'}') {
        return scan.end();
    }
    let mut place = 0;
    loop {
        scan.space();
        let start = scan.at;
        let target = match shape.expected(&scan.bytes[start..], place) {
            Some((length, target, next)) => {
                scan.at += length;
                place = next;
                target
            }
            None => {
                let name = scan.name()?;
                let target = lookup(&name);
                let direct = scan.bytes.get(scan.at) == Some(&b':');
                scan.expect(b':', "`:`")?;
                if direct {
                    shape.remember(&scan.bytes[start..scan.at], target, place);
                }
                place += 1;
                target
            }
        };
        let name_end = scan.at;
        let token = scan.value()?;
        take(target, &text[start..name_end], token);
        if scan.skip_if(b',') {
            continue;
        }
        scan.expect(b'}', "`,` or `}`")?;
        return scan.end();
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

struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    fn new(text: &'a str) -> Scan<'a> {
        Scan { text, bytes: text.as_bytes(), at: 0 }
    }

    #[inline]
    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    #[inline]
    fn skip_if(&mut self, byte: u8) -> bool {
        self.space();
        let there = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(there);
        there
    }

    #[inline]
    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), Fault> {
        if self.skip_if(byte) { Ok(()) } else { Err(self.wrong(expected)) }
    }

    fn end(&mut self) -> Result<(), Fault> {
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

    fn name(&mut self) -> Result<Cow<'a, str>, Fault> {
        self.space();
        if self.bytes.get(self.at) != Some(&b'"') {
            return Err(self.wrong("a name in quotes"));
        }
        self.string()
    }

    #[inline]
    fn value(&mut self) -> Result<Token<'a>, Fault> {
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

/// The first byte at or after `at` that ends a plain run of string content: a quote, a backslash or a control character;
/// eight bytes at a time (Mycroft's test for a zero byte).
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
