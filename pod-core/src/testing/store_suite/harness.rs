//! A store under test, and a writer that holds its lease.

use std::{fmt, future::Future, path::PathBuf, pin::Pin, sync::Arc};

use async_trait::async_trait;
use tempfile::TempDir;

use super::rows::{conclude, end, one_running, open, running, update, waiting};
use crate::{
    domain::{AttemptKey, AttemptOutcome, Epoch, Event, Execution, ExecutionId, Millis, Timestamp},
    store::{Batch, Change, Holder, IdSequences, Lease, OutputStore, Store, StoreError},
    testing::output_store_suite::Harness,
};

/// Longer than a case takes.
pub(super) const TTL: Millis = Millis::from_secs(600);

/// Acquires the lease of a store that nobody else holds.
pub(super) async fn acquire(store: &dyn Store, name: &str, ttl: Millis) -> Lease {
    store.acquire(&Holder::new(name), ttl).await.expect("an answer").acquired().expect("nobody else holds it")
}

type Open = dyn Fn(PathBuf) -> Pin<Box<dyn Future<Output = Arc<dyn Store>> + Send>> + Send + Sync;

/// A store in a directory of its own, whose lease the rig holds.
pub struct StoreHarness {
    store: Option<Arc<dyn Store>>,
    open: Box<Open>,
    epoch: Epoch,
    seq: u64,
    last_event: u64,
    dir: TempDir,
}

impl fmt::Debug for StoreHarness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Harness").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl StoreHarness {
    /// Opens a new store and takes its lease.
    pub async fn open<F>(open: F) -> Self
    where
        F: Fn(PathBuf) -> Pin<Box<dyn Future<Output = Arc<dyn Store>> + Send>> + Send + Sync + 'static,
    {
        let dir = TempDir::new().expect("a temporary directory");
        let mut rig = Self { store: None, open: Box::new(open), epoch: Epoch(0), seq: 0, last_event: 0, dir };
        rig.reopen().await;
        rig
    }

    /// The store.
    pub(super) fn store(&self) -> Arc<dyn Store> {
        self.store.clone().expect("the store is open")
    }

    /// Drops the store, opens it again, and takes its lease.
    pub(super) async fn reopen(&mut self) {
        self.reopen_without_lease().await;
        self.acquire().await;
    }

    /// Drops the store and opens it again.
    pub(super) async fn reopen_without_lease(&mut self) {
        self.store = None;
        self.store = Some((self.open)(self.dir.path().to_owned()).await);
    }

    /// A second handle of the same store, as another manager would open it.
    pub(super) async fn other(&self) -> Arc<dyn Store> {
        (self.open)(self.dir.path().to_owned()).await
    }

    pub(super) async fn acquire(&mut self) {
        self.epoch = acquire(&*self.store(), "suite", TTL).await.epoch;
        self.seq = 0;
    }

    /// The epoch of the lease that the rig holds.
    pub(super) const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The next batch.
    pub(super) fn batch(&mut self, changes: Vec<Change>) -> Batch {
        self.seq += 1;
        Batch { seq: self.seq, epoch: self.epoch, at: Timestamp(1), changes, ..Batch::default() }
    }

    /// Commits changes that the store must take.
    pub(super) async fn commit(&mut self, changes: Vec<Change>) {
        self.try_commit(changes).await.expect("a batch without contradictions");
    }

    /// Commits changes.
    pub(super) async fn try_commit(&mut self, changes: Vec<Change>) -> Result<(), StoreError> {
        let batch = self.batch(changes);
        self.store().commit(Arc::new(batch)).await
    }

    /// Expects that the store refuses changes as a contradiction, and that it is as it was before.
    pub(super) async fn refuses(&mut self, changes: Vec<Change>) {
        let before = self.store().load().await.expect("a snapshot");
        // What stands beside the contradiction must not be applied either.
        let witness = ExecutionId(900_000);
        let mut all = vec![Change::InsertExecution(Arc::new(super::rows::waiting(witness.0, 1)))];
        all.extend(changes);
        let refused = self.try_commit(all).await;
        assert!(matches!(refused, Err(StoreError::Conflict(_))), "expected a conflict, got {refused:?}");
        assert_eq!(self.store().load().await.expect("a snapshot"), before);
        assert_eq!(self.store().execution(witness).await.expect("an answer"), None);
    }

    /// Commits events with the next numbers.
    pub(super) async fn tell(&mut self, events: usize) -> Vec<Event> {
        let events: Vec<Event> = (0..events).map(|_| super::rows::event(self.next_event())).collect();
        let mut batch = self.batch(Vec::new());
        batch.events.clone_from(&events);
        batch.id_sequences = IdSequences { event: self.last_event, ..IdSequences::default() };
        self.store().commit(Arc::new(batch)).await.expect("events");
        events
    }

    pub(super) fn next_event(&mut self) -> u64 {
        self.last_event += 1;
        self.last_event
    }

    /// An execution that must be there.
    pub(super) async fn execution(&self, id: u64) -> Execution {
        self.store().execution(ExecutionId(id)).await.expect("an answer").expect("the execution is there")
    }
}

#[async_trait]
impl Harness for StoreHarness {
    fn output(&self) -> Arc<dyn OutputStore> {
        self.store()
    }

    async fn open(&mut self, attempt: AttemptKey) {
        let (id, no) = (attempt.execution.0, attempt.attempt.0);
        let changes = match no {
            1 => one_running(id),
            _ => vec![end(id, no - 1, AttemptOutcome::Lost), open(id, no), update(&running(waiting(id, 1), no))],
        };
        self.commit(changes).await;
    }

    async fn end(&mut self, attempts: &[AttemptKey]) {
        self.commit(attempts.iter().flat_map(|key| conclude(key.execution.0)).collect()).await;
    }

    async fn delete(&mut self, execution: ExecutionId) {
        self.commit(vec![Change::DeleteExecutions(vec![execution])]).await;
    }

    async fn reopen(&mut self) {
        Self::reopen(self).await;
    }
}
