//! A store that wraps another one, and counts its commits.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use pod_core::{
    domain::{
        ActivityId, Age, Attempt, AttemptKey, Epoch, Event, Execution, ExecutionId, Millis, OutputFile, OutputSummary,
        Payload, RevisionNo, ScalingDecision, StoreId, Stream,
    },
    store::{
        Acquisition, Batch, DurableOffsets, ExecutionQuery, ExpiredExecution, Holder, IdempotencyRecord, InstallLog,
        OutputSlice, OutputStore, QueueCursor, QueuePage, Snapshot, Store, StoreError,
    },
};

/// Counts what is committed to the store in it.
#[derive(Debug)]
pub struct Counted {
    inner: Arc<dyn Store>,
    commits: Arc<AtomicU64>,
}

impl Counted {
    /// Wraps that store.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, commits: Arc::default() }
    }

    /// How many commits there were: a handle that goes on counting.
    pub fn commits(&self) -> Arc<AtomicU64> {
        self.commits.clone()
    }
}

// A method that a later version adds with a default would pass by what is counted here.
#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Store for Counted {
    fn id(&self) -> StoreId {
        self.inner.id()
    }

    // Forwarded as it is, it would hand the inner store to the engine, and nothing that the engine does would be counted.
    fn engine_handle(&self) -> Option<Arc<dyn Store>> {
        let inner = self.inner.engine_handle()?;
        Some(Arc::new(Self { inner, commits: self.commits.clone() }))
    }

    async fn acquire(&self, holder: &Holder, ttl: Millis) -> Result<Acquisition, StoreError> {
        self.inner.acquire(holder, ttl).await
    }

    async fn renew(&self, epoch: Epoch, ttl: Millis) -> Result<(), StoreError> {
        self.inner.renew(epoch, ttl).await
    }

    async fn release(&self, epoch: Epoch) -> Result<(), StoreError> {
        self.inner.release(epoch).await
    }

    async fn load(&self) -> Result<Snapshot, StoreError> {
        self.inner.load().await
    }

    async fn commit(&self, batch: Arc<Batch>) -> Result<(), StoreError> {
        let done = self.inner.commit(batch).await;
        if done.is_ok() {
            self.commits.fetch_add(1, Ordering::Relaxed);
        }
        done
    }

    async fn quiesce(&self) {
        self.inner.quiesce().await;
    }

    async fn has_room(&self) -> bool {
        self.inner.has_room().await
    }

    async fn peek_queue(
        &self,
        activity: ActivityId,
        revision: RevisionNo,
        after: QueueCursor,
        due: Age,
        limit: usize,
    ) -> Result<QueuePage, StoreError> {
        self.inner.peek_queue(activity, revision, after, due, limit).await
    }

    async fn execution(&self, id: ExecutionId) -> Result<Option<Execution>, StoreError> {
        self.inner.execution(id).await
    }

    async fn attempts(&self, id: ExecutionId) -> Result<Vec<Attempt>, StoreError> {
        self.inner.attempts(id).await
    }

    async fn executions(&self, query: ExecutionQuery) -> Result<Vec<Execution>, StoreError> {
        self.inner.executions(query).await
    }

    async fn count_executions(&self, query: ExecutionQuery) -> Result<u64, StoreError> {
        self.inner.count_executions(query).await
    }

    async fn disordered(&self) -> Result<ExecutionId, StoreError> {
        self.inner.disordered().await
    }

    async fn idempotency(&self, key: &str) -> Result<Option<IdempotencyRecord>, StoreError> {
        self.inner.idempotency(key).await
    }

    async fn payload(&self, activity: ActivityId, revision: RevisionNo) -> Result<Option<Payload>, StoreError> {
        self.inner.payload(activity, revision).await
    }

    async fn events(&self, after: u64, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.inner.events(after, limit).await
    }

    async fn events_before(&self, before: u64, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.inner.events_before(before, limit).await
    }

    async fn decisions(&self, limit: usize) -> Result<Vec<ScalingDecision>, StoreError> {
        self.inner.decisions(limit).await
    }

    async fn list_expired(&self, before: Age, limit: usize) -> Result<Vec<ExpiredExecution>, StoreError> {
        self.inner.list_expired(before, limit).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl OutputStore for Counted {
    async fn append_output(
        &self,
        key: AttemptKey,
        stream: Stream,
        offset: u64,
        bytes: Bytes,
    ) -> Result<(), StoreError> {
        self.inner.append_output(key, stream, offset, bytes).await
    }

    async fn output_file(&self, key: AttemptKey, stream: Stream) -> Result<Option<OutputFile>, StoreError> {
        self.inner.output_file(key, stream).await
    }

    async fn wrote_output(&self, key: AttemptKey, stream: Stream, from: u64, to: u64) -> Result<(), StoreError> {
        self.inner.wrote_output(key, stream, from, to).await
    }

    async fn append_tail(&self, key: AttemptKey, stream: Stream, offset: u64, bytes: Bytes) -> Result<(), StoreError> {
        self.inner.append_tail(key, stream, offset, bytes).await
    }

    async fn append_interleaving(&self, key: AttemptKey, offset: u64, bytes: Bytes) -> Result<(), StoreError> {
        self.inner.append_interleaving(key, offset, bytes).await
    }

    async fn read_interleaving(&self, key: AttemptKey, offset: u64, limit: usize) -> Result<Bytes, StoreError> {
        self.inner.read_interleaving(key, offset, limit).await
    }

    async fn sync_output(&self, key: AttemptKey) -> Result<DurableOffsets, StoreError> {
        self.inner.sync_output(key).await
    }

    async fn read_output(
        &self,
        key: AttemptKey,
        stream: Stream,
        offset: u64,
        limit: usize,
    ) -> Result<OutputSlice, StoreError> {
        self.inner.read_output(key, stream, offset, limit).await
    }

    async fn output_summary(&self, key: AttemptKey) -> Result<OutputSummary, StoreError> {
        self.inner.output_summary(key).await
    }

    async fn append_install_log(&self, log: InstallLog, bytes: Bytes, restart: bool) -> Result<(), StoreError> {
        self.inner.append_install_log(log, bytes, restart).await
    }

    async fn install_log(&self, log: InstallLog) -> Result<Bytes, StoreError> {
        self.inner.install_log(log).await
    }
}
