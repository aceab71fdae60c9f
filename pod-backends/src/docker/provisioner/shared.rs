//! What the backend holds while it runs: the engine, the settings, and which containers run.

use std::{
    collections::HashMap,
    fmt,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use pod_core::{domain::WorkerId, provisioner::BackendContext};
use tokio_util::sync::DropGuard;

use crate::{
    data_dir::{directory::Directories, lock::DataDirLock},
    docker::{client::engine::Engine, settings::DockerSettings, worker_binary::WorkerBinary},
    join_gateway::JoinGateway,
    worker_locks::WorkerLocks,
};

/// What all that is done to workers needs.
pub(super) struct Shared {
    pub(super) directories: Directories,
    pub(super) engine: Engine,
    pub(super) settings: DockerSettings,
    pub(super) program: WorkerBinary,
    /// Where workers dial over the network; they dial a socket of this machine's file system where there is none.
    pub(super) gateway: Option<JoinGateway>,
    pub(super) context: BackendContext,
    /// The workers whose containers run, each with what ends its socket.
    pub(super) tracked: Mutex<HashMap<WorkerId, Option<DropGuard>>>,
    /// One thing at a time is done to each worker.
    pub(super) turns: WorkerLocks,
    /// The images, by their content's id, that were found to be fit.
    pub(super) images: Mutex<Vec<String>>,
    /// Held for as long as this backend is there.
    pub(super) _lock: DataDirLock,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("directories", &self.directories).finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn tracked(&self) -> MutexGuard<'_, HashMap<WorkerId, Option<DropGuard>>> {
        self.tracked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether workers dial a socket of this machine's file system.
    pub(super) fn dials_here(&self) -> bool {
        self.gateway.is_none()
    }

    pub(super) fn link_dir(&self, worker: WorkerId) -> PathBuf {
        self.directories.of(worker).join("link")
    }
}
