//! Workers as processes of this machine, which outlive the manager.

use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use futures::future::BoxFuture;
use pod_core::{
    domain::WorkerId,
    provisioner::{Admission, Backend, BackendContext, Machine, MachineState, ProvisionError, Provisioner, WorkerSpec},
};
use tokio::net::UnixListener;

use super::{
    in_process::workers_of,
    process::WorkerProcess,
    socket,
    worker::{NAME, is_understood},
};
#[cfg(feature = "docker")]
use crate::other_backends::clear::clear_others;
use crate::{
    data_dir::{
        directory::{Directories, LOCAL, WorkerRecord},
        lock::DataDirLock,
    },
    failure::failed,
    process::{RunAs, clear, settle},
    worker_locks::WorkerLocks,
};

type WorkerCommand = dyn Fn(&Path) -> Command + Send + Sync;

/// Workers as processes of their own, which run on when the manager ends and are taken on again by the next one.
pub struct WorkerProcesses {
    data: PathBuf,
    part: &'static str,
    command: Arc<WorkerCommand>,
    run_as: Option<RunAs>,
}

impl WorkerProcesses {
    /// Keeps its workers in that data directory. `command` gives the program that is to be the worker of a directory:
    /// it must call [`super::run_local_worker`] with it. Its environment and standard streams are replaced.
    pub fn new(data: impl Into<PathBuf>, command: impl Fn(&Path) -> Command + Send + Sync + 'static) -> Self {
        Self { data: data.into(), part: LOCAL, command: Arc::new(command), run_as: None }
    }

    /// Has programs run as another user than the workers.
    #[must_use]
    pub fn run_as(self, run_as: RunAs) -> Self {
        Self { run_as: Some(run_as), ..self }
    }

    /// The same for workers that belong to another backend, and lie in a part of their own.
    #[cfg(feature = "docker")]
    pub(crate) fn within(self, part: &'static str) -> Self {
        Self { part, ..self }
    }
}

impl fmt::Debug for WorkerProcesses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalProcesses").field("data", &self.data).finish_non_exhaustive()
    }
}

#[async_trait]
impl Backend for WorkerProcesses {
    async fn start(self: Box<Self>, context: BackendContext) -> Result<Arc<dyn Provisioner>, ProvisionError> {
        let unusable = |error| failed(format_args!("the directory {} cannot be used", self.data.display()), error);
        let directories = Directories::open(&self.data, self.part).map_err(unusable)?;
        let lock = DataDirLock::take_for_workers(directories.data(), "workers.lock").await?;
        #[cfg(feature = "docker")]
        if self.part == LOCAL {
            clear_others(&self.data, &context, NAME, None).await?;
        }
        let listener = socket::bind(directories.data()).map_err(unusable)?;
        let known = directories.all().map_err(unusable)?;
        tokio::spawn(accept(listener, context.clone()));
        let shared = Arc::new(Shared {
            directories,
            command: self.command,
            run_as: self.run_as,
            context,
            workers: Mutex::default(),
            turns: WorkerLocks::default(),
            _lock: lock,
        });
        shared.refuse_programs_of_others(&known)?;
        for (worker, record) in known {
            match record.filter(|found| found.store == shared.context.store) {
                Some(_) if shared.runs_as_another(worker) => {
                    shared.end(worker).await?;
                    let links = shared.context.links.clone();
                    tokio::spawn(async move {
                        links.report_lost(worker, "its programs ran as another user".to_owned()).await
                    });
                }
                Some(record) => {
                    shared.end_outdated(worker).await;
                    shared.take_on(record);
                }
                None => {
                    // It may take a while until the trees of a foreign worker are gone; its number is not held up
                    // longer than that.
                    let shared = shared.clone();
                    let turn = shared.turns.of(worker).lock_owned().await;
                    tokio::spawn(async move {
                        let _turn = turn;
                        if let Err(error) = shared.end(worker).await {
                            tracing::warn!(%worker, %error, "a worker of another store could not be ended");
                        }
                    });
                }
            }
        }
        Ok(Arc::new(Processes(shared)))
    }
}

