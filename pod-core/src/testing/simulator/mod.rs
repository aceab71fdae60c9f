//! A deterministic simulator: the real planner, real workers, the protocol of the link with its bytes, modelled machines,
//! programs and networks, virtual time, one seed, faults all the time, and every invariant checked after every step.
//!
//! | module | what it holds |
//! |---|---|
//! | `world` | virtual time, the manager, its users, and everything that goes wrong |
//! | `machine` | machines: disks, worker processes with the real state machine, programs, installations |
//! | `network`, `ends` | links, which keep their order and break one way or both; the manager's ends of them |
//! | `luck`, `random` | what is drawn, a generator per concern, and which faults a run has |
//! | `content`, `ledger` | what programs print and did, whatever anybody was told |
//! | `invariants` | what must hold of the manager after every step |
//! | `history`, `report` | what is told of a run |
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
mod world;

pub use invariants::Violation;
pub use options::{Mutant, Options};
pub use report::Report;

/// Runs one seed. An error is a defect of POD: it names the invariant, the seed, and the last things that happened.
pub fn run(seed: u64, options: &Options) -> Result<Report, Box<Violation>> {
    world::World::new(seed, options.clone()).run()
}
