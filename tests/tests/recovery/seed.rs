//! Random numbers that a seed replays.

/// A small generator; any seed is fine.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// By `POD_TEST_SEED` where that is given. A failing test shows the seed, as the runner shows its stderr.
    pub(crate) fn seeded() -> Self {
        let seed = std::env::var("POD_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_260);
        eprintln!("POD_TEST_SEED={seed}");
        Self(seed)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}
