//! The thin shell around the planner.
//!
//! One task owns the planner's state. It drains inputs, steps and plans, commits one batch, and only then publishes
//! events, answers requests and performs effects. It never waits on a link: what a link cannot take is dropped with the
//! link, and the next `Hello` brings both sides together again.
//!
//! | module | what it does |
//! |---|---|
//! | `handle` | asks the task, and waits for its answers |
//! | `gateway` | where backends hand in connected workers, and news of dead ones |
//! | `driver` | the task: collects a round of inputs, plans, commits, publishes |
//! | `closing` | the end: workers that end with this process leave before it |
//! | `settle` | what a failed commit leads to |
//! | `effects` | performs what was committed: orders to workers, installations, fetched scripts |
//! | `machines` | asks the provisioner to create, destroy and list workers |
//! | `later` | work that takes long, beside the task |
//! | `outboxes` | the connected workers, and what is to be sent to them |
//! | `links` | the tasks that serve the links; output goes past the engine into the store |
//! | `prepare` | what is worked out of a request on the caller's side |
//! | `directory` | what tells one directory from another |
//! | `topics` | who waits for news of which execution |

mod clock;
mod closing;
mod directory;
mod driver;
mod effects;
mod gateway;
mod handle;
mod later;
mod links;
mod machines;
mod message;
mod outboxes;
mod panic;
mod phase;
mod prepare;
mod settle;
mod shared;
#[cfg(test)]
mod tests;
mod topics;

#[cfg(feature = "testing")]
pub(crate) use self::links::{LeftOut, Part, Piece, Stored, has_room, parts};
pub(crate) use self::{
    driver::Driver, gateway::Links, handle::Engine, message::INBOX, prepare::hash, shared::Shared, topics::Subscription,
};
