//! The in-memory store: the executable specification of the trait. Clear rather than fast, and it scans nothing that
//! grows with the queue.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use async_trait::async_trait;
use bytes::Bytes;
use uuid::Uuid;

pub(crate) use self::file::MemoryFile;
#[cfg(feature = "testing")]
pub(crate) use self::restored::MemoryCopy;
use self::state::State;
use super::{
    batch::{Batch, ClockMark, Snapshot},
    error::StoreError,
    interface::{ExecutionQuery, ExpiredExecution, IdempotencyRecord, QueueCursor, QueuePage, Store},
    lease::{Acquisition, Holder},
    output::{DurableOffsets, INSTALL_LOG_LIMIT, InstallLog, OutputSlice, OutputStore},
};
use crate::domain::{
    ActivityId, Age, Attempt, AttemptKey, Epoch, Event, Execution, ExecutionId, Millis, Now, OutputFile, OutputSummary,
    Payload, RevisionNo, ScalingDecision, StoreId, Stream,
};

mod apply;
mod file;
mod lease;
mod output;
#[cfg(feature = "testing")]
mod restored;
mod state;
mod table;

/// Everything in memory. A clone is another handle of the same store, as a restarted manager opens it.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    id: StoreId,
    made: Instant,
    state: Arc<Mutex<State>>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store with an identity of its own.
    #[must_use]
    pub fn new() -> Self {
        Self::with_id(StoreId(Uuid::new_v4()))
    }

    /// An empty store with a given identity, for what must be reproducible.
    #[must_use]
    pub fn with_id(id: StoreId) -> Self {
        Self { id, made: Instant::now(), state: Arc::default() }
    }

    /// Forgets what a crash of the manager may lose: output of open attempts that `sync_output` did not confirm.
    pub fn lose_unsynced_output(&self) {
        let state = &mut *self.state();
        let State { open, output, .. } = state;
        for (key, output) in output {
            if open.get(&key.execution) == Some(&key.attempt) {
                output.lose_unsynced();
            }
        }
    }

    /// Sets the time by which leases expire, for what has a time of its own; it stands still from then on. Unless it is set,
    /// it is the time since the store was made.
    pub fn set_time(&self, time: Millis) {
        self.state().time = Some(time);
    }

    fn time(&self, state: &State) -> Millis {
        let passed = || u64::try_from(self.made.elapsed().as_millis()).unwrap_or(u64::MAX);
        state.time.unwrap_or_else(|| Millis(passed()))
    }

    /// A copy of everything, rows and output.
    #[cfg(feature = "testing")]
    pub(crate) fn copy(&self) -> MemoryCopy {
        MemoryCopy::of(&self.state())
    }

    /// Puts a copy into its place, for all handles of it. It notices that, as stores are to do.
    #[cfg(feature = "testing")]
    pub(crate) fn restore(&self, copy: &MemoryCopy) {
        self.restore_unnoticed(copy);
        self.state().begin_history();
    }

    /// The same, of a store that takes itself for what it was.
    #[cfg(feature = "testing")]
    pub(crate) fn restore_unnoticed(&self, copy: &MemoryCopy) {
        copy.replace(&mut self.state());
    }

    /// The file that [`Store::output_file`] told of, for a worker of the same process.
    pub(crate) fn file(&self, told: &OutputFile) -> Option<MemoryFile> {
        let state = self.state();
        let all = state.output.iter().flat_map(|(key, output)| Stream::BOTH.map(|stream| (*key, stream, output)));
        let mut found = all.filter(|(key, stream, _)| file_of(*key, *stream, state.restorations) == *told);
        found.next().map(|(_, stream, output)| output.of(stream).file())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave a batch half-applied for good: `commit` rolls back what an earlier one left.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn id(&self) -> StoreId {
        self.id
    }

    async fn has_room(&self) -> bool {
        true
    }

    async fn acquire(&self, holder: &Holder, ttl: Millis) -> Result<Acquisition, StoreError> {
        let state = &mut *self.state();
        let acquisition = state.lease.acquire(holder, ttl, self.time(state));
        if let Acquisition::Acquired(_) = &acquisition {
            state.last.seq = 0;
        }
        Ok(acquisition)
    }

    async fn renew(&self, epoch: Epoch, ttl: Millis) -> Result<(), StoreError> {
        let state = &mut *self.state();
        let now = self.time(state);
        state.lease.renew(epoch, ttl, now)
    }

    async fn release(&self, epoch: Epoch) -> Result<(), StoreError> {
        self.state().lease.release(epoch);
        Ok(())
    }

    async fn load(&self) -> Result<Snapshot, StoreError> {
        Ok(self.state().snapshot())
    }

    async fn commit(&self, batch: Arc<Batch>) -> Result<(), StoreError> {
        let state = &mut *self.state();
        let held = state.lease.epoch;
        if batch.epoch < held {
            return Err(StoreError::Fenced);
        }
        if batch.epoch > held {
            return Err(StoreError::Conflict(format!("epoch {} was never acquired", batch.epoch).into()));
        }
        if batch.seq <= state.last.seq {
            return Ok(());
        }
        state.roll_back();
        let discarded = match state.apply(&batch) {
            Ok(discarded) => discarded,
            Err(error) => {
                state.roll_back();
                return Err(error);
            }
        };
        state.settle();
        state.last.seq = batch.seq;
        state.last.high_water.raise_to(batch.id_sequences);
        let now = Now { wall: batch.at, age: batch.age };
        state.last.clock = Some(ClockMark { now, boot: batch.boot });
        for key in discarded.output {
            state.output.remove(&key);
        }
        for logs in discarded.install_logs {
            state.install_logs.retain(|log, _| !logs.holds(log));
        }
        Ok(())
    }

    async fn peek_queue(
        &self,
        activity: ActivityId,
        revision: RevisionNo,
        after: QueueCursor,
        due: Age,
        limit: usize,
    ) -> Result<QueuePage, StoreError> {
        Ok(self.state().claim((activity, revision), after, due, limit))
    }

    async fn execution(&self, id: ExecutionId) -> Result<Option<Execution>, StoreError> {
        Ok(self.state().executions.get(&id).map(|row| Execution::clone(row)))
    }

    async fn attempts(&self, id: ExecutionId) -> Result<Vec<Attempt>, StoreError> {
        let state = self.state();
        Ok(state.attempts_of(id).filter_map(|key| state.attempt(key)).collect())
    }

    async fn executions(&self, query: ExecutionQuery) -> Result<Vec<Execution>, StoreError> {
        Ok(self.state().page(&query))
    }

    async fn count_executions(&self, query: ExecutionQuery) -> Result<u64, StoreError> {
        Ok(self.state().matching(&query).count() as u64)
    }

    async fn disordered(&self) -> Result<ExecutionId, StoreError> {
        Ok(ExecutionId(self.state().last.high_water.disordered))
    }

    async fn idempotency(&self, key: &str) -> Result<Option<IdempotencyRecord>, StoreError> {
        Ok(self.state().idempotency.get(&Arc::from(key)).cloned())
    }

    async fn payload(&self, activity: ActivityId, revision: RevisionNo) -> Result<Option<Payload>, StoreError> {
        Ok(self.state().payloads.get(&(activity, revision)).cloned())
    }

    async fn events(&self, after: u64, limit: usize) -> Result<Vec<Event>, StoreError> {
        let state = self.state();
        let Some(first) = after.checked_add(1) else { return Ok(Vec::new()) };
        Ok(state.events.range(first..).take(limit).map(|(_, event)| event.clone()).collect())
    }

    async fn events_before(&self, before: u64, limit: usize) -> Result<Vec<Event>, StoreError> {
        let state = self.state();
        Ok(state.events.range(..before).rev().take(limit).map(|(_, event)| event.clone()).collect())
    }

    async fn decisions(&self, limit: usize) -> Result<Vec<ScalingDecision>, StoreError> {
        Ok(self.state().decisions.iter().rev().take(limit).map(|(_, decision)| decision.clone()).collect())
    }

    async fn list_expired(&self, before: Age, limit: usize) -> Result<Vec<ExpiredExecution>, StoreError> {
        Ok(self.state().expired(before, limit))
    }
}

