//! Parts of POD that an application made for itself: an executor, a backend, a scheduler and a store that wraps another.

pub mod counted;
pub mod functions;
pub mod strict;
pub mod tasks;
