//! Domain values as columns, and back.

use std::sync::Arc;

use pod_core::{
    domain::{
        ActivityId, Age, Attempt, AttemptKey, AttemptNo, AttemptOutcome, Execution, ExecutionId, ExecutionStatus, Gap,
        GiveUp, Outcome, OutputSummary, RevisionNo, StreamSummary, Timestamp, WorkerId,
    },
    store::StoreError,
};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Row, sqlite::SqliteRow};

use super::error::{from_sql, unreadable};

/// Inputs up to this many bytes are in the row of their execution.
pub(super) const INLINE_INPUT: usize = 1024;
/// So many bits of an attempt's key are its number.
const ATTEMPT_BITS: u32 = 20;

/// An unsigned number as SQLite keeps it. What is beyond its range is a cursor behind everything.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn number(column: i64) -> u64 {
    u64::try_from(column).unwrap_or_default()
}

fn small(column: i64) -> u32 {
    u32::try_from(column).unwrap_or(u32::MAX)
}

pub(super) fn attempt_key(key: AttemptKey) -> Result<i64, StoreError> {
    let fits = u64::from(key.attempt.0) < 1 << ATTEMPT_BITS && key.execution.0 < 1 << (62 - ATTEMPT_BITS);
    if !fits {
        return Err(StoreError::Conflict(format!("attempt {key} is beyond what can be numbered").into()));
    }
    Ok(int(key.execution.0 << ATTEMPT_BITS | u64::from(key.attempt.0)))
}

/// The first key of an execution's attempts.
pub(super) fn first_key(execution: ExecutionId) -> i64 {
    int(execution.0).saturating_mul(1 << ATTEMPT_BITS)
}

pub(super) fn read_key(column: i64) -> AttemptKey {
    let key = number(column);
    AttemptKey {
        execution: ExecutionId(key >> ATTEMPT_BITS),
        attempt: AttemptNo(small(int(key & ((1 << ATTEMPT_BITS) - 1)))),
    }
}

pub(super) fn status(status: ExecutionStatus) -> i64 {
    match status {
        ExecutionStatus::Waiting => 0,
        ExecutionStatus::Running => 1,
        ExecutionStatus::Finished => 2,
        ExecutionStatus::Failed => 3,
        ExecutionStatus::Terminated => 4,
        ExecutionStatus::TimedOut => 5,
    }
}

pub(super) fn read_status(column: i64) -> Result<ExecutionStatus, StoreError> {
    let found = usize::try_from(column).ok().and_then(|at| ExecutionStatus::ALL.get(at).copied());
    found.ok_or_else(|| unreadable(format_args!("the execution status {column}")))
}

/// A way to end as three columns: what, its code, its reason.
pub(super) type EndingColumns = (Option<i64>, Option<i64>, Option<Arc<str>>);

/// What the row of an execution says of its latest attempt. The reason for an ending names the same, so that it is not
/// written a second time.
pub(super) struct Latest {
    pub(super) attempt: AttemptNo,
    pub(super) worker: Option<WorkerId>,
    pub(super) losses: u32,
}

pub(super) fn ending(ending: Option<&Outcome>, latest: &Latest) -> EndingColumns {
    match ending {
        None => (None, None, None),
        Some(Outcome::Exited(code)) => (Some(0), Some(i64::from(*code)), None),
        Some(Outcome::Signalled(signal)) => (Some(1), Some(i64::from(*signal)), None),
        Some(Outcome::Terminated) => (Some(2), None, None),
        Some(Outcome::TimedOut) => (Some(3), None, None),
        Some(Outcome::Aborted(why)) => {
            let sentence: Arc<str> = why.to_string().into();
            (Some(4), give_up_code(why, &sentence, latest), Some(sentence))
        }
        Some(Outcome::OutOfMemory) => (Some(5), None, None),
        Some(ending @ Outcome::WorkerLeft { .. }) => (Some(6), None, ending.reason().map(Arc::from)),
    }
}

