//! The backends of POD: stores, executors and provisioners, and what fetches scripts. One cargo feature each.

pub mod executor;
#[cfg(feature = "fetch")]
pub mod fetch;
pub mod provisioner;
#[cfg(feature = "sqlite")]
pub mod store;
