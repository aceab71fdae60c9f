//! The tokio shell around the [`manager`](crate::manager): one task owns it, hands in what happened, and performs what it
//! wants done. Nothing is decided here.
//!
//! | module | what it does |
//! |---|---|
//! | `handle` | asks the task, and waits for its answers |
//! | `gateway` | where backends hand in connected workers, and news of dead ones |
//! | `task` | the task: hands in messages, performs actions |
//! | `store_calls` | what the manager reads |
//! | `provisioning` | asks the provisioner to create, destroy and list workers |
//! | `renewal` | renews the lease of the store |
//! | `fetches` | fetches installation scripts |
//! | `leave` | lets workers leave that end with this process |
//! | `later` | work that takes long, beside the task |
//! | `links` | the tasks that serve the links; output goes past the manager into the store |
//! | `payloads` | what workers pull, encoded once |
//! | `preprocess` | what is worked out of a request on the caller's side |
//! | `archive_hash` | what tells one directory from another |
//! | `subscriptions` | who waits for news of which execution |

mod archive_hash;
mod clock;
mod fetches;
mod gateway;
mod handle;
mod later;
mod leave;
mod links;
mod message;
mod panic;
mod payloads;
mod preprocess;
mod provisioning;
mod renewal;
mod shared;
mod store_calls;
mod subscriptions;
mod task;
#[cfg(test)]
mod tests;

#[cfg(feature = "testing")]
pub(crate) use self::links::{DeferredOutput, Part, Piece, Stored, has_room, parts, whole};
#[cfg(any(test, feature = "testing"))]
pub(crate) use self::store_calls::read;
pub(crate) use self::{
    gateway::Links, handle::Engine, message::INBOX, preprocess::hash, shared::Shared, store_calls::load,
    subscriptions::Subscription, task::ManagerTask,
};
