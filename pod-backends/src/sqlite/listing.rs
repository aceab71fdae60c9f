//! Pages of executions: ranges of indexes, never a scan of what grows beyond the bounds that were asked for.

use pod_core::{
    domain::{Execution, ExecutionStatus},
    store::{ExecutionQuery, SortOrder, StoreError},
};
use sqlx::{AssertSqlSafe, Row, Sqlite, SqlitePool, query::Query, sqlite::SqliteArguments};

use super::{
    encoding::{EXECUTION_COLUMNS, int, read_execution, status},
    error::from_sql,
};

/// The input of an execution is in its row or, where it is long, apart.
const HOLDS_TEXT: &str = " AND (instr(lower(coalesce(input, \
     (SELECT i.input FROM inputs AS i WHERE i.execution = executions.id), '')), lower(?4)) > 0 \
     OR instr(lower(coalesce(ending_reason, '')), lower(?4)) > 0)";

fn direction(order: SortOrder) -> &'static str {
    match order {
        SortOrder::Descending => "DESC",
        SortOrder::Ascending => "ASC",
    }
}

/// The ids of a page, as a query: each combination of status and "handed out" is a range of an index, of which the
/// first of all are taken.
fn ids(query: &ExecutionQuery) -> String {
    let order = direction(query.order);
    let mut bounds = "id < ?1 AND id > ?3".to_owned();
    if let Some(worker) = query.worker {
        bounds.push_str(&format!(" AND worker = {}", int(worker.0)));
    }
    if let Some(from) = query.submitted_from {
        bounds.push_str(&format!(" AND submitted_at >= {}", from.0));
    }
    if let Some(until) = query.submitted_until {
        bounds.push_str(&format!(" AND submitted_at < {}", until.0));
    }
    if query.containing.is_some() {
        bounds.push_str(HOLDS_TEXT);
    }
    let statuses = query.statuses();
    if query.activity.is_none() && !query.not_retrieved && statuses.len() == ExecutionStatus::ALL.len() {
        return format!("SELECT id FROM executions WHERE {bounds} ORDER BY id {order} LIMIT ?2");
    }
    if statuses.is_empty() {
        return "SELECT id FROM executions WHERE 0".to_owned();
    }
    let of_activity = query.activity.map(|id| format!("activity = {} AND ", int(id.0))).unwrap_or_default();
    let mut ranges = Vec::new();
    for wanted in statuses {
        let handed_out = if wanted.is_terminal() && !query.not_retrieved { 0..2 } else { 0..1 };
        for retrieved in handed_out {
            ranges.push(format!(
                "SELECT * FROM (SELECT id FROM executions WHERE {of_activity}status = {} \
                 AND retrieved = {retrieved} AND {bounds} ORDER BY id {order} LIMIT ?2)",
                status(wanted)
            ));
        }
    }
    format!("SELECT id FROM ({}) ORDER BY id {order} LIMIT ?2", ranges.join(" UNION ALL "))
}

/// A page.
pub(super) async fn executions(readers: &SqlitePool, query: &ExecutionQuery) -> Result<Vec<Execution>, StoreError> {
    let (ids, order) = (ids(query), direction(query.order));
    let page = format!("SELECT {EXECUTION_COLUMNS} FROM executions AS e WHERE e.id IN ({ids}) ORDER BY e.id {order}");
    let page = bound(page, query, int(query.limit as u64)).fetch_all(readers).await.map_err(from_sql)?;
    page.iter().map(read_execution).collect()
}

/// How many there are: counted in the indexes.
pub(super) async fn count(readers: &SqlitePool, query: &ExecutionQuery) -> Result<u64, StoreError> {
    let count = format!("SELECT COUNT(*) FROM ({})", ids(query));
    let row = bound(count, query, i64::MAX).fetch_one(readers).await.map_err(from_sql)?;
    row.try_get::<i64, _>(0).map(i64::cast_unsigned).map_err(from_sql)
}

fn bound(text: String, query: &ExecutionQuery, limit: i64) -> Query<'static, Sqlite, SqliteArguments> {
    sqlx::query(AssertSqlSafe(text))
        .bind(query.before.map_or(i64::MAX, |id| int(id.0)))
        .bind(limit)
        .bind(query.after.map_or(-1, |id| int(id.0)))
        .bind(query.containing.as_deref().unwrap_or_default().to_owned())
        .persistent(
            query.activity.is_none()
                && query.worker.is_none()
                && query.submitted_from.is_none()
                && query.submitted_until.is_none(),
        )
}
