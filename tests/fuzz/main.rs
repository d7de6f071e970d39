//! Every decoder of what comes from outside, against broken copies of good input: none panics, and what it takes is
//! what it would take again.
//!
//! CI throws some thousands of cases at each; `TIDEMILL_LONG=1` a hundred times as many. A case is its number under the
//! printed `TIDEMILL_SEED`. Checkpoints have theirs in `src/state/`.

#[path = "../crash/dice.rs"]
mod dice;
mod mutate;
mod targets;

use dice::Dice;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Feeds so many broken copies of the examples to a decoder; `check` panics where it finds a fault.
fn fuzz(name: &str, examples: &[Vec<u8>], cases: u64, check: impl FnMut(&[u8])) {
    fuzz_by(mutate::broken, name, examples, cases, check);
}

/// The same by another way to break them.
fn fuzz_by(
    broken: impl Fn(&[Vec<u8>], &mut Dice) -> Vec<u8>,
    name: &str,
    examples: &[Vec<u8>],
    cases: u64,
    mut check: impl FnMut(&[u8]),
) {
    let seed = Dice::new(name).below(u64::MAX);
    let cases = if std::env::var_os("TIDEMILL_LONG").is_some_and(|set| set == "1") { 100 * cases } else { cases };
    examples.iter().for_each(|example| check(example));
    for case in 0..cases {
        let bytes = broken(examples, &mut Dice::of(seed.wrapping_add(case)));
        if catch_unwind(AssertUnwindSafe(|| check(&bytes))).is_err() {
            let shown = bytes[..bytes.len().min(5000)].escape_ascii();
            panic!("{name}, case {case} of seed {seed}, {} bytes: {shown}", bytes.len());
        }
    }
}
