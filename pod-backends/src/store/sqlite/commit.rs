//! One transaction per batch, fenced by the epoch and settled by the sequence number in the lease row.

use std::sync::Arc;

use pod_core::{
    domain::{Epoch, ExecutionId},
    store::{Batch, Change, StoreError},
};
use sqlx::{Connection, Row, SqliteConnection};

use super::{
    Shared,
    encoding::int,
    error::{conflict, from_io, from_sql},
    output::blocking,
    plan::Plan,
    read,
    write::{self, Garbage},
};

/// The one connection that writes.
#[derive(Debug)]
pub(super) struct Writer {
    connection: SqliteConnection,
}

impl Writer {
    pub(super) fn new(connection: SqliteConnection) -> Self {
        Self { connection }
    }

    /// Raises the epoch, and learns which attempts an earlier holder left open.
    pub(super) async fn acquire(&mut self, shared: &Shared) -> Result<Epoch, StoreError> {
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await.map_err(from_sql)?;
        let epoch: i64 = sqlx::query_scalar("UPDATE lease SET epoch = epoch + 1, seq = 0 RETURNING epoch")
            .fetch_one(&mut *transaction)
            .await
            .map_err(from_sql)?;
        let open = read::open_attempts(&mut transaction).await?;
        transaction.commit().await.map_err(from_sql)?;
        shared.open.replace(&open).map_err(|error| from_io(&error, "cannot read output"))?;
        Ok(Epoch(epoch.unsigned_abs()))
    }

    pub(super) async fn commit(&mut self, shared: &Arc<Shared>, batch: &Batch) -> Result<(), StoreError> {
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
        if let Err(error) = sqlx::query("PRAGMA incremental_vacuum(1024)").execute(&mut self.connection).await {
            tracing::debug!(%error, "cannot give back room");
        }
        self.empty_log().await;
    }

    /// Brings everything from the write-ahead log into the database file.
    pub(super) async fn empty_log(&mut self) {
        if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut self.connection).await {
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
    ) -> Result<Option<(Plan<'a>, Garbage)>, StoreError> {
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

/// Begins the transaction, checks the fence and notes the batch; says whether it is new. One hop to the connection's
/// thread for both statements.
async fn take_turn(connection: &mut SqliteConnection, batch: &Batch) -> Result<bool, StoreError> {
    let high = batch.high_water;
    let take = "BEGIN IMMEDIATE; UPDATE lease SET seq = ?, last_activity = max(last_activity, ?), \
                last_execution = max(last_execution, ?), last_worker = max(last_worker, ?), \
                last_policy = max(last_policy, ?), last_event = max(last_event, ?), \
                last_session = max(last_session, ?) WHERE epoch = ? AND seq < ? RETURNING seq";
    let (seq, epoch) = (int(batch.seq), int(batch.epoch.0));
    let mut take = sqlx::query(take).bind(seq);
    for highest in [high.activity, high.execution, high.worker, high.policy, high.event, high.session] {
        take = take.bind(int(highest));
    }
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
async fn clean_up(shared: &Arc<Shared>, batch: &Batch, plan: &Plan<'_>, garbage: Garbage) {
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
