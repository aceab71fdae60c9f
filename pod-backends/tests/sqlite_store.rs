//! The SQLite store is what the suite says a store is.
#![cfg(feature = "sqlite")]

use std::{path::PathBuf, sync::Arc};

use pod_backends::sqlite::SqliteStore;
use pod_core::store::Store;

async fn open(dir: PathBuf) -> Arc<dyn Store> {
    Arc::new(SqliteStore::open(&dir).await.expect("the store opens"))
}

pod_core::store_suite!(open);

mod output_store {
    use pod_core::testing::{output_store_suite::Harness, store_suite::StoreHarness};

    async fn harness() -> Box<dyn Harness> {
        Box::new(StoreHarness::open(|dir| Box::pin(super::open(dir))).await)
    }

    pod_core::output_store_suite!(harness);
}
