//! The manager as a machine without IO: what a round consists of and when it closes, what is read from the store and
//! when, what a commit leads to, who is told, and how it all ends.
//!
//! [`Manager::handle`] takes one [`Input`], [`Manager::poll`] gives the [`Action`]s that follow, in order, and
//! [`Manager::next_deadline`] says when time alone is an input. It holds no task, clock, channel or handle: the engine
//! performs its actions in tokio, and the simulator in a world that it makes up. Decisions about workers and executions
//! are those of [`plan`](crate::plan), which it drives.
//!
//! | module | what it holds |
//! |---|---|
//! | `machine` | the manager: its inputs, its actions, its deadline |
//! | `input`, `action`, `notice` | what goes in, what comes out, and what is told to the log |
//! | `intake` | how an input becomes part of the round |
//! | `round` | what a round has collected, and when it closes |
//! | `commit` | the commit of a round, and what follows from each way in which it ends |
//! | `work` | what is done after a commit, before anything else is taken |
//! | `follow_up` | does it: effects of the round, and reads |
//! | `lease`, `renewal` | renews the lease in time |
//! | `links` | which link is whose, and which are given up |
//! | `calls` | what the provisioner was asked: of each worker one thing at a time |
//! | `request` | which rows a request needs, and how much of a round it takes |
//! | `phase`, `closing` | the end: workers leave, what was accepted is committed |
//!
//! A commit comes before everything that shows it: nothing is published, answered or sent of a round that the store has
//! not taken.

mod action;
mod calls;
mod closing;
mod commit;
mod follow_up;
mod input;
mod intake;
mod lease;
mod links;
mod machine;
mod notice;
mod phase;
mod renewal;
mod request;
mod round;
#[cfg(test)]
mod tests;
mod work;

pub use self::{
    action::{Action, Published, Query},
    input::{Answer, Asked, Input, Loaded, Rows},
    machine::{Manager, ManagerConfig},
    notice::{Notice, Severity},
};
