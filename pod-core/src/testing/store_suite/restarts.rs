//! What another manager finds in the store.

use std::sync::Arc;

use super::{
    harness::StoreHarness,
    rows::{attempt, conclude, finished, insert, key, one_running, open, running, update, waiting},
};
use crate::{
    domain::{Age, ExecutionId, Stream},
    store::{Change, StoreError},
    testing::output_store_suite::cases::{append, pattern, read_all},
};

/// The worker of an open attempt goes on sending from what was durable, or from before.
pub async fn an_open_attempt_goes_on(rig: &mut StoreHarness) {
    rig.commit(one_running(1)).await;
    append(rig, key(1, 1), Stream::Stdout, 0, 100_000).await;
    let durable = rig.store().sync_output(key(1, 1)).await.unwrap();
    assert_eq!(durable.stdout, 100_000);
    append(rig, key(1, 1), Stream::Stdout, 100_000, 120_000).await;
    append(rig, key(1, 1), Stream::Stderr, 0, 500).await;
    rig.reopen().await;
    let snapshot = rig.store().load().await.unwrap();
    assert_eq!(snapshot.running.len(), 1);
    assert!(snapshot.running[0].1.output.stdout.len >= 100_000, "durable output is gone");
    append(rig, key(1, 1), Stream::Stdout, 90_000, 130_000).await;
    append(rig, key(1, 1), Stream::Stderr, 0, 700).await;
    rig.commit(conclude(1)).await;
    assert!(read_all(rig, key(1, 1), Stream::Stdout, 0).await == [(0, pattern(0, 130_000).to_vec())]);
    assert!(read_all(rig, key(1, 1), Stream::Stderr, 0).await == [(0, pattern(0, 700).to_vec())]);
}

/// A result is as it was.
pub async fn ended_output_stays(rig: &mut StoreHarness) {
    rig.commit(one_running(1)).await;
    append(rig, key(1, 1), Stream::Stdout, 0, 16_384).await;
    append(rig, key(1, 1), Stream::Stderr, 0, 16_385).await;
    rig.commit(conclude(1)).await;
    let attempts = rig.store().attempts(ExecutionId(1)).await.unwrap();
    rig.reopen().await;
    assert_eq!(rig.store().attempts(ExecutionId(1)).await.unwrap(), attempts);
    assert!(read_all(rig, key(1, 1), Stream::Stdout, 0).await == [(0, pattern(0, 16_384).to_vec())]);
    assert!(read_all(rig, key(1, 1), Stream::Stderr, 0).await == [(0, pattern(0, 16_385).to_vec())]);
}

/// Identity, rows and the fence outlive the process.
pub async fn what_was_committed_stays(rig: &mut StoreHarness) {
    let id = rig.store().id();
    rig.commit(one_running(1)).await;
    rig.commit(vec![insert(waiting(2, 1)), insert(finished(3, 1))]).await;
    rig.tell(5).await;
    let stale = rig.batch(vec![insert(waiting(4, 1))]);
    let before = rig.store().load().await.unwrap();
    rig.reopen().await;
    assert_eq!(rig.store().id(), id);
    assert_eq!(rig.store().load().await.unwrap(), before);
    assert_eq!(rig.execution(2).await, waiting(2, 1));
    assert_eq!(rig.store().events(0, 10).await.unwrap().len(), 5);
    let fenced = rig.store().commit(Arc::new(stale)).await;
    assert!(matches!(fenced, Err(StoreError::Fenced)), "{fenced:?}");
    rig.refuses(vec![open(1, 2)]).await;
    assert_eq!(rig.store().attempts(ExecutionId(1)).await.unwrap(), [attempt(1, 1)]);
}

/// The manager did not hear of its commit, and the store was opened again under the same lease.
pub async fn a_lost_answer_is_settled_after_a_restart(rig: &mut StoreHarness) {
    rig.commit(one_running(1)).await;
    let mut changes = conclude(1);
    changes.extend(one_running(2));
    let batch = Arc::new(rig.batch(changes));
    rig.store().commit(Arc::clone(&batch)).await.unwrap();
    rig.reopen_without_lease().await;
    rig.store().commit(batch).await.unwrap();
    assert_eq!(rig.execution(1).await, finished(1, 1));
    append(rig, key(2, 1), Stream::Stdout, 0, 10).await;
    rig.commit(conclude(2)).await;
    assert_eq!(rig.execution(2).await, finished(2, 1));
    assert_eq!(rig.store().attempts(ExecutionId(2)).await.unwrap()[0].output.stdout.len, 10);
}

/// Nothing comes back.
pub async fn deleted_output_stays_deleted(rig: &mut StoreHarness) {
    rig.commit(one_running(1)).await;
    append(rig, key(1, 1), Stream::Stdout, 0, 100_000).await;
    rig.commit(conclude(1)).await;
    rig.commit(vec![Change::DeleteExecutions(vec![ExecutionId(1)])]).await;
    rig.reopen().await;
    assert!(read_all(rig, key(1, 1), Stream::Stdout, 0).await.is_empty());
    rig.commit(vec![insert(waiting(2, 1)), update(&running(waiting(2, 1), 1)), open(2, 1)]).await;
    assert!(read_all(rig, key(2, 1), Stream::Stdout, 0).await.is_empty());
    assert_eq!(rig.store().list_expired(Age::MAX, 5).await.unwrap(), []);
}
