//! What the backend holds while it runs: the engine, the settings, and which tasks run.

use std::{
    collections::HashSet,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use pod_core::{domain::WorkerId, provisioner::BackendContext};

use super::{address::Address, nodes::FailedNodes};
use crate::{
    data_dir::{directory::Directories, lock::DataDirLock},
    docker::{client::engine::Engine, settings::DockerSettings},
    join_gateway::JoinGateway,
    worker_locks::WorkerLocks,
};

/// As the command line, and the rows of its workers, call this backend.
pub(crate) const NAME: &str = "swarm";
/// The part of a data directory with its workers.
pub(crate) const TASKS: &str = "swarm";

/// What all that is done to workers needs.
pub(super) struct Shared {
    pub(super) directories: Directories,
    pub(super) engine: Engine,
    pub(super) settings: DockerSettings,
    pub(super) address: Address,
    pub(super) gateway: JoinGateway,
    pub(super) context: BackendContext,
    /// The workers whose tasks run, as far as is known.
    pub(super) tracked: Mutex<HashSet<WorkerId>>,
    pub(super) failed_nodes: FailedNodes,
    /// One thing at a time is done to each worker.
    pub(super) turns: WorkerLocks,
    /// Held for as long as this backend is there.
    pub(super) _lock: DataDirLock,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("directories", &self.directories).finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn tracked(&self) -> MutexGuard<'_, HashSet<WorkerId>> {
        self.tracked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
