//! What a batch writes.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    harness::{StoreHarness, TTL, acquire},
    rows::{
        activity, attempt, conclude, end, ended, finished, insert, installation, key, one_running, open, policy,
        revision, running, update, waiting, worker,
    },
};
use crate::{
    domain::{
        ActivityId, ActivityStatus, Age, AttemptNo, AttemptOutcome, Boot, ExecutionId, ExecutionStatus, GiveUp, Now,
        Outcome, Payload, PolicyId, RevisionNo, Stream, Timestamp, WorkerId,
    },
    store::{ActivityCounters, Change, ClockMark, ExecutionQuery, IdSequences, RevisionCounters, StoreError},
};

/// A contradiction at its end leaves nothing of a batch.
pub async fn a_batch_is_all_or_nothing(rig: &mut StoreHarness) {
    rig.commit(one_running(1)).await;
    let mut changes = vec![
        Change::PutActivity(activity(1, "a")),
        Change::PutWorker(worker(1)),
        insert(waiting(2, 1)),
        update(&finished(1, 1)),
        end(1, 1, AttemptOutcome::Exited(0)),
    ];
    changes.push(Change::Retrieve(ExecutionId(77)));
    rig.refuses(changes).await;
    assert_eq!(rig.execution(1).await, running(waiting(1, 1), 1));
    assert_eq!(rig.store().attempts(ExecutionId(1)).await.unwrap(), [attempt(1, 1)]);
}

/// A commit whose answer was lost is sent again.
pub async fn a_repeated_batch_is_not_applied_again(rig: &mut StoreHarness) {
    let mut changes = one_running(1);
    changes.push(Change::RecordDecision(super::lists::decision(1)));
    let batch = Arc::new(rig.batch(changes));
    let store = rig.store();
    store.commit(Arc::clone(&batch)).await.unwrap();
    store.commit(Arc::clone(&batch)).await.unwrap();
    assert_eq!(store.decisions(10).await.unwrap().len(), 1);
    rig.commit(conclude(1)).await;
    store.commit(batch).await.unwrap();
    assert_eq!(rig.execution(1).await, finished(1, 1));
}

/// Whoever took the lease later writes; the earlier one does not.
pub async fn an_older_epoch_is_fenced(rig: &mut StoreHarness) {
    rig.commit(vec![insert(waiting(1, 1))]).await;
    let old = rig.store();
    let stale = Arc::new(rig.batch(vec![insert(waiting(2, 1))]));
    let other = rig.other().await;
    let lease = acquire(&*other, "suite", TTL).await;
    assert!(lease.epoch > stale.epoch);
    let fenced = old.commit(Arc::clone(&stale)).await;
    assert!(matches!(fenced, Err(StoreError::Fenced)), "{fenced:?}");
    let mut fresh = (*stale).clone();
    (fresh.epoch, fresh.seq) = (lease.epoch, 1);
    other.commit(Arc::new(fresh)).await.unwrap();
    let replay = old.commit(stale).await;
    assert!(matches!(replay, Err(StoreError::Fenced)), "{replay:?}");
    assert_eq!(rig.execution(2).await, waiting(2, 1));
}

/// An execution that was submitted, run, retrieved in one round.
pub async fn a_lifecycle_in_one_batch(rig: &mut StoreHarness) {
    let mut again = running(waiting(1, 1), 2);
    again.failures = 1;
    let mut done = ended(again.clone(), Outcome::Signalled(9), 100);
    rig.commit(vec![
        insert(waiting(1, 1)),
        update(&running(waiting(1, 1), 1)),
        open(1, 1),
        Change::StartAttempt { key: key(1, 1), started_at: Timestamp(18) },
        Change::EndAttempt {
            key: key(1, 1),
            started_at: None,
            ended_at: Timestamp(50),
            end: AttemptOutcome::StartFailed("no".into()),
        },
        update(&again),
        open(1, 2),
        end(1, 2, AttemptOutcome::Signalled(9)),
        update(&done),
        Change::Retrieve(ExecutionId(1)),
    ])
    .await;
    done.retrieved = true;
    assert_eq!(rig.execution(1).await, done);
    let attempts = rig.store().attempts(ExecutionId(1)).await.unwrap();
    assert_eq!(attempts.len(), 2);
    assert_eq!(attempts[0].started_at, Some(Timestamp(18)));
    assert_eq!(attempts[0].ended_at, Some(Timestamp(50)));
    assert_eq!(attempts[0].end, Some(AttemptOutcome::StartFailed("no".into())));
    assert_eq!(attempts[1].end, Some(AttemptOutcome::Signalled(9)));
    rig.commit(vec![Change::DeleteExecutions(vec![ExecutionId(1)])]).await;
    assert_eq!(rig.store().attempts(ExecutionId(1)).await.unwrap(), []);
}

