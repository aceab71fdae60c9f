//! The thin shell around the planner.
//!
//! One task owns the planner's state. It drains inputs, steps and plans, commits one batch, and only then publishes
//! events, answers requests and performs effects. It never waits on a link: what a link cannot take is dropped with the
//! link, and the next `Hello` brings both sides together again.
//!
//! | module | what it does |
//! |---|---|
//! | `driver` | the task: collects a round of inputs, plans, commits, publishes |
//! | `closing` | the end: workers that end with this process leave before it |
//! | `settle` | what a failed commit leads to |
//! | `effects` | performs what was committed: orders to workers, the provisioner, fetched scripts |
//! | `outboxes` | the connected workers, and what is to be sent to them |
//! | `links` | the tasks that serve the links; output goes past the engine into the store |
//! | `prepare` | what is worked out of a request on the caller's side |
//! | `terms` | on which terms a request is carried out |
//! | `directory` | what tells one directory from another |
//! | `topics` | who waits for news of which execution |

mod clock;
mod closing;
mod directory;
mod driver;
mod effects;
mod links;
mod message;
mod outboxes;
mod prepare;
mod request;
mod settle;
mod shared;
mod terms;
#[cfg(test)]
mod tests;
mod topics;

use std::{sync::Arc, time::Duration};

use tokio::sync::{mpsc, oneshot, watch};

#[cfg(feature = "testing")]
pub(crate) use self::links::Arrival;
pub(crate) use self::{driver::Driver, message::INBOX, prepare::hash, shared::Shared, topics::Subscription};
pub use self::{
    links::{Admission, Links},
    request::{Hurry, Put, Registration, Reply, Request},
    terms::{Expected, Terms},
};
use self::{message::Message, prepare::prepare};
use crate::{
    domain::{ExecutionId, Now},
    pod::PodError,
    store::Store,
};

/// How long a request waits for room in the inbox before its caller is told to come back later.
const PATIENCE: Duration = Duration::from_secs(10);

/// The handle of the task. Dropping it ends the task, after what was accepted is committed.
#[derive(Debug)]
pub(crate) struct Engine {
    /// For whoever looks; the engine has a handle of its own.
    store: Arc<dyn Store>,
    shared: Arc<Shared>,
    inbox: mpsc::Sender<Message>,
}

impl Engine {
    pub(crate) fn new(store: Arc<dyn Store>, shared: Arc<Shared>, inbox: mpsc::Sender<Message>) -> Self {
        Self { store, shared, inbox }
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Asks, and returns after what was asked for is durable.
    pub(crate) async fn request(&self, request: Request) -> Result<Reply, PodError> {
        if let Some(refusal) = self.shared.refusal() {
            return Err(refusal);
        }
        let found = Box::new(prepare(&request, &self.shared).await?);
        let (reply, answer) = oneshot::channel();
        let message = Message::Request { request, found, reply };
        match self.inbox.try_send(message) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(self.shared.end_reason()),
            Err(mpsc::error::TrySendError::Full(message)) => match self.inbox.send_timeout(message, PATIENCE).await {
                Ok(()) => {}
                Err(mpsc::error::SendTimeoutError::Closed(_)) => return Err(self.shared.end_reason()),
                Err(mpsc::error::SendTimeoutError::Timeout(_)) => return Err(PodError::Overloaded),
            },
        }
        answer.await.unwrap_or_else(|_| Err(self.shared.end_reason()))
    }

    /// Hears of changes of an execution from now on.
    /// To be held by what follows something.
    pub(crate) fn follower(&self) -> Arc<()> {
        self.shared.followers.clone()
    }

    pub(crate) fn subscribe(&self, id: ExecutionId) -> Subscription {
        self.shared.topics.subscribe(id, self.shared.ended.subscribe())
    }

    pub(crate) fn newest_event(&self) -> watch::Receiver<u64> {
        self.shared.newest_event.subscribe()
    }

    pub(crate) fn now(&self) -> Now {
        self.shared.now()
    }

    /// Ends when the engine has ended, with the reason.
    pub(crate) async fn stopped(&self) -> PodError {
        let mut ended = self.shared.ended.subscribe();
        // The sender is in `shared`, which is held here: it cannot be gone.
        let reason = ended.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        reason.unwrap_or(PodError::Stopped)
    }

    /// Ends the engine after workers that end with it have left and what was accepted is committed, and returns when
    /// nothing of it runs any more. Asked again, the shorter time counts.
    pub(crate) async fn shutdown(&self, within: Duration) {
        self.shared.close(within);
        self.stopped().await;
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
        self.shared.store.rest().await;
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.close(Duration::ZERO);
    }
}
