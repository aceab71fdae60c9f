//! Writing a batch: changes of one kind become one statement of many rows.

use std::{collections::HashSet, sync::Arc};

use pod_core::{
    domain::{Attempt, AttemptEnd, AttemptKey, Execution, ExecutionId, Payload, Stream, Timestamp},
    store::{Batch, Change, ExecutionUpdate, KEPT_DECISIONS, KEPT_EVENTS, StoreError},
};
use sqlx::{SqliteConnection, query};

use super::{
    failed,
    output::Outputs,
    rows::{Bound, attempt_row, doc, signed, write},
};

/// An attempt that ends.
struct End<'a> {
    key: AttemptKey,
    started_at: Option<Timestamp>,
    ended_at: Timestamp,
    end: &'a AttemptEnd,
}

/// The changes of a batch by kind.
#[derive(Default)]
struct Kinds<'a> {
    inserts: Vec<&'a Execution>,
    updates: Vec<&'a ExecutionUpdate>,
    opens: Vec<&'a Attempt>,
    starts: Vec<(AttemptKey, Timestamp)>,
    /// Of attempts that were open before this batch: they go first, a new one may follow in the same batch.
    ends: Vec<End<'a>>,
    late_ends: Vec<End<'a>>,
    others: Vec<&'a Change>,
}

fn sort(changes: &[Change]) -> Kinds<'_> {
    let mut kinds = Kinds::default();
    let mut opened = HashSet::new();
    for change in changes {
        match change {
            Change::InsertExecution(execution) => kinds.inserts.push(execution),
            Change::UpdateExecution(update) => kinds.updates.push(update),
            Change::OpenAttempt(attempt) => {
                opened.insert(attempt.key);
                kinds.opens.push(attempt);
            }
            Change::StartAttempt { key, started_at } => kinds.starts.push((*key, *started_at)),
            Change::EndAttempt { key, started_at, ended_at, end } => {
                let end = End { key: *key, started_at: *started_at, ended_at: *ended_at, end };
                if opened.contains(key) { kinds.late_ends.push(end) } else { kinds.ends.push(end) }
            }
            other => kinds.others.push(other),
        }
    }
    kinds
}

/// The attempts that a batch ends.
pub(super) fn ended(batch: &Batch) -> Vec<AttemptKey> {
    let key = |change: &Change| match change {
        Change::EndAttempt { key, .. } => Some(*key),
        _ => None,
    };
    batch.changes.iter().filter_map(key).collect()
}

pub(super) async fn apply(
    connection: &mut SqliteConnection,
    batch: &Batch,
    outputs: &Outputs,
) -> Result<(), StoreError> {
    let kinds = sort(&batch.changes);
    let head = "INSERT INTO executions (id, activity, status, not_before, submitted_at, started_at, finished_at, attempt, \
         worker, failures, losses, cancel_requested, retrieved, retry_of, ending, input)";
    write(connection, head, 16, "", &kinds.inserts, |query, row| insert(query, row)).await?;
    update(connection, &kinds.updates).await?;
    end(connection, &kinds.ends, outputs).await?;
    let head = "INSERT INTO attempts (id, execution, revision, worker, assigned_at, started_at)";
    write(connection, head, 6, "", &kinds.opens, |query, row| {
        query
            .bind(attempt_row(row.key))
            .bind(signed(row.key.execution.0))
            .bind(row.revision.0)
            .bind(signed(row.worker.0))
            .bind(row.assigned_at.0)
            .bind(row.started_at.map(|at| at.0))
    })
    .await?;
    let (head, tail) =
        ("WITH v(id, at) AS (", ") UPDATE attempts SET started_at = v.at FROM v WHERE attempts.id = v.id");
    write(connection, head, 2, tail, &kinds.starts, |query, (key, at)| query.bind(attempt_row(*key)).bind(at.0))
        .await?;
    end(connection, &kinds.late_ends, outputs).await?;
    for change in kinds.others {
        other(connection, change).await?;
    }
    let tallies = "INSERT OR REPLACE INTO tallies (activity, doc)";
    write(connection, tallies, 2, "", &batch.tallies, |query, tally| {
        query.bind(signed(tally.activity.0)).bind(doc(&(&tally.executions, &tally.recent_durations)))
    })
    .await?;
    if let Some(last) = batch.events.last() {
        let sql = "INSERT INTO events (last, doc) VALUES (?, ?)";
        query(sql).bind(signed(last.seq)).bind(doc(&batch.events)).execute(&mut *connection).await.map_err(failed)?;
        if batch.seq % 256 == 0 {
            let oldest = signed(last.seq.saturating_sub(KEPT_EVENTS));
            query("DELETE FROM events WHERE last < ?").bind(oldest).execute(&mut *connection).await.map_err(failed)?;
        }
    }
    Ok(())
}

