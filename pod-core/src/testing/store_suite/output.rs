//! Output by offset.

use bytes::Bytes;

use super::{
    rig::Rig,
    rows::{conclude, end, key, one_running, open, running, update, waiting},
};
use crate::{
    domain::{ActivityId, AttemptEnd, AttemptKey, ExecutionId, Gap, RevisionNo, Stream, StreamSummary, WorkerId},
    store::{Change, DurableOffsets, INSTALL_LOG_LIMIT, InstallLog, StoreError},
};

/// Bytes that tell where they are from.
pub(super) fn pattern(from: usize, to: usize) -> Bytes {
    (from..to).map(|at| (at * 31 + at / 251) as u8).collect::<Vec<u8>>().into()
}

pub(super) async fn append(rig: &Rig, key: AttemptKey, stream: Stream, from: usize, to: usize) {
    rig.store().append_output(key, stream, from as u64, pattern(from, to)).await.expect("output that joins");
}

/// Reads from an offset until there is nothing more, in slices; says where each began.
pub(super) async fn read_all(rig: &Rig, key: AttemptKey, stream: Stream, from: u64) -> Vec<(u64, Vec<u8>)> {
    let mut runs: Vec<(u64, Vec<u8>)> = Vec::new();
    let mut at = from;
    loop {
        let slice = rig.store().read_output(key, stream, at, 10_007).await.expect("a slice");
        if slice.bytes.is_empty() {
            return runs;
        }
        assert!(slice.bytes.len() <= 10_007);
        at = slice.offset + slice.bytes.len() as u64;
        match runs.last_mut() {
            Some((start, run)) if *start + run.len() as u64 == slice.offset => run.extend_from_slice(&slice.bytes),
            _ => runs.push((slice.offset, slice.bytes.to_vec())),
        }
    }
}

async fn holds(rig: &Rig, key: AttemptKey, stream: Stream, len: usize) {
    let wanted = if len == 0 { Vec::new() } else { vec![(0, pattern(0, len).to_vec())] };
    assert!(read_all(rig, key, stream, 0).await == wanted, "{key} {stream:?} is not what was printed");
    let summary = rig.store().output_summary(key).await.unwrap().of(stream);
    assert_eq!(summary, StreamSummary { len: len as u64, gap: None });
}

/// A few bytes per stream.
pub async fn small_output_comes_with_the_end(rig: &mut Rig) {
    rig.commit(one_running(1)).await;
    append(rig, key(1, 1), Stream::Stdout, 0, 5).await;
    holds(rig, key(1, 1), Stream::Stdout, 5).await;
    append(rig, key(1, 1), Stream::Stdout, 5, 300).await;
    append(rig, key(1, 1), Stream::Stderr, 0, 1).await;
    rig.commit(conclude(1)).await;
    holds(rig, key(1, 1), Stream::Stdout, 300).await;
    holds(rig, key(1, 1), Stream::Stderr, 1).await;
    let attempts = rig.store().attempts(ExecutionId(1)).await.unwrap();
    assert_eq!((attempts[0].output.stdout.len, attempts[0].output.stderr.len), (300, 1));
}

/// More than fits a row, on one stream and on both.
pub async fn large_output_comes_with_the_end(rig: &mut Rig) {
    for id in 1..=2 {
        rig.commit(one_running(id)).await;
        for piece in 0..10 {
            append(rig, key(id, 1), Stream::Stdout, piece * 33_333, (piece + 1) * 33_333).await;
            holds(rig, key(id, 1), Stream::Stdout, (piece + 1) * 33_333).await;
        }
    }
    append(rig, key(1, 1), Stream::Stderr, 0, 10).await;
    append(rig, key(2, 1), Stream::Stderr, 0, 1_500_000).await;
    rig.commit(conclude(1).into_iter().chain(conclude(2)).collect()).await;
    rig.reopen().await;
    for id in 1..=2 {
        holds(rig, key(id, 1), Stream::Stdout, 333_330).await;
    }
    holds(rig, key(1, 1), Stream::Stderr, 10).await;
    holds(rig, key(2, 1), Stream::Stderr, 1_500_000).await;
    assert_eq!(rig.store().attempts(ExecutionId(2)).await.unwrap()[0].output.stderr.len, 1_500_000);
}