/// A recalled attempt never ran.
pub async fn a_recalled_attempt_is_gone_and_its_number_free(rig: &mut StoreHarness) {
    rig.commit(one_running(1)).await;
    rig.store().append_output(key(1, 1), Stream::Stdout, 0, Bytes::from_static(b"left over")).await.unwrap();
    rig.commit(vec![end(1, 1, AttemptOutcome::Recalled), update(&waiting(1, 1))]).await;
    assert_eq!(rig.store().attempts(ExecutionId(1)).await.unwrap(), []);
    assert_eq!(rig.store().output_summary(key(1, 1)).await.unwrap().stdout.len, 0);
    rig.commit(vec![update(&running(waiting(1, 1), 1)), open(1, 1)]).await;
    assert_eq!(rig.store().output_summary(key(1, 1)).await.unwrap().stdout.len, 0);
    // Taken back and given out again in one batch.
    rig.commit(vec![end(1, 1, AttemptOutcome::Recalled), open(1, 1)]).await;
    assert_eq!(rig.store().attempts(ExecutionId(1)).await.unwrap(), [attempt(1, 1)]);
    rig.commit(conclude(1)).await;
    assert_eq!(rig.store().attempts(ExecutionId(1)).await.unwrap().len(), 1);
}

/// Revisions that pin the same bytes do not take each other's along when they go.
pub async fn revisions_share_a_payload(rig: &mut StoreHarness) {
    let payload = |text: &'static str| Payload::Script(Bytes::from_static(text.as_bytes()));
    let put = |no: u32, payload: Payload| {
        let row = revision(1, no);
        let (activity, revision) = (row.activity, row.no);
        [Change::PutRevision(row), Change::PutPayload { activity, revision, payload }]
    };
    let changes = [put(1, payload("same")), put(2, payload("same")), put(3, payload("other"))].into_iter().flatten();
    rig.commit([Change::PutActivity(activity(1, "a"))].into_iter().chain(changes).collect()).await;
    rig.commit(vec![Change::DeleteRevision { activity: ActivityId(1), revision: RevisionNo(1) }]).await;
    rig.commit(put(3, payload("same")).to_vec()).await;
    for (no, expected) in [(1, None), (2, Some(payload("same"))), (3, Some(payload("same")))] {
        assert_eq!(rig.store().payload(ActivityId(1), RevisionNo(no)).await.unwrap(), expected, "revision {no}");
    }
    rig.commit(vec![Change::DeleteActivity(ActivityId(1))]).await;
    assert_eq!(rig.store().payload(ActivityId(1), RevisionNo(2)).await.unwrap(), None);
}

/// How many executions name a revision is kept with it, whatever else is written of it.
pub async fn revisions_keep_their_tallies(rig: &mut StoreHarness) {
    let tally =
        |no, waiting, kept| RevisionCounters { activity: ActivityId(1), revision: RevisionNo(no), waiting, kept };
    let rows = [Change::PutActivity(activity(1, "a")), Change::PutRevision(revision(1, 1))];
    let mut batch = rig.batch(rows.into_iter().chain([Change::PutRevision(revision(1, 2))]).collect());
    // Of the third there is no row.
    batch.revision_counters = vec![tally(2, 3, 4), tally(3, 1, 1)];
    rig.store().commit(Arc::new(batch)).await.unwrap();
    let tallies = async |rig: &StoreHarness| rig.store().load().await.unwrap().activities[0].revision_counters.clone();
    assert_eq!(tallies(rig).await, [tally(1, 0, 0), tally(2, 3, 4)]);
    rig.commit(vec![Change::PutRevision(revision(1, 2))]).await;
    assert_eq!(tallies(rig).await, [tally(1, 0, 0), tally(2, 3, 4)]);
    rig.commit(vec![Change::DeleteRevision { activity: ActivityId(1), revision: RevisionNo(2) }]).await;
    rig.commit(vec![Change::PutRevision(revision(1, 2))]).await;
    assert_eq!(tallies(rig).await, [tally(1, 0, 0), tally(2, 0, 0)], "it goes with its revision");
}

