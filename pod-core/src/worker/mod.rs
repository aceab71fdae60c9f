//! The worker.
mod spool;
pub use spool::{SpoolDirectory, SpoolDisk, SpoolFile, SpoolMemory};
