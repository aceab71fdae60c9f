//! A data directory of an earlier version is taken over as it is.
#![cfg(all(feature = "local", feature = "sqlite", target_os = "linux"))]

use std::path::Path;

use bytes::Bytes;
use pod_backends::{local::InProcessWorkers, sqlite::SqliteStore};
use pod_core::{
    OutputChunk, Pod,
    domain::{AttemptKey, AttemptNo, ExecutionId, GiveUp, Outcome, RevisionPurpose, Stream, WorkerId},
    store::{OutputStore, Store},
};
use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

/// Before the order of output was kept: one execution that has ended, one with long output, and one that runs.
const ROWS: &str = "
    PRAGMA application_id = 0x504f4431;
    PRAGMA user_version = 2;
    INSERT INTO lease VALUES (1, '67e55044-10b1-426f-9247-bb680e5fe0c8', 3, 9, 1, 3, 1, 0, 0, 0, 0);
    INSERT INTO activities (id, name, created_at, status) VALUES (1, 'a', 5, '\"verifying\"');
    INSERT INTO executions VALUES
        (1, 1, 2, 0, 5, 5, 6, 9, 1, 1, 0, 0, 0, NULL, 0, 0, NULL, 0, NULL),
        (2, 1, 2, 0, 5, 5, 6, 9, 1, 1, 0, 0, 0, NULL, 0, 0, NULL, 0, NULL),
        (3, 1, 1, 0, 5, 5, 6, NULL, 1, 1, 0, 0, 0, NULL, NULL, NULL, NULL, 0, NULL);
    INSERT INTO attempts (key, revision, worker, assigned_at, started_at, ended_at, ending, ending_code,
        stdout_len, stdout, stderr_len, stderr) VALUES
        ((1 << 20) + 1, 1, 1, 5, 6, 9, 0, 0, 5, CAST('right' AS BLOB), 5, CAST('wrong' AS BLOB)),
        ((2 << 20) + 1, 1, 1, 5, 6, 9, 0, 0, 70000, NULL, 3, CAST('bad' AS BLOB)),
        ((3 << 20) + 1, 1, 1, 5, 6, NULL, NULL, NULL, 0, NULL, 0, NULL);";

