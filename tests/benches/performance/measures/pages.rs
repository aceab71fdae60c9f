//! How long a page of the dashboard takes to make, with a million executions behind it.

use std::{path::Path, sync::Arc, time::Instant};

use anyhow::{Context, Result};
use pod_backends::sqlite::SqliteStore;
use pod_core::{
    domain::{
        ActivityId, AttemptNo, Execution, ExecutionId, ExecutionStatus, Millis, Outcome, RevisionNo, Timestamp,
        WorkerId,
    },
    store::{ActivityCounters, Batch, Change, Holder, IdSequences, Store},
};
use serde_json::json;

use super::Bench;
use crate::{
    script,
    server::{self, Server},
    table::{Table, Target, quantile},
};

/// Executions in one commit.
const AT_ONCE: u64 = 10_000;
/// Every so manieth failed.
const FAILS: u64 = 500;

/// Pages, and what they show of a long history; the worst of them are those that search.
const PAGES: [(&str, &str); 9] = [
    ("overview", "/overview"),
    ("executions", "/executions"),
    ("executions, failed", "/executions?status=failed"),
    ("executions, far back", "/executions?before=500000"),
    ("executions, of the last hour", "/executions?since=1h"),
    ("executions, a text that is nowhere", "/executions?q=nowhere"),
    ("activity", "/activities/hello"),
    ("workers", "/workers"),
    ("events", "/events"),
];

/// The time to make each page, through HTTP, one at a time.
pub(super) async fn measure(bench: &Bench<'_>, table: &mut Table) -> Result<()> {
    let directory = server::directory()?;
    let server = Server::start(bench.pod, directory.path(), &["--slots", "2"]).await?;
    server.activity("hello", script::HELLO, json!({})).await?;
    server.stop().await?;
    let count = bench.options.scaled(1_000_000) as u64;
    fill(directory.path(), count).await?;
    let server = Server::start(bench.pod, directory.path(), &["--slots", "2"]).await?;
    let mut connection = server.connect().await?;
    for (name, path) in PAGES {
        let mut times = Vec::new();
        for _ in 0..50 {
            let begin = Instant::now();
            connection.ask("GET", path, b"").await?;
            times.push(begin.elapsed().as_secs_f64() * 1e3);
        }
        table.value(&format!("page: {name}, p95"), quantile(&mut times, 0.95), "ms", Target::Below(50.0));
    }
    server.stop().await
}

/// Puts ended executions into the store of a manager that is not running.
async fn fill(directory: &Path, count: u64) -> Result<()> {
    let store = SqliteStore::open(directory).await?;
    let snapshot = store.load().await?;
    let activity = snapshot.activities.first().context("the activity is there")?.activity.id;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let now = i64::try_from(now.as_millis())?;
    let lease = store.acquire(&Holder::new("bench"), Millis(60_000)).await?.acquired()?;
    let first = snapshot.id_sequences.execution + 1;
    for (seq, start) in (first..first + count).step_by(usize::try_from(AT_ONCE)?).enumerate() {
        let end = (start + AT_ONCE).min(first + count);
        // One a second, up to now.
        let row = |id: u64| ended(id, activity, Timestamp(now - i64::try_from(first + count - id).unwrap_or(0) * 500));
        let done = end - first;
        let tally = ActivityCounters {
            activity,
            executions: [0, 0, done - done / FAILS, done / FAILS, 0, 0],
            recent_durations: vec![400; 50],
        };
        let batch = Batch {
            seq: seq as u64 + 1,
            epoch: lease.epoch,
            at: Timestamp(now),
            changes: (start..end).map(|id| Change::InsertExecution(Arc::new(row(id)))).collect(),
            id_sequences: IdSequences { execution: end - 1, ..snapshot.id_sequences },
            activity_counters: vec![tally],
            ..Batch::default()
        };
        store.commit(Arc::new(batch)).await?;
    }
    store.release(lease.epoch).await?;
    Ok(())
}

fn ended(id: u64, activity: ActivityId, at: Timestamp) -> Execution {
    let ending = if id.is_multiple_of(FAILS) { Outcome::Exited(1) } else { Outcome::Exited(0) };
    Execution {
        status: if id.is_multiple_of(FAILS) { ExecutionStatus::Failed } else { ExecutionStatus::Finished },
        outcome: Some(ending),
        started_at: Some(Timestamp(at.0 + 5)),
        finished_at: Some(Timestamp(at.0 + 405)),
        attempt: AttemptNo(1),
        worker: Some(WorkerId(1)),
        ..Execution::waiting(
            ExecutionId(id),
            activity,
            RevisionNo(1),
            Some(format!("https://example.org/items/{id}.png").into()),
            at,
        )
    }
}
