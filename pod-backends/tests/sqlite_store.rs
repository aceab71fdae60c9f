//! The SQLite store is what the suite says a store is.
#![cfg(feature = "sqlite")]

use std::{path::PathBuf, sync::Arc};

use pod_backends::sqlite::SqliteStore;
use pod_core::store::Store;

async fn open(dir: PathBuf) -> Arc<dyn Store> {
    Arc::new(SqliteStore::open(&dir).await.expect("the store opens"))
}

pod_core::store_suite!(open);
