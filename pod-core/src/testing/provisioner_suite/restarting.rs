//! What the next manager finds.

use super::harness::Harness;
use crate::domain::{ActivityId, RevisionNo, WorkerId};

/// It is the same worker, with what is installed in it.
pub async fn workers_are_taken_on_by_the_next_manager(rig: &mut Harness) {
    rig.create(3).await;
    let mut worker = rig.connected_worker().await;
    rig.give_work(&mut worker).await;
    drop(worker);
    rig.restart().await;
    assert_eq!(rig.list().await, [3]);
    let worker = rig.connected_worker().await;
    assert_eq!(worker.hello.worker, Some(WorkerId(3)));
    assert_eq!(worker.hello.installed, [(ActivityId(1), RevisionNo(1))]);
    rig.clean_up().await;
    assert!(rig.list().await.is_empty());
}

/// Of workers that are temporary nothing is left, and the next manager makes new ones.
pub async fn workers_end_with_their_manager(rig: &mut Harness) {
    assert!(!rig.provisioner().workers_stay(), "workers that end with their manager say so");
    rig.create(3).await;
    let mut worker = rig.connected_worker().await;
    let work = rig.give_work(&mut worker).await;
    rig.stop().await;
    assert!(worker.says_that_it_leaves().await, "it does not come back, so what it ran is given out again at once");
    work.ends().await;
    rig.restart().await;
    assert!(rig.list().await.is_empty());
    rig.create(3).await;
    let worker = rig.connected_worker().await;
    assert!(worker.hello.installed.is_empty() && worker.hello.attempts.is_empty(), "it is a new worker 3");
    rig.clean_up().await;
}

/// A foreign worker is not ours to list, and what is left of it in our place ends.
pub async fn workers_of_another_store_are_ended_and_not_listed(rig: &mut Harness) {
    rig.create(1).await;
    let mut worker = rig.connected_worker().await;
    let work = rig.give_work(&mut worker).await;
    drop(worker);
    rig.restart_with_another_store().await;
    assert!(rig.list().await.is_empty());
    work.ends().await;
    rig.create(1).await;
    let worker = rig.connected_worker().await;
    assert!(worker.hello.installed.is_empty(), "it is another worker 1");
    rig.clean_up().await;
}
