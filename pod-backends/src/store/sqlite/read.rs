//! Reading: snapshots, queues, pages.

use std::sync::Arc;

use pod_core::{
    domain::{
        ActivityId, Attempt, AttemptKey, AttemptNo, Event, Execution, ExecutionId, ExecutionStatus, PolicyId, Stream,
        Timestamp,
    },
    store::{
        ActivityRecord, ActivityTally, Claimed, ExecutionQuery, ExpiredExecution, HighWater, IdempotencyRecord,
        OutputSlice, QueueKey, Snapshot, StoreError,
    },
};
use sqlx::{AssertSqlSafe, Row, SqliteConnection, query};

use super::{
    failed,
    output::{Head, Outputs, read},
    rows::{ATTEMPT, EXECUTION, attempt, attempt_row, execution, from_doc, signed},
};

type Result<T> = std::result::Result<T, StoreError>;

async fn docs<T: serde::de::DeserializeOwned>(connection: &mut SqliteConnection, sql: &'static str) -> Result<Vec<T>> {
    let rows = query(sql).fetch_all(connection).await.map_err(failed)?;
    rows.iter().map(|row| from_doc(&row.try_get::<String, _>(0).map_err(failed)?)).collect()
}

pub(super) async fn snapshot(connection: &mut SqliteConnection) -> Result<Snapshot> {
    let sql = "SELECT activity, execution, worker, policy, event, session, active_policy FROM store";
    let row = query(sql).fetch_one(&mut *connection).await.map_err(failed)?;
    let number = |index: usize| row.try_get::<i64, _>(index).map(i64::cast_unsigned).map_err(failed);
    let high_water = HighWater {
        activity: number(0)?,
        execution: number(1)?,
        worker: number(2)?,
        policy: number(3)?,
        event: number(4)?,
        session: number(5)?,
    };
    let active_policy = PolicyId(number(6)?);
    let mut activities: Vec<ActivityRecord> = Vec::new();
    for activity in docs(connection, "SELECT doc FROM activities WHERE doc IS NOT NULL ORDER BY id").await? {
        activities.push(ActivityRecord { activity, revisions: Vec::new(), tally: ActivityTally::default() });
    }
    let revisions: Vec<pod_core::domain::Revision> =
        docs(connection, "SELECT doc FROM revisions ORDER BY activity, no").await?;
    for revision in revisions {
        if let Some(record) = activities.iter_mut().find(|record| record.activity.id == revision.activity) {
            record.revisions.push(revision);
        }
    }
    for row in query("SELECT activity, doc FROM tallies").fetch_all(&mut *connection).await.map_err(failed)? {
        let id = ActivityId(row.try_get::<i64, _>(0).map_err(failed)?.cast_unsigned());
        let (executions, recent_durations) = from_doc(&row.try_get::<String, _>(1).map_err(failed)?)?;
        if let Some(record) = activities.iter_mut().find(|record| record.activity.id == id) {
            record.tally = ActivityTally { activity: id, executions, recent_durations };
        }
    }
    let names = query("SELECT id, name FROM activities").fetch_all(&mut *connection).await.map_err(failed)?;
    let name = |row: &sqlx::sqlite::SqliteRow| {
        let id = row.try_get::<i64, _>(0).map_err(failed)?;
        Ok((ActivityId(id.cast_unsigned()), Arc::from(row.try_get::<String, _>(1).map_err(failed)?)))
    };
    Ok(Snapshot {
        high_water,
        activities,
        activity_names: names.iter().map(name).collect::<Result<_>>()?,
        installations: docs(connection, "SELECT doc FROM installations").await?,
        workers: docs(connection, "SELECT doc FROM workers ORDER BY id").await?,
        running: running(connection).await?,
        policies: docs(connection, "SELECT doc FROM policies ORDER BY id").await?,
        active_policy,
    })
}

async fn running(connection: &mut SqliteConnection) -> Result<Vec<(Execution, Attempt)>> {
    let sql = format!("SELECT {ATTEMPT} FROM attempts WHERE ending IS NULL");
    let rows = query(AssertSqlSafe(sql)).fetch_all(&mut *connection).await.map_err(failed)?;
    let mut running = Vec::with_capacity(rows.len());
    for row in &rows {
        let attempt = attempt(row)?;
        if let Some(execution) = one(connection, attempt.key.execution).await? {
            running.push((execution, attempt));
        }
    }
    Ok(running)
}

