//! Storage in one SQLite file, with larger outputs beside it.
//!
//! WAL and `synchronous=FULL`: a commit is on the disk when it returns. One connection writes, a few others read.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use pod_core::{
    domain::{
        ActivityId, Attempt, AttemptKey, Epoch, Event, Execution, ExecutionId, OutputSummary, Payload, RevisionNo,
        ScalingDecision, StoreId, Stream, Timestamp,
    },
    store::{
        Batch, Change, Claimed, DurableOffsets, ExecutionQuery, ExpiredExecution, IdempotencyRecord, InstallLog, Lease,
        OutputSlice, QueueKey, Snapshot, Store, StoreError,
    },
};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Row, SqliteConnection, SqlitePool,
    pool::PoolConnection,
    query,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::Mutex;

mod commit;
mod install_log;
mod output;
mod read;
mod rows;
mod schema;

use output::Outputs;
use rows::signed;

/// Freed when the disk is full, so that ends and deletions still commit.
const RESERVE: usize = 4 << 20;

/// A store in one directory: `pod.db`, and `output/` beside it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    id: StoreId,
    writer: Mutex<SqliteConnection>,
    readers: SqlitePool,
    outputs: Arc<Outputs>,
    reserve: PathBuf,
}

type Result<T> = std::result::Result<T, StoreError>;

/// What an error of SQLite means to the engine.
fn failed(error: sqlx::Error) -> StoreError {
    let code = error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<i32>().ok());
    let sentence: Arc<str> = error.to_string().into();
    match code.map(|code| code & 0xFF) {
        Some(13) => StoreError::Full(sentence),
        Some(19) => StoreError::Conflict(sentence),
        Some(11 | 26) => {
            StoreError::Unusable(format!("the database is damaged or not one of POD's: {sentence}").into())
        }
        _ => StoreError::Unavailable(sentence),
    }
}

fn unusable(path: &Path, why: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unusable(format!("the database {} cannot be used: {why}", path.display()).into())
}

impl SqliteStore {
    /// Opens the store in a directory, and makes both where they are not there. An error is a sentence for a person:
    /// the directory cannot be written, the file is not a database, it is from a newer version.
    pub async fn open(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        let path = dir.join("pod.db");
        fs::create_dir_all(dir).map_err(|error| unusable(&path, &error))?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10))
            .pragma("cache_size", "-8000")
            .pragma("journal_size_limit", "67108864")
            .disable_statement_logging();
        let mut writer = options.connect().await.map_err(|error| unusable(&path, &error))?;
        migrate(&mut writer, &path).await?;
        let id = identify(&mut writer).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(3)
            .connect_with(options.read_only(true).pragma("cache_size", "-2000"))
            .await
            .map_err(|error| unusable(&path, &error))?;
        let outputs = Arc::new(Outputs::new(dir.join("output")));
        let reserve = dir.join("reserve");
        let inner = Inner { id, writer: Mutex::new(writer), readers, outputs, reserve };
        inner.keep_reserve();
        Ok(Self { inner: Arc::new(inner) })
    }

    async fn reader(&self) -> Result<PoolConnection<sqlx::Sqlite>> {
        self.inner.readers.acquire().await.map_err(failed)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Outputs) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let outputs = self.inner.outputs.clone();
        let done = tokio::task::spawn_blocking(move || work(&outputs)).await;
        done.map_err(|error| StoreError::Unavailable(error.to_string().into()))?
    }
}

impl Inner {
    fn keep_reserve(&self) {
        if !self.reserve.exists() {
            // Written, not only sized: a hole reserves nothing.
            let kept = File::create(&self.reserve).and_then(|mut file| file.write_all(&vec![1; RESERVE]));
            if kept.is_err() {
                let _ = fs::remove_file(&self.reserve);
            }
        }
    }

    async fn commit(&self, batch: &Batch) -> Result<()> {
        let ended = commit::ended(batch);
        if ended.iter().any(|key| self.outputs.is_on_disk(*key)) {
            let (outputs, keys) = (self.outputs.clone(), ended.clone());
            let synced =
                tokio::task::spawn_blocking(move || keys.iter().try_for_each(|key| outputs.sync(*key).map(drop)));
            synced.await.map_err(|error| StoreError::Unavailable(error.to_string().into()))??;
        }
        let deleted = self.deleted(batch).await?;
        let mut writer = self.writer.lock().await;
        let first = write(&mut writer, batch, &self.outputs).await;
        let grows = |change: &Change| matches!(change, Change::InsertExecution(_) | Change::PutPayload { .. });
        let result = match first {
            Err(StoreError::Full(_)) if self.reserve.exists() && !batch.changes.iter().any(grows) => {
                let _ = fs::remove_file(&self.reserve);
                write(&mut writer, batch, &self.outputs).await
            }
            Ok(()) if batch.seq % 1024 == 1 => {
                self.keep_reserve();
                Ok(())
            }
            other => other,
        };
        drop(writer);
        result?;
        self.outputs.close(&ended);
        for attempt in deleted {
            self.outputs.delete(attempt);
        }
        Ok(())
    }

