//! The handle that the engine gets.

use std::sync::Arc;

use super::{
    harness::StoreHarness,
    rows::{insert, key, one_running, waiting},
};
use crate::{
    domain::{ExecutionId, Stream},
    store::Store,
    testing::output_store_suite::cases::append,
};

/// What is written through one is read through the other, also output.
pub async fn both_handles_are_of_one_store(rig: &mut StoreHarness) {
    let store = rig.store();
    let engine: Arc<dyn Store> = store.engine_handle().unwrap_or_else(|| store.clone());
    assert_eq!(engine.id(), store.id());
    rig.commit(one_running(1)).await;
    append(rig, key(1, 1), Stream::Stdout, 0, 100).await;
    let read = engine.read_output(key(1, 1), Stream::Stdout, 0, 1000).await.expect("output");
    assert_eq!(read.bytes.len(), 100);
    let batch = rig.batch(vec![insert(waiting(2, 1))]);
    engine.commit(Arc::new(batch)).await.expect("the engine's handle has the same lease");
    assert!(store.execution(ExecutionId(2)).await.expect("an answer").is_some());
    assert!(engine.has_room().await, "an empty store has room");
    engine.quiesce().await;
    assert_eq!(store.load().await.expect("a snapshot"), engine.load().await.expect("it stays usable"));
}
