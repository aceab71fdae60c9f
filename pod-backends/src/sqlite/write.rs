//! Writes a planned batch inside the transaction of `commit`.

use std::{collections::HashMap, sync::Arc};

use pod_core::{
    domain::{Attempt, AttemptKey, AttemptOutcome, Execution, ExecutionId, OutputSummary, Timestamp},
    store::{ActivityCounters, Batch, ExecutionUpdate, IdempotencyRecord, KEPT_EVENTS, RevisionCounters, StoreError},
};
use sqlx::{Arguments, Row, SqliteConnection, error::BoxDynError, sqlite::SqliteArguments};

use super::{
    coalesce::{AttemptEnding, AttemptWrite, ExecutionWrite, Plan},
    encoding::{EndingColumns, INLINE_INPUT, Latest, attempt_end, attempt_key, ending, int, json, read_key, status},
    error::{conflict, expect, from_sql},
    output::SealedOutput,
    rare_changes,
    restored::HISTORY,
    rows::{RowsStatement, Step},
};

static INSERT_EXECUTIONS: RowsStatement = RowsStatement::new(
    "INSERT INTO executions (id, activity, revision, status, retrieved, not_before, submitted_at, started_at, finished_at, \
     ended, attempt, worker, failures, losses, cancel_requested, retry_of, ending, ending_code, ending_reason, input_apart, \
     input) SELECT * FROM (VALUES ",
    21,
    ") WHERE column1 IS NOT NULL",
);
static INSERT_INPUTS: RowsStatement = RowsStatement::new(
    "INSERT INTO inputs (execution, input) SELECT * FROM (VALUES ",
    2,
    ") WHERE column1 IS NOT NULL",
);
static UPDATE_EXECUTIONS: RowsStatement = RowsStatement::new(
    "WITH v (id, status, retrieved, not_before, started_at, finished_at, ended, attempt, worker, failures, losses, \
     cancel_requested, ending, ending_code, ending_reason) AS (VALUES ",
    15,
    ") UPDATE executions SET status = v.status, retrieved = v.retrieved, not_before = v.not_before, \
     started_at = v.started_at, finished_at = v.finished_at, ended = v.ended, attempt = v.attempt, worker = v.worker, \
     failures = v.failures, losses = v.losses, cancel_requested = v.cancel_requested, ending = v.ending, \
     ending_code = v.ending_code, ending_reason = v.ending_reason \
     FROM v WHERE executions.id = v.id AND executions.status < 2",
);
static RETRIEVE: RowsStatement = RowsStatement::new(
    "UPDATE executions SET retrieved = 1 WHERE retrieved = 0 AND status >= 2 AND id IN (VALUES ",
    1,
    ")",
);
static INSERT_ATTEMPTS: RowsStatement = RowsStatement::new(
    "INSERT INTO attempts (key, revision, worker, assigned_at, started_at, ended_at, ending, ending_code, \
     ending_reason) SELECT * FROM (VALUES ",
    9,
    ") WHERE column1 IS NOT NULL",
);
static START_ATTEMPTS: RowsStatement = RowsStatement::new(
    "WITH v (key, started_at) AS (VALUES ",
    2,
    ") UPDATE attempts SET started_at = v.started_at FROM v WHERE attempts.key = v.key AND attempts.ended_at IS NULL",
);
static END_ATTEMPTS: RowsStatement = RowsStatement::new(
    "WITH v (key, started_at, ended_at, ending, ending_code, ending_reason, stdout_len, stdout_gap_start, \
     stdout_gap_end, stdout, stderr_len, stderr_gap_start, stderr_gap_end, stderr, output_order) AS (VALUES ",
    15,
    ") UPDATE attempts SET started_at = coalesce(v.started_at, attempts.started_at), ended_at = v.ended_at, \
     ending = v.ending, ending_code = v.ending_code, ending_reason = v.ending_reason, \
     stdout_len = v.stdout_len, stdout_gap_start = v.stdout_gap_start, stdout_gap_end = v.stdout_gap_end, \
     stdout = v.stdout, stderr_len = v.stderr_len, stderr_gap_start = v.stderr_gap_start, \
     stderr_gap_end = v.stderr_gap_end, stderr = v.stderr, output_order = v.output_order \
     FROM v WHERE attempts.key = v.key AND attempts.ended_at IS NULL",
);
static DELETE_ATTEMPTS: RowsStatement =
    RowsStatement::new("DELETE FROM attempts WHERE ended_at IS NULL AND key IN (VALUES ", 1, ")");
