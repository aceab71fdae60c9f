//! A database that is a copy, put into the place of a newer one: numbers of workers and of events are never handed out
//! twice. Nothing else is taken for one.
#![cfg(feature = "sqlite")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use pod_backends::sqlite::SqliteStore;
use pod_core::{
    domain::{Millis, WorkerId},
    store::{Acquisition, Holder, Store},
};
use tempfile::TempDir;

/// Starts and ends; tells of which history its workers are, and the newest event.
async fn started(dir: &Path) -> (u64, u64) {
    let store = SqliteStore::open(dir).await.unwrap();
    let ids = store.load().await.unwrap().id_sequences;
    store.quiesce().await;
    (WorkerId(ids.worker).history(), ids.event)
}

fn marks(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let is_mark = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("pod.db-mark-");
    entries.filter(is_mark).collect()
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

#[tokio::test]
async fn a_store_that_is_only_started_again_goes_on() {
    let dir = TempDir::new().unwrap();
    for _ in 0..3 {
        assert_eq!(started(dir.path()).await, (0, 0));
        assert_eq!(marks(dir.path()).len(), 1);
    }
}

#[tokio::test]
async fn workers_and_events_of_a_copy_are_of_a_history_that_never_was() {
    let (dir, backup) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    started(dir.path()).await;
    copy(dir.path(), backup.path());
    started(dir.path()).await;
    // The bytes of the database alone, over those of the newer one.
    fs::copy(backup.path().join("pod.db"), dir.path().join("pod.db")).unwrap();
    let first = started(dir.path()).await;
    assert!(first.0 > 0 && first.1 > 0, "{first:?}");
    assert_eq!(started(dir.path()).await, first, "that is noticed once");
    // The same copy once more, with its mark, which lies beside the newer one then.
    copy(backup.path(), dir.path());
    let second = started(dir.path()).await;
    assert!(second.0 > 0, "{second:?}");
    // In another place, as where a whole directory is replaced: another file.
    let elsewhere = TempDir::new().unwrap();
    copy(backup.path(), elsewhere.path());
    let third = started(elsewhere.path()).await;
    assert!(third.0 > 0, "{third:?}");
    // What is drawn may be the same once in a thousand times; twice is no chance.
    assert!(first.0 != second.0 || second.0 != third.0, "each has numbers of its own");
}

#[tokio::test]
async fn who_held_the_newer_one_does_not_hold_the_copy() {
    let (dir, backup) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let store = SqliteStore::open(dir.path()).await.unwrap();
    store.acquire(&Holder::new("one"), Millis(60_000)).await.unwrap().acquired().unwrap();
    store.quiesce().await;
    copy(dir.path(), backup.path());
    drop(store);
    started(dir.path()).await;
    copy(backup.path(), dir.path());
    let store = SqliteStore::open(dir.path()).await.unwrap();
    let other = store.acquire(&Holder::new("another"), Millis(60_000)).await.unwrap();
    assert!(matches!(other, Acquisition::Acquired(_)), "{other:?}");
}

/// Wherever a start is cut short, the next one goes on: its workers must not be given up for that.
#[tokio::test]
async fn a_start_that_is_cut_short_is_no_restoration() {
    let dir = TempDir::new().unwrap();
    started(dir.path()).await;
    let beside = |name: &str| dir.path().join(format!("pod.db-mark-{name}"));
    // Before the database named its mark.
    fs::write(beside("b6ab1a36-7f0d-4a5c-9d67-000000000000.new"), "").unwrap();
    assert_eq!(started(dir.path()).await, (0, 0));
    assert_eq!(marks(dir.path()).len(), 1, "what was left is taken away");
    // Before the mark of the start before it was deleted, and before its own got its name.
    for leaves_the_old_one in [true, false] {
        let [mark] = &marks(dir.path())[..] else { panic!("{:?}", marks(dir.path())) };
        fs::rename(mark, format!("{}.new", mark.display())).unwrap();
        if leaves_the_old_one {
            fs::write(beside("b6ab1a36-7f0d-4a5c-9d67-000000000001"), "").unwrap();
        }
        assert_eq!(started(dir.path()).await, (0, 0));
    }
}

#[tokio::test]
async fn a_mark_that_somebody_deletes_says_that_it_is_a_copy() {
    let dir = TempDir::new().unwrap();
    started(dir.path()).await;
    for mark in marks(dir.path()) {
        fs::remove_file(mark).unwrap();
    }
    assert!(started(dir.path()).await.0 > 0);
}
