//! What executions and installations need.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::runtime::Handle;

use super::{
    environment::Environment,
    installed::Installations,
    layout::{Installed, Key, Layout},
    memory::MemoryWatch,
    spawner_handle::SpawnerHandle,
};

/// The executor, as what runs and what is installed know it.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) layout: Layout,
    pub(super) environment: Environment,
    pub(super) spawner: SpawnerHandle,
    pub(super) slots: u32,
    pub(super) memory: Arc<MemoryWatch>,
    /// What is completely installed.
    pub(super) installed: Arc<Installations<Installed>>,
    /// Held while an installation is made or deleted.
    pub(super) busy: Mutex<HashMap<Key, Arc<tokio::sync::Mutex<()>>>>,
    pub(super) runtime: Handle,
}

impl Shared {
    /// Waits until nobody else changes this installation.
    pub(super) async fn claim(&self, key: Key) -> tokio::sync::OwnedMutexGuard<()> {
        let lock = {
            let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
            busy.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(busy.entry(key).or_default())
        };
        lock.lock_owned().await
    }
}
