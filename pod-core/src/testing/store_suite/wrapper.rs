//! What a store that wraps another one does with what is asked of it by the engine.

use std::sync::Arc;

use super::harness::{TTL, acquire};
use crate::{
    domain::Timestamp,
    store::{Batch, Store},
};

/// Whether what the engine does passes through a wrapper: commits an empty batch in the engine's way, and looks whether
/// `count` has grown. It takes the lease of the store, so no engine may be running on it.
///
/// # Panics
///
/// When the store cannot be used.
pub async fn passes_through(store: Arc<dyn Store>, count: impl Fn() -> u64) -> bool {
    let engine = store.engine_handle().unwrap_or_else(|| store.clone());
    let before = count();
    let epoch = acquire(&*engine, "suite", TTL).await.epoch;
    engine.commit(Arc::new(Batch { seq: 1, epoch, at: Timestamp(1), ..Batch::default() })).await.expect("a commit");
    count() > before
}
