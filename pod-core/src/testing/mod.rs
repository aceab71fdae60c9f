//! The conformance suites of the traits, and the deterministic simulator.

pub mod executor_suite;
