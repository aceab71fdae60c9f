//! Rows to values and back, and statements that write many rows at once.
//!
//! A statement costs a hop to the connection's thread, 10 to 20 µs, so rows are written in chunks of a few fixed sizes,
//! whose statements stay prepared.

use std::sync::Arc;

use pod_core::{
    domain::{
        ActivityId, Attempt, AttemptEnd, AttemptKey, AttemptNo, Ending, Execution, ExecutionId, ExecutionStatus, Gap,
        OutputSummary, RevisionNo, StreamSummary, Timestamp, WorkerId,
    },
    store::StoreError,
};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{AssertSqlSafe, Row, Sqlite, SqliteConnection, query::Query, sqlite::SqliteArguments, sqlite::SqliteRow};

/// The chunk sizes. The largest keeps 16 columns well below SQLite's limit of 32,766 parameters.
const CHUNKS: [usize; 4] = [256, 32, 4, 1];

pub(super) type Bound<'q> = Query<'q, Sqlite, SqliteArguments>;

/// Writes rows with `{head} VALUES (…),(…) {tail}`; gives the number of rows that were changed.
pub(super) async fn write<T>(
    connection: &mut SqliteConnection,
    head: &str,
    columns: usize,
    tail: &str,
    mut rows: &[T],
    bind: impl for<'q> Fn(Bound<'q>, &T) -> Bound<'q>,
) -> Result<u64, StoreError> {
    let mut changed = 0;
    while !rows.is_empty() {
        let size = CHUNKS.into_iter().find(|size| *size <= rows.len()).unwrap_or(1);
        let (chunk, rest) = rows.split_at(size);
        let row = format!("({})", vec!["?"; columns].join(","));
        let sql = format!("{head} VALUES {} {tail}", vec![row; size].join(","));
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for row in chunk {
            query = bind(query, row);
        }
        changed += query.execute(&mut *connection).await.map_err(super::failed)?.rows_affected();
        rows = rest;
    }
    Ok(changed)
}

pub(super) fn doc<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| unreachable!("plain data serializes: {error}"))
}

pub(super) fn from_doc<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text)
        .map_err(|error| StoreError::Unusable(format!("the database holds a row that cannot be read: {error}").into()))
}

pub(super) fn signed(id: u64) -> i64 {
    id.cast_signed()
}

pub(super) fn attempt_row(key: AttemptKey) -> i64 {
    (key.execution.0 << 16 | u64::from(key.attempt.0 & 0xFFFF)).cast_signed()
}

pub(super) const EXECUTION: &str = "id, activity, status, not_before, submitted_at, started_at, finished_at, attempt, \
     worker, failures, losses, cancel_requested, retrieved, retry_of, ending, input";

pub(super) fn execution(row: &SqliteRow) -> Result<Execution, StoreError> {
    let ending: Option<String> = row.try_get(14).map_err(super::failed)?;
    let id = |index: usize| -> Result<u64, StoreError> {
        row.try_get::<i64, _>(index).map(i64::cast_unsigned).map_err(super::failed)
    };
    let small = |index: usize| -> Result<u32, StoreError> { row.try_get(index).map_err(super::failed) };
    let time = |index: usize| -> Result<Option<Timestamp>, StoreError> {
        Ok(row.try_get::<Option<i64>, _>(index).map_err(super::failed)?.map(Timestamp))
    };
    let optional = |index: usize| -> Result<Option<u64>, StoreError> {
        Ok(row.try_get::<Option<i64>, _>(index).map_err(super::failed)?.map(i64::cast_unsigned))
    };
    Ok(Execution {
        id: ExecutionId(id(0)?),
        activity: ActivityId(id(1)?),
        status: ExecutionStatus::ALL[small(2)? as usize % 6],
        not_before: time(3)?.unwrap_or_default(),
        submitted_at: time(4)?.unwrap_or_default(),
        started_at: time(5)?,
        finished_at: time(6)?,
        attempt: AttemptNo(small(7)?),
        worker: optional(8)?.map(WorkerId),
        failures: small(9)?,
        losses: small(10)?,
        cancel_requested: small(11)? != 0,
        retrieved: small(12)? != 0,
        retry_of: optional(13)?.map(ExecutionId),
        ending: ending.map(|text| from_doc::<Ending>(&text)).transpose()?,
        input: row.try_get::<Option<String>, _>(15).map_err(super::failed)?.map(Arc::from),
    })
}

pub(super) const ATTEMPT: &str = "id, execution, revision, worker, assigned_at, started_at, ended_at, ending, \
     stdout_len, stdout_tail_at, length(stdout_tail), stderr_len, stderr_tail_at, length(stderr_tail)";

pub(super) fn attempt(row: &SqliteRow) -> Result<Attempt, StoreError> {
    let number = |index: usize| -> Result<Option<i64>, StoreError> { row.try_get(index).map_err(super::failed) };
    let time = |index: usize| -> Result<Option<Timestamp>, StoreError> { Ok(number(index)?.map(Timestamp)) };
    let unsigned = |index: usize| -> Result<u64, StoreError> { Ok(number(index)?.unwrap_or(0).cast_unsigned()) };
    let stream = |first: usize| -> Result<StreamSummary, StoreError> {
        let head = unsigned(first)?;
        Ok(match number(first + 1)? {
            Some(at) => summary(head, Some((at.cast_unsigned(), unsigned(first + 2)?))),
            None => summary(head, None),
        })
    };
    let end: Option<String> = row.try_get(7).map_err(super::failed)?;
    let id = unsigned(0)?;
    Ok(Attempt {
        key: AttemptKey {
            execution: ExecutionId(unsigned(1)?),
            attempt: AttemptNo(u32::try_from(id & 0xFFFF).unwrap_or(0)),
        },
        revision: RevisionNo(u32::try_from(unsigned(2)?).unwrap_or(0)),
        worker: WorkerId(unsigned(3)?),
        assigned_at: time(4)?.unwrap_or_default(),
        started_at: time(5)?,
        ended_at: time(6)?,
        end: end.map(|text| from_doc::<AttemptEnd>(&text)).transpose()?,
        output: OutputSummary { stdout: stream(8)?, stderr: stream(11)? },
    })
}

/// What a stream amounts to: a head of that length, and a tail of `(offset, length)`.
pub(super) fn summary(head: u64, tail: Option<(u64, u64)>) -> StreamSummary {
    match tail {
        None => StreamSummary { len: head, gap: None },
        Some((at, len)) => {
            StreamSummary { len: head.max(at + len), gap: (at > head).then_some(Gap { start: head, end: at }) }
        }
    }
}