static INSERT_IDEMPOTENCY: RowsStatement = RowsStatement::new(
    "INSERT INTO idempotency (key, request_hash, first_execution, end_execution) SELECT * FROM (VALUES ",
    4,
    ") WHERE column1 IS NOT NULL",
);
const INSERT_EVENTS: &str = "INSERT INTO events (last, body) SELECT ?, ? \
                             WHERE NOT EXISTS (SELECT 1 FROM events WHERE last >= ?)";
static PUT_TALLIES: RowsStatement = RowsStatement::new(
    "WITH v (id, tally, recent_durations) AS (VALUES ",
    3,
    ") UPDATE activities SET tally = v.tally, recent_durations = v.recent_durations \
     FROM v WHERE activities.id = v.id AND activities.deleted = 0",
);

static PUT_REVISION_TALLIES: RowsStatement = RowsStatement::new(
    "WITH v (activity, no, waiting, kept) AS (VALUES ",
    4,
    ") UPDATE revisions SET waiting = v.waiting, kept = v.kept \
     FROM v WHERE revisions.activity = v.activity AND revisions.no = v.no",
);

/// How many events pass before old ones are looked for.
const TRIM_EVERY: u64 = 4096;

/// What becomes garbage outside the database once the transaction is committed.
#[derive(Debug, Default)]
pub(super) struct OrphanedFiles {
    /// Attempts whose output is in files.
    pub(super) output: Vec<AttemptKey>,
}

/// Writes everything but the lease row.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    batch: &Batch,
    plan: &Plan<'_>,
    sealed: &HashMap<AttemptKey, SealedOutput>,
) -> Result<OrphanedFiles, StoreError> {
    for change in &plan.rest {
        rare_changes::write(connection, change).await?;
    }
    let mut step = Step::new(connection);
    add_executions(&mut step, plan).await?;
    add_attempts(&mut step, plan, sealed).await?;
    let idempotency = |arguments: &mut SqliteArguments, (key, record): &(Arc<str>, IdempotencyRecord)| {
        arguments.add(&**key)?;
        arguments.add(&record.request_hash[..])?;
        arguments.add(int(record.executions.start))?;
        arguments.add(int(record.executions.end))
    };
    step.rows(&INSERT_IDEMPOTENCY, &plan.idempotency, None, idempotency).await?;
    let tally = |arguments: &mut SqliteArguments, tally: &ActivityCounters| {
        arguments.add(int(tally.activity.0))?;
        arguments.add(serde_json::to_string(&tally.executions)?)?;
        arguments.add(serde_json::to_string(&tally.recent_durations)?)
    };
    step.rows(&PUT_TALLIES, &batch.activity_counters, None, tally).await?;
    let tally = |arguments: &mut SqliteArguments, tally: &RevisionCounters| {
        arguments.add(int(tally.activity.0))?;
        arguments.add(i64::from(tally.revision.0))?;
        arguments.add(int(tally.waiting))?;
        arguments.add(int(tally.kept))
    };
    step.rows(&PUT_REVISION_TALLIES, &batch.revision_counters, None, tally).await?;
    add_events(&mut step, batch)?;
    step.run().await?;
    find_expected(connection, &plan.expected).await?;
    trim_events(connection, batch).await?;
    delete_executions(connection, &plan.deleted).await
}

