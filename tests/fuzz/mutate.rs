//! Broken copies of good input, by chance that can be had again.
//!
//! In: a seed, examples of what a decoder reads. Out: one of them after one to six steps: bits turned, bytes put in,
//! taken out and doubled, a cut, pieces of other examples, tokens that decoders are known to stumble over.

use crate::dice::Dice;

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
