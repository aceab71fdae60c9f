//! The handle of the engine's task.

use std::{sync::Arc, time::Duration};

use tokio::sync::{mpsc, oneshot, watch};

use super::{message::Message, preprocess::prepare, shared::Shared, subscriptions::Subscription};
use crate::{
    api::{PodError, Reply, Request},
    domain::{ExecutionId, Now},
    store::Store,
};

/// How long a request waits for room in the inbox before its caller is told to come back later.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);

/// The handle of the task. Dropping it ends the task, after what was accepted is committed.
#[derive(Debug)]
pub(crate) struct Engine {
    /// For whoever looks; the engine has a handle of its own.
    store: Arc<dyn Store>,
    pub(super) shared: Arc<Shared>,
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
            Err(mpsc::error::TrySendError::Full(message)) => {
                match self.inbox.send_timeout(message, REPLY_TIMEOUT).await {
                    Ok(()) => {}
                    Err(mpsc::error::SendTimeoutError::Closed(_)) => return Err(self.shared.end_reason()),
                    Err(mpsc::error::SendTimeoutError::Timeout(_)) => return Err(PodError::Overloaded),
                }
            }
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
        self.shared.store.quiesce().await;
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.close(Duration::ZERO);
    }
}