/// Which reason it is, so that it is read as more than its sentence; nothing where it would not be read as it is.
fn give_up_code(why: &GiveUp, sentence: &Arc<str>, latest: &Latest) -> Option<i64> {
    let code = match why {
        GiveUp::StartFailed { .. } => 1,
        GiveUp::NotRunAgain { .. } => 2,
        GiveUp::LostTooOften { .. } => 3,
        GiveUp::ActivityDeleted => 4,
        GiveUp::ActivityRejected { .. } => 5,
        GiveUp::NotInstalled { .. } => 6,
        _ => return None,
    };
    (read_give_up(Some(code), sentence, latest).as_ref() == Some(why)).then_some(code)
}

/// The reason of that code. Nothing where it is not known, as in the rows of earlier versions: only its sentence is.
fn read_give_up(code: Option<i64>, sentence: &Arc<str>, latest: &Latest) -> Option<GiveUp> {
    let Latest { attempt, worker, losses } = *latest;
    // The sentence of such a reason ends with the error.
    let error = |without: GiveUp| sentence.strip_prefix(&without.to_string()).map(Arc::<str>::from);
    Some(match code? {
        1 => GiveUp::StartFailed { error: sentence.clone() },
        2 => GiveUp::NotRunAgain { worker: worker?, attempt },
        3 => GiveUp::LostTooOften { worker: worker?, attempt, losses },
        4 => GiveUp::ActivityDeleted,
        5 => GiveUp::ActivityRejected { error: error(GiveUp::ActivityRejected { error: "".into() })? },
        6 => GiveUp::NotInstalled { error: error(GiveUp::NotInstalled { error: "".into() })? },
        _ => return None,
    })
}

fn read_ending((kind, code, reason): EndingColumns, latest: &Latest) -> Result<Option<Outcome>, StoreError> {
    let given_up = code;
    let code = i32::try_from(code.unwrap_or_default()).unwrap_or(i32::MAX);
    Ok(Some(match kind {
        None => return Ok(None),
        Some(0) => Outcome::Exited(code),
        Some(1) => Outcome::Signalled(code),
        Some(2) => Outcome::Terminated,
        Some(3) => Outcome::TimedOut,
        Some(4) => {
            let sentence = reason.unwrap_or_default();
            Outcome::Aborted(read_give_up(given_up, &sentence, latest).unwrap_or(GiveUp::Said { sentence }))
        }
        Some(5) => Outcome::OutOfMemory,
        Some(6) => {
            let worker = latest.worker.ok_or_else(|| unreadable("the worker that left, of which there is none"))?;
            Outcome::WorkerLeft { worker, attempt: latest.attempt }
        }
        Some(other) => return Err(unreadable(format_args!("the ending {other}"))),
    }))
}

pub(super) fn attempt_end(end: &AttemptOutcome) -> EndingColumns {
    match end {
        AttemptOutcome::Exited(code) => (Some(0), Some(i64::from(*code)), None),
        AttemptOutcome::Signalled(signal) => (Some(1), Some(i64::from(*signal)), None),
        AttemptOutcome::Terminated => (Some(2), None, None),
        AttemptOutcome::TimedOut => (Some(3), None, None),
        AttemptOutcome::StartFailed(reason) => (Some(4), None, Some(reason.clone())),
        AttemptOutcome::Lost => (Some(5), None, None),
        AttemptOutcome::Recalled => (Some(6), None, None),
        AttemptOutcome::OutOfMemory => (Some(7), None, None),
        AttemptOutcome::WorkerLeft => (Some(8), None, None),
    }
}

fn read_attempt_end((kind, code, reason): EndingColumns) -> Result<Option<AttemptOutcome>, StoreError> {
    let code = i32::try_from(code.unwrap_or_default()).unwrap_or(i32::MAX);
    Ok(Some(match kind {
        None => return Ok(None),
        Some(0) => AttemptOutcome::Exited(code),
        Some(1) => AttemptOutcome::Signalled(code),
        Some(2) => AttemptOutcome::Terminated,
        Some(3) => AttemptOutcome::TimedOut,
        Some(4) => AttemptOutcome::StartFailed(reason.unwrap_or_default()),
        Some(5) => AttemptOutcome::Lost,
        Some(6) => AttemptOutcome::Recalled,
        Some(7) => AttemptOutcome::OutOfMemory,
        Some(8) => AttemptOutcome::WorkerLeft,
        Some(other) => return Err(unreadable(format_args!("the end of an attempt {other}"))),
    }))
}