    /// The attempts whose files go with the executions that a batch deletes.
    async fn deleted(&self, batch: &Batch) -> Result<Vec<AttemptKey>> {
        let mut keys = Vec::new();
        for change in &batch.changes {
            let Change::DeleteExecutions(ids) = change else { continue };
            let mut reader = self.readers.acquire().await.map_err(failed)?;
            for id in ids {
                keys.extend(read::attempts(&mut reader, *id).await?.into_iter().map(|attempt| attempt.key));
            }
        }
        Ok(keys)
    }
}

/// Writes a batch in one transaction.
async fn write(writer: &mut SqliteConnection, batch: &Batch, outputs: &Outputs) -> Result<()> {
    query("BEGIN IMMEDIATE").execute(&mut *writer).await.map_err(failed)?;
    let written = match take_turn(writer, batch).await {
        Ok(true) => commit::apply(writer, batch, outputs).await,
        Ok(false) => Ok(()), // it was committed before
        Err(error) => Err(error),
    };
    let written = match written {
        Ok(()) => query("COMMIT").execute(&mut *writer).await.map(drop).map_err(failed),
        Err(error) => Err(error),
    };
    if written.is_err() {
        // Already rolled back where SQLite did so by itself, as it does when the disk is full.
        let _ = query("ROLLBACK").execute(&mut *writer).await;
    }
    written
}

/// Whether the batch is the next one of this epoch.
async fn take_turn(writer: &mut SqliteConnection, batch: &Batch) -> Result<bool> {
    let high = batch.high_water;
    let sql = "UPDATE store SET seq = ?1, activity = max(activity, ?3), execution = max(execution, ?4), \
         worker = max(worker, ?5), policy = max(policy, ?6), event = max(event, ?7), session = max(session, ?8) \
         WHERE epoch = ?2 AND seq < ?1";
    let mut update = query(sql).bind(signed(batch.seq)).bind(signed(batch.epoch.0));
    for id in [high.activity, high.execution, high.worker, high.policy, high.event, high.session] {
        update = update.bind(signed(id));
    }
    if update.execute(&mut *writer).await.map_err(failed)?.rows_affected() == 1 {
        return Ok(true);
    }
    let row = query("SELECT epoch FROM store").fetch_one(&mut *writer).await.map_err(failed)?;
    let epoch = Epoch(row.try_get::<i64, _>(0).map_err(failed)?.cast_unsigned());
    match epoch.cmp(&batch.epoch) {
        std::cmp::Ordering::Greater => Err(StoreError::Fenced),
        std::cmp::Ordering::Equal => Ok(false),
        std::cmp::Ordering::Less => {
            Err(StoreError::Conflict(format!("epoch {} was never acquired", batch.epoch).into()))
        }
    }
}

async fn migrate(writer: &mut SqliteConnection, path: &Path) -> Result<()> {
    let number = async |writer: &mut SqliteConnection, pragma: &'static str| -> Result<i64> {
        let row = query(pragma).fetch_one(writer).await.map_err(|error| unusable(path, &error))?;
        row.try_get(0).map_err(failed)
    };
    let application = number(writer, "PRAGMA application_id").await?;
    let version = usize::try_from(number(writer, "PRAGMA user_version").await?).unwrap_or(usize::MAX);
    let tables = number(writer, "SELECT count(*) FROM sqlite_master").await?;
    if application != schema::APPLICATION_ID && tables > 0 {
        return Err(unusable(path, &"it belongs to another program; name another data directory"));
    }
    if version > schema::MIGRATIONS.len() {
        let ours = schema::MIGRATIONS.len();
        let why = format!("it is of version {version} and this program knows up to {ours}; use the newer pod");
        return Err(unusable(path, &why));
    }
    for (index, migration) in schema::MIGRATIONS.iter().enumerate().skip(version) {
        let id = schema::APPLICATION_ID;
        let next = index + 1;
        let sql =
            format!("BEGIN IMMEDIATE; {migration}; PRAGMA application_id = {id}; PRAGMA user_version = {next}; COMMIT");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *writer).await.map_err(|error| unusable(path, &error))?;
    }
    Ok(())
}

/// The identity of the store, made on first use.
async fn identify(writer: &mut SqliteConnection) -> Result<StoreId> {
    let sql = "INSERT OR IGNORE INTO store VALUES (1, ?, 0, 0, 0, 0, 0, 0, 0, 0, 0)";
    query(sql).bind(uuid::Uuid::new_v4().to_string()).execute(&mut *writer).await.map_err(failed)?;
    let row = query("SELECT id FROM store").fetch_one(writer).await.map_err(failed)?;
    let text: String = row.try_get(0).map_err(failed)?;
    text.parse().map_err(|error| StoreError::Unusable(format!("the identity of the store is damaged: {error}").into()))
}

#[async_trait]
impl Store for SqliteStore {
    fn id(&self) -> StoreId {
        self.inner.id
    }

