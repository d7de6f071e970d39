//! Texts as small numbers, so that state lies in arrays.

use compact_str::CompactString;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A hash map with a quick hash, as rustc's.
pub type Map<K, V> = HashMap<K, V, BuildHasherDefault<Quick>>;

#[derive(Default)]
pub struct Quick(u64);

impl Hasher for Quick {
    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, word: u8) {
        self.write_u64(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn finish(&self) -> u64 {
        self.0.rotate_left(26)
    }
}

#[derive(Default)]
pub struct Names {
    numbers: Map<CompactString, u32>,
}

impl Names {
    /// With these lines of a file numbered from 0.
    pub fn of_file(text: &str) -> Names {
        let mut names = Names::default();
        text.lines().filter(|line| !line.is_empty()).for_each(|line| {
            names.number(line);
        });
        names
    }

    /// The number of a name, a new one if it is new.
    pub fn number(&mut self, name: &str) -> usize {
        if let Some(number) = self.numbers.get(name) {
            return *number as usize;
        }
        let number = self.numbers.len();
        self.numbers.insert(CompactString::from(name), number as u32);
        number
    }

    pub fn len(&self) -> usize {
        self.numbers.len()
    }
}

/// The state of a number, made when it is first asked for.
pub fn at<T: Default>(states: &mut Vec<T>, number: usize) -> &mut T {
    if number >= states.len() {
        states.resize_with(number + 1, T::default);
    }
    &mut states[number]
}
