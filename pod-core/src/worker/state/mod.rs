//! What a worker does, as a pure state machine: no IO, no clock, no randomness, no task.
//!
//! Inputs go in through [`WorkerState::step`], which gives effects for the shell to perform. What is to be said to the
//! manager is *pulled* by [`WorkerState::collect`] whenever the link can take a frame: so many small messages share one
//! frame, and nothing piles up behind a slow link but what the spools keep.
//!
//! The simulator runs this with a modelled executor; [`super::run`] runs it with a real one.

mod attempts;
mod effect;
mod executions;
mod files;
mod held;
mod input;
mod install_log;
mod installs;
mod leave;
mod leaving;
mod links;
mod machine;
mod outgoing;
mod outgoing_frames;
mod pull;
mod session;

pub use self::{
    effect::Effect,
    input::{Input, Now},
    machine::WorkerState,
};

#[cfg(test)]
mod tests;
