//! One transaction per batch, fenced by the epoch and settled by the sequence number in the lease row.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use pod_core::{
    domain::{Epoch, ExecutionId, Millis},
    store::{Acquisition, Batch, Change, Holder, StoreError},
};
use sqlx::{Connection, Row, SqliteConnection};

use super::{
    coalesce::Plan,
    encoding::int,
    error::{conflict, from_io, from_sql},
    lease,
    output::blocking,
    read,
    shared::Shared,
    write::{self, OrphanedFiles},
};

/// Where more pages than this are free, and more than an eighth of all, they are given back to the disk: what is soon
/// written again may as well stay.
const FREE_PAGES: i64 = 512;
const FREE_SHARE: i64 = 8;
/// A log that is longer is emptied when nothing is written for a while.
const LONG_LOG: u64 = 1 << 20;

/// The one connection that writes.
#[derive(Debug)]
pub(super) struct Writer {
    connection: SqliteConnection,
    /// Something was committed since the last look.
    wrote: bool,
    /// Pages were given back, and the file is as long as before until the log is emptied into it.
    shrinks: bool,
}

impl Writer {
    pub(super) fn new(connection: SqliteConnection) -> Self {
        Self { connection, wrote: false, shrinks: false }
    }

    /// Acquires the lease, and learns which attempts an earlier holder left open.
    pub(super) async fn acquire(
        &mut self,
        shared: &Shared,
        holder: &Holder,
        ttl: Millis,
    ) -> Result<Acquisition, StoreError> {
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await.map_err(from_sql)?;
        let acquisition = lease::acquire(&mut transaction, holder, ttl).await?;
        if let Acquisition::HeldBy(_) = &acquisition {
            return Ok(acquisition);
        }
        let open = read::open_attempts(&mut transaction).await?;
        transaction.commit().await.map_err(from_sql)?;
        shared.open.replace(&open).map_err(|error| from_io(&error, "cannot read output"))?;
        Ok(acquisition)
    }

    pub(super) async fn renew(&mut self, epoch: Epoch, ttl: Millis) -> Result<(), StoreError> {
        lease::renew(&mut self.connection, epoch, ttl).await
    }

    pub(super) async fn release(&mut self, epoch: Epoch) -> Result<(), StoreError> {
        lease::release(&mut self.connection, epoch).await
    }

    pub(super) async fn commit(&mut self, shared: &Arc<Shared>, batch: &Batch) -> Result<(), StoreError> {
        self.wrote = true;
        let submits = || batch.changes.iter().any(|change| matches!(change, Change::InsertExecution(_)));
        self.look_for_room(shared).await;
        if shared.reserve.is_full() && submits() {
            return Err(StoreError::Full("there is no room for new executions on the disk".into()));
        }
        match self.transact(shared, batch).await {
            Err(StoreError::Full(text)) => {
                shared.reserve.give_up();
                if submits() { Err(StoreError::Full(text)) } else { self.transact(shared, batch).await }
            }
            other => other,
        }
    }

    /// Where the disk was full a while ago, makes room and takes the reserve again if it can be had.
    pub(super) async fn look_for_room(&mut self, shared: &Shared) {
        if shared.reserve.is_due() {
            self.give_back_room().await;
            shared.reserve.take_again();
        }
    }

    /// Returns to the disk what deleted rows left free in the database and its log. What fails here is tried again.
    async fn give_back_room(&mut self) {
        self.empty_log().await;
        self.give_back_pages().await;
        self.empty_log().await;
    }

    /// Called about once a second: gives back a part of what is free where that is much, and empties a long log when
    /// nobody writes. So much at a time that no commit waits for long.
    pub(super) async fn tidy(&mut self, shared: &Shared) {
        let quiet = !std::mem::replace(&mut self.wrote, false);
        let free = "SELECT freelist_count, page_count FROM pragma_freelist_count(), pragma_page_count()";
        let free: Option<(i64, i64)> = sqlx::query_as(free).fetch_one(&mut self.connection).await.ok();
        if free.is_some_and(|(free, all)| free > FREE_PAGES && free > all / FREE_SHARE) {
            self.give_back_pages().await;
            self.shrinks = true;
        } else if quiet && (self.shrinks || log_of(&shared.path).metadata().is_ok_and(|log| log.len() > LONG_LOG)) {
            self.empty_log().await;
            self.shrinks = false;
        }
    }

    async fn give_back_pages(&mut self) {
        if let Err(error) = sqlx::query("PRAGMA incremental_vacuum(2048)").execute(&mut self.connection).await {
            tracing::debug!(%error, "cannot give back room");
        }
    }

    /// Brings everything from the write-ahead log into the database file, unless someone reads what is older: nobody
    /// is waited for.
    pub(super) async fn empty_log(&mut self) {
        let empty = "PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(TRUNCATE); PRAGMA busy_timeout = 10000";
        if let Err(error) = sqlx::raw_sql(empty).execute(&mut self.connection).await {
            tracing::debug!(%error, "the write-ahead log stays");
        }
    }

