//! The pure planner: what happened goes in, what to write and what to do comes out.
//!
//! [`State::step`] takes one input, [`State::plan`] decides what follows; both write into a [`Decision`]. Effects are
//! values: they are performed after the batch that they stand in was committed. Nothing here does IO, reads a clock,
//! draws a random number or starts a task; `now` is a parameter. So the engine, the simulator and "what if" share it.

mod activity;
mod advice;
mod autoscale;
mod clock;
mod config;
mod counting;
mod cycle;
mod decision;
mod installation_backoff;
mod isolation;
mod placement;
mod queue;
mod retire;
mod revision;
mod state;
mod statistics;
mod step;
mod table;
#[cfg(test)]
mod tests;
mod times;
mod view;
mod worker;

pub use activity::ActivityState;
pub use advice::{SlipKind, Slips};
#[cfg(feature = "testing")]
pub(crate) use advice::{assignments as advise_assignments, scale as advise_scale};
pub use config::{Config, Window};
pub use decision::{Decision, Effect, ReplyId};
pub(crate) use placement::MAX_AHEAD;
pub use queue::Queue;
pub use revision::RevisionState;
pub use state::{Deadlines, OpenAttempt, Refill, State};
pub use step::{Input, StoredContext};
pub use worker::WorkerState;
