//! A deterministic simulator: the real planner and the protocol of the link, a modelled fleet, virtual time, one seed,
//! faults all the time, and every invariant checked after every step.
//!
//! ```
//! let report = pod_core::testing::simulator::run(7, &Default::default()).unwrap();
//! assert!(report.concluded > 0);
//! ```

mod invariants;
pub(in crate::testing) mod random;
mod worker;
mod world;

pub use invariants::Violation;
pub use world::{Mutant, Report};

/// What a run is made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many executions are submitted.
    pub executions: u32,
    /// Until when faults happen, in virtual milliseconds; after that everything must end.
    pub faults_until: i64,
    /// Whether workers die; without that, nothing may run twice.
    pub worker_faults: bool,
    /// Whether somebody sets the system's clock, and machines are started anew between two managers.
    pub clock_faults: bool,
    /// A defect built in on purpose, which the invariants must notice.
    pub mutant: Option<Mutant>,
}

impl Default for Options {
    fn default() -> Self {
        Self { executions: 40, faults_until: 120_000, worker_faults: true, clock_faults: true, mutant: None }
    }
}

/// Runs one seed. An error is a defect of POD: it names the invariant, the seed, and the last things that happened.
pub fn run(seed: u64, options: &Options) -> Result<Report, Box<Violation>> {
    world::World::new(seed, options.clone()).run()
}
