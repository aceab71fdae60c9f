//! What a store refuses as a contradiction, without a trace.

use std::sync::Arc;

use super::{
    harness::StoreHarness,
    rows::{
        activity, conclude, end, event, finished, insert, key, one_running, open, policy, running, update, waiting,
    },
};
use crate::{
    domain::{AttemptOutcome, Epoch, ExecutionId, PolicyId, Timestamp, WorkerId},
    store::{Change, Note, StoreError},
};

/// An execution has one open attempt at most.
pub async fn a_second_open_attempt(rig: &mut StoreHarness) {
    rig.commit(one_running(1)).await;
    rig.refuses(vec![open(1, 2)]).await;
    rig.refuses(vec![open(1, 1)]).await;
    rig.refuses(vec![insert(waiting(2, 1)), open(2, 1), open(2, 2)]).await;
    rig.refuses(vec![open(1, 2), end(1, 1, AttemptOutcome::Lost)]).await;
    rig.commit(vec![end(1, 1, AttemptOutcome::Lost), open(1, 2)]).await;
}

/// An attempt ends once.
pub async fn ending_what_is_not_open(rig: &mut StoreHarness) {
    rig.refuses(vec![end(1, 1, AttemptOutcome::Exited(0))]).await;
    rig.commit(one_running(1)).await;
    rig.refuses(vec![end(1, 2, AttemptOutcome::Exited(0))]).await;
    rig.refuses(vec![end(1, 1, AttemptOutcome::Exited(0)), end(1, 1, AttemptOutcome::Exited(0))]).await;
    rig.commit(conclude(1)).await;
    rig.refuses(vec![end(1, 1, AttemptOutcome::Lost)]).await;
    rig.refuses(vec![end(1, 1, AttemptOutcome::Recalled)]).await;
}

/// Only an open attempt begins to run.
pub async fn starting_what_is_not_open(rig: &mut StoreHarness) {
    let start = || Change::StartAttempt { key: key(1, 1), started_at: Timestamp(1) };
    rig.refuses(vec![start()]).await;
    rig.commit(one_running(1)).await;
    rig.commit(conclude(1)).await;
    rig.refuses(vec![start()]).await;
}

/// A result is handed out once.
pub async fn retrieving_twice(rig: &mut StoreHarness) {
    rig.commit(vec![insert(finished(1, 1)), insert(finished(2, 1))]).await;
    rig.commit(vec![Change::Retrieve(ExecutionId(1))]).await;
    rig.refuses(vec![Change::Retrieve(ExecutionId(1))]).await;
    rig.refuses(vec![Change::Retrieve(ExecutionId(2)), Change::Retrieve(ExecutionId(2))]).await;
    assert!(!rig.execution(2).await.retrieved);
}

/// There is nothing to hand out before the end.
pub async fn retrieving_what_has_not_ended(rig: &mut StoreHarness) {
    rig.commit(one_running(1)).await;
    rig.refuses(vec![Change::Retrieve(ExecutionId(1))]).await;
    rig.refuses(vec![Change::Retrieve(ExecutionId(5))]).await;
}

/// An execution concludes once.
pub async fn changing_what_has_ended(rig: &mut StoreHarness) {
    rig.commit(vec![insert(finished(1, 1))]).await;
    rig.refuses(vec![update(&waiting(1, 1))]).await;
    rig.refuses(vec![insert(waiting(2, 1)), update(&finished(2, 1)), update(&finished(2, 1))]).await;
}

/// Only what is there changes.
pub async fn changing_what_is_not_there(rig: &mut StoreHarness) {
    rig.refuses(vec![update(&running(waiting(1, 1), 1))]).await;
    rig.commit(vec![insert(finished(1, 1))]).await;
    rig.commit(vec![Change::DeleteExecutions(vec![ExecutionId(1)])]).await;
    rig.refuses(vec![update(&waiting(1, 1))]).await;
}

