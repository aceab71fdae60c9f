//! A store whose commits fail when a test wants them to.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    domain::{
        ActivityId, Age, Attempt, AttemptKey, Epoch, Event, Execution, ExecutionId, Millis, OutputSummary, Payload,
        RevisionNo, ScalingDecision, StoreId, Stream,
    },
    store::{
        Acquisition, Batch, DurableOffsets, ExecutionQuery, ExpiredExecution, Holder, IdempotencyRecord, InstallLog,
        MemoryStore, OutputSlice, OutputStore, QueueCursor, QueuePage, Snapshot, Store, StoreError,
    },
};

/// What becomes of a commit.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// It fails, and nothing was written.
    Before(StoreError),
    /// It was written, and the answer is lost.
    After(StoreError),
    /// It takes so long.
    Slow(Duration),
}

#[derive(Clone, Debug, Default)]
pub(super) struct FaultyStore {
    pub(super) inner: MemoryStore,
    faults: Arc<Mutex<VecDeque<Fault>>>,
    output_faults: Arc<AtomicUsize>,
    renewals: Arc<AtomicUsize>,
}

impl FaultyStore {
    /// The next commits go like this.
    pub(super) fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.lock().unwrap().extend(faults);
    }

    pub(super) fn faults_left(&self) -> usize {
        self.faults.lock().unwrap().len()
    }

    /// How often the lease was renewed.
    pub(super) fn renewals(&self) -> usize {
        self.renewals.load(Ordering::Relaxed)
    }

    /// So many pieces of output are not taken.
    pub(super) fn fail_output(&self, times: usize) {
        self.output_faults.store(times, Ordering::Relaxed);
    }
}

#[async_trait]
impl Store for FaultyStore {
    async fn commit(&self, batch: Arc<Batch>) -> Result<(), StoreError> {
        let fault = self.faults.lock().unwrap().pop_front();
        match fault {
            None => self.inner.commit(batch).await,
            Some(Fault::Slow(time)) => {
                tokio::time::sleep(time).await;
                self.inner.commit(batch).await
            }
            Some(Fault::Before(error)) => Err(error),
            Some(Fault::After(error)) => self.inner.commit(batch).await.and(Err(error)),
        }
    }

    fn id(&self) -> StoreId {
        self.inner.id()
    }

    async fn has_room(&self) -> bool {
        self.inner.has_room().await
    }

    async fn acquire(&self, holder: &Holder, ttl: Millis) -> Result<Acquisition, StoreError> {
        self.inner.acquire(holder, ttl).await
    }

    async fn renew(&self, epoch: Epoch, ttl: Millis) -> Result<(), StoreError> {
        self.renewals.fetch_add(1, Ordering::Relaxed);
        self.inner.renew(epoch, ttl).await
    }

    async fn release(&self, epoch: Epoch) -> Result<(), StoreError> {
        self.inner.release(epoch).await
    }

    async fn load(&self) -> Result<Snapshot, StoreError> {
        self.inner.load().await
    }

    async fn peek_queue(
        &self,
        id: ActivityId,
        no: RevisionNo,
        after: QueueCursor,
        due: Age,
        n: usize,
    ) -> Result<QueuePage, StoreError> {
        self.inner.peek_queue(id, no, after, due, n).await
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

    async fn payload(&self, id: ActivityId, no: RevisionNo) -> Result<Option<Payload>, StoreError> {
        self.inner.payload(id, no).await
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

#[async_trait]
impl OutputStore for FaultyStore {
    async fn append_output(
        &self,
        key: AttemptKey,
        stream: Stream,
        offset: u64,
        bytes: Bytes,
    ) -> Result<(), StoreError> {
        let failing = |left: usize| left.checked_sub(1);
        if self.output_faults.fetch_update(Ordering::Relaxed, Ordering::Relaxed, failing).is_ok() {
            return Err(StoreError::Full("no space for output".into()));
        }
        self.inner.append_output(key, stream, offset, bytes).await
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
