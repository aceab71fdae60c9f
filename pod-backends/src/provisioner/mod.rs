//! Provisioners: what creates and destroys workers.

#[cfg(all(feature = "local", target_os = "linux"))]
pub mod local;
