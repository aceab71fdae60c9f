//! The queries: keyset pages over indexes, never a scan of what grows.

use std::ops::Range;

use futures::TryStreamExt;
use pod_core::{
    domain::{
        Activity, ActivityId, ActivityName, ActivitySettings, ActivityStatus, Age, Attempt, AttemptKey, Boot, Event,
        Execution, ExecutionId, Now, Payload, PolicyId, Revision, RevisionNo, ScalingDecision, ScriptSource, Timestamp,
    },
    store::{
        ActivityCounters, ActivityRecord, ClockMark, ExpiredExecution, IdSequences, IdempotencyRecord, QueueCursor,
        QueuePage, RevisionCounters, Snapshot, StoreError,
    },
};
use serde::de::DeserializeOwned;
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection, SqlitePool, sqlite::SqliteRow};

use super::{
    encoding::{
        AFTER_EXECUTION, ATTEMPT_COLUMNS, EXECUTION_COLUMNS, first_key, from_json, int, read_attempt, read_execution,
        read_key, read_status,
    },
    error::{from_sql, unreadable},
    output::OutputChannel,
};

/// The tables as the engine loads them, in one view of the database.
pub(super) async fn snapshot(readers: &SqlitePool) -> Result<Snapshot, StoreError> {
    let mut connection = readers.acquire().await.map_err(from_sql)?;
    let mut view = connection.begin().await.map_err(from_sql)?;
    let lease = "SELECT last_activity, last_execution, last_worker, last_policy, last_event, last_session, \
                 active_policy, last_disordered, wall, age, boot, boot_age FROM lease";
    let lease = sqlx::query(lease).fetch_one(&mut *view).await.map_err(from_sql)?;
    let high = |at: usize| -> Result<u64, StoreError> { unsigned(&lease, at) };
    let newest = sqlx::query_scalar("SELECT submitted_at FROM executions ORDER BY id DESC LIMIT 1");
    let newest: Option<i64> = newest.fetch_optional(&mut *view).await.map_err(from_sql)?;
    let mut snapshot = Snapshot {
        id_sequences: IdSequences {
            activity: high(0)?,
            execution: high(1)?,
            worker: high(2)?,
            policy: high(3)?,
            event: high(4)?,
            session: high(5)?,
            disordered: high(7)?,
        },
        active_policy: PolicyId(high(6)?),
        clock: clock_mark(&lease)?,
        newest_submitted: newest.map(Timestamp),
        installations: bodies(&mut view, "SELECT body FROM installations ORDER BY worker, activity, revision").await?,
        workers: bodies(&mut view, "SELECT body FROM workers ORDER BY id").await?,
        policies: bodies(&mut view, "SELECT body FROM policies ORDER BY id").await?,
        minutes: bodies(&mut view, "SELECT body FROM minutes ORDER BY minute").await?,
        ..Snapshot::default()
    };
    let activities =
        "SELECT id, name, created_at, status, deleted, tally, recent_durations FROM activities ORDER BY id";
    for row in sqlx::query(activities).fetch_all(&mut *view).await.map_err(from_sql)? {
        let record = activity(&row)?;
        snapshot.activity_names.push((record.activity.id, record.activity.name.as_str().into()));
        if !row.try_get::<bool, _>(4).map_err(from_sql)? {
            snapshot.activities.push(record);
        }
    }
    let revisions = "SELECT body, waiting, kept FROM revisions ORDER BY activity, no";
    for row in sqlx::query(revisions).fetch_all(&mut *view).await.map_err(from_sql)? {
        let revision: Revision = from_json(row.try_get(0).map_err(from_sql)?)?;
        let (activity, no) = (revision.activity, revision.no);
        let tally = RevisionCounters { activity, revision: no, waiting: unsigned(&row, 1)?, kept: unsigned(&row, 2)? };
        if let Ok(at) = snapshot.activities.binary_search_by_key(&activity, |record| record.activity.id) {
            snapshot.activities[at].revisions.push(revision);
            snapshot.activities[at].revision_counters.push(tally);
        }
    }
    let running = format!(
        "SELECT {EXECUTION_COLUMNS}, {ATTEMPT_COLUMNS} FROM attempts AS a INDEXED BY open_attempts \
         JOIN executions AS e ON e.id = a.key >> 20 WHERE a.ended_at IS NULL ORDER BY e.id"
    );
    for row in sqlx::query(AssertSqlSafe(running)).fetch_all(&mut *view).await.map_err(from_sql)? {
        snapshot.running.push((read_execution(&row)?, read_attempt(&row, AFTER_EXECUTION)?));
    }
    view.commit().await.map_err(from_sql)?;
    Ok(snapshot)
}

