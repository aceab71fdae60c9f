//! Output by offset.

use bytes::Bytes;

use super::harness::Harness;
use crate::{
    domain::{ActivityId, AttemptKey, AttemptNo, ExecutionId, Gap, RevisionNo, Stream, StreamSummary, WorkerId},
    store::{DurableOffsets, INSTALL_LOG_LIMIT, InstallLog, StoreError},
};

pub(in crate::testing) fn key(execution: u64, attempt: u32) -> AttemptKey {
    AttemptKey { execution: ExecutionId(execution), attempt: AttemptNo(attempt) }
}

/// Bytes that tell where they are from.
pub(in crate::testing) fn pattern(from: usize, to: usize) -> Bytes {
    (from..to).map(|at| (at * 31 + at / 251) as u8).collect::<Vec<u8>>().into()
}

pub(in crate::testing) async fn append(harness: &dyn Harness, key: AttemptKey, stream: Stream, from: usize, to: usize) {
    harness.output().append_output(key, stream, from as u64, pattern(from, to)).await.expect("output that joins");
}

/// Reads from an offset until there is nothing more, in slices; says where each began.
pub(in crate::testing) async fn read_all(
    harness: &dyn Harness,
    key: AttemptKey,
    stream: Stream,
    from: u64,
) -> Vec<(u64, Vec<u8>)> {
    let mut runs: Vec<(u64, Vec<u8>)> = Vec::new();
    let mut at = from;
    loop {
        let slice = harness.output().read_output(key, stream, at, 10_007).await.expect("a slice");
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

async fn holds(harness: &dyn Harness, key: AttemptKey, stream: Stream, len: usize) {
    let wanted = if len == 0 { Vec::new() } else { vec![(0, pattern(0, len).to_vec())] };
    assert!(read_all(harness, key, stream, 0).await == wanted, "{key} {stream:?} is not what was printed");
    let summary = harness.output().output_summary(key).await.unwrap().stream(stream);
    assert_eq!(summary, StreamSummary { len: len as u64, gap: None });
}

/// A few bytes per stream.
pub async fn small_output_comes_with_the_end(harness: &mut dyn Harness) {
    harness.open(key(1, 1)).await;
    append(harness, key(1, 1), Stream::Stdout, 0, 5).await;
    holds(harness, key(1, 1), Stream::Stdout, 5).await;
    append(harness, key(1, 1), Stream::Stdout, 5, 300).await;
    append(harness, key(1, 1), Stream::Stderr, 0, 1).await;
    harness.end(&[key(1, 1)]).await;
    holds(harness, key(1, 1), Stream::Stdout, 300).await;
    holds(harness, key(1, 1), Stream::Stderr, 1).await;
}

/// More than fits a row, on one stream and on both.
pub async fn large_output_comes_with_the_end(harness: &mut dyn Harness) {
    for id in 1..=2 {
        harness.open(key(id, 1)).await;
        for piece in 0..10 {
            append(harness, key(id, 1), Stream::Stdout, piece * 33_333, (piece + 1) * 33_333).await;
            holds(harness, key(id, 1), Stream::Stdout, (piece + 1) * 33_333).await;
        }
    }
    append(harness, key(1, 1), Stream::Stderr, 0, 10).await;
    append(harness, key(2, 1), Stream::Stderr, 0, 1_500_000).await;
    harness.end(&[key(1, 1), key(2, 1)]).await;
    harness.reopen().await;
    for id in 1..=2 {
        holds(harness, key(id, 1), Stream::Stdout, 333_330).await;
    }
    holds(harness, key(1, 1), Stream::Stderr, 10).await;
    holds(harness, key(2, 1), Stream::Stderr, 1_500_000).await;
}

/// What is sent again changes nothing; what overlaps adds what is new. Across the border of small and large too.
pub async fn pieces_join_by_offset(harness: &mut dyn Harness) {
    harness.open(key(1, 1)).await;
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
        append(harness, key(1, 1), Stream::Stdout, from, to).await;
        len = len.max(to);
        holds(harness, key(1, 1), Stream::Stdout, len).await;
    }
    harness.end(&[key(1, 1)]).await;
    holds(harness, key(1, 1), Stream::Stdout, 50_000).await;
}

/// Nothing is taken that does not join.
pub async fn a_hole_is_refused(harness: &mut dyn Harness) {
    harness.open(key(1, 1)).await;
    for len in [0, 10, 40_000] {
        append(harness, key(1, 1), Stream::Stdout, 0, len).await;
        let at = len as u64 + 1;
        let refused = harness.output().append_output(key(1, 1), Stream::Stdout, at, pattern(0, 5)).await;
        let Err(StoreError::Gap { expected, offset }) = refused else { panic!("expected a gap, got {refused:?}") };
        assert_eq!((expected, offset), (len as u64, at));
        holds(harness, key(1, 1), Stream::Stdout, len).await;
    }
}

async fn gapped(harness: &dyn Harness, key: AttemptKey, head: usize, tail: std::ops::Range<usize>) {
    let summary = harness.output().output_summary(key).await.unwrap().stdout;
    let gap = Gap { start: head as u64, end: tail.start as u64 };
    assert_eq!(summary, StreamSummary { len: tail.end as u64, gap: Some(gap) });
    let (first, last) = (pattern(0, head).to_vec(), pattern(tail.start, tail.end).to_vec());
    let runs = read_all(harness, key, Stream::Stdout, 0).await;
    assert!(runs == [(0, first), (tail.start as u64, last)], "head and tail are not what was printed");
    let inside = harness.output().read_output(key, Stream::Stdout, head as u64 + 1, 3).await.unwrap();
    assert_eq!((inside.offset, inside.bytes), (tail.start as u64, pattern(tail.start, tail.start + 3)));
    let behind = harness.output().read_output(key, Stream::Stdout, tail.end as u64, 3).await.unwrap();
    assert!(behind.bytes.is_empty());
}

async fn tail(harness: &dyn Harness, key: AttemptKey, range: std::ops::Range<usize>) {
    let bytes = pattern(range.start, range.end);
    harness.output().append_tail(key, Stream::Stdout, range.start as u64, bytes).await.expect("a tail");
}

/// Head and tail of a stream that the cap cut, small and large.
pub async fn a_tail_leaves_a_gap(harness: &mut dyn Harness) {
    for (id, head, last) in [(1, 100, 1000..1100), (2, 70_000, 500_000..600_000), (3, 70_000, 500_000..500_010)] {
        harness.open(key(id, 1)).await;
        append(harness, key(id, 1), Stream::Stdout, 0, head).await;
        tail(harness, key(id, 1), last.clone()).await;
        gapped(harness, key(id, 1), head, last.clone()).await;
        harness.end(&[key(id, 1)]).await;
        gapped(harness, key(id, 1), head, last.clone()).await;
        harness.reopen().await;
        gapped(harness, key(id, 1), head, last).await;
    }
}

/// A worker that was cut off sends its tail again, with more in it.
pub async fn a_later_tail_replaces_an_earlier_one(harness: &mut dyn Harness) {
    harness.open(key(1, 1)).await;
    append(harness, key(1, 1), Stream::Stdout, 0, 70_000).await;
    tail(harness, key(1, 1), 500_000..600_000).await;
    tail(harness, key(1, 1), 560_000..610_000).await;
    gapped(harness, key(1, 1), 70_000, 560_000..610_000).await;
    append(harness, key(1, 1), Stream::Stdout, 10, 50).await;
    harness.end(&[key(1, 1)]).await;
    gapped(harness, key(1, 1), 70_000, 560_000..610_000).await;
}

/// A tail that begins where the head ends, or before, is just more of it.
pub async fn a_tail_that_joins_leaves_no_gap(harness: &mut dyn Harness) {
    for (id, head, last) in [(1, 70_000, 70_000..90_000), (2, 70_000, 60_000..90_000), (3, 10, 5..30), (4, 0, 0..30)] {
        harness.open(key(id, 1)).await;
        append(harness, key(id, 1), Stream::Stdout, 0, head).await;
        tail(harness, key(id, 1), last.clone()).await;
        holds(harness, key(id, 1), Stream::Stdout, last.end).await;
        harness.end(&[key(id, 1)]).await;
        holds(harness, key(id, 1), Stream::Stdout, last.end).await;
    }
}

/// A reader gets what it asked for, no more.
pub async fn slices_are_limited(harness: &mut dyn Harness) {
    for (id, len) in [(1, 1000), (2, 100_000)] {
        harness.open(key(id, 1)).await;
        append(harness, key(id, 1), Stream::Stderr, 0, len).await;
        for ended in [false, true] {
            if ended {
                harness.end(&[key(id, 1)]).await;
            }
            for (offset, limit) in [(0, 1), (0, 0), (len - 1, 5), (len, 5), (len + 5, 5), (500, 300), (0, usize::MAX)] {
                let slice =
                    harness.output().read_output(key(id, 1), Stream::Stderr, offset as u64, limit).await.unwrap();
                let end = offset.saturating_add(limit).min(len);
                let wanted = if offset < end { pattern(offset, end) } else { Bytes::new() };
                assert!(slice.bytes == wanted, "{limit} bytes from {offset} of {len}");
                assert_eq!(slice.offset, offset as u64);
            }
        }
    }
}

/// Small output waits for the end; large output is durable when it was synced; all of it is after the end.
pub async fn what_is_synced_is_told(harness: &mut dyn Harness) {
    harness.open(key(1, 1)).await;
    let store = harness.output();
    assert_eq!(store.sync_output(key(1, 1)).await.unwrap(), DurableOffsets::default());
    append(harness, key(1, 1), Stream::Stdout, 0, 100_000).await;
    append(harness, key(1, 1), Stream::Stderr, 0, 100).await;
    assert_eq!(store.sync_output(key(1, 1)).await.unwrap().stdout, 100_000);
    append(harness, key(1, 1), Stream::Stdout, 100_000, 150_000).await;
    assert_eq!(store.sync_output(key(1, 1)).await.unwrap().stdout, 150_000);
    harness.end(&[key(1, 1)]).await;
    assert_eq!(
        store.sync_output(key(1, 1)).await.unwrap(),
        DurableOffsets { stdout: 150_000, stderr: 100, interleaving: 0 }
    );
}

/// The log of the order is bytes by offset, as output is, and there with the end; small or long, beside output that is
/// long or small.
pub async fn the_order_is_kept_beside_the_output(harness: &mut dyn Harness) {
    for (id, log, printed) in [(1, 2, 6), (2, 40_000, 100), (3, 3, 100_000), (4, 70_000, 100_000), (5, 0, 100)] {
        harness.open(key(id, 1)).await;
        append(harness, key(id, 1), Stream::Stdout, 0, printed).await;
        for (from, to) in [(0, log / 2), (log / 4, log)] {
            harness
                .output()
                .append_interleaving(key(id, 1), from as u64, pattern(from, to))
                .await
                .expect("a log that joins");
        }
        let hole = harness.output().append_interleaving(key(id, 1), log as u64 + 1, pattern(0, 5)).await;
        assert!(matches!(hole, Err(StoreError::Gap { .. })), "a hole in the log was taken: {hole:?}");
        let durable = harness.output().sync_output(key(id, 1)).await.unwrap().interleaving;
        assert!(durable == 0 || durable == log as u64, "{durable} of {log} bytes are durable");
        for ended in [false, true] {
            if ended {
                harness.end(&[key(id, 1)]).await;
                harness.reopen().await;
                harness
                    .output()
                    .append_interleaving(key(id, 1), 0, pattern(0, log))
                    .await
                    .expect("what is sent again is known");
            }
            let mut read = Vec::new();
            loop {
                let piece = harness.output().read_interleaving(key(id, 1), read.len() as u64, 30_001).await.unwrap();
                if piece.is_empty() {
                    break;
                }
                assert!(piece.len() <= 30_001);
                read.extend_from_slice(&piece);
            }
            assert!(read == pattern(0, log), "execution {id}, ended: {ended}: {} of {log} bytes", read.len());
        }
        holds(harness, key(id, 1), Stream::Stdout, printed).await;
    }
    let nobody = harness.output().append_interleaving(key(9, 1), 0, pattern(0, 5)).await;
    assert!(nobody.is_err(), "an unknown attempt took the order of output");
    assert!(harness.output().read_interleaving(key(9, 1), 0, 10).await.unwrap().is_empty());
}

/// A worker of the same machine writes a file of the store, where it has some, and tells only how far it is.
pub async fn a_worker_may_write_output_by_itself(harness: &mut dyn Harness) {
    let (stdout, attempt) = (Stream::Stdout, key(1, 1));
    harness.open(attempt).await;
    append(harness, attempt, stdout, 0, 5_000).await;
    let Some(file) = harness.output().output_file(attempt, stdout).await.unwrap() else { return };
    holds(harness, attempt, stdout, 5_000).await;
    assert_eq!(harness.output().output_file(attempt, stdout).await.unwrap().as_ref(), Some(&file), "it stays the same");
    assert_ne!(harness.output().output_file(attempt, Stream::Stderr).await.unwrap(), Some(file.clone()));
    let more = harness.output().wrote_output(attempt, stdout, 5_000, 5_001).await;
    assert!(matches!(more, Err(StoreError::Gap { .. })), "what was not written was taken: {more:?}");
    harness.output().wrote_output(attempt, stdout, 0, 5_000).await.expect("what is there");
    let Ok(written) = std::fs::File::options().write(true).open(&*file.path) else {
        // In memory: there is no file that this could write.
        return;
    };
    let write = |from: usize, to: usize| {
        std::os::unix::fs::FileExt::write_all_at(&written, &pattern(from, to), from as u64).unwrap();
    };
    write(5_000, 90_000);
    holds(harness, attempt, stdout, 5_000).await;
    let hole = harness.output().wrote_output(attempt, stdout, 6_000, 7_000).await;
    assert!(matches!(hole, Err(StoreError::Gap { .. })), "a hole was taken: {hole:?}");
    harness.output().wrote_output(attempt, stdout, 5_000, 50_000).await.expect("it joins");
    holds(harness, attempt, stdout, 50_000).await;
    assert_eq!(harness.output().sync_output(attempt).await.unwrap().stdout, 50_000);
    // What was sent before the worker knew of the file arrives in any order with what it wrote.
    append(harness, attempt, stdout, 4_000, 60_000).await;
    harness.output().wrote_output(attempt, stdout, 55_000, 80_000).await.expect("it joins");
    holds(harness, attempt, stdout, 80_000).await;
    harness.end(&[attempt]).await;
    write(90_000, 95_000);
    holds(harness, attempt, stdout, 80_000).await;
    harness.output().wrote_output(attempt, stdout, 5_000, 80_000).await.expect("what is known");
    let late = harness.output().wrote_output(attempt, stdout, 80_000, 95_000).await;
    assert!(late.is_err(), "an ended attempt took output");
}

/// A worker that did not hear that its result was taken may send again; nobody may add.
pub async fn output_of_an_ended_attempt_does_not_change(harness: &mut dyn Harness) {
    for (id, len) in [(1, 100), (2, 50_000)] {
        harness.open(key(id, 1)).await;
        append(harness, key(id, 1), Stream::Stdout, 0, len).await;
        harness.end(&[key(id, 1)]).await;
        append(harness, key(id, 1), Stream::Stdout, 0, len).await;
        append(harness, key(id, 1), Stream::Stdout, 50, len).await;
        let late = harness.output().append_output(key(id, 1), Stream::Stdout, len as u64, pattern(0, 5)).await;
        assert!(late.is_err(), "an ended attempt took output");
        let late = harness.output().append_tail(key(id, 1), Stream::Stdout, len as u64 + 50, pattern(0, 5)).await;
        assert!(late.is_err(), "an ended attempt took a tail");
        holds(harness, key(id, 1), Stream::Stdout, len).await;
    }
    let nobody = harness.output().append_output(key(9, 1), Stream::Stdout, 0, pattern(0, 5)).await;
    assert!(nobody.is_err(), "an unknown attempt took output");
}

/// Each attempt begins at offset 0.
pub async fn attempts_do_not_share_output(harness: &mut dyn Harness) {
    harness.open(key(1, 1)).await;
    append(harness, key(1, 1), Stream::Stdout, 0, 50_000).await;
    harness.open(key(1, 2)).await;
    holds(harness, key(1, 2), Stream::Stdout, 0).await;
    append(harness, key(1, 2), Stream::Stdout, 0, 20).await;
    holds(harness, key(1, 2), Stream::Stdout, 20).await;
    holds(harness, key(1, 1), Stream::Stdout, 50_000).await;
}

/// An attempt that never was has printed nothing.
pub async fn nothing_is_known_of_nobody(harness: &mut dyn Harness) {
    let store = harness.output();
    assert!(store.read_output(key(5, 1), Stream::Stdout, 3, 10).await.unwrap().bytes.is_empty());
    assert_eq!(store.output_summary(key(5, 1)).await.unwrap(), Default::default());
    assert_eq!(store.sync_output(key(5, 1)).await.unwrap(), DurableOffsets::default());
}

fn log(worker: u64, activity: u64, revision: u32) -> InstallLog {
    InstallLog { worker: WorkerId(worker), activity: ActivityId(activity), revision: RevisionNo(revision) }
}

/// The end of a log is what says why it failed.
pub async fn install_logs_keep_their_end(harness: &mut dyn Harness) {
    let store = harness.output();
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

/// The worker of an open attempt goes on sending from what was durable, or from before.
pub async fn an_open_attempt_goes_on(harness: &mut dyn Harness) {
    harness.open(key(1, 1)).await;
    append(harness, key(1, 1), Stream::Stdout, 0, 100_000).await;
    let durable = harness.output().sync_output(key(1, 1)).await.unwrap();
    assert_eq!(durable.stdout, 100_000);
    append(harness, key(1, 1), Stream::Stdout, 100_000, 120_000).await;
    append(harness, key(1, 1), Stream::Stderr, 0, 500).await;
    harness.reopen().await;
    append(harness, key(1, 1), Stream::Stdout, 90_000, 130_000).await;
    append(harness, key(1, 1), Stream::Stderr, 0, 700).await;
    harness.end(&[key(1, 1)]).await;
    assert!(read_all(harness, key(1, 1), Stream::Stdout, 0).await == [(0, pattern(0, 130_000).to_vec())]);
    assert!(read_all(harness, key(1, 1), Stream::Stderr, 0).await == [(0, pattern(0, 700).to_vec())]);
}

/// A result is as it was.
pub async fn ended_output_stays(harness: &mut dyn Harness) {
    harness.open(key(1, 1)).await;
    append(harness, key(1, 1), Stream::Stdout, 0, 16_384).await;
    append(harness, key(1, 1), Stream::Stderr, 0, 16_385).await;
    harness.end(&[key(1, 1)]).await;
    harness.reopen().await;
    assert!(read_all(harness, key(1, 1), Stream::Stdout, 0).await == [(0, pattern(0, 16_384).to_vec())]);
    assert!(read_all(harness, key(1, 1), Stream::Stderr, 0).await == [(0, pattern(0, 16_385).to_vec())]);
}

/// Nothing comes back.
pub async fn deleted_output_stays_deleted(harness: &mut dyn Harness) {
    harness.open(key(1, 1)).await;
    append(harness, key(1, 1), Stream::Stdout, 0, 100_000).await;
    harness.end(&[key(1, 1)]).await;
    harness.delete(ExecutionId(1)).await;
    harness.reopen().await;
    assert!(read_all(harness, key(1, 1), Stream::Stdout, 0).await.is_empty());
    harness.open(key(2, 1)).await;
    assert!(read_all(harness, key(2, 1), Stream::Stdout, 0).await.is_empty());
}