/// The columns that [`read_execution`] reads, of the table `e`.
pub(super) const EXECUTION_COLUMNS: &str = "e.id, e.activity, e.status, e.retrieved, e.not_before, e.submitted_at, \
     e.started_at, e.finished_at, e.attempt, e.worker, e.failures, e.losses, e.cancel_requested, e.retry_of, \
     e.ending, e.ending_code, e.ending_reason, \
     CASE e.input_apart WHEN 0 THEN e.input ELSE (SELECT input FROM inputs WHERE execution = e.id) END, e.revision, e.ended";
const EXECUTION_WIDTH: usize = 20;

/// The columns that [`read_attempt`] reads, of the table `a`.
pub(super) const ATTEMPT_COLUMNS: &str = "a.key, a.revision, a.worker, a.assigned_at, a.started_at, a.ended_at, \
     a.ending, a.ending_code, a.ending_reason, a.stdout_len, a.stdout_gap_start, a.stdout_gap_end, \
     a.stderr_len, a.stderr_gap_start, a.stderr_gap_end";

pub(super) fn read_execution(row: &SqliteRow) -> Result<Execution, StoreError> {
    let int = |at: usize| row.try_get::<i64, _>(at).map_err(from_sql);
    let maybe = |at: usize| row.try_get::<Option<i64>, _>(at).map_err(from_sql);
    let text = |at: usize| row.try_get::<Option<&str>, _>(at).map(|text| text.map(Arc::from)).map_err(from_sql);
    let latest = Latest {
        attempt: AttemptNo(small(int(8)?)),
        worker: maybe(9)?.map(|id| WorkerId(number(id))),
        losses: small(int(11)?),
    };
    Ok(Execution {
        id: ExecutionId(number(int(0)?)),
        activity: ActivityId(number(int(1)?)),
        revision: RevisionNo(small(int(18)?)),
        input: text(17)?,
        status: read_status(int(2)?)?,
        outcome: read_ending((maybe(14)?, maybe(15)?, text(16)?), &latest)?,
        submitted_at: Timestamp(int(5)?),
        not_before: Age(int(4)?),
        started_at: maybe(6)?.map(Timestamp),
        finished_at: maybe(7)?.map(Timestamp),
        ended: maybe(19)?.map(Age),
        attempt: latest.attempt,
        worker: latest.worker,
        failures: small(int(10)?),
        lost_attempts: latest.losses,
        cancel_requested: int(12)? != 0,
        retrieved: int(3)? != 0,
        retry_of: maybe(13)?.map(|id| ExecutionId(number(id))),
    })
}

/// Where the attempt's columns begin in a row that holds an execution before them.
pub(super) const AFTER_EXECUTION: usize = EXECUTION_WIDTH;

pub(super) fn read_attempt(row: &SqliteRow, first: usize) -> Result<Attempt, StoreError> {
    let int = |at: usize| row.try_get::<i64, _>(first + at).map_err(from_sql);
    let maybe = |at: usize| row.try_get::<Option<i64>, _>(first + at).map_err(from_sql);
    let reason = row.try_get::<Option<&str>, _>(first + 8).map_err(from_sql)?.map(Arc::from);
    let summary =
        |at: usize| -> Result<StreamSummary, StoreError> { Ok(read_summary(int(at)?, maybe(at + 1)?, maybe(at + 2)?)) };
    Ok(Attempt {
        key: read_key(int(0)?),
        revision: RevisionNo(small(int(1)?)),
        worker: WorkerId(number(int(2)?)),
        assigned_at: Timestamp(int(3)?),
        started_at: maybe(4)?.map(Timestamp),
        ended_at: maybe(5)?.map(Timestamp),
        end: read_attempt_end((maybe(6)?, maybe(7)?, reason))?,
        output: OutputSummary { stdout: summary(9)?, stderr: summary(12)? },
    })
}

pub(super) fn read_summary(len: i64, gap_start: Option<i64>, gap_end: Option<i64>) -> StreamSummary {
    let gap = gap_start.zip(gap_end).map(|(start, end)| Gap { start: number(start), end: number(end) });
    StreamSummary { len: number(len), gap }
}

pub(super) fn json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::Conflict(format!("a row cannot be written as JSON: {error}").into()))
}

pub(super) fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| unreadable(format_args!("the row {text:.100} ({error})")))
}
