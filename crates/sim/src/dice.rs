//! Chance, from one seed. The generator is our own, so that a seed means the same run on every
//! machine and with every version of every library.

use gristmill_model::Span;

/// xoshiro256** (Blackman and Vigna 2018, <https://prng.di.unimi.it/xoshiro256starstar.c>, public
/// domain), its state filled by SplitMix64 (Steele, Lea and Flood 2014) as its authors advise.
#[derive(Debug, Clone)]
pub struct Dice {
    state: [u64; 4],
}

impl Dice {
    /// The dice of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Dice {
        let mut split = seed;
        Dice { state: std::array::from_fn(|_| split_mix(&mut split)) }
    }

    /// Dice of their own, so that more throws here do not change what is thrown there.
    pub fn fork(&mut self) -> Dice {
        Dice::new(self.throw())
    }

    /// 64 random bits.
    pub fn throw(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= shifted;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        assert!(low <= high, "between {low} and {high}");
        let width = u128::from(high - low) + 1;
        // Multiply and shift (Lemire 2019); its bias is far below anything a simulation shows.
        low + u64::try_from((u128::from(self.throw()) * width) >> 64).expect("below the width")
    }

    /// A span between two, both included.
    pub fn span(&mut self, low: Span, high: Span) -> Span {
        Span(self.between(low.0, high.0))
    }

    /// Yes in so many of a thousand throws.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.between(1, 1_000) <= per_mille
    }

    /// One of several.
    ///
    /// # Panics
    /// When there is nothing to choose from.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// An index below `length`, which is at least one.
    pub fn below(&mut self, length: usize) -> usize {
        self.between(0, length as u64 - 1) as usize
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_mix_agrees_with_its_reference() {
        let mut state = 1_234_567;
        assert_eq!(split_mix(&mut state), 6_457_827_717_110_365_317);
        assert_eq!(split_mix(&mut state), 3_203_168_211_198_807_973);
    }

    #[test]
    fn throws_reach_both_ends_and_no_further() {
        let mut dice = Dice::new(7);
        let mut seen = [0; 3];
        for _ in 0..300 {
            seen[dice.between(0, 2) as usize] += 1;
        }
        assert!(seen.iter().all(|times| *times > 50), "{seen:?}");
        assert_eq!(dice.between(5, 5), 5);
        assert!(!dice.chance(0) && dice.chance(1_000));
    }
}
