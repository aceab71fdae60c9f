//! Workers of this process that call a function.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::executor::{Call, Calls, Program};
use crate::{
    domain::WorkerId,
    link::{Transport, in_process},
    provisioner::{
        Admission, Backend, BackendContext, Machine, MachineState, ProvisionError, Provisioner, WorkerGateway,
        WorkerSpec,
    },
    worker::{DialError, Dialer, Identity, Leave, ShutdownNotice, WorkerConfig, WorkerExit, run},
};

/// A backend whose programs are one function of this process: every execution is a call of it, and what it gives is
/// the exit code. What activities are made of is not looked at.
///
/// ```
/// use pod_core::{
///     Pod,
///     domain::{Outcome, NewActivity, NewExecution},
///     store::MemoryStore,
///     testing::in_process::InProcess,
/// };
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), pod_core::PodError> {
/// let backend = InProcess::new(|call| async move {
///     call.print(format!("{} of {}\n", call.activity, call.input.as_deref().unwrap_or("nothing"))).await;
///     7
/// });
/// let pod = Pod::builder().store(MemoryStore::new()).backend(backend).start().await?;
/// pod.create_activity(NewActivity::script("thumbs", "not looked at")).await?;
/// let run = pod.start(NewExecution::new("thumbs").input("cat.png")).await?;
/// assert_eq!(pod.wait(run).await?.outcome, Some(Outcome::Exited(7)));
/// pod.shutdown().await;
/// # Ok(())
/// # }
/// ```
pub struct InProcess {
    program: Arc<Program>,
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcess").finish_non_exhaustive()
    }
}

impl InProcess {
    /// Every execution is a call of that function, and ends with the code that it gives; one that panics, as by SIGABRT.
    pub fn new<F, R>(program: F) -> Self
    where
        F: Fn(Call) -> R + Send + Sync + 'static,
        R: Future<Output = i32> + Send + 'static,
    {
        Self { program: Arc::new(move |call| Box::pin(program(call))) }
    }
}

#[async_trait]
impl Backend for InProcess {
    async fn start(self: Box<Self>, context: BackendContext) -> Result<Arc<dyn Provisioner>, ProvisionError> {
        // What held open attempts has ended with the process that it was in. The engine takes news only when its backend
        // has started.
        let (busy, links) = (context.busy().collect::<Vec<_>>(), context.links.clone());
        tokio::spawn(async move {
            for worker in busy {
                links.report_lost(worker, "it ended with the process that it was part of".to_owned()).await;
            }
        });
        Ok(Arc::new(Workers { program: self.program, context, running: Mutex::default() }))
    }
}

struct Workers {
    program: Arc<Program>,
    context: BackendContext,
    running: Mutex<HashMap<WorkerId, Worker>>,
}

struct Worker {
    leave: Leave,
    ended: CancellationToken,
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").field("context", &self.context).finish_non_exhaustive()
    }
}

impl Workers {
    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<WorkerId, Worker>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Provisioner for Workers {
    fn name(&self) -> &str {
        "in-process"
    }

    async fn create(&self, worker: WorkerId, spec: &WorkerSpec) -> Result<(), ProvisionError> {
        let mut running = self.running();
        if running.get(&worker).is_some_and(|running| !running.ended.is_cancelled()) {
            return Ok(());
        }
        let leave = Leave::ending_with(&self.context.shutdown);
        let (high, low) = Uuid::new_v4().as_u64_pair();
        let identity = Identity {
            store: Some(spec.store),
            worker: Some(worker),
            shutdown_notice: ShutdownNotice::Permanent,
            ..Identity::new(high ^ low)
        };
        let executor = Arc::new(Calls::new(self.program.clone(), spec.slots));
        let (links, asked) = (self.context.links.clone(), leave.clone());
        let ended = CancellationToken::new();
        let end = ended.clone().drop_guard();
        tokio::spawn(async move {
            let _end = end;
            let exit = run(WorkerConfig::new(identity), executor, DialEngine(links.clone()), asked).await;
            if exit != WorkerExit::Cancelled {
                links.report_lost(worker, exit.to_string()).await;
            }
        });
        running.insert(worker, Worker { leave, ended });
        Ok(())
    }

    async fn destroy(&self, worker: WorkerId) -> Result<(), ProvisionError> {
        let destroyed = self.running().remove(&worker);
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
        Ok(self.running().iter().map(machine).collect())
    }

    fn workers_stay(&self) -> bool {
        false
    }

    async fn leave(&self, within: Duration) {
        let leaving = |worker: &Worker| {
            worker.leave.within(within);
            worker.ended.clone()
        };
        let ended: Vec<CancellationToken> = self.running().values().map(leaving).collect();
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