/// The engine finds what it wrote.
pub async fn the_snapshot_holds_what_was_committed(rig: &mut StoreHarness) {
    let tally =
        ActivityCounters { activity: ActivityId(2), executions: [1, 2, 3, 4, 5, 6], recent_durations: vec![7, 0, 9] };
    let mut batch = rig.batch(vec![
        Change::PutActivity(activity(2, "zwei")),
        Change::PutRevision(revision(2, 2)),
        Change::PutRevision(revision(2, 1)),
        Change::PutActivity(activity(1, "eins")),
        Change::PutInstallation(installation(7, 2, 1)),
        Change::PutInstallation(installation(8, 2, 2)),
        Change::PutWorker(worker(7)),
        Change::PutWorker(worker(8)),
        Change::PutPolicy(policy(1, "small")),
        Change::PutPolicy(policy(2, "large")),
        Change::ActivatePolicy(PolicyId(2)),
        insert(waiting(1, 2)),
        insert(running(waiting(2, 2), 1)),
        open(2, 1),
        insert(finished(3, 2)),
    ]);
    batch.activity_counters = vec![tally.clone()];
    batch.id_sequences =
        IdSequences { activity: 2, execution: 3, worker: 8, policy: 2, event: 0, session: 5, disordered: 1 };
    let high_water = batch.id_sequences;
    rig.store().commit(Arc::new(batch)).await.unwrap();

    let snapshot = rig.store().load().await.unwrap();
    assert_eq!(snapshot.id_sequences, high_water);
    let names: Vec<(u64, &str)> =
        snapshot.activities.iter().map(|a| (a.activity.id.0, a.activity.name.as_str())).collect();
    assert_eq!(names, [(1, "eins"), (2, "zwei")]);
    assert_eq!(
        snapshot.activities[0].counters,
        ActivityCounters { activity: ActivityId(1), ..ActivityCounters::default() }
    );
    assert_eq!(snapshot.activities[1].counters, tally);
    assert_eq!(snapshot.activities[1].revisions, [revision(2, 1), revision(2, 2)]);
    assert_eq!(snapshot.activities[1].activity.created_at, Timestamp(1));
    assert_eq!(snapshot.activities[1].activity.status, ActivityStatus::Approved);
    assert_eq!(snapshot.installations, [installation(7, 2, 1), installation(8, 2, 2)]);
    assert_eq!(snapshot.workers, [worker(7), worker(8)]);
    assert_eq!(snapshot.policies, [policy(1, "small"), policy(2, "large")]);
    assert_eq!(snapshot.active_policy, PolicyId(2));
    assert_eq!(snapshot.running, [(running(waiting(2, 2), 1), attempt(2, 1))]);

    let mut changed = activity(2, "zwei");
    changed.status = ActivityStatus::Uninstalling;
    rig.commit(vec![
        Change::PutActivity(changed),
        Change::DeleteRevision { activity: ActivityId(2), revision: RevisionNo(1) },
        Change::DeleteInstallation { worker: WorkerId(7), activity: ActivityId(2), revision: RevisionNo(1) },
        Change::DeleteWorker(WorkerId(7)),
        Change::ActivatePolicy(PolicyId(0)),
        Change::DeletePolicy(PolicyId(2)),
        end(2, 1, AttemptOutcome::Lost),
    ])
    .await;
    let snapshot = rig.store().load().await.unwrap();
    assert_eq!(snapshot.activities[1].activity.status, ActivityStatus::Uninstalling);
    assert_eq!(snapshot.activities[1].counters, tally, "a tally stays when its activity changes");
    assert_eq!(snapshot.activities[1].revisions, [revision(2, 2)]);
    assert_eq!(snapshot.installations, [installation(8, 2, 2)]);
    assert_eq!(snapshot.workers, [worker(8)]);
    assert_eq!(snapshot.policies, [policy(1, "small")]);
    assert_eq!(snapshot.active_policy, PolicyId(0));
    assert_eq!(snapshot.running, []);
}