/// What the clocks said at the last commit; nothing before the first.
fn clock_mark(lease: &SqliteRow) -> Result<Option<ClockMark>, StoreError> {
    let maybe = |at: usize| lease.try_get::<Option<i64>, _>(at).map_err(from_sql);
    let boot: Option<&str> = lease.try_get(10).map_err(from_sql)?;
    let boot = boot.and_then(|id| id.parse().ok()).zip(maybe(11)?);
    Ok(maybe(8)?.zip(maybe(9)?).map(|(wall, age)| ClockMark {
        now: Now { wall: Timestamp(wall), age: Age(age) },
        boot: boot.map(|(id, age)| Boot { id, age: Age(age) }),
    }))
}

fn unsigned(row: &SqliteRow, at: usize) -> Result<u64, StoreError> {
    row.try_get::<i64, _>(at).map(|column| u64::try_from(column).unwrap_or_default()).map_err(from_sql)
}

async fn bodies<T: DeserializeOwned>(view: &mut SqliteConnection, query: &'static str) -> Result<Vec<T>, StoreError> {
    let rows: Vec<String> = sqlx::query_scalar(query).fetch_all(view).await.map_err(from_sql)?;
    rows.iter().map(|body| from_json(body)).collect()
}

fn activity(row: &SqliteRow) -> Result<ActivityRecord, StoreError> {
    let text = |at: usize| row.try_get::<&str, _>(at).map_err(from_sql);
    let id = ActivityId(unsigned(row, 0)?);
    let name = text(1)?;
    let name = ActivityName::new(name).map_err(|_| unreadable(format_args!("an activity named {name:?}")))?;
    let status: ActivityStatus = from_json(text(3)?)?;
    Ok(ActivityRecord {
        activity: Activity {
            id,
            name,
            created_at: Timestamp(row.try_get(2).map_err(from_sql)?),
            status,
            revision: RevisionNo(0),
            latest: RevisionNo(0),
            source: ScriptSource::Inline,
            settings: ActivitySettings::default(),
            error: None,
            sha256: None,
        },
        revisions: Vec::new(),
        revision_counters: Vec::new(),
        counters: ActivityCounters {
            activity: id,
            executions: from_json(text(5)?)?,
            recent_durations: from_json(text(6)?)?,
        },
    })
}

/// The attempts that are open.
pub(super) async fn open_attempts(connection: &mut SqliteConnection) -> Result<Vec<AttemptKey>, StoreError> {
    let open = "SELECT key FROM attempts INDEXED BY open_attempts WHERE ended_at IS NULL";
    let keys: Vec<i64> = sqlx::query_scalar(open).fetch_all(connection).await.map_err(from_sql)?;
    Ok(keys.into_iter().map(read_key).collect())
}

pub(super) async fn claim(
    readers: &SqlitePool,
    (activity, revision): (ActivityId, RevisionNo),
    after: QueueCursor,
    due: Age,
    limit: usize,
) -> Result<QueuePage, StoreError> {
    // One more than asked for tells what is next.
    let query = format!(
        "SELECT {EXECUTION_COLUMNS} FROM executions AS e INDEXED BY waiting_executions \
         WHERE e.status = 0 AND e.activity = ? AND e.revision = ? AND (e.not_before, e.id) > (?, ?) ORDER BY e.not_before, e.id LIMIT ?"
    );
    let query = sqlx::query(AssertSqlSafe(query))
        .bind(int(activity.0))
        .bind(i64::from(revision.0))
        .bind(after.not_before.0)
        .bind(int(after.id.0))
        .bind(int(limit as u64).saturating_add(1));
    let mut rows = query.fetch(readers);
    let mut claimed = QueuePage::default();
    while let Some(row) = rows.try_next().await.map_err(from_sql)? {
        let execution = read_execution(&row)?;
        if execution.not_before > due || claimed.executions.len() == limit {
            claimed.next = Some(execution.not_before);
            break;
        }
        claimed.executions.push(execution);
    }
    Ok(claimed)
}

