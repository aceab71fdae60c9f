//! The worker: runs what its manager starts, keeps the output until the manager has it, and survives its manager.
//!
//! | module | what it holds |
//! |---|---|
//! | [`state`] | what a worker does, as a pure state machine; the simulator runs it too |
//! | `run` | the shell around it: a task that dials, reads, writes and drives an executor |
//! | `spool` | output that the manager has not confirmed |
//!
//! A worker dials its manager and dials again for as long as it holds anything; it obeys one store, and stops what it
//! runs when it meets another one, or an older epoch of its own.

mod identity;
mod leave;
mod run;
mod spool;
pub mod state;

pub use identity::{Identity, ShutdownNotice, WorkerExit};
pub use leave::Leave;
pub use run::{DialError, Dialer, WorkerConfig, run};
pub use spool::{SpoolDirectory, SpoolDisk, SpoolFile, SpoolMemory};
