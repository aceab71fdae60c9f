//! Runs one seed.

use super::{invariants::Violation, options::Options, report::Report, world::World};

/// Runs one seed. An error is a defect of POD: it names the invariant, the seed, and the last things that happened.
pub fn run(seed: u64, options: &Options) -> Result<Report, Box<Violation>> {
    World::new(seed, options.clone()).run()
}
