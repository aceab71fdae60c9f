//! The handle for embedders, and what the HTTP APIs are made of.

mod builder;
mod bulk;
mod events;
mod follow;
mod handle;
mod lists;

pub use builder::Builder;
pub use bulk::{Asked, ManyAct, Portion};
pub use events::EventGap;
pub use follow::{OutputChunk, OutputFollower, OutputPosition};
pub use handle::{MAX_BATCH, Pod};
