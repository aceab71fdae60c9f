//! Destroying workers.

use super::harness::Harness;
use crate::domain::WorkerId;

/// Its link ends, and it is not listed any more.
pub async fn a_destroyed_worker_is_gone(rig: &mut Harness) {
    rig.create(1).await;
    let mut worker = rig.connected_worker().await;
    rig.destroy(1).await;
    assert!(rig.list().await.is_empty());
    worker.leaves().await;
}

/// What is not there is as it should be.
pub async fn destroying_twice_or_the_absent_is_fine(rig: &mut Harness) {
    rig.destroy(99).await;
    rig.create(1).await;
    tokio::join!(rig.destroy(1), rig.destroy(1));
    rig.destroy(1).await;
    assert!(rig.list().await.is_empty());
}

/// Only the one that was meant ends.
pub async fn the_others_stay(rig: &mut Harness) {
    rig.create(1).await;
    let mut first = rig.connected_worker().await;
    rig.create(2).await;
    let mut second = rig.connected_worker().await;
    assert_eq!(second.hello.worker, Some(WorkerId(2)));
    rig.destroy(1).await;
    first.leaves().await;
    assert_eq!(rig.list().await, [2]);
    let work = rig.give_work(&mut second).await;
    rig.destroy(2).await;
    work.ends().await;
}

/// When `destroy` returns, nothing of what the worker ran is left.
pub async fn what_a_destroyed_worker_ran_is_gone(rig: &mut Harness) {
    rig.create(1).await;
    let mut worker = rig.connected_worker().await;
    let work = rig.give_work(&mut worker).await;
    rig.destroy(1).await;
    assert!(!work.runs(), "what it ran has outlived a worker");
}