async fn add_executions(step: &mut Step<'_>, plan: &Plan<'_>) -> Result<(), StoreError> {
    let (mut inserts, mut inputs, mut updates, mut retrieved) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (id, write) in &plan.executions {
        match write {
            ExecutionWrite::Insert(row) => {
                inserts.push(&**row);
                if let Some(input) = row.input.as_deref().filter(|input| input.len() > INLINE_INPUT) {
                    inputs.push((*id, input));
                }
            }
            ExecutionWrite::Update(update) => updates.push((update, false)),
            ExecutionWrite::UpdateAndRetrieve(update) => updates.push((update, true)),
            ExecutionWrite::Retrieve => retrieved.push(*id),
        }
    }
    step.rows(&INSERT_EXECUTIONS, &inserts, None, |arguments, row| bind_execution(arguments, row)).await?;
    let input = |arguments: &mut SqliteArguments, (id, input): &(ExecutionId, &str)| {
        arguments.add(int(id.0))?;
        arguments.add(*input)
    };
    step.rows(&INSERT_INPUTS, &inputs, None, input).await?;
    let ended = "an execution to be updated does not exist or has ended";
    let update = |arguments: &mut SqliteArguments, (update, retrieved): &(&ExecutionUpdate, bool)| {
        bind_update(arguments, update, *retrieved)
    };
    step.rows(&UPDATE_EXECUTIONS, &updates, Some(ended), update).await?;
    let handed_out = "an execution has not ended, or its result was handed out already";
    step.rows(&RETRIEVE, &retrieved, Some(handed_out), |arguments, id| arguments.add(int(id.0))).await
}