/// Retention deletes nothing that still matters.
pub async fn deleting_what_has_not_ended(rig: &mut StoreHarness) {
    rig.commit(one_running(1)).await;
    rig.commit(vec![insert(waiting(2, 1)), insert(finished(3, 1))]).await;
    rig.refuses(vec![Change::DeleteExecutions(vec![ExecutionId(3), ExecutionId(1)])]).await;
    rig.refuses(vec![Change::DeleteExecutions(vec![ExecutionId(2)])]).await;
    assert_eq!(rig.execution(3).await, finished(3, 1));
}

/// A name belongs to one activity.
pub async fn two_activities_of_one_name(rig: &mut StoreHarness) {
    rig.commit(vec![Change::PutActivity(activity(1, "a"))]).await;
    rig.refuses(vec![Change::PutActivity(activity(2, "a"))]).await;
    rig.commit(vec![Change::PutActivity(activity(1, "a")), Change::PutActivity(activity(2, "A"))]).await;
}

/// A name belongs to one policy.
pub async fn two_policies_of_one_name(rig: &mut StoreHarness) {
    rig.commit(vec![Change::PutPolicy(policy(1, "a"))]).await;
    rig.refuses(vec![Change::PutPolicy(policy(2, "a"))]).await;
    rig.refuses(vec![Change::PutPolicy(policy(1, "b"))]).await;
}

/// The active policy exists.
pub async fn activating_an_unknown_policy(rig: &mut StoreHarness) {
    rig.refuses(vec![Change::ActivatePolicy(PolicyId(4))]).await;
    rig.commit(vec![Change::PutPolicy(policy(1, "a")), Change::ActivatePolicy(PolicyId(1))]).await;
    rig.commit(vec![Change::DeletePolicy(PolicyId(1))]).await;
    assert_eq!(rig.store().load().await.unwrap().active_policy, PolicyId(0));
}

/// An id is given out once.
pub async fn inserting_twice(rig: &mut StoreHarness) {
    rig.commit(vec![insert(waiting(1, 1))]).await;
    rig.refuses(vec![insert(waiting(1, 1))]).await;
    rig.refuses(vec![insert(waiting(2, 1)), insert(waiting(2, 1))]).await;
}

/// An attempt belongs to an execution.
pub async fn opening_for_nobody(rig: &mut StoreHarness) {
    rig.refuses(vec![open(1, 1)]).await;
}

/// A key stands for one request.
pub async fn an_idempotency_key_used_twice(rig: &mut StoreHarness) {
    let used = |hash: u8| Change::PutIdempotency { key: "k".into(), request_hash: [hash; 32], executions: 1..2 };
    rig.commit(vec![used(1)]).await;
    rig.refuses(vec![used(2)]).await;
    let note = Change::PutNote { key: "k".into(), request_hash: [1; 32], note: Note::Worker(WorkerId(1)) };
    rig.refuses(vec![note]).await;
    assert_eq!(rig.store().idempotency("k").await.unwrap().expect("the key").request_hash, [1; 32]);
    let note = Change::PutNote { key: "noted".into(), request_hash: [1; 32], note: Note::Worker(WorkerId(1)) };
    rig.commit(vec![note]).await;
    rig.refuses(vec![Change::PutIdempotency { key: "noted".into(), request_hash: [1; 32], executions: 1..2 }]).await;
}

/// Nobody may write under an epoch that was not given out.
pub async fn an_epoch_that_nobody_acquired(rig: &mut StoreHarness) {
    let mut batch = rig.batch(Vec::new());
    batch.epoch = Epoch(batch.epoch.0 + 1);
    let refused = rig.store().commit(Arc::new(batch)).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
}

/// The numbers of events rise.
pub async fn an_event_that_was_told_before(rig: &mut StoreHarness) {
    rig.tell(3).await;
    let mut batch = rig.batch(Vec::new());
    batch.events = vec![event(3)];
    let refused = rig.store().commit(Arc::new(batch)).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    assert_eq!(rig.store().events(0, 10).await.unwrap().len(), 3);
}
