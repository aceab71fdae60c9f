//! What only the SQLite store promises: its files.

use std::sync::Arc;

use bytes::Bytes;
use pod_backends::store::sqlite::SqliteStore;
use pod_core::{
    domain::{AttemptKey, AttemptNo, ExecutionId, Stream, Timestamp},
    store::{Batch, Store, StoreError},
};

fn key() -> AttemptKey {
    AttemptKey { execution: ExecutionId(1), attempt: AttemptNo(1) }
}

#[tokio::test]
async fn a_store_keeps_its_identity_and_fences_the_earlier_holder() {
    let dir = tempfile::tempdir().unwrap();
    let first = SqliteStore::open(dir.path()).await.unwrap();
    let old = first.acquire(Timestamp(1)).await.unwrap();
    let second = SqliteStore::open(dir.path()).await.unwrap();
    assert_eq!(first.id(), second.id());
    let new = second.acquire(Timestamp(2)).await.unwrap();
    let batch = |epoch| Arc::new(Batch { seq: 1, epoch, ..Batch::default() });
    assert!(matches!(first.commit(batch(old.epoch)).await, Err(StoreError::Fenced)));
    second.commit(batch(new.epoch)).await.unwrap();
    second.commit(batch(new.epoch)).await.unwrap(); // sent again: not applied again
}

#[tokio::test]
async fn a_file_that_is_not_a_database_is_refused_with_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("pod.db"), vec![b'x'; 8192]).unwrap();
    let error = SqliteStore::open(dir.path()).await.unwrap_err();
    assert!(error.to_string().contains("cannot be used"), "{error}");
}

#[tokio::test]
async fn large_output_is_on_the_disk_and_small_output_waits() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    store.append_output(key(), Stream::Stderr, 0, Bytes::from_static(b"small")).await.unwrap();
    store.append_output(key(), Stream::Stdout, 0, vec![7; 100_000].into()).await.unwrap();
    let durable = store.sync_output(key()).await.unwrap();
    assert_eq!((durable.stdout, durable.stderr), (100_000, 0));
    let hole = store.append_output(key(), Stream::Stdout, 100_001, Bytes::from_static(b"x")).await;
    assert!(matches!(hole, Err(StoreError::Gap { expected: 100_000, .. })));
    // A manager that starts again goes on where the file ends; what was in memory comes again.
    let again = SqliteStore::open(dir.path()).await.unwrap();
    again.append_output(key(), Stream::Stdout, 100_000, Bytes::from_static(b"more")).await.unwrap();
    let slice = again.read_output(key(), Stream::Stdout, 99_999, 100).await.unwrap();
    assert_eq!(&slice.bytes[..], b"\x07more");
}
