//! Provisioners: what creates and destroys workers.

#[cfg(all(feature = "docker", target_os = "linux"))]
mod beside;
#[cfg(all(feature = "docker", target_os = "linux"))]
pub mod docker;
#[cfg(all(feature = "docker", target_os = "linux"))]
mod door;
#[cfg(all(feature = "local", target_os = "linux"))]
pub mod local;
#[cfg(all(feature = "docker", target_os = "linux"))]
pub mod swarm;
#[cfg(all(any(feature = "docker", feature = "local"), target_os = "linux"))]
mod turns;

#[cfg(all(feature = "docker", target_os = "linux"))]
pub use self::door::Door;
