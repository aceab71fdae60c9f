//! A deterministic simulator: the real manager and real workers, the protocol of the link with its bytes, modelled machines,
//! programs, networks, stores and provisioners, virtual time, one seed, faults all the time, and every invariant checked
//! after every step.
//!
//! ```
//! let report = pod_core::testing::simulator::run(7, &Default::default()).unwrap();
//! assert!(report.concluded > 0);
//! ```

mod content;
mod ends;
mod history;
mod invariants;
mod ledger;
mod luck;
mod machine;
mod network;
mod options;
pub(in crate::testing) mod random;
mod report;
mod shrink;
mod world;

pub use invariants::Violation;
pub use options::{Fault, Mode, Mutant, Options};
pub use report::Report;
pub use shrink::{Scenario, shrink};

/// Runs one seed. An error is a defect of POD: it names the invariant, the seed, and the last things that happened.
pub fn run(seed: u64, options: &Options) -> Result<Report, Box<Violation>> {
    world::World::new(seed, options.clone()).run()
}
