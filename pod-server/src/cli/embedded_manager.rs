//! Embeds a manager in this process for the length of a single run.

use std::{path::PathBuf, time::Duration};

use pod_backends::{
    data_dir::DataDirError,
    docker::{end_containers, end_isolated_workers},
    local::end_worker_processes,
    open_files,
};
use pod_core::{
    Pod,
    domain::{ExecutionStatus, Isolation},
    store::ExecutionQuery,
};
use pod_server::{
    config::{BackendChoice, Config},
    serve::{self, RunningManager, StartError, WorkerPlacement},
};

use super::{
    failure::Failure,
    handover::{self, LockedMarker},
};

/// A manager that runs in this process. Its workers are processes of their own all the same: another run may take them
/// over, and so may a `pod serve`.
#[derive(Debug)]
pub(crate) struct EmbeddedManager {
    running: RunningManager,
    data_dir: PathBuf,
    backend: BackendChoice,
    /// Held until the manager is gone: a `pod serve` that takes over waits for its release.
    _offer: Option<LockedMarker>,
}

/// How long an interrupted run waits for the executions that it kills.
const KILL_TIMEOUT: Duration = Duration::from_secs(2);

/// The outcome of an attempt to start an embedded manager.
#[derive(Debug)]
pub(crate) enum StartOutcome {
    /// The manager runs.
    Started(Box<EmbeddedManager>),
    /// Another process holds the data directory.
    DirectoryHeld(DataDirError),
}

/// How the workers on this machine end when their manager stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkerShutdown {
    /// They end unless an execution of someone else runs or waits.
    IfIdle,
    /// They end at once, with everything that they run.
    Immediate,
}

impl WorkerShutdown {
    /// How they end after a command that failed with this.
    pub(crate) const fn after(failure: &Failure) -> Self {
        if failure.is_hasty() { Self::Immediate } else { Self::IfIdle }
    }
}

/// Starts a manager as configured; it accepts requests when this returns.
pub(crate) async fn start(config: &Config) -> Result<StartOutcome, Failure> {
    if config.backend == BackendChoice::Swarm {
        return Err(Failure::new(
            "tasks of a swarm need a manager that stays at its address; start one with pod serve --backend swarm, and name \
             it with --server",
        ));
    }
    if config.backend == BackendChoice::Docker
        && config.docker.manager.is_some()
        && config.docker.isolation == Isolation::Worker
    {
        return Err(Failure::new(
            "workers that dial --docker-manager need a manager that stays at its address; start one with pod serve \
             --backend docker, and name it with --server",
        ));
    }
    open_files::raise(None);
    match serve::start(config, WorkerPlacement::Processes).await {
        Ok(running) if running.needs_token => {
            running.stop().await;
            Err(Failure::new(serve::NEEDS_TOKEN))
        }
        Ok(running) => {
            let (data_dir, backend) = (config.data_dir.clone(), config.backend);
            let offer = LockedMarker::offer(&data_dir).ok();
            Ok(StartOutcome::Started(Box::new(EmbeddedManager { running, data_dir, backend, _offer: offer })))
        }
        Err(StartError::DataDir(held @ DataDirError::Held { .. })) => Ok(StartOutcome::DirectoryHeld(held)),
        Err(error) => Err(Failure::new(error.to_string())),
    }
}

impl EmbeddedManager {
    /// Where it listens.
    pub(crate) fn address(&self) -> String {
        format!("http://{}", self.running.address)
    }

    /// Stops it.
    pub(crate) async fn stop(self, workers: WorkerShutdown) {
        if workers == WorkerShutdown::Immediate {
            let _ = tokio::time::timeout(KILL_TIMEOUT, self.kill_terminating()).await;
        }
        // Nothing can be submitted any more when the queue is checked for work.
        let closed = self.running.stop_listening().await;
        // What they still run was asked to end, and that is durable: no later manager starts it again.
        let end = workers == WorkerShutdown::Immediate || is_idle(&closed.pod).await;
        // The manager before the workers: it would launch another one in place of one that it saw end. The directory
        // after them: the next manager would take them for its own.
        let mut held = closed.stop().await;
        match self.backend {
            _ if !end => {}
            // Not hosted for a run: see `start`.
            BackendChoice::Swarm => {}
            BackendChoice::Local => end_worker_processes(&self.data_dir).await,
            BackendChoice::Docker => {
                end_isolated_workers(&self.data_dir).await;
                end_containers(&self.data_dir).await;
            }
        }
        if let Some(held) = &mut held {
            held.leave();
        }
    }

    /// Whether a `pod serve` waits for the directory.
    pub(crate) fn is_claimed(&self) -> bool {
        handover::is_claimed(&self.data_dir)
    }

    /// Stops it and leaves everything to the next manager, running executions included.
    pub(crate) async fn hand_over(self) {
        self.running.stop().await;
    }

    /// Kills executions that were asked to end and still run; their output and outcome are stored.
    async fn kill_terminating(&self) {
        let pod = &self.running.pod;
        let running = ExecutionQuery { status: Some(ExecutionStatus::Running), limit: 1000, ..Default::default() };
        for execution in pod.executions(running).await.unwrap_or_default() {
            if execution.cancel_requested && pod.request_kill(execution.id).await.is_ok() {
                let _ = pod.wait(execution.id).await;
            }
        }
    }
}

async fn is_idle(pod: &Pod) -> bool {
    match pod.overview().await {
        Ok(overview) => overview.counts[0] + overview.counts[1] == 0,
        Err(_) => false,
    }
}
