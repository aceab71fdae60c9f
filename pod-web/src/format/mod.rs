//! Formats times, durations, sizes, numbers and states, the same on every page.

mod ending;
#[expect(unreachable_pub, reason = "what the attribute of a filter expands to is public")]
pub(crate) mod filters;
mod signal;
mod state;
mod text;

pub(crate) use ending::ending;
pub(crate) use signal::signal;
pub(crate) use state::{HasStatus, StatusStyle};
pub(crate) use text::{activity_address, beginning, bytes, exact, relative, thousands, time_of_day};
