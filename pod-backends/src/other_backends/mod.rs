//! Workers of the same data directory that the backend which starts does not reach: of another backend, or on another
//! engine. They would run on while they are held for lost, and what they run would run a second time beside them.

pub(crate) mod clear;
pub(crate) mod left_behind;