/// Hands the workers that dial in to the engine.
async fn accept(listener: UnixListener, context: BackendContext) {
    loop {
        let accepted = tokio::select! {
            () = context.shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let peer = socket::peer(&stream);
                context.links.accept(socket::transport(stream, peer), Admission::Known);
            }
            Err(error) => {
                tracing::warn!(%error, "a worker could not be let in");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

/// Ends every worker process of a data directory with what it runs, and returns when they are gone. What they have
/// installed stays. For a manager that was there for a single run and has stopped.
pub fn end_worker_processes(data: &Path) -> BoxFuture<'_, ()> {
    Box::pin(async move { end_processes(&Directories::below(data, LOCAL)).await })
}

pub(crate) async fn end_processes(directories: &Directories) {
    for (worker, _) in directories.all().unwrap_or_default() {
        let dir = directories.of(worker);
        if let Err(error) = WorkerProcess::end_in(&dir).await {
            tracing::warn!(%worker, %error, "a worker could not be ended");
        }
        if let Err(error) = settle(&dir).await {
            tracing::warn!(%worker, %error, "what a worker ran could not be ended");
        }
    }
}

#[derive(Debug)]
struct Processes(Arc<Shared>);

struct Shared {
    directories: Directories,
    command: Arc<WorkerCommand>,
    run_as: Option<RunAs>,
    context: BackendContext,
    /// The processes that are watched.
    workers: Mutex<HashMap<WorkerId, WorkerProcess>>,
    /// One thing at a time is done to each worker.
    turns: WorkerLocks,
    _lock: DataDirLock,
}

/// What is left of a worker when a process of it has ended.
enum After {
    /// Its end was wanted.
    Unwatched,
    /// Another process is that worker.
    Other(WorkerProcess),
    /// Nothing.
    Gone,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("directories", &self.directories).finish_non_exhaustive()
    }
}

impl Shared {
    fn workers(&self) -> std::sync::MutexGuard<'_, HashMap<WorkerId, WorkerProcess>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the process of a worker that a manager of another release started, as the two would not understand each other. A
    /// new one takes its place and finds what is installed; what it ran is lost.
    async fn end_outdated(&self, worker: WorkerId) {
        let dir = self.directories.of(worker);
        if !matches!(WorkerProcess::find(&dir), Ok(Some(_))) || is_understood(&dir) {
            return;
        }
        tracing::info!(%worker, "the worker is of another release, and is started again");
        if let Err(error) = WorkerProcess::end_in(&dir).await {
            tracing::warn!(%worker, %error, "a worker of another release could not be ended");
        }
    }

    /// Whether the programs of a worker of an earlier manager have another user than those of this one.
    fn runs_as_another(&self, worker: WorkerId) -> bool {
        !RunAs::of(&self.directories.of(worker)).is_ok_and(|run_as| run_as == self.run_as)
    }

    /// Refuses to start beside programs of another user that are still at work.
    fn refuse_programs_of_others(&self, known: &[(WorkerId, Option<WorkerRecord>)]) -> Result<(), ProvisionError> {
        let ours = known.iter().filter(|(_, found)| found.is_some_and(|found| found.store == self.context.store));
        let busy = ours.filter(|(worker, _)| {
            let runs = || WorkerProcess::find(&self.directories.of(*worker)).is_ok_and(|process| process.is_some());
            self.context.is_busy(*worker) && self.runs_as_another(*worker) && runs()
        });
        let busy: Vec<String> = busy.map(|(worker, _)| worker.to_string()).collect();
        if busy.is_empty() {
            return Ok(());
        }
        let numbers = busy.join(" ");
        Err(ProvisionError::permanent(format!(
            "programs of the workers {numbers} run as another user than --run-as says now, and are still at work; start the \
             manager as before, let them end (pod drain {numbers} --wait), and then change"
        )))
    }

    /// Takes a worker of an earlier manager on: its process where it lives, a new one where it does not.
    fn take_on(self: &Arc<Self>, record: WorkerRecord) {
        let worker = record.worker;
        if let Err(error) = self.adopt_or_start(record) {
            let links = self.context.links.clone();
            tokio::spawn(async move { links.report_lost(worker, error.message).await });
        }
    }

    fn adopt_or_start(self: &Arc<Self>, record: WorkerRecord) -> Result<(), ProvisionError> {
        let worker = record.worker;
        let cannot = |error| failed(format_args!("worker {worker} cannot be started"), error);
        let dir = self.directories.of(worker);
        let process = match WorkerProcess::find(&dir).map_err(cannot)? {
            Some(process) => process,
            None => {
                self.directories.make(record).map_err(cannot)?;
                RunAs::note(self.run_as.as_ref(), &dir).map_err(cannot)?;
                WorkerProcess::start((self.command)(&dir), &dir).map_err(cannot)?
            }
        };
        self.workers().insert(worker, process.clone());
        tokio::spawn(self.clone().watch(worker, process));
        Ok(())
    }

    /// Tells the engine when a worker's process has ended, unless that was wanted.
    async fn watch(self: Arc<Self>, worker: WorkerId, mut process: WorkerProcess) {
        loop {
            let reason = tokio::select! {
                // The next manager takes it on.
                () = self.context.shutdown.cancelled() => return,
                reason = process.ended() => reason,
            };
            match self.after(worker, &process) {
                After::Unwatched => return,
                After::Other(other) => process = other,
                After::Gone => {
                    tracing::warn!(%worker, reason, "a worker is gone");
                    return self.context.links.report_lost(worker, reason).await;
                }
            }
        }
    }

    /// What is left when a process of a worker has ended.
    fn after(&self, worker: WorkerId, ended: &WorkerProcess) -> After {
        // Two may have been started for one directory, by this manager and the one before it: one of them stays.
        let other = WorkerProcess::find(&self.directories.of(worker)).ok().flatten();
        let mut workers = self.workers();
        if workers.get(&worker).is_none_or(|watched| watched.pid != ended.pid) {
            return After::Unwatched;
        }
        match other {
            Some(other) => {
                workers.insert(worker, other.clone());
                After::Other(other)
            }
            None => {
                workers.remove(&worker);
                After::Gone
            }
        }
    }

    /// Ends a worker and all that it runs, and deletes its directory.
    async fn end(&self, worker: WorkerId) -> Result<(), ProvisionError> {
        let dir = self.directories.of(worker);
        let cannot = |error| failed(format_args!("worker {worker} cannot be ended"), error);
        // Forgotten first: that it ends is no news.
        let watched = self.workers().remove(&worker);
        if let Some(process) = watched {
            process.kill();
            process.ended().await;
        }
        WorkerProcess::end_in(&dir).await.map_err(cannot)?;
        clear(&dir).await.map_err(|error| ProvisionError::new(error.message))
    }
}

#[async_trait]
impl Provisioner for Processes {
    fn name(&self) -> &str {
        NAME
    }

    async fn create(&self, worker: WorkerId, spec: &WorkerSpec) -> Result<(), ProvisionError> {
        let _turn = self.0.turns.of(worker).lock_owned().await;
        if self.0.workers().contains_key(&worker) {
            return Ok(());
        }
        self.0.adopt_or_start(WorkerRecord { store: spec.store, worker, slots: spec.slots })
    }

    async fn destroy(&self, worker: WorkerId) -> Result<(), ProvisionError> {
        let turn = self.0.turns.of(worker);
        let _turn = turn.lock().await;
        self.0.end(worker).await?;
        self.0.turns.forget(worker);
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Machine>, ProvisionError> {
        let workers = workers_of(&self.0.directories, self.0.context.store)?;
        let watched = self.0.workers();
        let machine = |worker| match watched.get(&worker) {
            Some(process) => Machine::new(worker, MachineState::Running).with_id(process.pid.to_string()),
            None => Machine::new(worker, MachineState::Unknown),
        };
        Ok(workers.into_iter().map(machine).collect())
    }
}
