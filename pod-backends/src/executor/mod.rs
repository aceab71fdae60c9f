//! Executors: what runs executions on a worker.

#[cfg(all(feature = "docker", target_os = "linux"))]
pub mod docker;
#[cfg(all(feature = "local", target_os = "linux"))]
pub mod process;