    async fn transact(&mut self, shared: &Arc<Shared>, batch: &Batch) -> Result<(), StoreError> {
        let written = self.write(shared, batch).await;
        if !matches!(written, Ok(Some(_))) {
            // Where SQLite has rolled back by itself there is nothing to roll back.
            sqlx::query("ROLLBACK").execute(&mut self.connection).await.ok();
        }
        let Some((plan, garbage)) = written? else {
            // Its answer was lost, and with it what it changed in memory.
            let open = read::open_attempts(&mut self.connection).await?;
            return shared.open.replace(&open).map_err(|error| from_io(&error, "cannot read output"));
        };
        shared.open.apply(&plan.opened);
        clean_up(shared, batch, &plan, garbage).await;
        Ok(())
    }

    /// The transaction; nothing if the batch was committed before.
    async fn write<'a>(
        &mut self,
        shared: &Shared,
        batch: &'a Batch,
    ) -> Result<Option<(Plan<'a>, OrphanedFiles)>, StoreError> {
        if !take_turn(&mut self.connection, batch).await? {
            return Ok(None);
        }
        let plan = Plan::of(batch, |execution: ExecutionId| shared.open.of(execution))?;
        // Output is durable before the end of its attempt is.
        let sealed = shared.open.seal(plan.ending()).await?;
        let garbage = write::write(&mut self.connection, batch, &plan, &sealed).await?;
        sqlx::query("COMMIT").execute(&mut self.connection).await.map_err(from_sql)?;
        Ok(Some((plan, garbage)))
    }
}

/// The write-ahead log of a database.
fn log_of(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// Begins the transaction, checks the fence and notes the batch; says whether it is new. One hop to the connection's
/// thread for both statements.
async fn take_turn(connection: &mut SqliteConnection, batch: &Batch) -> Result<bool, StoreError> {
    let high = batch.id_sequences;
    let take = "BEGIN IMMEDIATE; UPDATE lease SET seq = ?, last_activity = max(last_activity, ?), \
                last_execution = max(last_execution, ?), last_worker = max(last_worker, ?), \
                last_policy = max(last_policy, ?), last_event = max(last_event, ?), \
                last_session = max(last_session, ?), last_disordered = max(last_disordered, ?), \
                wall = ?, age = ?, boot = ?, boot_age = ? WHERE epoch = ? AND seq < ? RETURNING seq";
    let (seq, epoch) = (int(batch.seq), int(batch.epoch.0));
    let mut take = sqlx::query(take).bind(seq);
    for highest in [high.activity, high.execution, high.worker, high.policy, high.event, high.session, high.disordered]
    {
        take = take.bind(int(highest));
    }
    take = take.bind(batch.at.0).bind(batch.age.0);
    take = take.bind(batch.boot.map(|boot| boot.id.to_string())).bind(batch.boot.map(|boot| boot.age.0));
    let taken = take.bind(epoch).bind(seq).fetch_all(&mut *connection).await.map_err(from_sql)?;
    if !taken.is_empty() {
        return Ok(true);
    }
    let row = sqlx::query("SELECT epoch FROM lease").fetch_one(&mut *connection).await.map_err(from_sql)?;
    let held: i64 = row.try_get(0).map_err(from_sql)?;
    match int(batch.epoch.0).cmp(&held) {
        std::cmp::Ordering::Less => Err(StoreError::Fenced),
        std::cmp::Ordering::Equal => Ok(false),
        std::cmp::Ordering::Greater => Err(conflict(format!("epoch {} was never acquired", batch.epoch))),
    }
}

/// Deletes the files that a committed batch made garbage. What fails here is swept when the store is opened again.
async fn clean_up(shared: &Arc<Shared>, batch: &Batch, plan: &Plan<'_>, garbage: OrphanedFiles) {
    let attempts: Vec<_> = garbage.output.into_iter().chain(plan.recalled.iter().copied()).collect();
    let logs = |change: &&Change| {
        matches!(change, Change::DeleteActivity(_) | Change::DeleteRevision { .. } | Change::DeleteWorker(_))
    };
    let changes: Vec<Change> = batch.changes.iter().filter(logs).cloned().collect();
    if attempts.is_empty() && changes.is_empty() {
        return;
    }
    let shared = Arc::clone(shared);
    let removed = blocking(move || {
        let files = attempts.into_iter().try_for_each(|key| shared.files.remove(key));
        let logs = changes.iter().try_for_each(|change| shared.logs.discard(change));
        files.and(logs).map_err(|error| from_io(&error, "cannot delete files"))
    });
    if let Err(error) = removed.await {
        tracing::warn!(%error, "files of deleted rows stay behind until the store is opened again");
    }
}
