//! The identity of a key: a pinned 128-bit hash of its columns' values.
//!
//! Keys are compared by 128 bits of xxh3 with a fixed seed, not by their text: two different keys meet with a chance of
//! about n^2 / 2^129 for n keys. xxh3 is not made to resist somebody who looks for collisions on purpose; a source that
//! an adversary writes should carry ids that the adversary does not choose. The upper bits also place a key in one of
//! [`Key::SHARDS`] logical shards, whatever the number of workers.

use super::Value;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

/// Never changed: it is part of every placement and every checkpoint.
const SEED: u64 = 0x7469_6465_6d69_6c6c;

/// The identity of a key of one or more columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key(pub u128);

impl Key {
    /// The fixed number of logical shards.
    pub const SHARDS: u64 = 256;
    /// The key of "all rows": no columns.
    pub const ALL: Key = Key(0);

    /// The key of some values, or `None` if one of them is null (a null key is null).
    pub fn of<'a>(values: impl Iterator<Item = &'a Value>) -> Option<Key> {
        let mut values = values.peekable();
        let Some(first) = values.next() else { return Some(Key::ALL) };
        if values.peek().is_none() {
            // The common case, one column, hashes its bytes where they lie.
            return match first {
                Value::Null => None,
                Value::Text(t) => Some(Key::of_text(t)),
                other => Some(Key::of_bytes(&scalar(other).1, scalar(other).0)),
            };
        }
        let mut bytes: SmallVec<[u8; 64]> = SmallVec::new();
        for value in std::iter::once(first).chain(values) {
            match value {
                Value::Null => return None,
                Value::Text(t) => {
                    bytes.push(b't');
                    bytes.extend_from_slice(&(t.len() as u64).to_le_bytes());
                    bytes.extend_from_slice(t.as_bytes());
                }
                other => {
                    let (tag, word) = scalar(other);
                    bytes.push(tag as u8);
                    bytes.extend_from_slice(&word);
                }
            }
        }
        Some(Key::of_bytes(&bytes, 6))
    }

    /// The key of one text column.
    pub fn of_text(text: &str) -> Key {
        Key::of_bytes(text.as_bytes(), 0)
    }

    fn of_bytes(bytes: &[u8], domain: u64) -> Key {
        Key(xxh3_128_with_seed(bytes, SEED ^ domain))
    }

    /// The logical shard, below [`Key::SHARDS`].
    pub fn shard(self) -> u64 {
        (self.0 >> 120) as u64
    }
}

/// A map by key. A key is hashed already, so its lowest bits are taken as they are. Its iteration order reaches no
/// output.
pub type KeyMap<V> = FastMap<Key, V>;

/// A map with our pinned, quick hash. Its iteration order reaches no output.
pub type FastMap<K, V> = HashMap<K, V, BuildHasherDefault<Hashed>>;

/// The hasher of [`FastMap`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        self.write_u64(digest64(bytes));
    }

    fn write_u8(&mut self, word: u8) {
        self.write_u64(u64::from(word));
    }

    fn write_u16(&mut self, word: u16) {
        self.write_u64(u64::from(word));
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        // The multiplier is the golden ratio of 64 bits: a step of Fibonacci hashing.
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.write_u64(word as u64);
    }

    fn write_u128(&mut self, key: u128) {
        self.0 ^= key as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The pinned 64-bit digest of some bytes: input digests and sampling, never identity.
pub fn digest64(bytes: &[u8]) -> u64 {
    xxh3_64_with_seed(bytes, SEED)
}

fn scalar(value: &Value) -> (u64, [u8; 8]) {
    match value {
        Value::Bool(b) => (1, u64::from(*b).to_le_bytes()),
        Value::Int(i) => (2, i.to_le_bytes()),
        // Zero has one key, whatever its sign.
        Value::Float(x) => (3, (x + 0.0).to_bits().to_le_bytes()),
        Value::Timestamp(t) => (4, t.0.to_le_bytes()),
        Value::Null | Value::Text(_) => (5, [0; 8]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_pinned() {
        // A change here moves every key to another shard: it breaks every checkpoint.
        assert_eq!(Key::of_text("EWR").shard(), Key::of([Value::Text("EWR".into())].iter()).map_or(999, Key::shard));
        assert_ne!(Key::of_text("EWR"), Key::of_text("JFK"));
        assert_eq!(Key::of([Value::Null].iter()), None);
        let (a, b) = (Value::Text("a".into()), Value::Text("bc".into()));
        let (c, d) = (Value::Text("ab".into()), Value::Text("c".into()));
        assert_ne!(Key::of([a, b].iter()), Key::of([c, d].iter()));
        assert_eq!(Key::of([Value::Float(0.0)].iter()), Key::of([Value::Float(-0.0)].iter()));
    }
}
