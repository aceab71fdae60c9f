//! What a configured manager is made of: the data directory, held; the store and the workers in it.

use std::{path::Path, process::Command, sync::Arc};

use pod_backends::{
    provisioner::local::{DataDirLock, Local, LocalProcesses},
    store::sqlite::SqliteStore,
};
use pod_core::{provisioner::Backend, store::Store};

use super::StartError;
use crate::config::{BackendChoice, Config, StoreChoice};

/// Where local workers live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerHome {
    /// In processes of their own, which outlive this one: for a manager that stays.
    Processes,
    /// In this process, with which they end: for a manager that is there for one run.
    ThisProcess,
}

/// Takes the data directory, before anything in it is touched.
pub(super) fn hold(config: &Config) -> Result<DataDirLock, StartError> {
    Ok(DataDirLock::acquire(&config.data_dir)?)
}

/// Opens the store that is configured.
pub(super) async fn store(config: &Config) -> Result<Arc<dyn Store>, StartError> {
    match config.store {
        StoreChoice::Sqlite => Ok(Arc::new(SqliteStore::open(&config.data_dir).await?)),
    }
}

/// The workers that are configured.
pub(super) fn backend(config: &Config, home: WorkerHome) -> Result<Box<dyn Backend>, StartError> {
    match (config.backend, home) {
        (BackendChoice::Local, WorkerHome::ThisProcess) => Ok(Box::new(Local::new(&config.data_dir))),
        (BackendChoice::Local, WorkerHome::Processes) => {
            let program = std::env::current_exe()
                .map_err(|error| StartError::Other(format!("the pod binary cannot be found for workers: {error}")))?;
            let worker = move |directory: &Path| {
                let mut command = Command::new(&program);
                command.args(["worker", "--local"]).arg(directory);
                command
            };
            Ok(Box::new(LocalProcesses::new(&config.data_dir, worker)))
        }
    }
}
