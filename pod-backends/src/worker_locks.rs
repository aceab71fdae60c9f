//! One thing at a time is done to each worker: made, adopted, destroyed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use pod_core::domain::WorkerId;
use tokio::sync::Mutex as Turn;

/// Whose turn it is, per worker.
#[derive(Debug, Default)]
pub(crate) struct WorkerLocks(Mutex<HashMap<WorkerId, Arc<Turn<()>>>>);

impl WorkerLocks {
    /// What is to be locked before something is done to that worker.
    pub(crate) fn of(&self, worker: WorkerId) -> Arc<Turn<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(worker).or_default().clone()
    }

    /// Nothing will be done to that worker any more.
    pub(crate) fn forget(&self, worker: WorkerId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&worker);
    }
}
