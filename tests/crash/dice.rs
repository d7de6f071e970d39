//! Chance that can be had again: a seed that is printed, and numbers that follow from it.

/// Numbers from a seed (SplitMix64).
pub struct Dice(u64);

impl Dice {
    /// From `TIDEMILL_SEED`, else from the process id; the test that fails shows which.
    pub fn new(test: &str) -> Dice {
        let typed = std::env::var("TIDEMILL_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = typed.unwrap_or_else(|| u64::from(std::process::id()));
        println!("{test}: TIDEMILL_SEED={seed}");
        Dice::of(seed)
    }

    /// From a given seed.
    pub fn of(seed: u64) -> Dice {
        Dice(seed)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end.max(1)
    }
}
