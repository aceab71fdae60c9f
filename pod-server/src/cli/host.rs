//! Hosting a manager in this process: for `pod serve`, and for the length of a single run.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use pod_backends::{
    provisioner::local::{DataDirError, DataDirLock, LocalProcesses, end_worker_processes},
    store::sqlite::SqliteStore,
};
use pod_core::PodError;
use pod_server::{
    config::Config,
    serve::{Manager, Parts, Running},
};

use super::failure::Failure;

/// A manager that runs in this process.
#[derive(Debug)]
pub(crate) struct Hosted {
    running: Running,
    data_dir: PathBuf,
    /// Held until the manager has stopped.
    _lock: DataDirLock,
}

/// What became of an attempt to host a manager.
#[derive(Debug)]
pub(crate) enum Hosting {
    /// It runs.
    Here(Box<Hosted>),
    /// Another process holds the data directory.
    Held(DataDirError),
}

/// What becomes of the workers on this machine when their manager stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workers {
    /// They go on, and are taken on again by the next manager.
    Stay,
    /// They end, unless something runs or waits that someone else wants: then they stay.
    EndIfIdle,
    /// They end at once, with whatever they run.
    EndAtOnce,
}

/// Starts a manager as configured; it accepts requests when this returns.
pub(crate) async fn start(config: &Config) -> Result<Hosting, Failure> {
    let data_dir = config.data_dir.as_path();
    let mut lock = match DataDirLock::acquire(data_dir) {
        Ok(lock) => lock,
        Err(held @ DataDirError::Held { .. }) => return Ok(Hosting::Held(held)),
        Err(error) => return Err(Failure::new(error.to_string())),
    };
    let store = SqliteStore::open(data_dir).await.map_err(|error| Failure::new(error.to_string()))?;
    let backend = LocalProcesses::new(data_dir, worker_command()?);
    let parts = Parts { store: Arc::new(store), backend };
    let manager = Manager::start(config, parts).await.map_err(|error| Failure::new(error.to_string()))?;
    let pod = manager.pod.clone();
    let running = match manager.listen(config).await {
        Ok(running) => running,
        Err(error) => {
            pod.shutdown().await;
            return Err(Failure::new(error.to_string()));
        }
    };
    lock.set_address(&format!("http://{}", running.address))
        .map_err(|error| Failure::new(format!("{} cannot be written: {error}", data_dir.display())))?;
    Ok(Hosting::Here(Box::new(Hosted { running, data_dir: data_dir.to_owned(), _lock: lock })))
}

/// Workers are processes of this program. Named by its path, which outlasts this process.
fn worker_command() -> Result<impl Fn(&Path) -> Command + Send + Sync + 'static, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::new(format!("this program's own file cannot be found: {error}")))?;
    Ok(move |dir: &Path| {
        let mut command = Command::new(&program);
        command.args(["worker", "--local"]).arg(dir);
        command
    })
}

impl Hosted {
    /// Where it listens.
    pub(crate) fn address(&self) -> String {
        format!("http://{}", self.running.address)
    }

    /// Returns when it has ended by itself.
    pub(crate) async fn ended(&self) -> PodError {
        self.running.pod.stopped().await
    }

    /// Stops it.
    pub(crate) async fn stop(self, workers: Workers) {
        if workers == Workers::EndAtOnce {
            // What they ran was asked to end, and that is durable: no later manager starts it again.
            return end_worker_processes(&self.data_dir).await;
        }
        let is_idle = workers == Workers::EndIfIdle && self.is_idle().await;
        self.running.stop().await;
        if is_idle {
            end_worker_processes(&self.data_dir).await;
        }
    }

    async fn is_idle(&self) -> bool {
        match self.running.pod.overview().await {
            Ok(overview) => overview.counts[0] + overview.counts[1] == 0,
            Err(_) => false,
        }
    }
}