async fn of_version_two(dir: &Path) {
    let options = SqliteConnectOptions::new().filename(dir.join("pod.db")).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    for sql in [include_str!("../src/sqlite/migrations/1.sql"), include_str!("../src/sqlite/migrations/2.sql"), ROWS] {
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    let output = dir.join("output/0");
    std::fs::create_dir_all(&output).unwrap();
    std::fs::write(output.join("2.1.stdout"), vec![b'x'; 70_000]).unwrap();
}

const fn key(execution: u64) -> AttemptKey {
    AttemptKey { execution: ExecutionId(execution), attempt: AttemptNo(1) }
}

#[tokio::test]
async fn why_an_execution_ended_is_read_as_the_sentence_of_before() {
    let dir = TempDir::new().unwrap();
    of_version_two(dir.path()).await;
    let rows = "INSERT INTO executions VALUES
        (4, 1, 3, 0, 5, 5, 6, 9, 2, 7, 0, 1, 0, NULL, 4, NULL, 'the activity was deleted', 0, NULL),
        (5, 1, 3, 0, 5, 5, 6, 9, 2, 7, 0, 0, 0, NULL, 6, NULL, 'worker 7 left', 0, NULL);
        UPDATE lease SET last_execution = 5;";
    let mut connection = SqliteConnectOptions::new().filename(dir.path().join("pod.db")).connect().await.unwrap();
    sqlx::raw_sql(rows).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    let endings = [
        (4, Outcome::Aborted(GiveUp::Said { sentence: "the activity was deleted".into() })),
        (5, Outcome::WorkerLeft { worker: WorkerId(7), attempt: AttemptNo(2) }),
    ];
    for (id, ending) in endings {
        let found = store.execution(ExecutionId(id)).await.unwrap().expect("it is there");
        assert_eq!(found.outcome, Some(ending));
    }
}

#[tokio::test]
async fn output_of_before_is_there_and_what_runs_goes_on() {
    let dir = TempDir::new().unwrap();
    of_version_two(dir.path()).await;
    let store = SqliteStore::open(dir.path()).await.unwrap();
    for id in 1..=3 {
        assert!(store.read_interleaving(key(id), 0, 100).await.unwrap().is_empty());
    }
    assert_eq!(store.output_summary(key(2)).await.unwrap().stdout.len, 70_000);
    assert_eq!(&store.read_output(key(1), Stream::Stderr, 0, 100).await.unwrap().bytes[..], b"wrong");
    store.append_interleaving(key(3), 0, Bytes::from_static(&[10, 0])).await.expect("an attempt that was open is");
    store.append_output(key(3), Stream::Stdout, 0, Bytes::from_static(b"later")).await.unwrap();
    assert_eq!(&store.read_interleaving(key(3), 0, 100).await.unwrap()[..], [10, 0]);
    drop(store);
    // And once more: the migration is not done twice.
    SqliteStore::open(dir.path()).await.unwrap();
}

/// Executions of before were bound to nothing: what ran keeps what it ran, what waits gets what it would have run.
#[tokio::test]
async fn executions_of_before_are_bound_to_a_revision() {
    let dir = TempDir::new().unwrap();
    of_version_two(dir.path()).await;
    let revision = |no: u32, status: &str, source: &str| {
        format!(
            r#"INSERT INTO revisions VALUES (1, {no}, '{{"activity":1,"no":{no},"created_at":5,"source":"{source}",
               "settings":{{}},"status":"{status}","error":null,"sha256":"ab"}}');"#
        )
    };
    // Waiting: one that never ran, one whose attempt ran a revision that is there, and one whose revision is gone.
    let rows = [
        revision(2, "approved", "directory"),
        revision(3, "approved", "inline"),
        revision(4, "verifying", "inline"),
        "INSERT INTO executions VALUES
            (4, 1, 0, 0, 5, 5, NULL, NULL, 0, NULL, 0, 0, 0, NULL, NULL, NULL, NULL, 0, NULL),
            (5, 1, 0, 0, 5, 5, NULL, NULL, 1, 1, 1, 0, 0, NULL, NULL, NULL, NULL, 0, NULL),
            (6, 1, 0, 0, 5, 5, NULL, NULL, 1, 1, 1, 0, 0, NULL, NULL, NULL, NULL, 0, NULL);
        INSERT INTO attempts (key, revision, worker, assigned_at, started_at, ended_at, ending, ending_code) VALUES
            ((5 << 20) + 1, 2, 1, 5, 6, 9, 0, 1), ((6 << 20) + 1, 1, 1, 5, 6, 9, 0, 1);
        UPDATE lease SET last_execution = 6;"
            .to_owned(),
    ];
    let mut connection = SqliteConnectOptions::new().filename(dir.path().join("pod.db")).connect().await.unwrap();
    for sql in rows {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    for (id, revision) in [(1, 1), (2, 1), (3, 1), (4, 3), (5, 2), (6, 3)] {
        let execution = store.execution(ExecutionId(id)).await.unwrap().unwrap();
        assert_eq!(execution.revision.0, revision, "execution {id}");
    }
    let record = store.load().await.unwrap().activities.remove(0);
    let tallies: Vec<_> =
        record.revision_counters.iter().map(|tally| (tally.revision.0, tally.waiting, tally.kept)).collect();
    assert_eq!(tallies, [(2, 1, 1), (3, 2, 2), (4, 0, 0)]);
    let purposes: Vec<_> = record.revisions.iter().map(|revision| revision.purpose).collect();
    assert_eq!(purposes, [RevisionPurpose::Run, RevisionPurpose::Put, RevisionPurpose::Put]);
}

#[tokio::test]
async fn without_an_order_stdout_is_followed_by_stderr() {
    let dir = TempDir::new().unwrap();
    of_version_two(dir.path()).await;
    let store = SqliteStore::open(dir.path()).await.unwrap();
    let pod = Pod::builder()
        .store(store)
        .backend(InProcessWorkers::new(dir.path().join("workers")).slots(1))
        .start()
        .await
        .unwrap();
    for (id, expected) in
        [(1, vec![(Stream::Stdout, 5), (Stream::Stderr, 5)]), (2, vec![(Stream::Stdout, 70_000), (Stream::Stderr, 3)])]
    {
        let mut follower = pod.follow(ExecutionId(id)).await.unwrap();
        let mut read: Vec<(Stream, usize)> = Vec::new();
        while let Some(chunk) = follower.next().await.unwrap() {
            let OutputChunk::Bytes { stream, bytes, at, .. } = chunk else { continue };
            assert_eq!(at, None, "nobody knows when it came");
            match read.last_mut() {
                Some((last, len)) if *last == stream => *len += bytes.len(),
                _ => read.push((stream, bytes.len())),
            }
        }
        assert_eq!(read, expected);
    }
    pod.shutdown().await;
}