pub(super) async fn one(connection: &mut SqliteConnection, id: ExecutionId) -> Result<Option<Execution>> {
    let sql = format!("SELECT {EXECUTION} FROM executions WHERE id = ?");
    let row = query(AssertSqlSafe(sql)).bind(signed(id.0)).fetch_optional(connection).await.map_err(failed)?;
    row.as_ref().map(execution).transpose()
}

pub(super) async fn attempts(connection: &mut SqliteConnection, id: ExecutionId) -> Result<Vec<Attempt>> {
    let sql = format!("SELECT {ATTEMPT} FROM attempts WHERE id BETWEEN ? AND ? ORDER BY id");
    let (first, last) = bounds(id);
    let rows = query(AssertSqlSafe(sql)).bind(first).bind(last).fetch_all(connection).await.map_err(failed)?;
    rows.iter().map(attempt).collect()
}

fn bounds(id: ExecutionId) -> (i64, i64) {
    let of = |attempt| attempt_row(AttemptKey { execution: id, attempt: AttemptNo(attempt) });
    (of(0), of(0xFFFF))
}

pub(super) async fn claim(
    connection: &mut SqliteConnection,
    activity: ActivityId,
    after: QueueKey,
    due: Timestamp,
    limit: usize,
) -> Result<Claimed> {
    let sql = format!(
        "SELECT {EXECUTION} FROM executions WHERE activity = ? AND status = 0 AND (not_before, id) > (?, ?) \
         ORDER BY not_before, id LIMIT ?"
    );
    let rows = query(AssertSqlSafe(sql))
        .bind(signed(activity.0))
        .bind(after.not_before.0)
        .bind(signed(after.id.0))
        .bind(i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await
        .map_err(failed)?;
    let mut executions = rows.iter().map(execution).collect::<Result<Vec<_>>>()?;
    let cut = executions.iter().position(|execution| execution.not_before > due).unwrap_or(executions.len()).min(limit);
    let next = executions.get(cut).map(|execution| execution.not_before);
    executions.truncate(cut);
    Ok(Claimed { executions, next })
}

pub(super) async fn page(connection: &mut SqliteConnection, wanted: ExecutionQuery) -> Result<Vec<Execution>> {
    let before = wanted.before.map_or(i64::MAX, |id| signed(id.0));
    let limit = i64::try_from(wanted.limit).unwrap_or(i64::MAX);
    let shown = if wanted.not_retrieved { " AND retrieved = 0" } else { "" };
    // Per status its index is in order of the ids: a page of an activity is merged from one page of each.
    let statuses = match wanted.status {
        Some(status) => vec![status],
        None => ExecutionStatus::ALL.to_vec(),
    };
    let sql = match (wanted.activity, wanted.status) {
        (None, None) => format!("SELECT {EXECUTION} FROM executions WHERE id < ?1{shown} ORDER BY id DESC LIMIT ?2"),
        (None, Some(status)) => {
            let status = status as u32;
            format!(
                "SELECT {EXECUTION} FROM executions WHERE status = {status} AND id < ?1{shown} ORDER BY id DESC LIMIT ?2"
            )
        }
        (Some(activity), _) => {
            let part = |status: ExecutionStatus| {
                let (status, id) = (status as u32, activity.0);
                format!(
                    "SELECT * FROM (SELECT {EXECUTION} FROM executions WHERE activity = {id} AND status = {status} \
                     AND id < ?1{shown} ORDER BY id DESC LIMIT ?2)"
                )
            };
            let parts: Vec<String> = statuses.into_iter().map(part).collect();
            format!("SELECT * FROM ({}) ORDER BY id DESC LIMIT ?2", parts.join(" UNION ALL "))
        }
    };
    let rows = query(AssertSqlSafe(sql)).bind(before).bind(limit).fetch_all(connection).await.map_err(failed)?;
    rows.iter().map(execution).collect()
}

pub(super) async fn idempotency(connection: &mut SqliteConnection, key: &str) -> Result<Option<IdempotencyRecord>> {
    let sql = "SELECT hash, first, past FROM idempotency WHERE key = ?";
    let row = query(sql).bind(key.to_owned()).fetch_optional(connection).await.map_err(failed)?;
    let Some(row) = row else { return Ok(None) };
    let hash: Vec<u8> = row.try_get(0).map_err(failed)?;
    let number = |index: usize| row.try_get::<i64, _>(index).map(i64::cast_unsigned).map_err(failed);
    let request_hash = hash.try_into().unwrap_or([0; 32]);
    Ok(Some(IdempotencyRecord { request_hash, executions: number(1)?..number(2)? }))
}

pub(super) async fn events(connection: &mut SqliteConnection, after: u64, limit: usize) -> Result<Vec<Event>> {
    let sql = "SELECT doc FROM events WHERE last > ? ORDER BY last LIMIT ?";
    let limit_rows = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = query(sql).bind(signed(after)).bind(limit_rows).fetch_all(connection).await.map_err(failed)?;
    let mut events = Vec::new();
    for row in &rows {
        let batch: Vec<Event> = from_doc(&row.try_get::<String, _>(0).map_err(failed)?)?;
        events.extend(batch.into_iter().filter(|event| event.seq > after));
        if events.len() >= limit {
            break;
        }
    }
    events.truncate(limit);
    Ok(events)
}

pub(super) async fn decisions(
    connection: &mut SqliteConnection,
    limit: usize,
) -> Result<Vec<pod_core::domain::ScalingDecision>> {
    let sql = "SELECT doc FROM decisions ORDER BY id DESC LIMIT ?";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = query(sql).bind(limit).fetch_all(connection).await.map_err(failed)?;
    rows.iter().map(|row| from_doc(&row.try_get::<String, _>(0).map_err(failed)?)).collect()
}

pub(super) async fn expired(
    connection: &mut SqliteConnection,
    before: Timestamp,
    limit: usize,
) -> Result<Vec<ExpiredExecution>> {
    let sql = "SELECT id, activity, status, attempt FROM executions WHERE finished_at < ? ORDER BY finished_at LIMIT ?";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = query(sql).bind(before.0).bind(limit).fetch_all(connection).await.map_err(failed)?;
    let expired = |row: &sqlx::sqlite::SqliteRow| {
        Ok(ExpiredExecution {
            id: ExecutionId(row.try_get::<i64, _>(0).map_err(failed)?.cast_unsigned()),
            activity: ActivityId(row.try_get::<i64, _>(1).map_err(failed)?.cast_unsigned()),
            status: ExecutionStatus::ALL[row.try_get::<u32, _>(2).map_err(failed)? as usize % 6],
            attempts: AttemptNo(row.try_get(3).map_err(failed)?),
        })
    };
    rows.iter().map(expired).collect()
}

/// Reads the output of an ended attempt: from its row, or from its file.
pub(super) async fn output(
    connection: &mut SqliteConnection,
    outputs: &Outputs,
    key: AttemptKey,
    stream: Stream,
    offset: u64,
    limit: usize,
) -> Result<OutputSlice> {
    let s = stream.as_str();
    let sql = format!("SELECT {s}_len, {s}, {s}_tail_at, {s}_tail FROM attempts WHERE id = ? AND ending IS NOT NULL");
    let row = query(AssertSqlSafe(sql)).bind(attempt_row(key)).fetch_optional(connection).await.map_err(failed)?;
    let Some(row) = row else { return Ok(OutputSlice { offset, ..OutputSlice::default() }) };
    let len = row.try_get::<Option<i64>, _>(0).map_err(failed)?.unwrap_or(0).cast_unsigned();
    let memory: Option<Vec<u8>> = row.try_get(1).map_err(failed)?;
    let tail_at: Option<i64> = row.try_get(2).map_err(failed)?;
    let tail: Option<Vec<u8>> = row.try_get(3).map_err(failed)?;
    let file = if memory.is_none() && offset < len { Some(outputs.file(key, stream)?) } else { None };
    let head = Head { len, memory: memory.as_deref(), file: file.as_ref() };
    let tail = tail_at.zip(tail.as_deref()).map(|(at, bytes)| (at.cast_unsigned(), bytes));
    read(&head, tail, offset, limit)
}