fn insert<'q>(query: Bound<'q>, row: &Execution) -> Bound<'q> {
    query
        .bind(signed(row.id.0))
        .bind(signed(row.activity.0))
        .bind(row.status as u32)
        .bind(row.not_before.0)
        .bind(row.submitted_at.0)
        .bind(row.started_at.map(|at| at.0))
        .bind(row.finished_at.map(|at| at.0))
        .bind(row.attempt.0)
        .bind(row.worker.map(|id| signed(id.0)))
        .bind(row.failures)
        .bind(row.losses)
        .bind(row.cancel_requested)
        .bind(row.retrieved)
        .bind(row.retry_of.map(|id| signed(id.0)))
        .bind(row.ending.as_ref().map(doc))
        .bind(row.input.as_deref().map(str::to_owned))
}

async fn update(connection: &mut SqliteConnection, updates: &[&ExecutionUpdate]) -> Result<(), StoreError> {
    let head = "WITH v(id, status, not_before, started_at, finished_at, attempt, worker, failures, losses, cancel, \
         ending) AS (";
    let tail = ") UPDATE executions SET status = v.status, not_before = v.not_before, started_at = v.started_at, \
         finished_at = v.finished_at, attempt = v.attempt, worker = v.worker, failures = v.failures, \
         losses = v.losses, cancel_requested = v.cancel, ending = v.ending \
         FROM v WHERE executions.id = v.id AND executions.status < 2";
    let changed = write(connection, head, 11, tail, updates, |query, row| {
        query
            .bind(signed(row.id.0))
            .bind(row.status as u32)
            .bind(row.not_before.0)
            .bind(row.started_at.map(|at| at.0))
            .bind(row.finished_at.map(|at| at.0))
            .bind(row.attempt.0)
            .bind(row.worker.map(|id| signed(id.0)))
            .bind(row.failures)
            .bind(row.losses)
            .bind(row.cancel_requested)
            .bind(row.ending.as_ref().map(doc))
    })
    .await?;
    expect(changed, updates.len(), "an execution that is not there, or has ended, was to change")
}

