//! The workers that processes of this machine were, as another backend finds them.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use pod_core::{domain::WorkerId, provisioner::ProvisionError};

use super::{process::WorkerProcess, worker::NAME};
use crate::{
    data_dir::directory::{Directories, LOCAL},
    failure::failed,
    other_backends::left_behind::{LeftBehind, LeftWorker},
    process::clear,
};

/// What this backend has left in a data directory.
pub(crate) struct LocalLeft(pub(crate) PathBuf);

#[async_trait]
impl LeftBehind for LocalLeft {
    fn name(&self) -> &'static str {
        NAME
    }

    fn parts(&self) -> &'static [&'static str] {
        &[LOCAL]
    }

    async fn running(&mut self, workers: &[LeftWorker]) -> Result<Vec<WorkerId>, ProvisionError> {
        running_processes(&self.0, workers.iter())
    }

    async fn end(&self, worker: LeftWorker) -> Result<(), ProvisionError> {
        end_process(&self.0, worker).await?;
        delete(&self.0, worker).await
    }
}

/// Those of these workers whose process lives.
pub(crate) fn running_processes<'a>(
    data: &Path,
    workers: impl Iterator<Item = &'a LeftWorker>,
) -> Result<Vec<WorkerId>, ProvisionError> {
    let mut running = Vec::new();
    for worker in workers {
        let dir = directory(data, *worker);
        let process = WorkerProcess::find(&dir);
        let cannot = |error| failed(format_args!("the worker in {} cannot be found", dir.display()), error);
        running.extend(process.map_err(cannot)?.map(|_| worker.id));
    }
    Ok(running)
}

/// Ends the process of a worker, where it has one.
pub(crate) async fn end_process(data: &Path, worker: LeftWorker) -> Result<(), ProvisionError> {
    let dir = directory(data, worker);
    let cannot = |error| failed(format_args!("the worker in {} cannot be ended", dir.display()), error);
    WorkerProcess::end_in(&dir).await.map_err(cannot)
}

/// Ends what a worker ran, and deletes its directory.
pub(crate) async fn delete(data: &Path, worker: LeftWorker) -> Result<(), ProvisionError> {
    clear(&directory(data, worker)).await.map_err(|error| ProvisionError::new(error.message))
}

fn directory(data: &Path, worker: LeftWorker) -> PathBuf {
    Directories::below(data, worker.part).of(worker.id)
}
