//! The handle for embedders, and what the HTTP APIs are made of.

mod activities;
mod builder;
mod bulk;
mod events;
mod executions;
mod fleet;
mod follow;
mod handle;
mod lists;

pub use builder::PodBuilder;
pub use bulk::{BulkAction, BulkOutcome, BulkRequest};
pub use events::EventGap;
pub use executions::MAX_BATCH;
pub use follow::{InvalidPosition, OutputChunk, OutputFollower, OutputPosition};
pub use handle::Pod;
