//! A backend: workers are tasks of this process, each with an executor of functions.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use pod_core::{
    CancellationToken,
    domain::WorkerId,
    link::{Transport, in_process},
    provisioner::{
        Admission, Backend, BackendContext, Machine, MachineState, ProvisionError, Provisioner, WorkerGateway,
        WorkerSpec,
    },
    worker::{DialError, Dialer, Identity, Leave, ShutdownNotice, WorkerConfig, WorkerExit, run},
};

use crate::functions::{FunctionExecutor, Functions};

/// Workers as tasks. They end with the application.
#[derive(Debug)]
pub struct Tasks {
    functions: Functions,
}

impl Tasks {
    /// Workers that run these functions.
    pub fn new(functions: Functions) -> Self {
        Self { functions }
    }
}

#[async_trait]
impl Backend for Tasks {
    async fn start(self: Box<Self>, context: BackendContext) -> Result<Arc<dyn Provisioner>, ProvisionError> {
        // What ran in the process before this one is gone with it. Said right away, it is tried again at once, and not
        // after `Limits::worker_timeout`. Not awaited here: the engine takes news only when its backend has started.
        let (busy, links) = (context.busy().collect::<Vec<_>>(), context.links.clone());
        tokio::spawn(async move {
            for worker in busy {
                links.report_lost(worker, "it ended with its process".to_owned()).await;
            }
        });
        Ok(Arc::new(Fleet { functions: self.functions, context, workers: Mutex::default(), made: AtomicU64::new(0) }))
    }
}

#[derive(Debug)]
struct Fleet {
    functions: Functions,
    context: BackendContext,
    workers: Mutex<HashMap<WorkerId, Worker>>,
    made: AtomicU64,
}

#[derive(Debug)]
struct Worker {
    leave: Leave,
    /// Cancelled when its task is over.
    ended: CancellationToken,
}

impl Fleet {
    fn workers(&self) -> MutexGuard<'_, HashMap<WorkerId, Worker>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells one worker from an earlier one under the same number, in this process and those before.
    fn incarnation(&self) -> u64 {
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        u64::try_from(since.as_micros()).unwrap_or(0) ^ (self.made.fetch_add(1, Ordering::Relaxed) << 54)
    }
}

#[async_trait]
impl Provisioner for Fleet {
    fn name(&self) -> &str {
        "tasks"
    }

    async fn create(&self, worker: WorkerId, spec: &WorkerSpec) -> Result<(), ProvisionError> {
        let mut workers = self.workers();
        if workers.get(&worker).is_some_and(|worker| !worker.ended.is_cancelled()) {
            return Ok(());
        }
        let identity = Identity {
            store: Some(spec.store),
            worker: Some(worker),
            shutdown_notice: ShutdownNotice::Permanent,
            ..Identity::new(self.incarnation())
        };
        let executor = Arc::new(FunctionExecutor::new(self.functions.clone(), spec.slots));
        let leave = Leave::ending_with(&self.context.shutdown);
        let (links, asked, ended) = (self.context.links.clone(), leave.clone(), CancellationToken::new());
        let end = ended.clone().drop_guard();
        tokio::spawn(async move {
            let _end = end;
            let exit = run(WorkerConfig::new(identity), executor, DialEngine(links.clone()), asked).await;
            if exit != WorkerExit::Cancelled {
                links.report_lost(worker, exit.to_string()).await;
            }
        });
        workers.insert(worker, Worker { leave, ended });
        Ok(())
    }

    async fn destroy(&self, worker: WorkerId) -> Result<(), ProvisionError> {
        let destroyed = self.workers().remove(&worker);
        if let Some(destroyed) = destroyed {
            destroyed.leave.at_once();
            destroyed.ended.cancelled().await;
        }
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Machine>, ProvisionError> {
        let machine = |(worker, running): (&WorkerId, &Worker)| {
            let has_ended = running.ended.is_cancelled();
            Machine::new(*worker, if has_ended { MachineState::Stopped } else { MachineState::Running })
        };
        Ok(self.workers().iter().map(machine).collect())
    }

    fn workers_stay(&self) -> bool {
        false
    }

    async fn leave(&self, within: Duration) {
        let leaving = |worker: &Worker| {
            worker.leave.within(within);
            worker.ended.clone()
        };
        let ended: Vec<CancellationToken> = self.workers().values().map(leaving).collect();
        for ended in ended {
            ended.cancelled().await;
        }
    }
}

struct DialEngine(Arc<dyn WorkerGateway>);

#[async_trait]
impl Dialer for DialEngine {
    async fn dial(&self) -> Result<Transport, DialError> {
        let (here, there) = in_process();
        self.0.accept(there, Admission::Known);
        Ok(here)
    }
}