#[async_trait]
impl OutputStore for MemoryStore {
    async fn append_output(
        &self,
        key: AttemptKey,
        stream: Stream,
        offset: u64,
        bytes: Bytes,
    ) -> Result<(), StoreError> {
        let state = &mut *self.state();
        if state.is_open(key) {
            return state.output.entry(key).or_default().of_mut(stream).append(offset, &bytes);
        }
        let known = state.output.get(&key).is_some_and(|output| output.of(stream).covers(offset, bytes.len()));
        if known || (bytes.is_empty() && state.attempts.contains(&key)) {
            Ok(())
        } else {
            Err(StoreError::not_open(key))
        }
    }

    async fn output_file(&self, key: AttemptKey, stream: Stream) -> Result<Option<OutputFile>, StoreError> {
        let state = &mut *self.state();
        if !state.is_open(key) {
            return Ok(None);
        }
        state.output.entry(key).or_default();
        Ok(Some(file_of(key, stream, state.restorations)))
    }

    async fn wrote_output(&self, key: AttemptKey, stream: Stream, from: u64, to: u64) -> Result<(), StoreError> {
        let state = &mut *self.state();
        if state.is_open(key) {
            return state.output.entry(key).or_default().of_mut(stream).wrote(from, to);
        }
        let len = usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
        let known = state.output.get(&key).is_some_and(|output| output.of(stream).covers(from, len));
        if known { Ok(()) } else { Err(StoreError::not_open(key)) }
    }