/// Old executions are still shown with a name, and the name is free for another activity.
pub async fn a_deleted_activity_leaves_its_name_and_executions(rig: &mut StoreHarness) {
    let payload = Payload::Script(Bytes::from_static(b"true"));
    rig.commit(vec![
        Change::PutActivity(activity(1, "a")),
        Change::PutRevision(revision(1, 1)),
        Change::PutPayload { activity: ActivityId(1), revision: RevisionNo(1), payload: payload.clone() },
        Change::PutInstallation(installation(7, 1, 1)),
        insert(finished(1, 1)),
    ])
    .await;
    assert_eq!(rig.store().payload(ActivityId(1), RevisionNo(1)).await.unwrap(), Some(payload));
    rig.commit(vec![Change::DeleteActivity(ActivityId(1)), Change::PutActivity(activity(2, "a"))]).await;
    let snapshot = rig.store().load().await.unwrap();
    assert_eq!(snapshot.activities.len(), 1);
    assert_eq!(snapshot.activity_names, [(ActivityId(1), "a".into()), (ActivityId(2), "a".into())]);
    assert_eq!(snapshot.installations, []);
    assert_eq!(rig.store().payload(ActivityId(1), RevisionNo(1)).await.unwrap(), None);
    assert_eq!(rig.execution(1).await, finished(1, 1));
}

/// Attempts, output and idempotency keys go with their execution.
pub async fn deleting_executions_takes_all_of_them_along(rig: &mut StoreHarness) {
    let large = Bytes::from(vec![b'x'; 100_000]);
    for id in 1..=3 {
        rig.commit(one_running(id)).await;
        rig.store().append_output(key(id, 1), Stream::Stderr, 0, large.clone()).await.unwrap();
        rig.store().append_output(key(id, 1), Stream::Stdout, 0, Bytes::from_static(b"small")).await.unwrap();
        let mut changes = conclude(id);
        changes.push(Change::PutIdempotency {
            key: format!("key {id}").into(),
            request_hash: [1; 32],
            executions: id..id + 1,
        });
        rig.commit(changes).await;
    }
    rig.commit(vec![Change::DeleteExecutions(vec![ExecutionId(1), ExecutionId(3), ExecutionId(99)])]).await;
    let store = rig.store();
    for id in [1, 3] {
        assert_eq!(store.execution(ExecutionId(id)).await.unwrap(), None);
        assert_eq!(store.attempts(ExecutionId(id)).await.unwrap(), []);
        for stream in Stream::BOTH {
            assert!(store.read_output(key(id, 1), stream, 0, 10).await.unwrap().bytes.is_empty());
        }
        assert_eq!(store.idempotency(&format!("key {id}")).await.unwrap(), None);
    }
    assert_eq!(store.read_output(key(2, 1), Stream::Stderr, 0, 1 << 20).await.unwrap().bytes, large);
    assert!(store.idempotency("key 2").await.unwrap().is_some());
    assert_eq!(store.list_expired(Age::MAX, 10).await.unwrap().len(), 1);
}

/// The key of many executions is known as long as one of them is there, whichever goes first.
pub async fn a_key_is_kept_as_long_as_anything_that_it_stands_for(rig: &mut StoreHarness) {
    for id in 1..=4 {
        rig.commit(vec![insert(finished(id, 1))]).await;
    }
    let used = |key: &str, executions| Change::PutIdempotency { key: key.into(), request_hash: [1; 32], executions };
    rig.commit(vec![used("before", 1..2), used("many", 2..5)]).await;
    for (gone, known) in [(vec![4], true), (vec![1, 2], true), (vec![3], false)] {
        rig.commit(vec![Change::DeleteExecutions(gone.iter().copied().map(ExecutionId).collect())]).await;
        assert_eq!(rig.store().idempotency("many").await.unwrap().is_some(), known, "{gone:?} are gone");
    }
    assert_eq!(rig.store().idempotency("before").await.unwrap(), None);
}