/// What is sent again changes nothing; what overlaps adds what is new. Across the border of small and large too.
pub async fn pieces_join_by_offset(rig: &mut Rig) {
    rig.commit(one_running(1)).await;
    let pieces = [
        (0, 10),
        (0, 10),
        (3, 7),
        (5, 20),
        (20, 20),
        (0, 16_384),
        (16_000, 16_385),
        (0, 9),
        (9, 50_000),
        (49_999, 50_000),
    ];
    let mut len = 0;
    for (from, to) in pieces {
        append(rig, key(1, 1), Stream::Stdout, from, to).await;
        len = len.max(to);
        holds(rig, key(1, 1), Stream::Stdout, len).await;
    }
    rig.commit(conclude(1)).await;
    holds(rig, key(1, 1), Stream::Stdout, 50_000).await;
}

/// Nothing is taken that does not join.
pub async fn a_hole_is_refused(rig: &mut Rig) {
    rig.commit(one_running(1)).await;
    for len in [0, 10, 40_000] {
        append(rig, key(1, 1), Stream::Stdout, 0, len).await;
        let at = len as u64 + 1;
        let refused = rig.store().append_output(key(1, 1), Stream::Stdout, at, pattern(0, 5)).await;
        let Err(StoreError::Gap { expected, offset }) = refused else { panic!("expected a gap, got {refused:?}") };
        assert_eq!((expected, offset), (len as u64, at));
        holds(rig, key(1, 1), Stream::Stdout, len).await;
    }
}

async fn gapped(rig: &Rig, key: AttemptKey, head: usize, tail: std::ops::Range<usize>) {
    let summary = rig.store().output_summary(key).await.unwrap().stdout;
    let gap = Gap { start: head as u64, end: tail.start as u64 };
    assert_eq!(summary, StreamSummary { len: tail.end as u64, gap: Some(gap) });
    let (first, last) = (pattern(0, head).to_vec(), pattern(tail.start, tail.end).to_vec());
    let runs = read_all(rig, key, Stream::Stdout, 0).await;
    assert!(runs == [(0, first), (tail.start as u64, last)], "head and tail are not what was printed");
    let inside = rig.store().read_output(key, Stream::Stdout, head as u64 + 1, 3).await.unwrap();
    assert_eq!((inside.offset, inside.bytes), (tail.start as u64, pattern(tail.start, tail.start + 3)));
    let behind = rig.store().read_output(key, Stream::Stdout, tail.end as u64, 3).await.unwrap();
    assert!(behind.bytes.is_empty());
}

async fn tail(rig: &Rig, key: AttemptKey, range: std::ops::Range<usize>) {
    let bytes = pattern(range.start, range.end);
    rig.store().append_tail(key, Stream::Stdout, range.start as u64, bytes).await.expect("a tail");
}

/// Head and tail of a stream that the cap cut, small and large.
pub async fn a_tail_leaves_a_gap(rig: &mut Rig) {
    for (id, head, last) in [(1, 100, 1000..1100), (2, 70_000, 500_000..600_000), (3, 70_000, 500_000..500_010)] {
        rig.commit(one_running(id)).await;
        append(rig, key(id, 1), Stream::Stdout, 0, head).await;
        tail(rig, key(id, 1), last.clone()).await;
        gapped(rig, key(id, 1), head, last.clone()).await;
        rig.commit(conclude(id)).await;
        gapped(rig, key(id, 1), head, last.clone()).await;
        rig.reopen().await;
        gapped(rig, key(id, 1), head, last).await;
    }
}

