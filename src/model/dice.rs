//! The dice of ensembles: seeded, part of their state, the same everywhere.
//!
//! In: a seed. Out: Poisson weights, subsets of features. Keeps: 64 bits. Source: Steele, Lea and Flood 2014
//! (SplitMix64); Knuth 1969 for Poisson, Fisher and Yates for subsets.

use serde::{Deserialize, Serialize};

/// A generator of 64 bits of state.
///
/// ```
/// use tidemill::model::Dice;
/// let (mut one, mut two) = (Dice::new(7), Dice::new(7));
/// let drawn: Vec<u32> = (0..1000).map(|_| one.poisson(6.0)).collect();
/// assert!(drawn.iter().all(|k| *k == two.poisson(6.0)));
/// let mean = f64::from(drawn.iter().sum::<u32>()) / 1000.0;
/// assert!((mean - 6.0).abs() < 0.4, "{mean}");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Dice(u64);

impl Dice {
    /// Dice of a seed.
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// The next 64 bits.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number of events where `rate` are expected, at most 30 or so.
    pub fn poisson(&mut self, rate: f64) -> u32 {
        let (least, mut product, mut events) = ((-rate).exp(), self.uniform(), 0);
        while product > least {
            product *= self.uniform();
            events += 1;
        }
        events
    }

    /// So many of the numbers below `all`, in the order in which they were drawn; all of them if there are no more.
    pub fn choose(&mut self, most: u32, all: u32) -> Vec<u32> {
        let mut numbers: Vec<u32> = (0..all).collect();
        let most = most.min(all) as usize;
        for place in 0..most {
            let other = place + (self.word() % (numbers.len() - place) as u64) as usize;
            numbers.swap(place, other);
        }
        numbers.truncate(most);
        numbers
    }
}