/// The highest ids outlive what had them, and restarts.
pub async fn ids_are_never_used_again(rig: &mut StoreHarness) {
    let high = IdSequences { activity: 1, execution: 5, worker: 3, policy: 2, event: 9, session: 4, disordered: 2 };
    let mut batch = rig.batch(vec![insert(finished(5, 1))]);
    batch.id_sequences = high;
    rig.store().commit(Arc::new(batch)).await.unwrap();
    let mut batch = rig.batch(vec![Change::DeleteExecutions(vec![ExecutionId(5)])]);
    batch.id_sequences = IdSequences { session: 6, ..IdSequences::default() };
    rig.store().commit(Arc::new(batch)).await.unwrap();
    assert_eq!(rig.store().load().await.unwrap().id_sequences, IdSequences { session: 6, ..high });
    rig.reopen().await;
    assert_eq!(rig.store().load().await.unwrap().id_sequences, IdSequences { session: 6, ..high });
}

/// What the clocks said is kept with each batch, and whatever the system's clock said before.
pub async fn the_clocks_are_those_of_the_last_batch(rig: &mut StoreHarness) {
    assert_eq!(rig.store().load().await.unwrap().clock, None);
    for (wall, age, boot) in [(900, 100, Some(-7)), (500, 200, Some(50)), (5, 300, None)] {
        let boot = boot.map(|age| Boot { id: uuid::Uuid::from_u128(77), age: Age(age) });
        let mut batch = rig.batch(vec![]);
        (batch.at, batch.age, batch.boot) = (Timestamp(wall), Age(age), boot);
        rig.store().commit(Arc::new(batch)).await.unwrap();
        let mark = Some(ClockMark { now: Now { wall: Timestamp(wall), age: Age(age) }, boot });
        assert_eq!(rig.store().load().await.unwrap().clock, mark);
        rig.reopen().await;
        assert_eq!(rig.store().load().await.unwrap().clock, mark);
    }
}

/// Texts of every kind are kept to the byte.
pub async fn texts_come_back_as_they_were(rig: &mut StoreHarness) {
    for (id, text) in ["", "ü 漢字 🦀 \u{202e}", "'; DROP TABLE executions; --", "\u{1}\t\r\n\u{7f}\u{ffff}", "\"\\"]
        .into_iter()
        .enumerate()
    {
        let id = id as u64 + 1;
        let mut execution = waiting(id, 1);
        execution.input = Some(text.into());
        let mut done = ended(execution.clone(), Outcome::Aborted(text.into()), 30);
        done.retry_of = Some(ExecutionId(77));
        execution.retry_of = done.retry_of;
        rig.commit(vec![insert(execution)]).await;
        rig.commit(vec![update(&done)]).await;
        assert_eq!(rig.execution(id).await, done);
        let used = Change::PutIdempotency { key: text.into(), request_hash: [id as u8; 32], executions: id..id + 1 };
        rig.commit(vec![used]).await;
        assert_eq!(rig.store().idempotency(text).await.unwrap().expect("the key").request_hash, [id as u8; 32]);
    }
    let mut without = waiting(50, 1);
    without.input = None;
    rig.commit(vec![insert(without.clone())]).await;
    assert_eq!(rig.execution(50).await, without);
}

