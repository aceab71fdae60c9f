//! What only the SQLite store promises: its files.

use std::sync::Arc;

use pod_backends::store::sqlite::SqliteStore;
use pod_core::{
    domain::Timestamp,
    store::{Batch, Store, StoreError},
};

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
    assert!(error.to_string().contains("is not a database"), "{error}");
}