pub(super) async fn execution(readers: &SqlitePool, id: ExecutionId) -> Result<Option<Execution>, StoreError> {
    let query = format!("SELECT {EXECUTION_COLUMNS} FROM executions AS e WHERE e.id = ?");
    let row = sqlx::query(AssertSqlSafe(query)).bind(int(id.0)).fetch_optional(readers).await.map_err(from_sql)?;
    row.as_ref().map(read_execution).transpose()
}

pub(super) async fn attempts(readers: &SqlitePool, id: ExecutionId) -> Result<Vec<Attempt>, StoreError> {
    let query = format!("SELECT {ATTEMPT_COLUMNS} FROM attempts AS a WHERE a.key >= ? AND a.key < ? ORDER BY a.key");
    let query =
        sqlx::query(AssertSqlSafe(query)).bind(first_key(id)).bind(first_key(ExecutionId(id.0.saturating_add(1))));
    let rows = query.fetch_all(readers).await.map_err(from_sql)?;
    rows.iter().map(|row| read_attempt(row, 0)).collect()
}

/// One attempt with its output as it was committed.
pub(super) async fn attempt(readers: &SqlitePool, key: i64) -> Result<Option<Attempt>, StoreError> {
    let query = format!("SELECT {ATTEMPT_COLUMNS} FROM attempts AS a WHERE a.key = ?");
    let row = sqlx::query(AssertSqlSafe(query)).bind(key).fetch_optional(readers).await.map_err(from_sql)?;
    row.as_ref().map(|row| read_attempt(row, 0)).transpose()
}

/// What the row of an attempt tells of a stream, or of the log.
#[derive(Debug)]
pub(super) struct Inline {
    /// Its bytes, if they are in the row.
    pub(super) bytes: Option<Vec<u8>>,
    /// How much of its head was committed: a worker that had not heard of the end may have written on.
    pub(super) head: Option<u64>,
}

/// The committed bytes of a stream that are in the row, or how many are not; nothing where there is no row.
pub(super) async fn inline_output(
    readers: &SqlitePool,
    key: i64,
    track: OutputChannel,
    offset: u64,
    limit: usize,
) -> Result<Option<Inline>, StoreError> {
    let (column, head) = (track.column(), track.head());
    let query = format!("SELECT substr({column}, ?, ?), {head} FROM attempts WHERE key = ?");
    let query = sqlx::query(AssertSqlSafe(query)).bind(int(offset).saturating_add(1)).bind(int(limit as u64)).bind(key);
    let Some(row) = query.fetch_optional(readers).await.map_err(from_sql)? else { return Ok(None) };
    let bytes = row.try_get(0).map_err(from_sql)?;
    let head: Option<i64> = row.try_get(1).map_err(from_sql)?;
    Ok(Some(Inline { bytes, head: head.map(i64::cast_unsigned) }))
}

pub(super) async fn disordered(readers: &SqlitePool) -> Result<ExecutionId, StoreError> {
    let row = sqlx::query("SELECT last_disordered FROM lease").fetch_one(readers).await.map_err(from_sql)?;
    Ok(ExecutionId(unsigned(&row, 0)?))
}

pub(super) async fn idempotency(readers: &SqlitePool, key: &str) -> Result<Option<IdempotencyRecord>, StoreError> {
    let query = "SELECT request_hash, first_execution, end_execution, NULL FROM idempotency WHERE key = ?1 \
                 UNION ALL SELECT request_hash, 0, 0, note FROM notes WHERE key = ?1";
    let row = sqlx::query(query).bind(key.to_owned()).fetch_optional(readers).await.map_err(from_sql)?;
    let Some(row) = row else { return Ok(None) };
    let hash: &[u8] = row.try_get(0).map_err(from_sql)?;
    let request_hash = hash.try_into().map_err(|_| unreadable("a request hash that is not one"))?;
    let executions: Range<u64> = unsigned(&row, 1)?..unsigned(&row, 2)?;
    let note: Option<&str> = row.try_get(3).map_err(from_sql)?;
    let note =
        note.map(serde_json::from_str).transpose().map_err(|error| unreadable(format_args!("a note: {error}")))?;
    Ok(Some(IdempotencyRecord { request_hash, executions, note }))
}