/// Each reason is the same value after a restart, and is found by its sentence.
pub async fn why_it_was_given_up_comes_back(rig: &mut StoreHarness) {
    let (worker, attempt) = (WorkerId(7), AttemptNo(3));
    let endings = [
        Outcome::Aborted(GiveUp::StartFailed { error: "the activity was rejected: no".into() }),
        Outcome::Aborted(GiveUp::StartFailed { error: "".into() }),
        Outcome::Aborted(GiveUp::NotRunAgain { worker, attempt }),
        Outcome::Aborted(GiveUp::LostTooOften { worker, attempt, losses: 4 }),
        Outcome::Aborted(GiveUp::ActivityDeleted),
        Outcome::Aborted(GiveUp::ActivityRejected { error: "".into() }),
        Outcome::Aborted(GiveUp::ActivityRejected { error: "exit code 1\nthe activity was rejected: no".into() }),
        Outcome::Aborted(GiveUp::NotInstalled { error: "exit code 1".into() }),
        Outcome::Aborted(GiveUp::Said { sentence: "the activity was deleted".into() }),
        Outcome::WorkerLeft { worker, attempt },
    ];
    let of = |(at, ending): (usize, &Outcome)| {
        let mut execution = running(waiting(at as u64 + 1, 1), attempt.0);
        execution.lost_attempts = 4;
        ended(execution, ending.clone(), 30)
    };
    let rows: Vec<_> = endings.iter().enumerate().map(of).collect();
    rig.commit(rows.iter().cloned().map(insert).collect()).await;
    rig.reopen().await;
    for row in rows {
        assert_eq!(rig.execution(row.id.0).await, row);
        let containing = row.outcome.as_ref().and_then(Outcome::reason).map(|reason| reason.to_ascii_uppercase());
        let query = ExecutionQuery { containing, limit: 100, ..ExecutionQuery::default() };
        assert!(rig.store().executions(query).await.unwrap().iter().any(|found| found.id == row.id), "{row:?}");
    }
}

/// A megabyte of input is as good as a word.
pub async fn large_inputs_and_payloads_come_back(rig: &mut StoreHarness) {
    let mut execution = waiting(1, 1);
    execution.input = Some("ä".repeat(1 << 19).into());
    let archive = Payload::Archive(Bytes::from((0..3_000_000_u32).map(|n| n.to_le_bytes()[1]).collect::<Vec<u8>>()));
    rig.commit(vec![
        insert(execution.clone()),
        Change::PutPayload { activity: ActivityId(1), revision: RevisionNo(1), payload: archive.clone() },
    ])
    .await;
    rig.commit(vec![update(&running(execution.clone(), 1)), open(1, 1)]).await;
    assert_eq!(rig.execution(1).await, running(execution, 1));
    assert_eq!(rig.store().payload(ActivityId(1), RevisionNo(1)).await.unwrap(), Some(archive));
}

/// A reader finds all of a batch or nothing of it.
pub async fn readers_see_whole_batches(rig: &mut StoreHarness) {
    const SIZE: usize = 20;
    const BATCHES: usize = 50;
    let store = rig.store();
    let reader = tokio::spawn(async move {
        let mut seen = 0;
        while seen < SIZE * BATCHES {
            let query = ExecutionQuery { limit: 10_000, ..ExecutionQuery::default() };
            let all = store.executions(query).await.unwrap().len();
            assert_eq!(all % SIZE, 0, "a part of a batch was seen");
            assert!(all >= seen, "what was seen is gone");
            seen = all;
            tokio::task::yield_now().await;
        }
    });
    for batch in 0..BATCHES {
        let ids = batch * SIZE + 1..=(batch + 1) * SIZE;
        rig.commit(ids.map(|id| insert(waiting(id as u64, 1))).collect()).await;
        tokio::task::yield_now().await;
    }
    reader.await.expect("the reader saw whole batches");
}

/// Whoever waits for a commit may go away; the batch is whole and the next one is not disturbed.
pub async fn a_dropped_commit_is_finished(rig: &mut StoreHarness) {
    let store = rig.store();
    for round in 0..20 {
        let batch = Arc::new(rig.batch((0..50).map(|n| insert(waiting(round * 50 + n + 1, 1))).collect()));
        {
            let commit = store.commit(Arc::clone(&batch));
            let mut commit = std::pin::pin!(commit);
            for _ in 0..round % 5 {
                // Polled a few times and then dropped, somewhere in the middle.
                if std::future::poll_fn(|context| std::task::Poll::Ready(commit.as_mut().poll(context).is_ready()))
                    .await
                {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        store.commit(batch).await.unwrap();
    }
    let query = ExecutionQuery { status: Some(ExecutionStatus::Waiting), limit: 2000, ..ExecutionQuery::default() };
    assert_eq!(store.executions(query).await.unwrap().len(), 1000);
    assert_eq!(rig.execution(1000).await.attempt, AttemptNo(0));
}
