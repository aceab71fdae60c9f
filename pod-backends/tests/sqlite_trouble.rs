//! What the SQLite store says when it cannot be opened, and what it still does on a full disk.
#![cfg(feature = "sqlite")]

use std::{fs, path::Path, process::Command, sync::Arc, time::Duration};

use bytes::Bytes;
use pod_backends::sqlite::SqliteStore;
use pod_core::{
    domain::{
        ActivityId, Attempt, AttemptKey, AttemptNo, AttemptOutcome, Epoch, Execution, ExecutionId, ExecutionStatus,
        Millis, Outcome, OutputSummary, RevisionNo, Stream, Timestamp, WorkerId,
    },
    store::{Batch, Change, ExecutionQuery, ExecutionUpdate, Holder, OutputStore, Store, StoreError},
};
use tempfile::TempDir;

async fn refusal(dir: &Path) -> String {
    match SqliteStore::open(dir).await {
        Err(StoreError::Incompatible(sentence)) => sentence.to_string(),
        other => panic!("expected that it cannot be opened, got {other:?}"),
    }
}

#[tokio::test]
async fn a_file_that_is_not_a_database_is_named() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("pod.db"), "this is a letter, not a database".repeat(100)).unwrap();
    let sentence = refusal(dir.path()).await;
    assert!(sentence.contains("pod.db is not a database"), "{sentence}");
    assert!(fs::read_to_string(dir.path().join("pod.db")).unwrap().starts_with("this is a letter"));
}

#[tokio::test]
async fn a_database_of_another_program_is_left_alone() {
    let dir = TempDir::new().unwrap();
    raw(dir.path(), "CREATE TABLE theirs (x)").await;
    let sentence = refusal(dir.path()).await;
    assert!(sentence.contains("a database of another program"), "{sentence}");
}

#[tokio::test]
async fn a_newer_database_is_left_alone() {
    let dir = TempDir::new().unwrap();
    drop(SqliteStore::open(dir.path()).await.unwrap());
    raw(dir.path(), "PRAGMA user_version = 99").await;
    let sentence = refusal(dir.path()).await;
    assert!(sentence.contains("newer version of POD (schema 99"), "{sentence}");
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_named() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let sentence = refusal(&file.join("data")).await;
    assert!(sentence.contains("file/data cannot be made"), "{sentence}");
}

#[tokio::test]
async fn a_store_at_rest_is_one_file() {
    let dir = TempDir::new().unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    let epoch = store.acquire(&Holder::new("test"), Millis(60_000)).await.unwrap().acquired().unwrap().epoch;
    let mut writer = Writer { store, epoch, seq: 0 };
    writer.commit(begin(1, 10)).await.unwrap();
    writer.store.quiesce().await;
    let copy = TempDir::new().unwrap();
    fs::copy(dir.path().join("pod.db"), copy.path().join("pod.db")).unwrap();
    let copied = SqliteStore::open(copy.path()).await.unwrap();
    assert!(copied.execution(ExecutionId(1)).await.unwrap().is_some());
    writer.commit(begin(2, 10)).await.expect("it stays usable");
}

