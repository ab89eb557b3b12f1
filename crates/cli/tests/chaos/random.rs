//! Chance from a seed, so that a red run's order of faults can be drawn again.

use std::time::Duration;

/// SplitMix64 (Steele, Lea, Flood 2014): enough to shuffle kills.
pub struct Random(u64);

impl Random {
    /// From `GRISTMILL_CHAOS_SEED`, which is told.
    pub fn from_environment() -> Random {
        let seed = crate::setting("GRISTMILL_CHAOS_SEED", 0x6712_57A1);
        println!("seed {seed}");
        Random(seed)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }

    pub fn millis_below(&mut self, bound: u64) -> Duration {
        Duration::from_millis(self.below(bound))
    }
}
