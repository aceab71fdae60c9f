//! Who waits for whose reads.
#![cfg(feature = "sqlite")]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use pod_backends::sqlite::SqliteStore;
use pod_core::{
    domain::{ActivityId, Age, Execution, ExecutionId, Millis, RevisionNo, Timestamp},
    store::{Batch, Change, ExecutionQuery, Holder, QueueCursor, Store},
};
use tempfile::TempDir;

/// Far more than are read at a time.
const SEARCHES: usize = 64;

#[tokio::test(flavor = "multi_thread")]
async fn the_planner_reads_beside_any_number_of_slow_searches() {
    let dir = TempDir::new().unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    let epoch = store.acquire(&Holder::new("test"), Millis(60_000)).await.unwrap().acquired().unwrap().epoch;
    let waiting = |id: u64| {
        Execution::waiting(ExecutionId(id), ActivityId(1), RevisionNo(1), Some("x".repeat(500).into()), Timestamp(1))
    };
    let changes = (1..=20_000).map(|id| Change::InsertExecution(Arc::new(waiting(id)))).collect();
    store.commit(Arc::new(Batch { seq: 1, epoch, changes, ..Batch::default() })).await.unwrap();

    let engine = store.engine_handle().expect("it tells the engine from the others");
    assert!(engine.execution(ExecutionId(1)).await.unwrap().is_some());
    let done = Arc::new(AtomicUsize::new(0));
    let searches: Vec<_> = (0..SEARCHES)
        .map(|_| {
            let (store, done) = (store.clone(), done.clone());
            tokio::spawn(async move {
                let query = ExecutionQuery { containing: Some("no such text".into()), limit: 10, ..Default::default() };
                assert!(store.executions(query).await.unwrap().is_empty());
                done.fetch_add(1, Ordering::SeqCst);
            })
        })
        .collect();
    while done.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..3 {
        let claimed = engine.peek_queue(ActivityId(1), RevisionNo(1), QueueCursor::START, Age::MAX, 10).await.unwrap();
        assert_eq!(claimed.executions.len(), 10);
        assert!(engine.execution(ExecutionId(7)).await.unwrap().is_some());
    }
    let before = done.load(Ordering::SeqCst);
    assert!(before < SEARCHES / 2, "{before} of {SEARCHES} searches were before the planner");
    for search in searches {
        search.await.unwrap();
    }
}
