//! The thin shell around the planner.
//!
//! One task owns the planner's state. It drains inputs, steps and plans, commits one batch, and only then publishes
//! events, answers requests and performs effects. It never waits on a link: what a link cannot take is dropped with the
//! link, and the next `Hello` brings both sides together again.

mod request;

pub use request::{Reply, Request};

use crate::{
    domain::{ExecutionId, Timestamp, WorkerId},
    link::Transport,
    pod::PodError,
    store::Store,
};
use std::sync::Arc;
use tokio::sync::watch;

/// Where connected workers are handed in. Cheap to clone; bounded.
#[derive(Clone, Debug)]
pub struct Links {}

/// Who may come in over a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Only workers that this store created.
    Known,
    /// Also workers that dial in by themselves: whoever is here has shown the token.
    Anyone,
}

impl Links {
    /// Serves a worker's link until it ends; spawns a task and returns at once.
    pub fn connect(&self, _transport: Transport, _admission: Admission) {
        unimplemented!()
    }

    /// Tells that a worker is known to be dead, with the reason as a sentence: its work is given out again at once.
    pub async fn gone(&self, _worker: WorkerId, _reason: String) {
        unimplemented!()
    }
}

#[derive(Debug)]
pub(crate) struct Engine {}

#[derive(Debug)]
pub(crate) struct Subscription {}
impl Subscription {
    pub(crate) async fn ended(&mut self) -> Result<(), PodError> {
        unimplemented!()
    }
}

impl Engine {
    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        unimplemented!()
    }
    pub(crate) async fn request(&self, _request: Request) -> Result<Reply, PodError> {
        unimplemented!()
    }
    pub(crate) fn subscribe(&self, _id: ExecutionId) -> Subscription {
        unimplemented!()
    }
    pub(crate) fn newest_event(&self) -> watch::Receiver<u64> {
        unimplemented!()
    }
    pub(crate) fn now(&self) -> Timestamp {
        unimplemented!()
    }
    pub(crate) async fn stopped(&self) -> PodError {
        unimplemented!()
    }
    pub(crate) async fn shutdown(&self) {
        unimplemented!()
    }
}