async fn end(connection: &mut SqliteConnection, ends: &[End<'_>], outputs: &Outputs) -> Result<(), StoreError> {
    let (recalled, ended): (Vec<&End<'_>>, Vec<&End<'_>>) =
        ends.iter().partition(|end| *end.end == AttemptEnd::Recalled);
    for end in recalled {
        let sql = "DELETE FROM attempts WHERE id = ? AND ending IS NULL";
        let done = query(sql).bind(attempt_row(end.key)).execute(&mut *connection).await.map_err(failed)?;
        expect(done.rows_affected(), 1, "an attempt that is not open was to be taken back")?;
    }
    let head = "WITH v(id, started_at, ended_at, ending, o_len, o, o_at, o_tail, e_len, e, e_at, e_tail) AS (";
    let tail = ") UPDATE attempts SET started_at = coalesce(v.started_at, attempts.started_at), \
         ended_at = v.ended_at, ending = v.ending, stdout_len = v.o_len, stdout = v.o, stdout_tail_at = v.o_at, \
         stdout_tail = v.o_tail, stderr_len = v.e_len, stderr = v.e, stderr_tail_at = v.e_at, stderr_tail = v.e_tail \
         FROM v WHERE attempts.id = v.id AND attempts.ending IS NULL";
    let changed = write(connection, head, 12, tail, &ended, |bound, end| {
        let mut bound = bound
            .bind(attempt_row(end.key))
            .bind(end.started_at.map(|at| at.0))
            .bind(end.ended_at.0)
            .bind(doc(end.end));
        let open = outputs.get(end.key);
        let open = open.as_ref().map(|open| open.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        for stream in Stream::BOTH {
            let half = open.as_ref().map(|open| open.of(stream));
            let tail = half.and_then(|half| half.tail.clone());
            bound = bound
                .bind(signed(half.map_or(0, |half| half.len)))
                .bind(half.and_then(|half| half.inline()).filter(|bytes| !bytes.is_empty()).map(<[u8]>::to_vec))
                .bind(tail.as_ref().map(|(at, _)| signed(*at)))
                .bind(tail.map(|(_, bytes)| bytes.to_vec()));
        }
        bound
    })
    .await?;
    expect(changed, ended.len(), "an attempt that is not open was to end")
}

fn expect(changed: u64, wanted: usize, sentence: &str) -> Result<(), StoreError> {
    if changed == wanted as u64 { Ok(()) } else { Err(StoreError::Conflict(sentence.into())) }
}

/// The changes that are few: a statement each.
async fn other(connection: &mut SqliteConnection, change: &Change) -> Result<(), StoreError> {
    let queries: Vec<Bound<'_>> = match change {
        Change::PutActivity(activity) => vec![
            query("INSERT INTO activities (id, name, doc) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET doc = excluded.doc")
                .bind(signed(activity.id.0))
                .bind(activity.name.to_string())
                .bind(doc(activity)),
        ],
        Change::DeleteActivity(id) => {
            let of = |sql: &'static str| query(sql).bind(signed(id.0));
            vec![
                of("UPDATE activities SET doc = NULL WHERE id = ?"),
                of("DELETE FROM revisions WHERE activity = ?"),
                of("DELETE FROM payloads WHERE activity = ?"),
                of("DELETE FROM installations WHERE activity = ?"),
            ]
        }
        Change::PutRevision(revision) => vec![
            query("INSERT OR REPLACE INTO revisions (activity, no, doc) VALUES (?, ?, ?)")
                .bind(signed(revision.activity.0))
                .bind(revision.no.0)
                .bind(doc(revision)),
        ],
        Change::PutPayload { activity, revision, payload } => vec![
            query("INSERT OR REPLACE INTO payloads (activity, no, archive, bytes) VALUES (?, ?, ?, ?)")
                .bind(signed(activity.0))
                .bind(revision.0)
                .bind(matches!(payload, Payload::Archive(_)))
                .bind(payload.bytes().to_vec()),
        ],
        Change::DeleteRevision { activity, revision } => {
            let of = |sql: &'static str| query(sql).bind(signed(activity.0)).bind(revision.0);
            vec![
                of("DELETE FROM revisions WHERE activity = ? AND no = ?"),
                of("DELETE FROM payloads WHERE activity = ? AND no = ?"),
            ]
        }
        Change::PutInstallation(row) => vec![
            query("INSERT OR REPLACE INTO installations (worker, activity, revision, doc) VALUES (?, ?, ?, ?)")
                .bind(signed(row.worker.0))
                .bind(signed(row.activity.0))
                .bind(row.revision.0)
                .bind(doc(row)),
        ],
        Change::DeleteInstallation { worker, activity, revision } => vec![
            query("DELETE FROM installations WHERE worker = ? AND activity = ? AND revision = ?")
                .bind(signed(worker.0))
                .bind(signed(activity.0))
                .bind(revision.0),
        ],
        Change::Retrieve(id) => {
            let sql = "UPDATE executions SET retrieved = 1 WHERE id = ? AND status >= 2 AND retrieved = 0";
            let done = query(sql).bind(signed(id.0)).execute(&mut *connection).await.map_err(failed)?;
            return expect(done.rows_affected(), 1, "a result was to be handed out twice");
        }
        Change::DeleteExecutions(ids) => return delete(connection, ids).await,
        Change::PutIdempotency { key, request_hash, executions } => vec![
            query("INSERT OR REPLACE INTO idempotency (key, hash, first, past) VALUES (?, ?, ?, ?)")
                .bind(key.to_string())
                .bind(request_hash.to_vec())
                .bind(signed(executions.start))
                .bind(signed(executions.end)),
        ],
        Change::PutWorker(worker) => vec![
            query("INSERT OR REPLACE INTO workers (id, doc) VALUES (?, ?)").bind(signed(worker.id.0)).bind(doc(worker)),
        ],
        Change::DeleteWorker(id) => vec![query("DELETE FROM workers WHERE id = ?").bind(signed(id.0))],
        Change::PutPolicy(policy) => vec![
            query("INSERT INTO policies (id, name, doc) VALUES (?, ?, ?)")
                .bind(signed(policy.id.0))
                .bind(policy.name.to_string())
                .bind(doc(policy)),
        ],
        Change::DeletePolicy(id) => vec![query("DELETE FROM policies WHERE id = ?").bind(signed(id.0))],
        Change::ActivatePolicy(id) => vec![query("UPDATE store SET active_policy = ?").bind(signed(id.0))],
        Change::RecordDecision(decision) => vec![
            query("INSERT INTO decisions (doc) VALUES (?)").bind(doc(decision)),
            query("DELETE FROM decisions WHERE id <= (SELECT max(id) FROM decisions) - ?").bind(signed(KEPT_DECISIONS)),
        ],
        Change::InsertExecution(_)
        | Change::UpdateExecution(_)
        | Change::OpenAttempt(_)
        | Change::StartAttempt { .. }
        | Change::EndAttempt { .. } => Vec::new(), // written above, many at once
    };
    for query in queries {
        query.execute(&mut *connection).await.map_err(failed)?;
    }
    Ok(())
}

async fn delete(connection: &mut SqliteConnection, ids: &[ExecutionId]) -> Result<(), StoreError> {
    let list: Arc<str> = doc(&ids).into();
    for sql in [
        "DELETE FROM attempts WHERE id IN (SELECT a.id FROM json_each(?) j JOIN attempts a \
         ON a.id BETWEEN (j.value << 16) AND (j.value << 16) + 65535)",
        "DELETE FROM executions WHERE id IN (SELECT value FROM json_each(?))",
        "DELETE FROM idempotency WHERE first IN (SELECT value FROM json_each(?))",
    ] {
        query(sql).bind(list.to_string()).execute(&mut *connection).await.map_err(failed)?;
    }
    Ok(())
}