async fn add_attempts(
    step: &mut Step<'_>,
    plan: &Plan<'_>,
    sealed: &HashMap<AttemptKey, SealedOutput>,
) -> Result<(), StoreError> {
    let silent = SealedOutput::default();
    let (mut deletes, mut starts, mut ends, mut inserts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (key, write) in &plan.attempts {
        let row = attempt_key(*key)?;
        match write {
            AttemptWrite::Delete => deletes.push(row),
            AttemptWrite::Start(started_at) => starts.push((row, *started_at)),
            AttemptWrite::End(ending) => ends.push((row, ending, sealed.get(key).unwrap_or(&silent))),
            AttemptWrite::Insert(attempt) => inserts.push((row, attempt)),
            AttemptWrite::Replace(attempt) => {
                deletes.push(row);
                inserts.push((row, attempt));
            }
        }
    }
    // What is open goes first: an execution has room for one open attempt.
    let not_open = Some("an attempt is not open");
    step.rows(&DELETE_ATTEMPTS, &deletes, not_open, |arguments, key| arguments.add(*key)).await?;
    let start = |arguments: &mut SqliteArguments, (key, started_at): &(i64, Timestamp)| {
        arguments.add(*key)?;
        arguments.add(started_at.0)
    };
    step.rows(&START_ATTEMPTS, &starts, not_open, start).await?;
    let end = |arguments: &mut SqliteArguments, (key, ending, output): &(i64, &AttemptEnding, &SealedOutput)| {
        bind_attempt_end(arguments, *key, ending, output)
    };
    step.rows(&END_ATTEMPTS, &ends, not_open, end).await?;
    let insert =
        |arguments: &mut SqliteArguments, (key, attempt): &(i64, &Attempt)| bind_attempt(arguments, *key, attempt);
    step.rows(&INSERT_ATTEMPTS, &inserts, None, insert).await
}

fn add_events(step: &mut Step<'_>, batch: &Batch) -> Result<(), StoreError> {
    let (Some(first), Some(last)) = (batch.events.first(), batch.events.last()) else { return Ok(()) };
    if !batch.events.windows(2).all(|pair| pair[0].seq < pair[1].seq) {
        return Err(conflict(format!("the events from {} on are not in order", first.seq)));
    }
    let body = json(&batch.events)?;
    // Inserts nothing where an event of this number or a later one is there.
    step.one(INSERT_EVENTS, "an event is not the next one", |arguments| {
        arguments.add(int(last.seq))?;
        arguments.add(body)?;
        arguments.add(int(first.seq))
    })
}

async fn trim_events(connection: &mut SqliteConnection, batch: &Batch) -> Result<(), StoreError> {
    let (Some(first), Some(last)) = (batch.events.first(), batch.events.last()) else { return Ok(()) };
    if first.seq / TRIM_EVERY != (last.seq + 1) / TRIM_EVERY {
        // Those of before a restoration go when there are enough of after it: their numbers are far away.
        let of_this_history = last.seq % HISTORY;
        if of_this_history > KEPT_EVENTS {
            let trim = sqlx::query("DELETE FROM events WHERE last <= ?").bind(int(last.seq - KEPT_EVENTS));
            trim.execute(&mut *connection).await.map_err(from_sql)?;
        }
    }
    Ok(())
}

async fn find_expected(connection: &mut SqliteConnection, expected: &[ExecutionId]) -> Result<(), StoreError> {
    if expected.is_empty() {
        return Ok(());
    }
    let missing = "SELECT count(*) FROM json_each(?) WHERE value NOT IN (SELECT id FROM executions WHERE id = value)";
    let missing: i64 =
        sqlx::query_scalar(missing).bind(ids(expected)).fetch_one(&mut *connection).await.map_err(from_sql)?;
    expect(missing.unsigned_abs(), 0, "an attempt was opened for an execution that does not exist")
}

fn ids(executions: &[ExecutionId]) -> String {
    let ids: Vec<String> = executions.iter().map(|id| int(id.0).to_string()).collect();
    format!("[{}]", ids.join(","))
}

fn bind_ending(arguments: &mut SqliteArguments, (kind, code, reason): EndingColumns) -> Result<(), BoxDynError> {
    arguments.add(kind)?;
    arguments.add(code)?;
    arguments.add(reason.as_deref())
}

fn bind_execution(arguments: &mut SqliteArguments, row: &Execution) -> Result<(), BoxDynError> {
    let inline = row.input.as_deref().filter(|input| input.len() <= INLINE_INPUT);
    arguments.add(int(row.id.0))?;
    arguments.add(int(row.activity.0))?;
    arguments.add(i64::from(row.revision.0))?;
    arguments.add(status(row.status))?;
    arguments.add(row.retrieved)?;
    arguments.add(row.not_before.0)?;
    arguments.add(row.submitted_at.0)?;
    arguments.add(row.started_at.map(|at| at.0))?;
    arguments.add(row.finished_at.map(|at| at.0))?;
    arguments.add(row.ended.map(|age| age.0))?;
    arguments.add(i64::from(row.attempt.0))?;
    arguments.add(row.worker.map(|id| int(id.0)))?;
    arguments.add(i64::from(row.failures))?;
    arguments.add(i64::from(row.lost_attempts))?;
    arguments.add(row.cancel_requested)?;
    arguments.add(row.retry_of.map(|id| int(id.0)))?;
    let latest = Latest { attempt: row.attempt, worker: row.worker, losses: row.lost_attempts };
    bind_ending(arguments, ending(row.outcome.as_ref(), &latest))?;
    arguments.add(row.input.is_some() && inline.is_none())?;
    arguments.add(inline)
}

fn bind_update(arguments: &mut SqliteArguments, row: &ExecutionUpdate, retrieved: bool) -> Result<(), BoxDynError> {
    arguments.add(int(row.id.0))?;
    arguments.add(status(row.status))?;
    arguments.add(retrieved)?;
    arguments.add(row.not_before.0)?;
    arguments.add(row.started_at.map(|at| at.0))?;
    arguments.add(row.finished_at.map(|at| at.0))?;
    arguments.add(row.ended.map(|age| age.0))?;
    arguments.add(i64::from(row.attempt.0))?;
    arguments.add(row.worker.map(|id| int(id.0)))?;
    arguments.add(i64::from(row.failures))?;
    arguments.add(i64::from(row.lost_attempts))?;
    arguments.add(row.cancel_requested)?;
    let latest = Latest { attempt: row.attempt, worker: row.worker, losses: row.lost_attempts };
    bind_ending(arguments, ending(row.outcome.as_ref(), &latest))
}

fn bind_attempt(arguments: &mut SqliteArguments, key: i64, row: &Attempt) -> Result<(), BoxDynError> {
    arguments.add(key)?;
    arguments.add(i64::from(row.revision.0))?;
    arguments.add(int(row.worker.0))?;
    arguments.add(row.assigned_at.0)?;
    arguments.add(row.started_at.map(|at| at.0))?;
    arguments.add(row.ended_at.map(|at| at.0))?;
    bind_ending(arguments, row.end.as_ref().map_or((None, None, None), attempt_end))
}

fn bind_attempt_end(
    arguments: &mut SqliteArguments,
    key: i64,
    row: &AttemptEnding,
    output: &SealedOutput,
) -> Result<(), BoxDynError> {
    debug_assert_ne!(row.end, AttemptOutcome::Recalled, "a recalled attempt is deleted");
    let OutputSummary { stdout, stderr } = output.summary;
    arguments.add(key)?;
    arguments.add(row.started_at.map(|at| at.0))?;
    arguments.add(row.ended_at.0)?;
    bind_ending(arguments, attempt_end(&row.end))?;
    for (summary, inline) in [(stdout, &output.stdout), (stderr, &output.stderr)] {
        arguments.add(int(summary.len))?;
        arguments.add(summary.gap.map(|gap| int(gap.start)))?;
        arguments.add(summary.gap.map(|gap| int(gap.end)))?;
        arguments.add(inline.as_deref())?;
    }
    arguments.add(output.order.as_deref())
}

async fn delete_executions(
    connection: &mut SqliteConnection,
    deleted: &[ExecutionId],
) -> Result<OrphanedFiles, StoreError> {
    let mut garbage = OrphanedFiles::default();
    if deleted.is_empty() {
        return Ok(garbage);
    }
    let json = ids(deleted);
    let living = "SELECT count(*) FROM executions WHERE id IN (SELECT value FROM json_each(?)) AND status < 2";
    let living: i64 = sqlx::query_scalar(living).bind(&json).fetch_one(&mut *connection).await.map_err(from_sql)?;
    expect(living.unsigned_abs(), 0, "an execution to be deleted has not ended")?;
    // The cross join makes the list the outer loop, and each look-up a range of the primary key.
    let delete = "DELETE FROM attempts WHERE key IN (SELECT a.key FROM json_each(?) AS d CROSS JOIN attempts AS a \
                  ON a.key >= d.value << 20 AND a.key < (d.value + 1) << 20) \
                  RETURNING key, (stdout IS NULL AND stdout_len > 0) OR (stderr IS NULL AND stderr_len > 0) \
                  OR (output_order IS NULL AND stdout_len + stderr_len > 0)";
    for row in sqlx::query(delete).bind(&json).fetch_all(&mut *connection).await.map_err(from_sql)? {
        if row.try_get(1).map_err(from_sql)? {
            garbage.output.push(read_key(row.try_get(0).map_err(from_sql)?));
        }
    }
    for delete in [
        "DELETE FROM inputs WHERE execution IN (SELECT value FROM json_each(?))",
        "DELETE FROM executions WHERE id IN (SELECT value FROM json_each(?))",
        // No execution belongs to two keys: the one that it may belong to is the first that ends above it. A key is
        // remembered as long as any execution of it is there.
        "DELETE FROM idempotency WHERE key IN (SELECT (SELECT i.key FROM idempotency AS i \
         WHERE i.end_execution > d.value ORDER BY i.end_execution, i.key LIMIT 1) FROM json_each(?) AS d) \
         AND NOT EXISTS (SELECT 1 FROM executions AS e \
         WHERE e.id >= idempotency.first_execution AND e.id < idempotency.end_execution)",
    ] {
        sqlx::query(delete).bind(&json).execute(&mut *connection).await.map_err(from_sql)?;
    }
    Ok(garbage)
}