    async fn acquire(&self, _now: Timestamp) -> Result<Lease> {
        let mut writer = self.inner.writer.lock().await;
        let sql = "UPDATE store SET epoch = epoch + 1, seq = 0 RETURNING epoch";
        let row = query(sql).fetch_one(&mut *writer).await.map_err(failed)?;
        Ok(Lease { epoch: Epoch(row.try_get::<i64, _>(0).map_err(failed)?.cast_unsigned()) })
    }

    async fn load(&self) -> Result<Snapshot> {
        read::snapshot(&mut *self.inner.writer.lock().await).await
    }

    async fn commit(&self, batch: Arc<Batch>) -> Result<()> {
        // In a task of its own: a caller that goes away must not tear the transaction.
        let inner = self.inner.clone();
        let done = tokio::spawn(async move { inner.commit(&batch).await }).await;
        done.map_err(|error| StoreError::Unavailable(error.to_string().into()))?
    }

    async fn claim(&self, activity: ActivityId, after: QueueKey, due: Timestamp, limit: usize) -> Result<Claimed> {
        read::claim(&mut *self.reader().await?, activity, after, due, limit).await
    }

    async fn execution(&self, id: ExecutionId) -> Result<Option<Execution>> {
        read::one(&mut *self.reader().await?, id).await
    }

    async fn attempts(&self, id: ExecutionId) -> Result<Vec<Attempt>> {
        let mut attempts = read::attempts(&mut *self.reader().await?, id).await?;
        for attempt in attempts.iter_mut().filter(|attempt| attempt.end.is_none()) {
            attempt.output = self.inner.outputs.summary(attempt.key).unwrap_or_default();
        }
        Ok(attempts)
    }

    async fn executions(&self, wanted: ExecutionQuery) -> Result<Vec<Execution>> {
        read::page(&mut *self.reader().await?, wanted).await
    }

    async fn idempotency(&self, key: &str) -> Result<Option<IdempotencyRecord>> {
        read::idempotency(&mut *self.reader().await?, key).await
    }

    async fn payload(&self, activity: ActivityId, revision: RevisionNo) -> Result<Option<Payload>> {
        let sql = "SELECT archive, bytes FROM payloads WHERE activity = ? AND no = ?";
        let query = query(sql).bind(signed(activity.0)).bind(revision.0);
        let Some(row) = query.fetch_optional(&mut *self.reader().await?).await.map_err(failed)? else {
            return Ok(None);
        };
        let bytes = Bytes::from(row.try_get::<Vec<u8>, _>(1).map_err(failed)?);
        let archive: bool = row.try_get(0).map_err(failed)?;
        Ok(Some(if archive { Payload::Archive(bytes) } else { Payload::Script(bytes) }))
    }

    async fn events(&self, after: u64, limit: usize) -> Result<Vec<Event>> {
        read::events(&mut *self.reader().await?, after, limit).await
    }

    async fn decisions(&self, limit: usize) -> Result<Vec<ScalingDecision>> {
        read::decisions(&mut *self.reader().await?, limit).await
    }

    async fn expired(&self, before: Timestamp, limit: usize) -> Result<Vec<ExpiredExecution>> {
        read::expired(&mut *self.reader().await?, before, limit).await
    }

    async fn append_output(&self, key: AttemptKey, stream: Stream, offset: u64, bytes: Bytes) -> Result<()> {
        // A copy into the page cache: cheaper than the hop to another thread would be.
        self.inner.outputs.append(key, stream, offset, &bytes)
    }

    async fn append_tail(&self, key: AttemptKey, stream: Stream, offset: u64, bytes: Bytes) -> Result<()> {
        self.inner.outputs.append_tail(key, stream, offset, bytes)
    }

    async fn sync_output(&self, key: AttemptKey) -> Result<DurableOffsets> {
        if !self.inner.outputs.is_on_disk(key) {
            return Ok(DurableOffsets::default());
        }
        self.blocking(move |outputs| outputs.sync(key)).await
    }

    async fn read_output(&self, key: AttemptKey, stream: Stream, offset: u64, limit: usize) -> Result<OutputSlice> {
        if let Some(slice) = self.inner.outputs.read(key, stream, offset, limit)? {
            return Ok(slice);
        }
        read::output(&mut *self.reader().await?, &self.inner.outputs, key, stream, offset, limit).await
    }

    async fn output_summary(&self, key: AttemptKey) -> Result<OutputSummary> {
        if let Some(summary) = self.inner.outputs.summary(key) {
            return Ok(summary);
        }
        let attempts = read::attempts(&mut *self.reader().await?, key.execution).await?;
        let found = attempts.into_iter().find(|attempt| attempt.key == key);
        Ok(found.map(|attempt| attempt.output).unwrap_or_default())
    }

    async fn append_install_log(&self, log: InstallLog, bytes: Bytes, restart: bool) -> Result<()> {
        self.blocking(move |outputs| install_log::append(outputs.dir(), log, &bytes, restart)).await
    }

    async fn install_log(&self, log: InstallLog) -> Result<Bytes> {
        self.blocking(move |outputs| install_log::read(outputs.dir(), log)).await
    }
}
