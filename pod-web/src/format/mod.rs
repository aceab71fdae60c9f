//! How things are written: times, durations, sizes, numbers and states, the same on every page.

#[expect(unreachable_pub, reason = "what the attribute of a filter expands to is public")]
pub(crate) mod filters;
mod state;
mod text;

pub(crate) use state::{Look, Stated};
pub(crate) use text::{bytes, exact, relative, thousands};
