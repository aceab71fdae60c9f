//! Measures how fast the SQLite store commits: full lifecycles of executions (submitted and assigned, then ended, in
//! two batches), in batches of several sizes, on an empty store and on one with many rows.
//!
//! `cargo run --release -p pod-backends --example store_speed [ROWS]`

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use pod_backends::sqlite::SqliteStore;
use pod_core::{
    domain::{
        ActivityId, Age, Attempt, AttemptKey, AttemptNo, AttemptOutcome, Epoch, Event, EventKind, Execution,
        ExecutionId, ExecutionStatus, Millis, Outcome, OutputSummary, RevisionNo, Stream, Timestamp, WorkerId,
    },
    store::{
        ActivityCounters, Batch, Change, ExecutionUpdate, Holder, IdSequences, OutputStore, QueueCursor,
        RevisionCounters, Store,
    },
};

const ACTIVITY: ActivityId = ActivityId(1);

struct Bench {
    store: SqliteStore,
    epoch: Epoch,
    seq: u64,
    last: u64,
    event: u64,
}

fn waiting(id: u64) -> Execution {
    Execution::waiting(
        ExecutionId(id),
        ACTIVITY,
        RevisionNo(1),
        Some(format!("input {id}").into()),
        Timestamp(1_800_000_000_000),
    )
}

fn running(id: u64) -> Execution {
    Execution { status: ExecutionStatus::Running, attempt: AttemptNo(1), worker: Some(WorkerId(1)), ..waiting(id) }
}

fn key(id: u64) -> AttemptKey {
    AttemptKey { execution: ExecutionId(id), attempt: AttemptNo(1) }
}

fn assign(id: u64) -> [Change; 2] {
    let attempt = Attempt {
        key: key(id),
        revision: RevisionNo(1),
        worker: WorkerId(1),
        assigned_at: Timestamp(1_800_000_000_001),
        started_at: None,
        ended_at: None,
        end: None,
        output: OutputSummary::default(),
    };
    [Change::UpdateExecution(ExecutionUpdate::from(&running(id))), Change::OpenAttempt(attempt)]
}

fn conclude(id: u64) -> [Change; 2] {
    let at = Timestamp(1_800_000_000_002 + id.cast_signed());
    let ended = Execution {
        status: ExecutionStatus::Finished,
        outcome: Some(Outcome::Exited(0)),
        started_at: Some(at),
        finished_at: Some(at),
        ended: Some(Age(at.0)),
        ..running(id)
    };
    let end = Change::EndAttempt { key: key(id), started_at: Some(at), ended_at: at, end: AttemptOutcome::Exited(0) };
    [end, Change::UpdateExecution(ExecutionUpdate::from(&ended))]
}

impl Bench {
    async fn commit(&mut self, changes: Vec<Change>, kinds: &[EventKind], ids: std::ops::Range<u64>) {
        self.seq += 1;
        let events = kinds.iter().flat_map(|kind| ids.clone().map(move |id| (*kind, id)));
        let events = events.map(|(kind, id)| {
            self.event += 1;
            Event {
                seq: self.event,
                at: Timestamp(1_800_000_000_000),
                kind,
                activity: Some(ACTIVITY),
                revision: Some(RevisionNo(1)),
                execution: Some(ExecutionId(id)),
                attempt: None,
                worker: None,
                detail: None,
            }
        });
        let batch = Batch {
            seq: self.seq,
            epoch: self.epoch,
            at: Timestamp(1_800_000_000_000),
            age: Age(1_800_000_000_000),
            boot: None,
            changes,
            events: events.collect(),
            id_sequences: IdSequences { execution: ids.end, ..IdSequences::default() },
            activity_counters: vec![ActivityCounters {
                activity: ACTIVITY,
                executions: [1; 6],
                recent_durations: vec![5; 50],
            }],
            revision_counters: vec![RevisionCounters {
                activity: ACTIVITY,
                revision: RevisionNo(1),
                waiting: 1,
                kept: 1,
            }],
        };
        self.store.commit(Arc::new(batch)).await.expect("the batch is committed");
    }

