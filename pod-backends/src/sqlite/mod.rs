//! The SQLite store: a database for the records, files for long output.
//!
//! One connection commits, a few others only read. A batch is one transaction; its rows go in a handful of statements.
//! It must not decide anything: what is written comes from the planner.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use pod_core::{
    domain::{
        ActivityId, Age, Attempt, AttemptKey, Event, Execution, ExecutionId, OutputFile, OutputSummary, Payload,
        RevisionNo, ScalingDecision, StoreId, Stream, Timestamp,
    },
    store::{
        Batch, Claimed, DurableOffsets, ExecutionQuery, ExpiredExecution, IdempotencyRecord, InstallLog, Lease,
        OutputSlice, QueueKey, Snapshot, Store, StoreError,
    },
};
use sqlx::SqlitePool;
use tokio::sync::Mutex;

use crate::private;

use self::{
    commit::Writer,
    encoding::attempt_key,
    error::from_io,
    install_log::InstallLogs,
    output::{Appended, OpenAttempts, OutputFiles, Track, blocking},
    read::Inline,
    reserve::Reserve,
    shared::Shared,
};

mod change;
mod commit;
mod encoding;
mod error;
mod install_log;
mod listing;
mod open;
mod output;
mod plan;
mod read;
mod reserve;
mod restored;
mod rows;
mod shared;
mod write;

/// So many connections read for whoever looks; their slow searches wait for each other.
const READERS: u32 = 4;
/// So many read for the engine: its task, and its links and effects.
const ENGINE_READERS: u32 = 2;

/// A store in one directory: `pod.db`, and beside it `output/` with what is long. A clone is another handle of it.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    shared: Arc<Shared>,
    writer: Arc<Mutex<Writer>>,
    /// Not shared: the handle of the engine has readers of its own.
    readers: SqlitePool,
}

impl SqliteStore {
    /// Opens the store of a directory, and makes both where they are not there.
    ///
    /// # Errors
    /// `StoreError::Unusable` with a sentence for the person who named the directory: it cannot be written, `pod.db` is
    /// not a database, not one of POD, or from a newer version.
    pub async fn open(dir: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_boxed(dir.as_ref()).await
    }

