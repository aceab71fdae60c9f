//! Who waits for news of which execution. An execution that nobody waits for costs nothing.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use crate::{api::PodError, domain::ExecutionId};

/// The executions that someone waits for.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(Mutex<HashMap<ExecutionId, Arc<Topic>>>);

/// The two kinds of news of an execution. Only that there is some is told; what it is, is in the store.
#[derive(Debug, Default)]
struct Topic {
    changes: watch::Sender<()>,
    output: watch::Sender<()>,
}

impl Subscriptions {
    pub(super) fn subscribe(
        self: &Arc<Self>,
        id: ExecutionId,
        engine_ended: watch::Receiver<Option<PodError>>,
    ) -> Subscription {
        let topic = self.lock().entry(id).or_default().clone();
        let (changes, output) = (topic.changes.subscribe(), topic.output.subscribe());
        Subscription { id, topics: self.clone(), topic: Some(topic), changes, output, engine_ended }
    }

    /// The state of these executions changed.
    pub(super) fn changed(&self, ids: &[ExecutionId]) {
        if ids.is_empty() {
            return;
        }
        let topics = self.lock();
        if topics.is_empty() {
            return;
        }
        for topic in ids.iter().filter_map(|id| topics.get(id)) {
            topic.changes.send_replace(());
        }
    }

    /// There is more output of an execution.
    pub(super) fn printed(&self, id: ExecutionId) {
        if let Some(topic) = self.lock().get(&id) {
            topic.output.send_replace(());
        }
    }

    /// Everything may have changed.
    pub(super) fn all_changed(&self) {
        for topic in self.lock().values() {
            topic.changes.send_replace(());
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ExecutionId, Arc<Topic>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hears of one execution. Subscribe, then read: what happens after the subscription is not missed.
#[derive(Debug)]
pub(crate) struct Subscription {
    id: ExecutionId,
    topics: Arc<Subscriptions>,
    /// Keeps the senders; absent only while it is dropped.
    topic: Option<Arc<Topic>>,
    changes: watch::Receiver<()>,
    output: watch::Receiver<()>,
    engine_ended: watch::Receiver<Option<PodError>>,
}

impl Subscription {
    /// Whether the execution changed since the last time this said so.
    pub(crate) fn take_changed(&mut self) -> bool {
        let changed = self.changes.has_changed().unwrap_or(false);
        self.changes.mark_unchanged();
        changed
    }

    /// From here on, [`Subscription::news`] tells of output that comes now.
    pub(crate) fn reading_output(&mut self) {
        self.output.mark_unchanged();
    }

    /// Ends when the state of the execution changed. Cancellation safe.
    pub(crate) async fn ended(&mut self) -> Result<(), PodError> {
        tokio::select! {
            biased;
            // The sender is in `topic`, which is held here: it cannot be gone.
            _ = self.changes.changed() => Ok(()),
            reason = self.engine_ended.wait_for(Option::is_some) => Err(reason_of(reason.ok().as_deref())),
        }
    }

    /// Ends when there is output, or the state changed and [`Subscription::take_changed`] was not called since.
    /// Cancellation safe.
    pub(crate) async fn news(&mut self) -> Result<(), PodError> {
        // `changed()` marks it as seen, but `take_changed` has to tell of it still.
        let mut changes = self.changes.clone();
        tokio::select! {
            biased;
            _ = changes.changed() => Ok(()),
            _ = self.output.changed() => Ok(()),
            reason = self.engine_ended.wait_for(Option::is_some) => Err(reason_of(reason.ok().as_deref())),
        }
    }
}

fn reason_of(reason: Option<&Option<PodError>>) -> PodError {
    reason.and_then(Clone::clone).unwrap_or(PodError::Stopped)
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // Under the lock, under which new ones are made too: who leaves last removes the topic.
        let mut topics = self.topics.lock();
        drop(self.topic.take());
        if topics.get(&self.id).is_some_and(|topic| Arc::strong_count(topic) == 1) {
            topics.remove(&self.id);
        }
    }
}
