//! Claiming from the queue of a revision.

use super::{
    harness::StoreHarness,
    rows::{insert, open, running, update, waiting},
};
use crate::{
    domain::{ActivityId, Age, ExecutionId, RevisionNo},
    store::{QueueCursor, QueuePage},
};

const A: ActivityId = ActivityId(1);
const R: RevisionNo = RevisionNo(1);

fn at(not_before: i64, id: u64) -> QueueCursor {
    QueueCursor { not_before: Age(not_before), id: ExecutionId(id) }
}

fn ids(claimed: &QueuePage) -> Vec<u64> {
    claimed.executions.iter().map(|execution| execution.id.0).collect()
}

async fn fill(rig: &mut StoreHarness, rows: &[(u64, u64, i64)]) {
    let row = |&(id, activity, not_before): &(u64, u64, i64)| {
        let mut execution = waiting(id, activity);
        execution.not_before = Age(not_before);
        insert(execution)
    };
    rig.commit(rows.iter().map(row).collect()).await;
}

/// By moment, then by age; and what is behind the last one.
pub async fn claims_are_in_order_and_say_what_is_next(rig: &mut StoreHarness) {
    fill(rig, &[(1, 1, 30), (2, 1, 10), (3, 1, 20), (4, 1, 10), (5, 1, 99)]).await;
    let store = rig.store();
    let claimed = store.peek_queue(A, R, QueueCursor::START, Age(50), 3).await.unwrap();
    assert_eq!(ids(&claimed), [2, 4, 3]);
    assert_eq!(claimed.next, Some(Age(30)));
    assert_eq!(claimed.executions[0].input.as_deref(), Some("input of 2"));
    let claimed = store.peek_queue(A, R, QueueCursor::START, Age(99), 5).await.unwrap();
    assert_eq!((ids(&claimed), claimed.next), (vec![2, 4, 3, 1, 5], None));
    let claimed = store.peek_queue(A, R, QueueCursor::START, Age(99), 0).await.unwrap();
    assert_eq!((ids(&claimed), claimed.next), (vec![], Some(Age(10))));
}

/// The engine holds everything up to its cursor.
pub async fn a_claim_goes_on_after_a_key(rig: &mut StoreHarness) {
    fill(rig, &[(1, 1, 0), (2, 1, 0), (3, 1, 0), (4, 1, 5)]).await;
    let store = rig.store();
    assert_eq!(ids(&store.peek_queue(A, R, at(0, 1), Age(9), 2).await.unwrap()), [2, 3]);
    assert_eq!(ids(&store.peek_queue(A, R, at(0, 3), Age(9), 2).await.unwrap()), [4]);
    assert_eq!(ids(&store.peek_queue(A, R, at(0, u64::MAX), Age(9), 2).await.unwrap()), [4]);
    assert_eq!(store.peek_queue(A, R, at(5, 4), Age::MAX, 2).await.unwrap(), QueuePage::default());
}

/// What waits for a moment is told, not given.
pub async fn a_claim_takes_only_what_is_due(rig: &mut StoreHarness) {
    fill(rig, &[(1, 1, 10), (2, 1, 11), (3, 1, i64::MAX)]).await;
    let store = rig.store();
    let claimed = store.peek_queue(A, R, QueueCursor::START, Age(9), 10).await.unwrap();
    assert_eq!((ids(&claimed), claimed.next), (vec![], Some(Age(10))));
    let claimed = store.peek_queue(A, R, QueueCursor::START, Age(10), 10).await.unwrap();
    assert_eq!((ids(&claimed), claimed.next), (vec![1], Some(Age(11))));
    let claimed = store.peek_queue(A, R, QueueCursor::START, Age(11), 10).await.unwrap();
    assert_eq!((ids(&claimed), claimed.next), (vec![1, 2], Some(Age::MAX)));
}

/// A long queue of one activity is none of another.
pub async fn activities_have_queues_of_their_own(rig: &mut StoreHarness) {
    fill(rig, &[(1, 1, 0), (2, 2, 0), (3, 1, 0), (4, 3, 0)]).await;
    let store = rig.store();
    assert_eq!(ids(&store.peek_queue(ActivityId(2), R, QueueCursor::START, Age(0), 9).await.unwrap()), [2]);
    assert_eq!(ids(&store.peek_queue(A, R, QueueCursor::START, Age(0), 9).await.unwrap()), [1, 3]);
    assert_eq!(store.peek_queue(ActivityId(9), R, QueueCursor::START, Age(0), 9).await.unwrap(), QueuePage::default());
}

/// Nor is a long queue of one revision that of another.
pub async fn revisions_have_queues_of_their_own(rig: &mut StoreHarness) {
    let of = |id: u64, revision: u32| {
        let mut execution = waiting(id, 1);
        execution.revision = RevisionNo(revision);
        insert(execution)
    };
    rig.commit(vec![of(1, 1), of(2, 2), of(3, 1), of(4, 2), of(5, 3)]).await;
    let store = rig.store();
    for (revision, waiting) in [(1, vec![1, 3]), (2, vec![2, 4]), (3, vec![5]), (4, vec![])] {
        let claimed = store.peek_queue(A, RevisionNo(revision), QueueCursor::START, Age(0), 9).await.unwrap();
        assert_eq!(ids(&claimed), waiting, "revision {revision}");
        assert!(claimed.executions.iter().all(|execution| execution.revision == RevisionNo(revision)));
    }
}

/// What runs is not in the queue; what goes back is, at its new place.
pub async fn the_queue_follows_the_status(rig: &mut StoreHarness) {
    fill(rig, &[(1, 1, 0), (2, 1, 0)]).await;
    rig.commit(vec![update(&running(waiting(1, 1), 1)), open(1, 1)]).await;
    assert_eq!(ids(&rig.store().peek_queue(A, R, QueueCursor::START, Age(9), 9).await.unwrap()), [2]);
    let mut back = waiting(1, 1);
    back.not_before = Age(5);
    rig.commit(vec![update(&back)]).await;
    let claimed = rig.store().peek_queue(A, R, QueueCursor::START, Age(9), 9).await.unwrap();
    assert_eq!(ids(&claimed), [2, 1]);
    assert_eq!(claimed.executions[1], back);
    back.not_before = Age(50);
    rig.commit(vec![update(&back)]).await;
    let claimed = rig.store().peek_queue(A, R, QueueCursor::START, Age(9), 9).await.unwrap();
    assert_eq!((ids(&claimed), claimed.next), (vec![2], Some(Age(50))));
}
