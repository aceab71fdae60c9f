//! Executions in containers of their own, each made from a snapshot of the installed activity.
//!
//! The worker is a process of the manager's machine that has the engine do it: an installation runs in a container of
//! the image, which is kept as a snapshot; an execution is a container of the snapshot, which is removed when it has
//! ended. That costs a container per execution, some tenths of a second, and keeps executions from each other.
//!
//! | module | what it does |
//! |---|---|
//! | `boxes` | the containers: made, removed, found by their labels |
//! | `failure` | why an installation failed |
//! | `fence` | what a container is kept from: the metadata addresses of clouds |
//! | `files` | what goes into a container, and what comes out of it |
//! | `install` | the activity contract, and the snapshot |
//! | `output` | what a container says: its output, and what its init tells of it (decision 13) |
//! | `run` | one execution: its output, its end, its limits |
//! | `shared` | what all of these need |

pub(crate) mod containers;
mod failure;
mod fence;
mod files;
mod install;
mod output;
mod run;
mod shared;

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use pod_core::{
    domain::{ActivityId, RevisionNo, StoreId, WorkerId},
    executor::{
        ExecutionHandle, Executor, ExecutorError, InstallError, InstallRequest, OutputSink, StartError, StartRequest,
    },
    provisioner::ProvisionError,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    containers::Snapshot,
    run::ContainerRun,
    shared::{Key, Shared},
};
use crate::{
    docker::{client::engine::Engine, settings::DockerSettings},
    process::installed::{Absent, Installations},
};

/// Runs each execution in a container of its own.
#[derive(Debug)]
pub struct ContainerExecutor {
    shared: Arc<Shared>,
}

impl ContainerExecutor {
    /// Connects to the engine, and removes what an earlier executor of this worker left running. Its snapshots stay.
    pub async fn open(
        dir: &Path,
        settings: DockerSettings,
        store: StoreId,
        worker: WorkerId,
        slots: u32,
    ) -> Result<Self, ExecutorError> {
        let failed = |error: ProvisionError| ExecutorError { message: error.message };
        let engine = Engine::connect().await.map_err(failed)?;
        containers::remove_containers(&engine, store, worker).await.map_err(failed)?;
        let installed = containers::snapshots(&engine, store, worker).await.map_err(failed)?;
        let installed = installed.into_iter().map(|Snapshot { key, entry }| (key, entry));
        let shared = Shared {
            engine,
            settings,
            store,
            worker,
            slots,
            dir: dir.to_owned(),
            installed: Installations::new(installed),
            closing: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }
}

#[async_trait]
impl Executor for ContainerExecutor {
    async fn install(&self, request: InstallRequest, output: OutputSink) -> Result<(), InstallError> {
        let key = (request.activity, request.revision);
        self.shared.installed.begin(key);
        let entry = install::install(&self.shared, request, output).await?;
        self.shared.installed.complete(key, entry);
        Ok(())
    }

    async fn remove(&self, activity: ActivityId, revision: RevisionNo) -> Result<(), ExecutorError> {
        let key = (activity, revision);
        self.shared.installed.forget(key);
        containers::remove_snapshot(&self.shared, key).await.map_err(|error| ExecutorError { message: error.message })
    }

    async fn installed(&self) -> Result<Vec<Key>, ExecutorError> {
        Ok(self.shared.installed.keys())
    }

    async fn start(&self, request: StartRequest) -> Result<Box<dyn ExecutionHandle>, StartError> {
        let installation = match self.shared.installed.get((request.activity, request.revision)) {
            Ok(installation) => installation,
            Err(Absent::Damaged) => return Ok(Box::new(ContainerRun::never_begun())),
            Err(Absent::Unknown) => {
                return Err(StartError {
                    message: format!(
                        "revision {} of the activity {} is not installed on this worker",
                        request.revision, request.activity_name
                    ),
                });
            }
        };
        Ok(Box::new(ContainerRun::start(self.shared.clone(), request, installation)))
    }

    fn slots(&self) -> u32 {
        self.shared.slots
    }

    async fn shutdown(&self) {
        self.shared.closing.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}