    async fn append_tail(&self, key: AttemptKey, stream: Stream, offset: u64, bytes: Bytes) -> Result<(), StoreError> {
        let state = &mut *self.state();
        if state.is_open(key) {
            state.output.entry(key).or_default().of_mut(stream).put_tail(offset, bytes);
            return Ok(());
        }
        let summary = state.output.get(&key).map(|output| output.summary().stream(stream)).unwrap_or_default();
        let known = state.attempts.contains(&key) && offset + bytes.len() as u64 <= summary.len;
        if known { Ok(()) } else { Err(StoreError::not_open(key)) }
    }

    async fn append_interleaving(&self, key: AttemptKey, offset: u64, bytes: Bytes) -> Result<(), StoreError> {
        let state = &mut *self.state();
        if state.is_open(key) {
            return state.output.entry(key).or_default().order.append(offset, &bytes);
        }
        if state.attempts.contains(&key) { Ok(()) } else { Err(StoreError::not_open(key)) }
    }

    async fn read_interleaving(&self, key: AttemptKey, offset: u64, limit: usize) -> Result<Bytes, StoreError> {
        let state = self.state();
        Ok(state.output.get(&key).map(|output| output.order.read(offset, limit).bytes).unwrap_or_default())
    }

    async fn sync_output(&self, key: AttemptKey) -> Result<DurableOffsets, StoreError> {
        let state = &mut *self.state();
        let open = state.is_open(key);
        let Some(output) = state.output.get_mut(&key) else { return Ok(DurableOffsets::default()) };
        if open {
            return Ok(output.sync());
        }
        let summary = output.summary();
        Ok(DurableOffsets { stdout: summary.stdout.len, stderr: summary.stderr.len, interleaving: 0 })
    }

    async fn read_output(
        &self,
        key: AttemptKey,
        stream: Stream,
        offset: u64,
        limit: usize,
    ) -> Result<OutputSlice, StoreError> {
        let state = self.state();
        let slice = state.output.get(&key).map(|output| output.of(stream).read(offset, limit));
        Ok(slice.unwrap_or(OutputSlice { offset, bytes: Bytes::new() }))
    }

    async fn output_summary(&self, key: AttemptKey) -> Result<OutputSummary, StoreError> {
        Ok(self.state().attempt(key).map(|attempt| attempt.output).unwrap_or_default())
    }

    async fn append_install_log(&self, log: InstallLog, bytes: Bytes, restart: bool) -> Result<(), StoreError> {
        let state = &mut *self.state();
        let kept = state.install_logs.entry(log).or_default();
        if restart {
            kept.clear();
        }
        kept.append(&bytes, INSTALL_LOG_LIMIT);
        Ok(())
    }

    async fn install_log(&self, log: InstallLog) -> Result<Bytes, StoreError> {
        Ok(self.state().install_logs.get(&log).map(output::InstallOutput::bytes).unwrap_or_default())
    }
}

/// How the file of a stream is told of.
fn file_of(key: AttemptKey, stream: Stream, restorations: u64) -> OutputFile {
    let path = format!("memory:{key}.{}", stream.as_str()).into();
    OutputFile { path, device: restorations, inode: key.execution.0 }
}