/// A worker that was cut off sends its tail again, with more in it.
pub async fn a_later_tail_replaces_an_earlier_one(rig: &mut Rig) {
    rig.commit(one_running(1)).await;
    append(rig, key(1, 1), Stream::Stdout, 0, 70_000).await;
    tail(rig, key(1, 1), 500_000..600_000).await;
    tail(rig, key(1, 1), 560_000..610_000).await;
    gapped(rig, key(1, 1), 70_000, 560_000..610_000).await;
    append(rig, key(1, 1), Stream::Stdout, 10, 50).await;
    rig.commit(conclude(1)).await;
    gapped(rig, key(1, 1), 70_000, 560_000..610_000).await;
}

/// A tail that begins where the head ends, or before, is just more of it.
pub async fn a_tail_that_joins_leaves_no_gap(rig: &mut Rig) {
    for (id, head, last) in [(1, 70_000, 70_000..90_000), (2, 70_000, 60_000..90_000), (3, 10, 5..30), (4, 0, 0..30)] {
        rig.commit(one_running(id)).await;
        append(rig, key(id, 1), Stream::Stdout, 0, head).await;
        tail(rig, key(id, 1), last.clone()).await;
        holds(rig, key(id, 1), Stream::Stdout, last.end).await;
        rig.commit(conclude(id)).await;
        holds(rig, key(id, 1), Stream::Stdout, last.end).await;
    }
}

/// A reader gets what it asked for, no more.
pub async fn slices_are_limited(rig: &mut Rig) {
    for (id, len) in [(1, 1000), (2, 100_000)] {
        rig.commit(one_running(id)).await;
        append(rig, key(id, 1), Stream::Stderr, 0, len).await;
        for ended in [false, true] {
            if ended {
                rig.commit(conclude(id)).await;
            }
            for (offset, limit) in [(0, 1), (0, 0), (len - 1, 5), (len, 5), (len + 5, 5), (500, 300), (0, usize::MAX)] {
                let slice = rig.store().read_output(key(id, 1), Stream::Stderr, offset as u64, limit).await.unwrap();
                let end = offset.saturating_add(limit).min(len);
                let wanted = if offset < end { pattern(offset, end) } else { Bytes::new() };
                assert!(slice.bytes == wanted, "{limit} bytes from {offset} of {len}");
                assert_eq!(slice.offset, offset as u64);
            }
        }
    }
}

/// Small output waits for the end; large output is durable when it was synced; all of it is after the end.
pub async fn what_is_synced_is_told(rig: &mut Rig) {
    rig.commit(one_running(1)).await;
    let store = rig.store();
    assert_eq!(store.sync_output(key(1, 1)).await.unwrap(), DurableOffsets::default());
    append(rig, key(1, 1), Stream::Stdout, 0, 100_000).await;
    append(rig, key(1, 1), Stream::Stderr, 0, 100).await;
    assert_eq!(store.sync_output(key(1, 1)).await.unwrap().stdout, 100_000);
    append(rig, key(1, 1), Stream::Stdout, 100_000, 150_000).await;
    assert_eq!(store.sync_output(key(1, 1)).await.unwrap().stdout, 150_000);
    rig.commit(conclude(1)).await;
    assert_eq!(store.sync_output(key(1, 1)).await.unwrap(), DurableOffsets { stdout: 150_000, stderr: 100, order: 0 });
}