    fn next(&mut self, size: u64) -> std::ops::Range<u64> {
        let ids = self.last + 1..self.last + 1 + size;
        self.last += size;
        ids
    }

    async fn submit(&mut self, size: u64) {
        let ids = self.next(size);
        let inserts = ids.clone().map(|id| Change::InsertExecution(Arc::new(waiting(id))));
        self.commit(inserts.collect(), &[EventKind::ExecutionSubmitted], ids).await;
    }

    async fn lifecycles(&mut self, size: u64) {
        let ids = self.next(size);
        let begin = |id| [Change::InsertExecution(Arc::new(waiting(id)))].into_iter().chain(assign(id));
        self.commit(ids.clone().flat_map(begin).collect(), &[EventKind::ExecutionSubmitted], ids.clone()).await;
        for id in ids.clone() {
            let output = Bytes::from(format!("hello input {id}\n"));
            self.store.append_output(key(id), Stream::Stdout, 0, output).await.expect("output is taken");
        }
        let kinds = [EventKind::ExecutionStarted, EventKind::ExecutionEnded];
        self.commit(ids.clone().flat_map(conclude).collect(), &kinds, ids).await;
    }
}

/// Processor time of this process.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("this runs on Linux");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or_default();
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

fn memory_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this runs on Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() / 1024
}

#[tokio::main]
#[allow(clippy::print_stdout, reason = "its figures are what it is for")]
async fn main() {
    let rows: u64 = std::env::args().nth(1).and_then(|rows| rows.parse().ok()).unwrap_or(1_000_000);
    let dir = std::env::temp_dir().join(format!("pod-store-speed-{}", std::process::id()));
    let store = SqliteStore::open(&dir).await.expect("the store opens");
    let epoch = store
        .acquire(&Holder::new("test"), Millis(60_000))
        .await
        .expect("an answer")
        .acquired()
        .expect("the lease")
        .epoch;
    let mut bench = Bench { store, epoch, seq: 0, last: 0, event: 0 };
    for existing in [1000, rows] {
        let (begun, spent, first) = (Instant::now(), cpu(), bench.last);
        while bench.last < existing {
            bench.submit(1000.min(existing - bench.last)).await;
        }
        let submitted = (bench.last - first).max(1);
        println!(
            "{existing} rows: filled at {:.0} submits/s, {:.1} µs of processor each, {} MiB resident",
            submitted as f64 / begun.elapsed().as_secs_f64(),
            (cpu() - spent).as_micros() as f64 / submitted as f64,
            memory_mib()
        );
        for size in [1, 10, 100, 1000] {
            let count = (20_000 / size).clamp(20, 2000);
            let (begun, spent) = (Instant::now(), cpu());
            let mut slowest = Duration::ZERO;
            for _ in 0..count {
                let batch = Instant::now();
                bench.lifecycles(size).await;
                slowest = slowest.max(batch.elapsed());
            }
            let (took, lives) = (begun.elapsed(), (size * count) as f64);
            println!(
                "  batches of {size:>4}: {:>6.0} lifecycles/s, {:>6.1} µs of processor each; a pair of commits takes {:.2} ms, {:.1} ms at most",
                lives / took.as_secs_f64(),
                (cpu() - spent).as_micros() as f64 / lives,
                took.as_secs_f64() * 1000.0 / count as f64,
                slowest.as_secs_f64() * 1000.0,
            );
        }
        let begun = Instant::now();
        let claimed =
            bench.store.peek_queue(ACTIVITY, RevisionNo(1), QueueCursor::START, Age::MAX, 1000).await.expect("a claim");
        println!("  a claim of {} takes {:.1} ms", claimed.executions.len(), begun.elapsed().as_secs_f64() * 1000.0);
    }
    drop(bench);
    let begun = Instant::now();
    let store = SqliteStore::open(&dir).await.expect("the store opens again");
    let snapshot = store.load().await.expect("a snapshot");
    println!(
        "opened and loaded in {:.1} ms, {} running, {} MiB resident",
        begun.elapsed().as_secs_f64() * 1000.0,
        snapshot.running.len(),
        memory_mib()
    );
    drop(store);
    std::fs::remove_dir_all(dir).ok();
}
