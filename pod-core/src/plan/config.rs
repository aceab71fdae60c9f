//! What the planner does not change.

use std::sync::Arc;

use crate::{
    api::Limits,
    domain::{Epoch, Millis, StoreId},
    provisioner::Capabilities,
    scheduler::Scheduler,
};

/// What does not change while the engine runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// The store.
    pub store: StoreId,
    /// The lease.
    pub epoch: Epoch,
    /// Times, counts and sizes.
    pub limits: Limits,
    /// The name of the backend, which is written into the row of each worker that it is asked for.
    pub backend: Arc<str>,
    /// How long a worker may take from `create` to hello.
    pub launch_timeout: Millis,
    /// Which kinds of workers there can be.
    pub capabilities: Capabilities,
    /// Places and sizes.
    pub scheduler: Arc<dyn Scheduler>,
    /// How much of each queue is held in memory.
    pub window: Window,
    /// The oldest version of the link that a worker is given work in: [`OLDEST_VERSION`](crate::link::OLDEST_VERSION).
    pub oldest_version: u32,
}

/// How many waiting executions of an activity are held in memory: what the fleet can start soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// So many, however small the fleet is.
    pub least: usize,
    /// So many per slot of a larger one.
    pub per_slot: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self { least: 512, per_slot: 8 }
    }
}
