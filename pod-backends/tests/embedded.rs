//! The whole of an embedded POD: engine, SQLite and workers in this process.

#![cfg(all(feature = "local", feature = "sqlite", target_os = "linux"))]

use std::{fs, path::Path, time::Duration};

use pod_backends::{local::InProcessWorkers, sqlite::SqliteStore};
use pod_core::{
    Limits, OutputChunk, Pod,
    domain::{AttemptNo, ExecutionStatus, Gap, NewActivity, NewExecution, Outcome, Stream},
};
use tokio::time::timeout;

const TIMEOUT: Duration = Duration::from_secs(120);

async fn start(dir: &Path, limits: Limits) -> Pod {
    let store = SqliteStore::open(dir.join("store")).await.expect("a store");
    let starting =
        Pod::builder().store(store).backend(InProcessWorkers::new(dir.join("workers")).slots(2)).limits(limits).start();
    timeout(TIMEOUT, starting).await.expect("in time").expect("it starts")
}

async fn wait(pod: &Pod, id: pod_core::domain::ExecutionId) -> pod_core::domain::Execution {
    timeout(TIMEOUT, pod.wait(id)).await.expect("in time").expect("it ends")
}

async fn all(pod: &Pod, id: pod_core::domain::ExecutionId, stream: Stream) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let piece = pod.read_output(id, AttemptNo(1), stream, bytes.len() as u64, 1 << 20).await.expect("output");
        if piece.bytes.is_empty() || piece.offset != bytes.len() as u64 {
            return bytes;
        }
        bytes.extend_from_slice(&piece.bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_executions_end_once_each_with_their_own_output() {
    let dir = tempfile::tempdir().expect("a directory");
    let pod = start(dir.path(), Limits::default()).await;
    let script = "printf '#!/bin/sh\\necho \"hello $1\"\\necho \"oh $1\" >&2\\nexit $(($1 %% 3))\\n' > main.sh";
    pod.create_activity(NewActivity::script("hello", script)).await.expect("an activity");
    let mut runs = Vec::new();
    for n in 0..300 {
        runs.push(pod.start(NewExecution::new("hello").input(n.to_string())).await.expect("it is taken"));
    }
    for (n, id) in runs.into_iter().enumerate() {
        let done = wait(&pod, id).await;
        assert_eq!(done.outcome, Some(Outcome::Exited(i32::try_from(n % 3).expect("a code"))));
        assert_eq!(done.attempt, AttemptNo(1));
        assert_eq!(all(&pod, id, Stream::Stdout).await, format!("hello {n}\n").into_bytes());
        assert_eq!(all(&pod, id, Stream::Stderr).await, format!("oh {n}\n").into_bytes());
    }
    pod.shutdown().await;
}

/// All that is printed, a line each after its stream, and when; tells how many were seen.
async fn in_order(pod: &Pod, id: pod_core::domain::ExecutionId, seen: impl Fn(usize)) -> Vec<(String, i64)> {
    let mut follower = pod.follow(id).await.expect("a follower");
    let mut pieces: Vec<(String, i64)> = Vec::new();
    while let Some(chunk) = timeout(TIMEOUT, follower.next()).await.expect("in time").expect("output") {
        let OutputChunk::Bytes { stream, bytes, at, .. } = chunk else { continue };
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        let at = at.expect("it is known when it came").0;
        // A line that came in two pieces is one.
        match pieces.last_mut() {
            Some((last, _)) if !last.ends_with('\n') => last.push_str(&text),
            _ => pieces.push((format!("{} {text}", stream.as_str()), at)),
        }
        seen(pieces.len());
    }
    pieces
}

#[tokio::test(flavor = "multi_thread")]
async fn both_streams_stay_in_the_order_they_came_with_their_times() {
    let dir = tempfile::tempdir().expect("a directory");
    let pod = start(dir.path(), Limits::default()).await;
    // Each line is printed when the one before has been seen, however slow the machine is.
    let script = r#"cat > main.sh <<'END'
#!/bin/sh
line=0
seen() { line=$((line + 1)); until [ -e "$1/$line" ]; do sleep 0.02; done; }
for n in 1 2 3 4 5 6; do echo out $n; seen "$1"; echo err $n >&2; seen "$1"; done
END"#;
    pod.create_activity(NewActivity::script("turns", script)).await.expect("an activity");
    let lines = tempfile::tempdir().expect("a directory");
    let id =
        pod.start(NewExecution::new("turns").input(lines.path().display().to_string())).await.expect("it is taken");
    let live = in_order(&pod, id, |line| fs::write(lines.path().join(line.to_string()), "").expect("a file")).await;
    let expected: Vec<String> =
        (1..=6).flat_map(|n| [format!("stdout out {n}\n"), format!("stderr err {n}\n")]).collect();
    assert_eq!(live.iter().map(|(text, _)| text.clone()).collect::<Vec<_>>(), expected);
    let done = wait(&pod, id).await;
    pod.shutdown().await;
    let pod = start(dir.path(), Limits::default()).await;
    let after = in_order(&pod, id, |_| {}).await;
    assert_eq!(after.iter().map(|(text, _)| text.clone()).collect::<Vec<_>>(), expected);
    let (started, finished) = (done.started_at.expect("it started").0, done.finished_at.expect("it ended").0);
    assert!(
        after.windows(2).all(|pair| pair[0].1 <= pair[1].1) && after[0].1 < after[11].1,
        "each came later: {after:?}"
    );
    assert!(after.iter().all(|(_, at)| (started..=finished).contains(at)), "{started}, {after:?}, {finished}");
    pod.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_flood_head_and_tail_are_kept_exactly_and_the_gap_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let cap = 4 << 20;
    let pod = start(dir.path(), Limits { output_cap: cap, ..Limits::default() }).await;
    let script = "printf '#!/bin/sh\\nseq -f %%012.0f 1 2000000\\n' > main.sh";
    pod.create_activity(NewActivity::script("flood", script)).await.expect("an activity");
    let id = pod.start(NewExecution::new("flood")).await.expect("it is taken");
    let mut follower = pod.follow(id).await.expect("a follower");
    let (mut at, mut gap) = (0, None);
    let line = |offset: u64, byte: u64| {
        let number = format!("{:012}\n", (offset + byte) / 13 + 1);
        number.as_bytes()[usize::try_from((offset + byte) % 13).expect("small")]
    };
    while let Some(chunk) = timeout(TIMEOUT, follower.next()).await.expect("in time").expect("a chunk") {
        match chunk {
            OutputChunk::Bytes { offset, bytes, .. } => {
                assert_eq!(offset, at, "nothing is missing or repeated");
                for (n, byte) in bytes.iter().enumerate() {
                    assert_eq!(*byte, line(offset, n as u64), "at {offset} + {n}");
                }
                at += bytes.len() as u64;
            }
            OutputChunk::Gap { gap: found, .. } => {
                assert_eq!(found.start, at);
                at = found.end;
                assert_eq!(gap.replace(found), None, "one gap");
            }
            OutputChunk::Ended(done) => assert_eq!(done.status, ExecutionStatus::Finished),
            OutputChunk::NextAttempt(_) => panic!("it was tried again"),
        }
    }
    let total = 2_000_000 * 13;
    assert_eq!(at, total);
    assert_eq!(gap, Some(Gap { start: cap, end: total - (1 << 20) }));
    pod.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_installed_is_there_after_a_restart_and_what_ran_is_run_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let pod = start(dir.path(), Limits::default()).await;
    let installations = dir.path().join("installations");
    let started = dir.path().join("started");
    let script = format!(
        "echo x >> {}\nprintf '#!/bin/sh\\nif [ \"$1\" = stay ] && [ ! -e {1} ]; then touch {1}; exec sleep 1000; fi\\n' > main.sh",
        installations.display(),
        started.display(),
    );
    pod.create_activity(NewActivity::script("once", script)).await.expect("an activity");
    let first = pod.start(NewExecution::new("once")).await.expect("it is taken");
    wait(&pod, first).await;
    let stays = pod.start(NewExecution::new("once").input("stay")).await.expect("it is taken");
    timeout(TIMEOUT, async {
        while !started.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("it runs");
    pod.shutdown().await;
    drop(pod);

    let pod = start(dir.path(), Limits::default()).await;
    let done = wait(&pod, stays).await;
    assert_eq!((done.status, done.attempt), (ExecutionStatus::Finished, AttemptNo(2)));
    let installed = std::fs::read_to_string(installations).expect("a log of installations");
    assert_eq!(installed.lines().count(), 1, "it was not installed again");
    pod.shutdown().await;
}
