//! What rows and output have to do with each other. Output by itself is the matter of
//! [`output_store_suite`](crate::testing::output_store_suite).

use bytes::Bytes;

use super::{
    harness::StoreHarness,
    rows::{conclude, end, key, one_running, open, running, update, waiting},
};
use crate::{
    domain::{ActivityId, AttemptOutcome, ExecutionId, RevisionNo, Stream, WorkerId},
    store::{Change, InstallLog},
    testing::output_store_suite::cases::{append, pattern, read_all},
};

/// Rows tell how much their attempts printed: small, and more than fits a row; while they are open and after their end.
pub async fn attempts_tell_their_output(rig: &mut StoreHarness) {
    for (id, len) in [(1, 300), (2, 333_330)] {
        rig.commit(one_running(id)).await;
        append(rig, key(id, 1), Stream::Stdout, 0, len).await;
        append(rig, key(id, 1), Stream::Stderr, 0, 1).await;
        for ended in [false, true] {
            if ended {
                rig.commit(conclude(id)).await;
                rig.reopen().await;
            }
            let attempts = rig.store().attempts(ExecutionId(id)).await.unwrap();
            assert_eq!((attempts[0].output.stdout.len, attempts[0].output.stderr.len), (len as u64, 1));
        }
    }
    rig.commit(one_running(3)).await;
    append(rig, key(3, 1), Stream::Stdout, 0, 50_000).await;
    rig.commit(vec![end(3, 1, AttemptOutcome::Lost), open(3, 2), update(&running(waiting(3, 1), 2))]).await;
    append(rig, key(3, 2), Stream::Stdout, 0, 20).await;
    let attempts = rig.store().attempts(ExecutionId(3)).await.unwrap();
    assert_eq!((attempts[0].output.stdout.len, attempts[1].output.stdout.len), (50_000, 20));
}

/// Nobody adds to what has ended, or never was.
pub async fn only_open_attempts_take_output(rig: &mut StoreHarness) {
    for (id, len) in [(1, 100), (2, 50_000)] {
        rig.commit(one_running(id)).await;
        append(rig, key(id, 1), Stream::Stdout, 0, len).await;
        rig.commit(conclude(id)).await;
        append(rig, key(id, 1), Stream::Stdout, 50, len).await;
        let late = rig.store().append_output(key(id, 1), Stream::Stdout, len as u64, pattern(0, 5)).await;
        assert!(late.is_err(), "an ended attempt took output");
        let late = rig.store().append_tail(key(id, 1), Stream::Stdout, len as u64 + 50, pattern(0, 5)).await;
        assert!(late.is_err(), "an ended attempt took a tail");
        assert!(read_all(rig, key(id, 1), Stream::Stdout, 0).await == [(0, pattern(0, len).to_vec())]);
    }
    let nobody = rig.store().append_output(key(9, 1), Stream::Stdout, 0, pattern(0, 5)).await;
    assert!(nobody.is_err(), "an unknown attempt took output");
    let nobody = rig.store().append_interleaving(key(9, 1), 0, pattern(0, 5)).await;
    assert!(nobody.is_err(), "an unknown attempt took the order of output");
    assert!(rig.store().read_interleaving(key(9, 1), 0, 10).await.unwrap().is_empty());
}

fn log(worker: u64, activity: u64, revision: u32) -> InstallLog {
    InstallLog { worker: WorkerId(worker), activity: ActivityId(activity), revision: RevisionNo(revision) }
}

/// A log stays as long as what it is of.
pub async fn install_logs_go_with_what_they_are_of(rig: &mut StoreHarness) {
    let store = rig.store();
    for which in [log(1, 1, 1), log(1, 1, 2), log(1, 2, 1), log(2, 3, 1), log(1, 3, 1)] {
        store.append_install_log(which, Bytes::from_static(b"text"), false).await.unwrap();
    }
    rig.commit(vec![Change::DeleteActivity(ActivityId(2))]).await;
    rig.commit(vec![Change::DeleteRevision { activity: ActivityId(1), revision: RevisionNo(1) }]).await;
    rig.commit(vec![Change::DeleteWorker(WorkerId(2))]).await;
    for (which, stays) in [
        (log(1, 1, 1), false),
        (log(1, 1, 2), true),
        (log(1, 2, 1), false),
        (log(2, 3, 1), false),
        (log(1, 3, 1), true),
    ] {
        assert_eq!(!store.install_log(which).await.unwrap().is_empty(), stays, "{which:?}");
    }
}
