//! Workers whose executions are containers of their own: the worker is a process of this machine, as on the local
//! backend, and has the engine run what it is given.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use futures::future::BoxFuture;
use pod_core::{
    domain::{Isolation, StoreId, WorkerId},
    executor::Executor,
    provisioner::{Backend, BackendContext, Capabilities, Machine, ProvisionError, Provisioner, WorkerSpec},
    worker::{Leave, WorkerExit},
};

use super::preflight;
use crate::{
    data_dir::directory::{Directories, WorkerRecord},
    docker::{
        client::{
            engine::Engine,
            identity::EngineIdentity,
            image::{self, Image},
        },
        executor::{ContainerExecutor, containers::remove_all},
        places::{ISOLATED, NAME},
        settings::DockerSettings,
    },
    failure::failed,
    local::{
        processes::{WorkerProcesses, end_processes},
        worker::{DirectoryWorker, run_worker_of},
    },
    other_backends::clear::clear_others,
};

/// Where the workers of a data directory find how to make containers.
const SETTINGS: &str = "docker.json";

type WorkerCommand = dyn Fn(&Path) -> Command + Send + Sync;

/// Workers as processes of this machine, each of whose executions is a container.
pub struct IsolatedDocker {
    data: PathBuf,
    settings: DockerSettings,
    command: Arc<WorkerCommand>,
}

impl IsolatedDocker {
    /// As [`WorkerProcesses::new`], where the program must call [`run_isolated_worker`].
    pub fn new(
        data: impl Into<PathBuf>,
        settings: DockerSettings,
        command: impl Fn(&Path) -> Command + Send + Sync + 'static,
    ) -> Self {
        Self { data: data.into(), settings, command: Arc::new(command) }
    }
}

impl fmt::Debug for IsolatedDocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IsolatedDocker").field("data", &self.data).finish_non_exhaustive()
    }
}

#[async_trait]
impl Backend for IsolatedDocker {
    async fn start(self: Box<Self>, context: BackendContext) -> Result<Arc<dyn Provisioner>, ProvisionError> {
        let engine = Engine::connect().await?;
        let unusable = |error| failed(format_args!("the directory {} cannot be used", self.data.display()), error);
        let directories = Directories::open(&self.data, ISOLATED).map_err(unusable)?;
        clear_others(&self.data, &context, NAME, Some(EngineIdentity::of_engine(&engine).await?)).await?;
        for (_, found) in directories.all().map_err(unusable)? {
            // What an earlier store of this data directory has left. Other containers of the engine are not ours.
            if let Some(WorkerRecord { store, worker, .. }) = found.filter(|found| found.store != context.store) {
                remove_all(&engine, store, worker).await?;
            }
        }
        let written = serde_json::to_vec(&self.settings).map_err(std::io::Error::from);
        written.and_then(|text| write_private(&self.data.join(SETTINGS), &text)).map_err(unusable)?;
        let command = self.command.clone();
        let processes = WorkerProcesses::new(&self.data, move |dir| command(dir)).within(ISOLATED);
        let processes = Box::new(processes).start(context.clone()).await?;
        Ok(Arc::new(Isolated {
            directories,
            processes,
            engine,
            settings: self.settings,
            context,
            tried: Mutex::default(),
        }))
    }
}

fn write_private(path: &Path, text: &[u8]) -> std::io::Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let new = path.with_extension("json.new");
    let mut file = fs::File::options().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
    file.write_all(text)?;
    fs::rename(new, path)
}

#[derive(Debug)]
struct Isolated {
    directories: Directories,
    processes: Arc<dyn Provisioner>,
    engine: Engine,
    settings: DockerSettings,
    context: BackendContext,
    /// The images, by their content's id, of which a container could be started.
    tried: Mutex<Vec<String>>,
}

impl Isolated {
    /// Has a first container run, so that settings that cannot work are told in the worker's state.
    async fn try_out(&self, record: WorkerRecord, image: &Image) -> Result<(), ProvisionError> {
        // Written down first: by it is found what a call that is broken off leaves on the engine.
        let made = self.directories.make(record);
        made.map_err(|error| failed("a worker cannot be written down", error))?;
        let tried = preflight::run(&self.engine, &self.settings, record, image).await;
        if tried.is_err()
            && let Err(error) = self.destroy(record.worker).await
        {
            tracing::warn!(worker = %record.worker, %error, "what was made of a worker could not be removed");
        }
        tried
    }

    fn tried(&self) -> MutexGuard<'_, Vec<String>> {
        self.tried.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Provisioner for Isolated {
    fn name(&self) -> &str {
        NAME
    }

    async fn create(&self, worker: WorkerId, spec: &WorkerSpec) -> Result<(), ProvisionError> {
        let image = image::ensure(&self.engine, &self.settings.image, Some((&*self.context.links, worker))).await?;
        if !self.tried().contains(&image.id) {
            self.try_out(WorkerRecord { store: spec.store, worker, slots: spec.slots }, &image).await?;
            self.tried().push(image.id);
        }
        self.processes.create(worker, spec).await
    }

    async fn destroy(&self, worker: WorkerId) -> Result<(), ProvisionError> {
        self.processes.destroy(worker).await?;
        remove_all(&self.engine, self.context.store, worker).await
    }

    async fn list(&self) -> Result<Vec<Machine>, ProvisionError> {
        self.processes.list().await
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { default_isolation: Isolation::Execution, supports_all: false }
    }
}

/// Runs the worker of a directory that [`IsolatedDocker`] made, as [`crate::local::run_local_worker`] does.
pub async fn run_isolated_worker(dir: &Path, leave: impl Into<Leave>) -> WorkerExit {
    run_boxed(dir, leave.into()).await
}

fn run_boxed(dir: &Path, leave: Leave) -> BoxFuture<'_, WorkerExit> {
    Box::pin(run_worker_of(dir, leave, open))
}

async fn open(worker: DirectoryWorker) -> Result<Arc<dyn Executor>, String> {
    let DirectoryWorker { dir, record } = worker;
    let path = dir.ancestors().nth(2).unwrap_or(&dir).join(SETTINGS);
    let settings = fs::read(&path)
        .map_err(|error| error.to_string())
        .and_then(|text| serde_json::from_slice::<DockerSettings>(&text).map_err(|error| error.to_string()));
    let settings = settings.map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let WorkerRecord { store, worker, slots } = record;
    let executor = ContainerExecutor::open(&dir, settings, store, worker, slots).await;
    Ok(Arc::new(executor.map_err(|error| error.message)?))
}

/// Ends every worker of a data directory with its containers and snapshots. For a manager that was there for a single
/// run and has stopped.
pub fn end_isolated_workers(data: &Path) -> BoxFuture<'_, ()> {
    Box::pin(async move {
        let directories = Directories::below(data, ISOLATED);
        end_processes(&directories).await;
        let known = directories.all().unwrap_or_default();
        let engine = match Engine::connect().await {
            Ok(engine) => engine,
            Err(error) => return tracing::warn!(%error, "what the workers left on the engine could not be removed"),
        };
        for WorkerRecord { store, worker, .. } in known.into_iter().filter_map(|(_, record)| record) {
            remove_or_warn(&engine, store, worker).await;
        }
    })
}

async fn remove_or_warn(engine: &Engine, store: StoreId, worker: WorkerId) {
    if let Err(error) = remove_all(engine, store, worker).await {
        tracing::warn!(%error, %worker, "what a worker left on the engine could not be removed");
    }
}