/// The log of the order is bytes by offset, as output is, and there with the end; small or long, beside output that is
/// long or small.
pub async fn the_order_is_kept_beside_the_output(rig: &mut Rig) {
    for (id, log, printed) in [(1, 2, 6), (2, 40_000, 100), (3, 3, 100_000), (4, 70_000, 100_000), (5, 0, 100)] {
        rig.commit(one_running(id)).await;
        append(rig, key(id, 1), Stream::Stdout, 0, printed).await;
        for (from, to) in [(0, log / 2), (log / 4, log)] {
            rig.store().append_order(key(id, 1), from as u64, pattern(from, to)).await.expect("a log that joins");
        }
        let hole = rig.store().append_order(key(id, 1), log as u64 + 1, pattern(0, 5)).await;
        assert!(matches!(hole, Err(StoreError::Gap { .. })), "a hole in the log was taken: {hole:?}");
        let durable = rig.store().sync_output(key(id, 1)).await.unwrap().order;
        assert!(durable == 0 || durable == log as u64, "{durable} of {log} bytes are durable");
        for ended in [false, true] {
            if ended {
                rig.commit(conclude(id)).await;
                rig.reopen().await;
                rig.store().append_order(key(id, 1), 0, pattern(0, log)).await.expect("what is sent again is known");
            }
            let mut read = Vec::new();
            loop {
                let piece = rig.store().read_order(key(id, 1), read.len() as u64, 30_001).await.unwrap();
                if piece.is_empty() {
                    break;
                }
                assert!(piece.len() <= 30_001);
                read.extend_from_slice(&piece);
            }
            assert!(read == pattern(0, log), "execution {id}, ended: {ended}: {} of {log} bytes", read.len());
        }
        holds(rig, key(id, 1), Stream::Stdout, printed).await;
    }
    let nobody = rig.store().append_order(key(9, 1), 0, pattern(0, 5)).await;
    assert!(nobody.is_err(), "an unknown attempt took the order of output");
    assert!(rig.store().read_order(key(9, 1), 0, 10).await.unwrap().is_empty());
}

/// A worker of the same machine writes a file of the store, where it has some, and tells only how far it is.
pub async fn a_worker_may_write_output_by_itself(rig: &mut Rig) {
    let (stdout, attempt) = (Stream::Stdout, key(1, 1));
    assert_eq!(rig.store().output_file(attempt, stdout).await.unwrap(), None, "an unknown attempt has a file");
    rig.commit(one_running(1)).await;
    append(rig, attempt, stdout, 0, 5_000).await;
    let Some(file) = rig.store().output_file(attempt, stdout).await.unwrap() else { return };
    holds(rig, attempt, stdout, 5_000).await;
    assert_eq!(rig.store().output_file(attempt, stdout).await.unwrap().as_ref(), Some(&file), "it stays the same");
    assert_ne!(rig.store().output_file(attempt, Stream::Stderr).await.unwrap(), Some(file.clone()));
    let more = rig.store().wrote_output(attempt, stdout, 5_000, 5_001).await;
    assert!(matches!(more, Err(StoreError::Gap { .. })), "what was not written was taken: {more:?}");
    rig.store().wrote_output(attempt, stdout, 0, 5_000).await.expect("what is there");
    let Ok(written) = std::fs::File::options().write(true).open(&*file.path) else {
        // In memory: there is no file that this could write.
        return;
    };
    let write = |from: usize, to: usize| {
        std::os::unix::fs::FileExt::write_all_at(&written, &pattern(from, to), from as u64).unwrap();
    };
    write(5_000, 90_000);
    holds(rig, attempt, stdout, 5_000).await;
    let hole = rig.store().wrote_output(attempt, stdout, 6_000, 7_000).await;
    assert!(matches!(hole, Err(StoreError::Gap { .. })), "a hole was taken: {hole:?}");
    rig.store().wrote_output(attempt, stdout, 5_000, 50_000).await.expect("it joins");
    holds(rig, attempt, stdout, 50_000).await;
    assert_eq!(rig.store().sync_output(attempt).await.unwrap().stdout, 50_000);
    // What was sent before the worker knew of the file arrives in any order with what it wrote.
    append(rig, attempt, stdout, 4_000, 60_000).await;
    rig.store().wrote_output(attempt, stdout, 55_000, 80_000).await.expect("it joins");
    holds(rig, attempt, stdout, 80_000).await;
    rig.commit(conclude(1)).await;
    write(90_000, 95_000);
    holds(rig, attempt, stdout, 80_000).await;
    rig.store().wrote_output(attempt, stdout, 5_000, 80_000).await.expect("what is known");
    let late = rig.store().wrote_output(attempt, stdout, 80_000, 95_000).await;
    assert!(late.is_err(), "an ended attempt took output");
}

