//! The members of one JSON object, each with what its name stands for.
//!
//! In: a text. Out: for each member its target, and its value as a token. Keeps: the names of the last objects in their
//! order, since the fields of a stream come in the same order in almost every record: a name that stands where it stood
//! before is one comparison of bytes. Limits: the names of [`MAX_REMEMBERED`] members; those behind are looked up.

use super::fault::Fault;
use super::json::{Scan, Token};

/// The names of at most so many members are remembered.
const MAX_REMEMBERED: usize = 256;

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
