//! What backends are held against: conformance suites of the traits, and the deterministic simulator.

pub mod executor_suite;
pub mod in_process;
pub mod output_store_suite;
pub mod process_executor_suite;
pub mod provisioner_suite;
pub mod scheduler_suite;
pub mod simulator;
pub mod store_suite;
