//! Builds the components of a manager from its configuration: the data directory lock, the store, the backend.

use std::{path::Path, process::Command, sync::Arc};

use pod_backends::{
    data_dir::DataDirLock,
    docker::{AllDocker, Docker, IsolatedDocker, WorkerBinary},
    local::WorkerProcesses,
    open_files,
    process::RunAs,
    sqlite::SqliteStore,
    swarm::{self, Swarm},
};
use pod_core::store::Store;

use super::error::StartError;
use crate::config::{Config, StoreChoice};

/// Where local workers run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerPlacement {
    /// In processes of their own that outlive this one: for a long-lived manager.
    Processes,
    /// In this process, with which they end: for a manager of a single run.
    ThisProcess,
}

/// Locks the data directory before anything in it is touched.
pub(super) fn hold(config: &Config) -> Result<DataDirLock, StartError> {
    Ok(DataDirLock::acquire(&config.data_dir)?)
}

/// Opens the store that is configured.
pub(super) async fn store(config: &Config) -> Result<Arc<dyn Store>, StartError> {
    match config.store {
        StoreChoice::Sqlite => Ok(Arc::new(SqliteStore::open(&config.data_dir).await?)),
    }
}

/// Workers as containers, each of which runs this program, and as processes whose executions are containers.
pub(super) fn containers(config: &Config) -> Result<AllDocker, StartError> {
    let program = WorkerBinary::of_this_process(&["worker", "--resident"])
        .map_err(|error| StartError::Other(format!("this program cannot be put into containers: {error}")))?;
    Ok(AllDocker::new(Docker::new(&config.data_dir, config.docker.clone(), program), isolated(config)?))
}

/// Workers as tasks of a swarm, each of which runs this program.
pub(super) fn tasks(config: &Config) -> Result<Swarm, StartError> {
    let program = WorkerBinary::of_this_process(&["worker", &format!("--resident={}", swarm::HOME)])
        .map_err(|error| StartError::Other(format!("this program cannot be put into tasks: {error}")))?;
    Swarm::new(&config.data_dir, config.docker.clone(), program).map_err(|error| StartError::Other(error.message))
}

/// Workers as processes of this program, named by its path, which outlasts this process.
pub(super) fn worker_processes(config: &Config) -> Result<WorkerProcesses, StartError> {
    // They inherit what this process has.
    open_files::check(config.slots).map_err(StartError::Other)?;
    let program = std::env::current_exe()
        .map_err(|error| StartError::Other(format!("this program's own file cannot be found: {error}")))?;
    let run_as = config.run_as.as_deref().map(|user| RunAs::find(user, &config.data_dir));
    let run_as = run_as.transpose().map_err(|problem| StartError::Other(format!("--run-as: {problem}")))?;
    let processes = WorkerProcesses::new(&config.data_dir, move |directory: &Path| {
        let mut command = Command::new(&program);
        command.args(["worker", "--local"]).arg(directory);
        if let Some(limit) = open_files::of_programs() {
            command.args(["--programs-open-files", &limit.to_string()]);
        }
        command
    });
    Ok(match run_as {
        Some(run_as) => processes.run_as(run_as),
        None => processes,
    })
}

/// Workers as processes of this program, whose executions are containers.
fn isolated(config: &Config) -> Result<IsolatedDocker, StartError> {
    let program = std::env::current_exe()
        .map_err(|error| StartError::Other(format!("this program's own file cannot be found: {error}")))?;
    Ok(IsolatedDocker::new(&config.data_dir, config.docker.clone(), move |directory: &Path| {
        let mut command = Command::new(&program);
        command.args(["worker", "--isolated", "--local"]).arg(directory);
        command
    }))
}