async fn raw(dir: &Path, statement: &'static str) {
    use sqlx::{ConnectOptions, Connection};
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(dir.join("pod.db")).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    sqlx::query(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// A store that holds so many executions with long inputs, at rest.
async fn filled(dir: &Path, count: u64) {
    let store = SqliteStore::open(dir).await.unwrap();
    let epoch = store.acquire(&Holder::new("test"), Millis(60_000)).await.unwrap().acquired().unwrap().epoch;
    let mut writer = Writer { store, epoch, seq: 0 };
    for id in 1..=count {
        writer.commit(begin(id, 50_000)).await.unwrap();
        writer.commit(conclude(id)).await.unwrap();
    }
    writer.store.quiesce().await;
}

#[tokio::test]
async fn a_damaged_database_is_told_with_what_to_do() {
    let dir = TempDir::new().unwrap();
    filled(dir.path(), 20).await;
    let whole = fs::read(dir.path().join("pod.db")).unwrap();
    let garbled = |from: usize, length: usize| {
        let mut bytes = whole.clone();
        bytes[from..from + length].fill(0xa5);
        bytes
    };
    for (name, bytes) in [
        ("cut in the middle", whole[..whole.len() / 2].to_vec()),
        ("cut behind its first page", whole[..4096].to_vec()),
        ("overwritten from its second page on", garbled(4096, whole.len() - 4096)),
    ] {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("pod.db"), &bytes).unwrap();
        let said = match SqliteStore::open(dir.path()).await {
            Err(refused) => refused,
            // It is found where it is looked at.
            Ok(store) => match store.acquire(&Holder::new("test"), Millis(60_000)).await {
                Err(refused) => refused,
                Ok(_) => store.executions(ExecutionQuery::default()).await.expect_err(name),
            },
        };
        let StoreError::Incompatible(sentence) = &said else { panic!("{name}: {said:?}") };
        assert!(sentence.contains("damaged") && sentence.contains(".recover"), "{name}: {sentence}");
    }
}

#[tokio::test]
async fn what_was_deleted_is_given_back_to_the_disk_a_part_at_a_time() {
    let dir = TempDir::new().unwrap();
    let count = 400;
    filled(dir.path(), count).await;
    let length = || fs::metadata(dir.path().join("pod.db")).unwrap().len();
    let full = length();
    assert!(full > count * 50_000, "{full}");
    let store = SqliteStore::open(dir.path()).await.unwrap();
    let epoch = store.acquire(&Holder::new("test"), Millis(60_000)).await.unwrap().acquired().unwrap().epoch;
    let mut writer = Writer { store, epoch, seq: 0 };
    writer.commit(vec![Change::DeleteExecutions((1..count).map(ExecutionId).collect())]).await.unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while length() > full / 4 {
        assert!(tokio::time::Instant::now() < deadline, "{} of {full} bytes are kept", length());
        // As a manager asks now and then.
        assert!(writer.store.has_room().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(writer.store.execution(ExecutionId(count)).await.unwrap().is_some(), "what was not deleted is there");
}

/// A small disk, which takes a privileged user to make.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let dir = TempDir::new().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"]).arg(dir.path()).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("--lazy").arg(self.0.path()).status().ok();
    }
}

struct Writer {
    store: SqliteStore,
    epoch: Epoch,
    seq: u64,
}

impl Writer {
    /// Nothing where that cannot be made.
    async fn on_small_disk() -> Option<(SmallDisk, Self)> {
        let Some(disk) = SmallDisk::mount() else {
            eprintln!("skipped: only a privileged user can make a small disk");
            return None;
        };
        let store = SqliteStore::open(disk.0.path()).await.unwrap();
        let epoch = store.acquire(&Holder::new("test"), Millis(60_000)).await.unwrap().acquired().unwrap().epoch;
        Some((disk, Self { store, epoch, seq: 0 }))
    }

    async fn commit(&mut self, changes: Vec<Change>) -> Result<(), StoreError> {
        let batch = Batch { seq: self.seq + 1, epoch: self.epoch, changes, ..Batch::default() };
        self.store.commit(Arc::new(batch)).await?;
        self.seq += 1;
        Ok(())
    }
}

fn running(id: u64, input: usize) -> Execution {
    Execution {
        status: ExecutionStatus::Running,
        attempt: AttemptNo(1),
        worker: Some(WorkerId(1)),
        ..Execution::waiting(
            ExecutionId(id),
            ActivityId(1),
            RevisionNo(1),
            Some("x".repeat(input).into()),
            Timestamp(1),
        )
    }
}

fn key(id: u64) -> AttemptKey {
    AttemptKey { execution: ExecutionId(id), attempt: AttemptNo(1) }
}

fn begin(id: u64, input: usize) -> Vec<Change> {
    let attempt = Attempt {
        key: key(id),
        revision: RevisionNo(1),
        worker: WorkerId(1),
        assigned_at: Timestamp(1),
        started_at: None,
        ended_at: None,
        end: None,
        output: OutputSummary::default(),
    };
    vec![Change::InsertExecution(Arc::new(running(id, input))), Change::OpenAttempt(attempt)]
}

fn conclude(id: u64) -> Vec<Change> {
    let mut ended = running(id, 0);
    (ended.status, ended.outcome, ended.finished_at) =
        (ExecutionStatus::Finished, Some(Outcome::Exited(0)), Some(Timestamp(2)));
    let end = AttemptOutcome::Exited(0);
    vec![
        Change::EndAttempt { key: key(id), started_at: None, ended_at: Timestamp(2), end },
        Change::UpdateExecution(ExecutionUpdate::from(&ended)),
    ]
}

#[tokio::test]
async fn a_full_disk_refuses_submits_and_output_and_still_takes_ends_and_deletions() {
    let Some((_disk, mut writer)) = Writer::on_small_disk().await else { return };
    let mut last = 0;
    let refused = loop {
        match writer.commit(begin(last + 1, 200_000)).await {
            Ok(()) => last += 1,
            Err(refused) => break refused,
        }
        assert!(last < 1000, "the disk never fills");
    };
    assert!(matches!(refused, StoreError::Full(_)), "{refused:?}");
    assert!(last > 10, "full after {last}");
    let refused = writer.commit(begin(last + 1, 10)).await;
    assert!(matches!(refused, Err(StoreError::Full(_))), "a submit was taken on a full disk: {refused:?}");
    let output = writer.store.append_output(key(1), Stream::Stdout, 0, Bytes::from(vec![7; 1 << 20])).await;
    assert!(matches!(output, Err(StoreError::Full(_))), "output was taken on a full disk: {output:?}");
    assert!(!writer.store.has_room().await);
    let small = writer.store.append_output(key(2), Stream::Stdout, 0, Bytes::from_static(b"small")).await;
    small.expect("what goes into the row of its end has its space in the reserve");
    for id in 1..=last {
        writer.commit(conclude(id)).await.unwrap_or_else(|error| panic!("the end of {id} was refused: {error}"));
    }
    let kept = writer.store.read_output(key(2), Stream::Stdout, 0, 100).await.unwrap();
    assert_eq!(&kept.bytes[..], b"small");
    let all = (1..=last).map(ExecutionId).collect();
    writer.commit(vec![Change::DeleteExecutions(all)]).await.expect("deletions are taken");
    // Room comes back to new executions.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while !writer.store.has_room().await {
        assert!(tokio::time::Instant::now() < deadline, "there is still no room");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    writer.commit(begin(last + 1, 10)).await.expect("a submit is taken again");
}

#[tokio::test]
async fn submits_are_refused_before_the_reserve_is_needed_where_output_finds_no_space() {
    let Some((disk, mut writer)) = Writer::on_small_disk().await else { return };
    writer.commit(begin(1, 10)).await.unwrap();
    assert!(writer.store.has_room().await);
    let output = writer.store.append_output(key(1), Stream::Stdout, 0, Bytes::from(vec![7; 30 << 20])).await;
    assert!(matches!(output, Err(StoreError::Full(_))), "the disk never fills: {output:?}");
    assert!(!writer.store.has_room().await);
    assert!(matches!(writer.commit(begin(2, 10)).await, Err(StoreError::Full(_))));
    assert_eq!(fs::metadata(disk.0.path().join("reserve")).unwrap().len(), 4 << 20, "the reserve is for ends");
    writer.commit(conclude(1)).await.expect("an end is taken");
}
