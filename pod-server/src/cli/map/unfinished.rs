//! Tracks submitted executions that have not ended, to terminate them when the map ends early.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use pod_core::domain::RetryRevision;
use pod_server::client::{Client, ClientError};
use tokio_util::task::TaskTracker;

/// Their ids. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub(super) struct Unfinished {
    ids: Arc<Mutex<BTreeSet<u64>>>,
    /// Requests under way, whose executions are there although their ids are not known yet.
    starting: TaskTracker,
}

impl Unfinished {
    pub(super) fn extend(&self, ids: impl IntoIterator<Item = u64>) {
        self.with(|all| all.extend(ids));
    }

    pub(super) fn remove(&self, id: u64) {
        self.with(|all| all.remove(&id));
    }

    /// The one that was submitted first.
    pub(super) fn first(&self) -> Option<u64> {
        self.with(|all| all.first().copied())
    }

    /// All of them, the newest first, when the ids of all are known.
    pub(super) async fn all(&self) -> Vec<u64> {
        self.starting.close();
        self.starting.wait().await;
        self.with(|all| all.iter().rev().copied().collect())
    }

    /// Runs an ended execution again, and knows the new one also where nobody waits for the answer any more.
    pub(super) async fn retry(&self, client: &Client, id: u64) -> Result<u64, ClientError> {
        let (all, client) = (self.clone(), client.clone());
        let retrying = self.starting.spawn(async move {
            let again = client.retry(id, RetryRevision::Same, &uuid::Uuid::new_v4().to_string()).await?.id;
            all.extend([again]);
            Ok(again)
        });
        retrying.await.unwrap_or_else(|error| Err(ClientError::Setup(error.to_string())))
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeSet<u64>) -> T) -> T {
        act(&mut self.ids.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
