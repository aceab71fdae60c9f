//! The in-memory store is what the suite says a store is.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use pod_core::store::{MemoryStore, Store};

/// The stores that were made, by the directory in which a durable one would be.
static STORES: Mutex<Option<HashMap<PathBuf, MemoryStore>>> = Mutex::new(None);

async fn open(dir: PathBuf) -> Arc<dyn Store> {
    let mut stores = STORES.lock().expect("no test panics here");
    let store = stores.get_or_insert_default().entry(dir).or_default().clone();
    store.lose_unsynced_output();
    Arc::new(store)
}

pod_core::store_suite!(open);

mod output_store {
    use pod_core::testing::{output_store_suite::Harness, store_suite::StoreHarness};

    async fn harness() -> Box<dyn Harness> {
        Box::new(StoreHarness::open(|dir| Box::pin(super::open(dir))).await)
    }

    pod_core::output_store_suite!(harness);
}