pub(super) async fn payload(
    readers: &SqlitePool,
    activity: ActivityId,
    revision: RevisionNo,
) -> Result<Option<Payload>, StoreError> {
    let query = sqlx::query(
        "SELECT c.kind, c.bytes FROM payloads AS p JOIN contents AS c ON c.id = p.content WHERE p.activity = ? AND p.revision = ?",
    );
    let row = query.bind(int(activity.0)).bind(revision.0).fetch_optional(readers).await.map_err(from_sql)?;
    let Some(row) = row else { return Ok(None) };
    let bytes: Vec<u8> = row.try_get(1).map_err(from_sql)?;
    match row.try_get(0).map_err(from_sql)? {
        "script" => Ok(Some(Payload::Script(bytes.into()))),
        "archive" => Ok(Some(Payload::Archive(bytes.into()))),
        other => Err(unreadable(format_args!("a payload of kind {other}"))),
    }
}

pub(super) async fn events(readers: &SqlitePool, after: u64, limit: usize) -> Result<Vec<Event>, StoreError> {
    let mut found = Vec::new();
    let query = sqlx::query_scalar::<_, String>("SELECT body FROM events WHERE last > ? ORDER BY last LIMIT ?");
    // Each row holds one event at least.
    let mut rows = query.bind(int(after)).bind(int(limit as u64)).fetch(readers);
    while found.len() < limit {
        let Some(body) = rows.try_next().await.map_err(from_sql)? else { break };
        let batch: Vec<Event> = from_json(&body)?;
        found.extend(batch.into_iter().filter(|event| event.seq > after).take(limit - found.len()));
    }
    Ok(found)
}

pub(super) async fn events_before(readers: &SqlitePool, before: u64, limit: usize) -> Result<Vec<Event>, StoreError> {
    let mut found = Vec::new();
    // The batch that the number lies in may begin with earlier ones.
    let query = "SELECT body FROM events \
                 WHERE last <= coalesce((SELECT min(last) FROM events WHERE last >= ?1), ?1) ORDER BY last DESC LIMIT ?2";
    let most = int(limit as u64).saturating_add(1);
    let mut rows = sqlx::query_scalar::<_, String>(query).bind(int(before)).bind(most).fetch(readers);
    while found.len() < limit {
        let Some(body) = rows.try_next().await.map_err(from_sql)? else { break };
        let batch: Vec<Event> = from_json(&body)?;
        found.extend(batch.into_iter().rev().filter(|event| event.seq < before).take(limit - found.len()));
    }
    Ok(found)
}

pub(super) async fn decisions(readers: &SqlitePool, limit: usize) -> Result<Vec<ScalingDecision>, StoreError> {
    let query = sqlx::query_scalar::<_, String>("SELECT body FROM decisions ORDER BY no DESC LIMIT ?");
    let rows = query.bind(int(limit as u64)).fetch_all(readers).await.map_err(from_sql)?;
    rows.iter().map(|body| from_json(body)).collect()
}

pub(super) async fn expired(
    readers: &SqlitePool,
    before: Age,
    limit: usize,
) -> Result<Vec<ExpiredExecution>, StoreError> {
    let query = "SELECT id, activity, status, attempt, revision FROM executions INDEXED BY ended_executions \
                 WHERE status >= 2 AND ended < ? ORDER BY ended, id LIMIT ?";
    let rows = sqlx::query(query).bind(before.0).bind(int(limit as u64)).fetch_all(readers).await.map_err(from_sql)?;
    let read = |row: &SqliteRow| -> Result<ExpiredExecution, StoreError> {
        Ok(ExpiredExecution {
            id: ExecutionId(unsigned(row, 0)?),
            activity: ActivityId(unsigned(row, 1)?),
            status: read_status(row.try_get(2).map_err(from_sql)?)?,
            revision: RevisionNo(row.try_get(4).map_err(from_sql)?),
            attempts: pod_core::domain::AttemptNo(row.try_get(3).map_err(from_sql)?),
        })
    };
    rows.iter().map(read).collect()
}
