//! The backends of POD: stores, executors and provisioners, one cargo feature each.

pub mod executor;