    /// Boxed, so that it is compiled here, and not wherever a store is opened.
    fn open_boxed(dir: &Path) -> BoxFuture<'_, Result<Self, StoreError>> {
        Box::pin(async move {
            let path = dir.join("pod.db");
            open::make_directory(dir)?;
            let mut connection = open::writer(&path).await?;
            let id = open::migrate(&path, &mut connection).await?;
            restored::notice(dir, &path, &mut connection).await?;
            for part in ["output", "install-logs"] {
                if let Err(error) = private::make_dir(&dir.join(part)) {
                    tracing::warn!(%error, part, "others may read what is kept");
                }
            }
            let files = OutputFiles::at(dir.join("output"));
            let open = OpenAttempts::new(files.clone());
            let keys = read::open_attempts(&mut connection).await?;
            open.replace(&keys).map_err(|error| from_io(&error, "cannot read output"))?;
            let shared = Shared {
                id,
                path: path.clone(),
                open,
                files,
                logs: InstallLogs::at(dir.join("install-logs")),
                reserve: Reserve::take(dir.join("reserve")),
            };
            let writer = Arc::new(Mutex::new(Writer::new(connection)));
            let store = Self { shared: Arc::new(shared), writer, readers: open::readers(&path, READERS) };
            store.sweep_output().await?;
            Ok(store)
        })
    }

    /// Deletes the output of attempts that are no more: a crash came between their deletion and that of their files.
    async fn sweep_output(&self) -> Result<(), StoreError> {
        let files = self.shared.files.clone();
        let found = blocking(move || files.attempts().map_err(|error| from_io(&error, "cannot list output"))).await?;
        for key in found {
            if read::attempt(&self.readers, attempt_key(key)?).await?.is_none() {
                let files = self.shared.files.clone();
                blocking(move || files.remove(key).map_err(|error| from_io(&error, "cannot delete output"))).await?;
            }
        }
        Ok(())
    }

    /// An attempt that is not open: what is sent again of it is known, anything else is refused.
    async fn known_output(&self, key: AttemptKey, stream: Stream, end: u64) -> Result<(), StoreError> {
        match read::attempt(&self.readers, attempt_key(key)?).await? {
            Some(attempt) if attempt.end.is_some() && end <= attempt.output.of(stream).len => Ok(()),
            _ => Err(StoreError::not_open(key)),
        }
    }

    /// Where a piece of output found no space, nothing else that can wait is tried before there is some.
    fn noting_full<T>(&self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Full(_)) = outcome {
            self.shared.reserve.note_full();
        }
        outcome
    }

    async fn read_track(
        &self,
        key: AttemptKey,
        track: Track,
        offset: u64,
        limit: usize,
    ) -> Result<OutputSlice, StoreError> {
        if let Some(slice) = self.shared.open.read(key, track, offset, limit).await? {
            return Ok(slice);
        }
        let row = read::inline_output(&self.readers, attempt_key(key)?, track, offset, limit).await?;
        match row {
            Some(Inline { bytes: Some(bytes), .. }) => Ok(OutputSlice { offset, bytes: bytes.into() }),
            row => {
                let head = row.and_then(|row| row.head);
                self.shared.open.read_ended(key, track, offset, limit, head).await
            }
        }
    }

    fn check_room(&self) -> Result<(), StoreError> {
        if self.shared.reserve.is_due() {
            self.shared.reserve.take_again();
        }
        if self.shared.reserve.is_full() {
            return Err(StoreError::Full("there is no room for output on the manager's disk".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn id(&self) -> StoreId {
        self.shared.id
    }

    fn for_engine(&self) -> Option<Arc<dyn Store>> {
        let readers = open::readers(&self.shared.path, ENGINE_READERS);
        Some(Arc::new(Self { readers, ..self.clone() }))
    }

    async fn acquire(&self, _now: Timestamp) -> Result<Lease, StoreError> {
        let (shared, writer) = (Arc::clone(&self.shared), Arc::clone(&self.writer));
        settle(async move { writer.lock().await.acquire(&shared).await.map(|epoch| Lease { epoch }) }).await
    }

    async fn load(&self) -> Result<Snapshot, StoreError> {
        let mut snapshot = read::snapshot(&self.readers).await?;
        for (_, attempt) in &mut snapshot.running {
            attempt.output = self.shared.open.summary(attempt.key).await.unwrap_or(attempt.output);
        }
        Ok(snapshot)
    }

    async fn rest(&self) {
        self.writer.lock().await.empty_log().await;
    }

    async fn has_room(&self) -> bool {
        let mut writer = self.writer.lock().await;
        writer.look_for_room(&self.shared).await;
        writer.tidy(&self.shared).await;
        !self.shared.reserve.is_full()
    }

    async fn commit(&self, batch: Arc<Batch>) -> Result<(), StoreError> {
        let (shared, writer) = (Arc::clone(&self.shared), Arc::clone(&self.writer));
        settle(async move { writer.lock().await.commit(&shared, &batch).await }).await
    }

    async fn claim(
        &self,
        activity: ActivityId,
        revision: RevisionNo,
        after: QueueKey,
        due: Age,
        limit: usize,
    ) -> Result<Claimed, StoreError> {
        read::claim(&self.readers, (activity, revision), after, due, limit).await
    }

    async fn execution(&self, id: ExecutionId) -> Result<Option<Execution>, StoreError> {
        read::execution(&self.readers, id).await
    }

    async fn attempts(&self, id: ExecutionId) -> Result<Vec<Attempt>, StoreError> {
        let mut attempts = read::attempts(&self.readers, id).await?;
        for attempt in attempts.iter_mut().filter(|attempt| attempt.end.is_none()) {
            attempt.output = self.shared.open.summary(attempt.key).await.unwrap_or(attempt.output);
        }
        Ok(attempts)
    }

    async fn executions(&self, query: ExecutionQuery) -> Result<Vec<Execution>, StoreError> {
        listing::executions(&self.readers, &query).await
    }

    async fn count_executions(&self, query: ExecutionQuery) -> Result<u64, StoreError> {
        listing::count(&self.readers, &query).await
    }

    async fn disordered(&self) -> Result<ExecutionId, StoreError> {
        read::disordered(&self.readers).await
    }

    async fn idempotency(&self, key: &str) -> Result<Option<IdempotencyRecord>, StoreError> {
        read::idempotency(&self.readers, key).await
    }

    async fn payload(&self, activity: ActivityId, revision: RevisionNo) -> Result<Option<Payload>, StoreError> {
        read::payload(&self.readers, activity, revision).await
    }

    async fn events(&self, after: u64, limit: usize) -> Result<Vec<Event>, StoreError> {
        read::events(&self.readers, after, limit).await
    }

    async fn events_before(&self, before: u64, limit: usize) -> Result<Vec<Event>, StoreError> {
        read::events_before(&self.readers, before, limit).await
    }

    async fn decisions(&self, limit: usize) -> Result<Vec<ScalingDecision>, StoreError> {
        read::decisions(&self.readers, limit).await
    }

    async fn expired(&self, before: Age, limit: usize) -> Result<Vec<ExpiredExecution>, StoreError> {
        read::expired(&self.readers, before, limit).await
    }

    async fn append_output(
        &self,
        key: AttemptKey,
        stream: Stream,
        offset: u64,
        bytes: Bytes,
    ) -> Result<(), StoreError> {
        let appended = self.shared.open.append(key, Track::Of(stream), offset, &bytes, || self.check_room()).await;
        match self.noting_full(appended)? {
            Appended::Taken => Ok(()),
            Appended::NotOpen => self.known_output(key, stream, offset.saturating_add(bytes.len() as u64)).await,
        }
    }

    async fn output_file(&self, key: AttemptKey, stream: Stream) -> Result<Option<OutputFile>, StoreError> {
        self.check_room()?;
        let file = self.shared.open.head_file(key, stream).await;
        self.noting_full(file)
    }

    async fn wrote_output(&self, key: AttemptKey, stream: Stream, from: u64, to: u64) -> Result<(), StoreError> {
        match self.shared.open.take_written(key, stream, from, to).await? {
            Appended::Taken => Ok(()),
            Appended::NotOpen => self.known_output(key, stream, to).await,
        }
    }

    async fn append_tail(&self, key: AttemptKey, stream: Stream, offset: u64, bytes: Bytes) -> Result<(), StoreError> {
        self.check_room()?;
        let end = offset.saturating_add(bytes.len() as u64);
        let put = self.shared.open.put_tail(key, stream, offset, bytes).await;
        match self.noting_full(put)? {
            Appended::Taken => Ok(()),
            Appended::NotOpen => self.known_output(key, stream, end).await,
        }
    }

    async fn sync_output(&self, key: AttemptKey) -> Result<DurableOffsets, StoreError> {
        if let Some(durable) = self.shared.open.sync(key).await? {
            return Ok(durable);
        }
        let output = self.output_summary(key).await?;
        Ok(DurableOffsets { stdout: output.stdout.len, stderr: output.stderr.len, order: 0 })
    }

    async fn read_output(
        &self,
        key: AttemptKey,
        stream: Stream,
        offset: u64,
        limit: usize,
    ) -> Result<OutputSlice, StoreError> {
        self.read_track(key, Track::Of(stream), offset, limit).await
    }

    async fn append_order(&self, key: AttemptKey, offset: u64, bytes: Bytes) -> Result<(), StoreError> {
        let appended = self.shared.open.append(key, Track::Order, offset, &bytes, || self.check_room()).await;
        match self.noting_full(appended)? {
            Appended::Taken => Ok(()),
            Appended::NotOpen => self.known_output(key, Stream::Stdout, 0).await,
        }
    }

    async fn read_order(&self, key: AttemptKey, offset: u64, limit: usize) -> Result<Bytes, StoreError> {
        Ok(self.read_track(key, Track::Order, offset, limit).await?.bytes)
    }

    async fn output_summary(&self, key: AttemptKey) -> Result<OutputSummary, StoreError> {
        if let Some(summary) = self.shared.open.summary(key).await {
            return Ok(summary);
        }
        let attempt = read::attempt(&self.readers, attempt_key(key)?).await?;
        Ok(attempt.map(|attempt| attempt.output).unwrap_or_default())
    }

    async fn append_install_log(&self, log: InstallLog, bytes: Bytes, restart: bool) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        let append = move || shared.logs.append(log, &bytes, restart);
        blocking(move || append().map_err(|error| from_io(&error, "cannot write the log of an installation"))).await
    }

    async fn install_log(&self, log: InstallLog) -> Result<Bytes, StoreError> {
        let shared = Arc::clone(&self.shared);
        let read = move || shared.logs.read(log).map(Bytes::from);
        blocking(move || read().map_err(|error| from_io(&error, "cannot read the log of an installation"))).await
    }
}

/// Runs a transaction to its end, whatever becomes of the caller: a transaction that was dropped half-way would be
/// taken up by the next one.
async fn settle<T: Send + 'static>(
    transaction: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    let failed = |error| StoreError::Unavailable(format!("the writing task failed: {error}").into());
    tokio::spawn(transaction).await.map_err(failed)?
}
