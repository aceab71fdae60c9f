//! One seed, split per concern, so that a new draw in one place does not change all others.

/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
#[derive(Clone, Debug)]
pub(in crate::testing) struct Random(u64);

impl Random {
    /// The generator of one concern of a run.
    pub(in crate::testing) fn of(seed: u64, concern: u64) -> Self {
        let mut random = Self(seed ^ concern.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        random.next();
        random
    }

    pub(in crate::testing) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// At least `low`, below `high`.
    pub(in crate::testing) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low).max(1)
    }

    /// True so many times in a thousand.
    pub(in crate::testing) fn per_mille(&mut self, chance: u64) -> bool {
        self.next() % 1000 < chance
    }
}
