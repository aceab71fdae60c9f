//! The SQLite store: a database for the records, files for long output.
//!
//! One connection commits, a few others only read. A batch is one transaction; its rows go in a handful of statements.
//! It must not decide anything: what is written comes from the planner.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use futures::future::BoxFuture;
use pod_core::{
    domain::{
        ActivityId, Age, Attempt, Epoch, Event, Execution, ExecutionId, Millis, Payload, RevisionNo, ScalingDecision,
        StoreId,
    },
    store::{
        Acquisition, Batch, ExecutionQuery, ExpiredExecution, Holder, IdempotencyRecord, QueueCursor, QueuePage,
        Snapshot, Store, StoreError,
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
    output::{OpenAttempts, OutputFiles, blocking},
    reserve::Reserve,
    shared::Shared,
};

mod coalesce;
mod commit;
mod encoding;
mod error;
mod install_log;
mod lease;
mod listing;
mod open;
mod output;
mod output_store;
mod rare_changes;
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
    /// `StoreError::Incompatible` with a sentence for the person who named the directory: it cannot be written, `pod.db` is
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
}

#[async_trait]
impl Store for SqliteStore {
    fn id(&self) -> StoreId {
        self.shared.id
    }

    fn engine_handle(&self) -> Option<Arc<dyn Store>> {
        let readers = open::readers(&self.shared.path, ENGINE_READERS);
        Some(Arc::new(Self { readers, ..self.clone() }))
    }

    async fn acquire(&self, holder: &Holder, ttl: Millis) -> Result<Acquisition, StoreError> {
        let (shared, writer, holder) = (Arc::clone(&self.shared), Arc::clone(&self.writer), holder.clone());
        settle(async move { writer.lock().await.acquire(&shared, &holder, ttl).await }).await
    }

    async fn renew(&self, epoch: Epoch, ttl: Millis) -> Result<(), StoreError> {
        let writer = Arc::clone(&self.writer);
        settle(async move { writer.lock().await.renew(epoch, ttl).await }).await
    }

    async fn release(&self, epoch: Epoch) -> Result<(), StoreError> {
        let writer = Arc::clone(&self.writer);
        settle(async move { writer.lock().await.release(epoch).await }).await
    }

    async fn load(&self) -> Result<Snapshot, StoreError> {
        let mut snapshot = read::snapshot(&self.readers).await?;
        for (_, attempt) in &mut snapshot.running {
            attempt.output = self.shared.open.summary(attempt.key).await.unwrap_or(attempt.output);
        }
        Ok(snapshot)
    }

    async fn quiesce(&self) {
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

    async fn peek_queue(
        &self,
        activity: ActivityId,
        revision: RevisionNo,
        after: QueueCursor,
        due: Age,
        limit: usize,
    ) -> Result<QueuePage, StoreError> {
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

    async fn list_expired(&self, before: Age, limit: usize) -> Result<Vec<ExpiredExecution>, StoreError> {
        read::expired(&self.readers, before, limit).await
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
