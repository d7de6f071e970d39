//! Broken copies of good input, by chance that can be had again.
//!
//! In: a seed, examples of what a decoder reads. Out: one of them after one to six steps: bits turned, bytes put in,
//! taken out and doubled, a cut, pieces of other examples, tokens that decoders are known to stumble over. Or, of JSON,
//! one that is JSON still, in which some numbers and lists are others.

use crate::dice::Dice;
use serde_json::{Value, json};

/// What breaks decoders: limits of numbers, brackets without an end, bytes that are no text, and so on.
const TOKENS: &[&[u8]] = &[
    b"null",
    b"true",
    b"NaN",
    b"Infinity",
    b"-",
    b"--",
    b"0",
    b"-0",
    b"1e999",
    b"1e-999",
    b"-1",
    b"00",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775808",
    b"18446744073709551616",
    b"0.1e",
    b"{",
    b"}",
    b"[",
    b"]",
    b"(",
    b")",
    b"((((((((",
    b"[[[[[[[[[[[[[[[[",
    b"\"",
    b"'",
    b"''",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"\\",
    b",",
    b":",
    b"::",
    b";",
    b"--x",
    b"/*",
    b"\0",
    b"\xff",
    b"\xc3",
    b"\xe2\x82",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xef\xbb\xbf",
    b"\r",
    b"\n",
    b"\r\n",
    b"\t",
    b" ",
    b"\xe2\x80\xa8",
    b"2262-04-12T00:00:00Z",
    b"0001-01-01T00:00:00Z",
    b"9999-99-99",
    b"2024-02-30T25:61:61Z",
    b"case when",
    b"between",
    b"cast(",
    b" as bigint)",
    b"interval '1' day",
    b"in (",
    b"not ",
    b"power(9, 999)",
    b"1/0",
    b"over",
    b"\"\"\"",
    b"'''",
    b"[[",
    b"]]",
    b"= ",
    b"#",
    b"_",
    b"1_000",
];

/// One broken copy.
pub fn broken(examples: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = pick(examples, dice).clone();
    for _ in 0..=dice.below(6) {
        step(&mut bytes, examples, dice);
    }
    bytes
}

fn pick<'a, T>(all: &'a [T], dice: &mut Dice) -> &'a T {
    &all[dice.below(all.len() as u64) as usize]
}

fn step(bytes: &mut Vec<u8>, examples: &[Vec<u8>], dice: &mut Dice) {
    let at = dice.below(bytes.len() as u64 + 1) as usize;
    let most = 1 + dice.below(40);
    let end = (at + 1 + dice.below(most) as usize).min(bytes.len());
    match dice.below(10) {
        0 | 1 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
        2 if at < bytes.len() => bytes[at] = dice.below(256) as u8,
        3 => drop(bytes.splice(at..at, pick(TOKENS, dice).iter().copied())),
        4 => drop(bytes.splice(at..end, pick(TOKENS, dice).iter().copied())),
        5 => drop(bytes.drain(at..end)),
        6 => {
            let piece: Vec<u8> = bytes[at..end].iter().copied().cycle().take(piece_length(end - at, dice)).collect();
            drop(bytes.splice(at..at, piece));
        }
        7 => bytes.truncate(at),
        8 => {
            let other = pick(examples, dice);
            let from = dice.below(other.len() as u64 + 1) as usize;
            let to = (from + dice.below(80) as usize).min(other.len());
            drop(bytes.splice(at..end, other[from..to].iter().copied()));
        }
        _ => {
            // Two pieces of one length change places, as fields out of order do.
            let (length, other) = (end - at, dice.below(bytes.len() as u64 + 1) as usize);
            if end <= other && other + length <= bytes.len() {
                (0..length).for_each(|i| bytes.swap(at + i, other + i));
            }
        }
    }
}

/// A few times as long as the piece; now and then as long as would be deep for a stack.
fn piece_length(length: usize, dice: &mut Dice) -> usize {
    let most = if dice.below(50) == 0 { 5_000 } else { 4 };
    (length * (1 + dice.below(most) as usize)).min(100_000)
}

/// A copy that is JSON still, in which one to three numbers and lists are others.
pub fn bent(examples: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let example: &Vec<u8> = pick(examples, dice);
    let mut tree: Value = serde_json::from_slice(example).expect("the examples are JSON");
    for _ in 0..=dice.below(3) {
        let chosen = dice.below(places(&tree));
        bend(place(&mut tree, &mut { chosen }).expect("it is one of them"), dice);
    }
    serde_json::to_vec(&tree).expect("it was JSON")
}

fn bend(place: &mut Value, dice: &mut Dice) {
    match place {
        Value::Array(list) => match dice.below(4) {
            0 => list.clear(),
            1 => drop(list.pop()),
            2 => list.extend(list.first().cloned()),
            _ => {
                let times = 1 + dice.below(40) as usize;
                *list = list.iter().cycle().take(list.len() * times).cloned().collect();
            }
        },
        number => {
            let near = number.as_f64().unwrap_or_default();
            let small = [json!(0), json!(1), json!(-1), json!(0.5), json!(5e-324), json!(1e300), json!(-1e300)];
            let whole = [json!(6), json!(1 << 20), json!(1_u64 << 53), json!(u32::MAX), json!(i64::MAX)];
            let close = [json!(near + 1.0), json!(-near), json!(2.0 * near)];
            *number = pick(&[&small[..], &whole, &close].concat(), dice).clone();
        }
    }
}

/// How many numbers and lists a document has.
fn places(tree: &Value) -> u64 {
    match tree {
        Value::Number(_) => 1,
        Value::Array(list) => 1 + list.iter().map(places).sum::<u64>(),
        Value::Object(fields) => fields.values().map(places).sum(),
        _ => 0,
    }
}

/// The number or list that comes behind so many others, a list ahead of what is in it.
fn place<'a>(tree: &'a mut Value, before: &mut u64) -> Option<&'a mut Value> {
    if tree.is_number() || tree.is_array() {
        if *before == 0 {
            return Some(tree);
        }
        *before -= 1;
    }
    match tree {
        Value::Array(list) => list.iter_mut().find_map(|value| place(value, before)),
        Value::Object(fields) => fields.values_mut().find_map(|value| place(value, before)),
        _ => None,
    }
}
