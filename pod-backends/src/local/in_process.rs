//! Workers as tasks of this process.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use pod_core::{
    domain::{StoreId, WorkerId},
    link::{Transport, in_process},
    provisioner::{
        Admission, Backend, BackendContext, Machine, MachineState, ProvisionError, Provisioner, WorkerGateway,
        WorkerSpec,
    },
    worker::{DialError, Dialer, Leave, ShutdownNotice, WorkerExit, run},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::worker::{NAME, config};
#[cfg(feature = "docker")]
use crate::other_backends::clear::clear_others;
use crate::{
    data_dir::{
        directory::{Directories, LOCAL, WorkerRecord},
        lock::DataDirLock,
    },
    failure::failed,
    process::{ProcessExecutor, clear},
};

/// Workers in this process, which run executions as processes of this machine. They end with this process, and so
/// does what they run: by TERM and after its grace time KILL where the POD is shut down, at once where the process
/// is killed. What is installed stays in the directory for the next time.
#[derive(Debug)]
pub struct InProcessWorkers {
    data: PathBuf,
    slots: Option<u32>,
}

impl InProcessWorkers {
    /// Keeps its workers in that directory, which is made if it is not there.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self { data: data.into(), slots: None }
    }

    /// How many executions each worker runs at a time, instead of what [`pod_core::Limits::slots`] says.
    #[must_use]
    pub fn slots(mut self, slots: u32) -> Self {
        self.slots = Some(slots);
        self
    }
}

#[async_trait]
impl Backend for InProcessWorkers {
    async fn start(self: Box<Self>, context: BackendContext) -> Result<Arc<dyn Provisioner>, ProvisionError> {
        let unusable = |error| failed(format_args!("the directory {} cannot be used", self.data.display()), error);
        let directories = Directories::open(&self.data, LOCAL).map_err(unusable)?;
        let lock = DataDirLock::take_for_workers(directories.data(), "workers.lock").await?;
        #[cfg(feature = "docker")]
        clear_others(&self.data, &context, NAME, None).await?;
        let known = directories.all().map_err(unusable)?;
        let provisioner = Arc::new(InProcess {
            directories,
            slots: self.slots,
            context,
            workers: Mutex::default(),
            changing: tokio::sync::Mutex::new(()),
            lock: Arc::new(lock),
        });
        for (worker, record) in known {
            match record.filter(|record| record.store == provisioner.context.store) {
                Some(record) => provisioner.revive(record).await,
                None => {
                    clear(&provisioner.directories.of(worker)).await.map_err(|error| failed("cleaning up", error))?
                }
            }
        }
        Ok(provisioner)
    }
}

#[derive(Debug)]
struct InProcess {
    directories: Directories,
    slots: Option<u32>,
    context: BackendContext,
    workers: Mutex<HashMap<WorkerId, Running>>,
    /// Held while a worker is created or destroyed.
    changing: tokio::sync::Mutex<()>,
    /// Held until the last worker has ended.
    lock: Arc<DataDirLock>,
}

#[derive(Debug)]
struct Running {
    leave: Leave,
    task: JoinHandle<()>,
    ended: CancellationToken,
}

impl InProcess {
    /// Takes a worker of an earlier process on again: it holds nothing that ran, but what is installed.
    async fn revive(&self, record: WorkerRecord) {
        let slots = self.slots.unwrap_or(record.slots);
        let worker = record.worker;
        if let Err(error) = self.run(WorkerRecord { slots, ..record }).await {
            let links = self.context.links.clone();
            // The engine takes news only when its backend has started.
            tokio::spawn(async move { links.report_lost(worker, error.message).await });
        }
    }

    async fn run(&self, record: WorkerRecord) -> Result<(), ProvisionError> {
        let worker = record.worker;
        let dir = self.directories.make(record).map_err(|error| failed("a worker cannot be made", error))?;
        let opened = ProcessExecutor::open(&dir, record.slots).await;
        let executor = Arc::new(opened.map_err(|error| ProvisionError::new(error.message))?);
        let leave = Leave::ending_with(&self.context.shutdown);
        let serving = serve(record, dir, executor, self.context.links.clone(), leave.clone());
        let lock = self.lock.clone();
        let ended = CancellationToken::new();
        let end = ended.clone().drop_guard();
        let task = tokio::spawn(async move {
            // Dropped in reverse: who waits for the end finds the directory free.
            let (_end, _lock) = (end, lock);
            serving.await;
        });
        self.workers().insert(worker, Running { leave, task, ended });
        Ok(())
    }

    fn workers(&self) -> std::sync::MutexGuard<'_, HashMap<WorkerId, Running>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn runs(&self, worker: WorkerId) -> bool {
        self.workers().get(&worker).is_some_and(|running| !running.task.is_finished())
    }
}

/// Runs one worker until it ends, leaves, is destroyed, or the engine has ended.
async fn serve(
    record: WorkerRecord,
    dir: PathBuf,
    executor: Arc<ProcessExecutor>,
    links: Arc<dyn WorkerGateway>,
    leave: Leave,
) {
    let dial = DialEngine { links: links.clone() };
    let exit = run(config(record, &dir, ShutdownNotice::Temporary), executor, dial, leave).await;
    if exit != WorkerExit::Cancelled {
        links.report_lost(record.worker, exit.to_string()).await;
    }
}

struct DialEngine {
    links: Arc<dyn WorkerGateway>,
}

#[async_trait]
impl Dialer for DialEngine {
    async fn dial(&self) -> Result<Transport, DialError> {
        let (here, there) = in_process();
        self.links.accept(there, Admission::Known);
        Ok(here)
    }
}

#[async_trait]
impl Provisioner for InProcess {
    fn name(&self) -> &str {
        NAME
    }

    async fn create(&self, worker: WorkerId, spec: &WorkerSpec) -> Result<(), ProvisionError> {
        let _changing = self.changing.lock().await;
        if self.runs(worker) {
            return Ok(());
        }
        self.run(WorkerRecord { store: spec.store, worker, slots: self.slots.unwrap_or(spec.slots) }).await
    }

    async fn destroy(&self, worker: WorkerId) -> Result<(), ProvisionError> {
        let _changing = self.changing.lock().await;
        let running = self.workers().remove(&worker);
        if let Some(running) = running {
            running.leave.at_once();
            let _ = running.task.await;
        }
        clear(&self.directories.of(worker)).await.map_err(|error| ProvisionError::new(error.message))
    }

    fn slots(&self) -> Option<u32> {
        self.slots
    }

    fn workers_stay(&self) -> bool {
        false
    }

    async fn leave(&self, within: Duration) {
        let leaving = |running: &Running| {
            running.leave.within(within);
            running.ended.clone()
        };
        let ended: Vec<CancellationToken> = self.workers().values().map(leaving).collect();
        for ended in ended {
            ended.cancelled().await;
        }
    }

    async fn list(&self) -> Result<Vec<Machine>, ProvisionError> {
        let machine = |worker| {
            Machine::new(worker, if self.runs(worker) { MachineState::Running } else { MachineState::Stopped })
        };
        Ok(workers_of(&self.directories, self.context.store)?.into_iter().map(machine).collect())
    }
}

/// The workers of a store that have a directory.
pub(super) fn workers_of(directories: &Directories, store: StoreId) -> Result<Vec<WorkerId>, ProvisionError> {
    let all = directories.all().map_err(|error| failed("the workers' directories cannot be read", error))?;
    let ours = all.into_iter().filter(|(_, found)| found.is_some_and(|found| found.store == store));
    Ok(ours.map(|(worker, _)| worker).collect())
}
