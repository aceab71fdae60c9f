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
mod manager_process;
mod network;
mod options;
pub(in crate::testing) mod random;
mod report;
mod requests;
mod restorations;
mod run;
mod shrink;
mod world;

pub use invariants::Violation;
pub use options::{Fault, Mode, Mutant, Options};
pub use report::Report;
pub use run::run;
pub use shrink::{Scenario, shrink};