/// A worker that did not hear that its result was taken may send again; nobody may add.
pub async fn output_of_an_ended_attempt_does_not_change(rig: &mut Rig) {
    for (id, len) in [(1, 100), (2, 50_000)] {
        rig.commit(one_running(id)).await;
        append(rig, key(id, 1), Stream::Stdout, 0, len).await;
        rig.commit(conclude(id)).await;
        append(rig, key(id, 1), Stream::Stdout, 0, len).await;
        append(rig, key(id, 1), Stream::Stdout, 50, len).await;
        let late = rig.store().append_output(key(id, 1), Stream::Stdout, len as u64, pattern(0, 5)).await;
        assert!(late.is_err(), "an ended attempt took output");
        let late = rig.store().append_tail(key(id, 1), Stream::Stdout, len as u64 + 50, pattern(0, 5)).await;
        assert!(late.is_err(), "an ended attempt took a tail");
        holds(rig, key(id, 1), Stream::Stdout, len).await;
    }
    let nobody = rig.store().append_output(key(9, 1), Stream::Stdout, 0, pattern(0, 5)).await;
    assert!(nobody.is_err(), "an unknown attempt took output");
}

/// Each attempt begins at offset 0.
pub async fn attempts_do_not_share_output(rig: &mut Rig) {
    rig.commit(one_running(1)).await;
    append(rig, key(1, 1), Stream::Stdout, 0, 50_000).await;
    rig.commit(vec![end(1, 1, AttemptEnd::Lost), open(1, 2), update(&running(waiting(1, 1), 2))]).await;
    holds(rig, key(1, 2), Stream::Stdout, 0).await;
    append(rig, key(1, 2), Stream::Stdout, 0, 20).await;
    holds(rig, key(1, 2), Stream::Stdout, 20).await;
    holds(rig, key(1, 1), Stream::Stdout, 50_000).await;
    let attempts = rig.store().attempts(ExecutionId(1)).await.unwrap();
    assert_eq!((attempts[0].output.stdout.len, attempts[1].output.stdout.len), (50_000, 20));
}

/// An attempt that never was has printed nothing.
pub async fn nothing_is_known_of_nobody(rig: &mut Rig) {
    let store = rig.store();
    assert!(store.read_output(key(5, 1), Stream::Stdout, 3, 10).await.unwrap().bytes.is_empty());
    assert_eq!(store.output_summary(key(5, 1)).await.unwrap(), Default::default());
    assert_eq!(store.sync_output(key(5, 1)).await.unwrap(), DurableOffsets::default());
}

fn log(worker: u64, activity: u64, revision: u32) -> InstallLog {
    InstallLog { worker: WorkerId(worker), activity: ActivityId(activity), revision: RevisionNo(revision) }
}

/// The end of a log is what says why it failed.
pub async fn install_logs_keep_their_end(rig: &mut Rig) {
    let store = rig.store();
    assert!(store.install_log(log(1, 1, 1)).await.unwrap().is_empty());
    store.append_install_log(log(1, 1, 1), Bytes::from_static(b"one "), true).await.unwrap();
    store.append_install_log(log(1, 1, 1), Bytes::from_static(b"two"), false).await.unwrap();
    store.append_install_log(log(1, 1, 2), Bytes::from_static(b"other"), false).await.unwrap();
    assert_eq!(store.install_log(log(1, 1, 1)).await.unwrap(), "one two");
    store.append_install_log(log(1, 1, 1), Bytes::from_static(b"again"), true).await.unwrap();
    assert_eq!(store.install_log(log(1, 1, 1)).await.unwrap(), "again");
    assert_eq!(store.install_log(log(1, 1, 2)).await.unwrap(), "other");
    let all = pattern(0, 5 * INSTALL_LOG_LIMIT);
    for piece in all.chunks(100_000) {
        store.append_install_log(log(1, 2, 1), Bytes::copy_from_slice(piece), false).await.unwrap();
    }
    let kept = store.install_log(log(1, 2, 1)).await.unwrap();
    assert!(kept == all.slice(4 * INSTALL_LOG_LIMIT..), "not the last piece of the log: {} bytes", kept.len());
}

/// A log stays as long as what it is of.
pub async fn install_logs_go_with_what_they_are_of(rig: &mut Rig) {
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
