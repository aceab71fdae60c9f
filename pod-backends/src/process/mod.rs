//! Executions as processes of this machine.
//!
//! Nothing is forked here. A small program that this library carries along, the *spawner*, runs as one process per
//! slot beside the worker, starts the programs, and is the keeper of their process trees: whatever a program does to
//! get away, it is found and ended with it, also when the worker is killed. `spawner/main.rs` tells how.
//!
//! | module | what it does |
//! |---|---|
//! | `shared` | what executions and installations need |
//! | `spawner` | runs the spawner, and runs it again when it was killed |
//! | `slot` | the socket of one slot |
//! | `pool` | who has which slot, who waits for one, and what is sent ahead |
//! | `plan` | what is run for an execution |
//! | `run` | one run of a program from its waiting on; `active` is what it is while it has a slot |
//! | `run_as` | programs of another user than the worker's |
//! | `install` | the activity contract; `archive` unpacks, `entry` looks at `main.sh`, `tail` keeps what explains a failure |
//! | `installed` | what is installed, and what was found damaged |
//! | `environment` | what programs find in their environment |
//! | `layout` | where everything lies in the worker's directory |
//! | `leftovers` | ends what an earlier worker of the same directory left running |
//! | `orphans` | ends what comes to the worker when somebody kills the spawner |
//! | `memory` | whether the system killed something for want of memory; the spawner has the same |
//! | `text` | makes scripts ready that editors saved with a mark in front, or with the line ends of Windows |
//! | `witness` | what tells that `main.sh` is the one that was installed; the spawner has the same |
//! | `failure` | errors of the system as sentences |
//! | `blocking` | file work apart from the threads of the runtime |

pub(crate) mod active;
pub(crate) mod archive;
mod blocking;
pub(crate) mod entry;
mod environment;
pub(crate) mod failure;
pub(crate) mod install;
pub(crate) mod installed;
pub(crate) mod layout;
mod leftovers;
#[allow(unreachable_pub, reason = "it is compiled into the spawner too")]
#[path = "../../spawner/memory.rs"]
mod memory;
mod orphans;
mod plan;
mod pool;
pub(crate) mod program;
mod run;
mod run_as;
mod shared;
mod slot;
mod spawner_handle;
pub(crate) mod tail;
pub(crate) mod text;
#[allow(unreachable_pub, reason = "it is compiled into the spawner too")]
#[path = "../../spawner/user.rs"]
mod user;
#[cfg(test)]
#[allow(unreachable_pub, dead_code, reason = "it is compiled into the spawner")]
#[path = "../../spawner/user_of.rs"]
mod user_of;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "it is compiled into the spawner too, which uses the other half of each pair"
)]
#[path = "../../spawner/wire.rs"]
pub(crate) mod wire;
#[allow(unreachable_pub, reason = "it is compiled into the spawner too")]
#[path = "../../spawner/witness.rs"]
mod witness;

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use futures::future::BoxFuture;
use pod_core::{
    domain::{ActivityId, RevisionNo},
    executor::{
        ExecutionHandle, Executor, ExecutorError, InstallError, InstallRequest, OutputSink, StartError, StartRequest,
    },
};
use tokio::runtime::Handle;

pub use self::{archive::stays_within, environment::Inherit, orphans::adopt_orphans, run_as::RunAs};
use self::{
    blocking::blocking,
    environment::Environment,
    installed::Installations,
    layout::{Key, Layout},
    memory::MemoryWatch,
    run::ProcessRun,
    shared::Shared,
    spawner_handle::SpawnerHandle,
};
use crate::open_files;

/// Runs executions as processes of this machine, in a directory of its own.
#[derive(Debug)]
pub struct ProcessExecutor {
    shared: Arc<Shared>,
}

impl ProcessExecutor {
    /// Opens a worker's directory, which is made if it is not there, and starts the spawner with that many slots.
    /// What an earlier executor of this directory left running is ended first, and what it left unfinished is deleted.
    ///
    /// Must be called within a tokio runtime, which the executor goes on using. Fails when another executor uses the
    /// directory, it cannot be written, or the spawner cannot be run.
    pub async fn open(dir: &Path, slots: u32) -> Result<Self, ExecutorError> {
        Self::open_with(dir, slots, Inherit::Basics).await
    }

    /// As [`ProcessExecutor::open`], with a choice of what programs inherit of this process's environment.
    pub async fn open_with(dir: &Path, slots: u32, inherit: Inherit) -> Result<Self, ExecutorError> {
        Self::open_boxed(dir, slots, inherit).await
    }

    /// Boxed, so that it is compiled here, and not wherever an executor is opened.
    fn open_boxed(dir: &Path, slots: u32, inherit: Inherit) -> BoxFuture<'_, Result<Self, ExecutorError>> {
        Box::pin(async move {
            if slots == 0 {
                return Err(ExecutorError { message: "a worker needs at least one slot".to_owned() });
            }
            open_files::check(slots).map_err(|message| ExecutorError { message })?;
            let dir = dir.to_owned();
            let (layout, lock, mark, installed) = blocking(move || {
                let (layout, lock) = Layout::open(&dir)?;
                let mark = layout.mark()?;
                leftovers::end_earlier(&layout, &mark);
                layout.clear_runs()?;
                let installed = layout.clear_unfinished()?;
                Ok::<_, ExecutorError>((layout, lock, mark, installed))
            })
            .await?;
            let environment = Environment::of_this_process(&mark, inherit, layout.run_as());
            let spawner = SpawnerHandle::start(layout.clone(), lock, mark, slots).await?;
            Ok(Self {
                shared: Arc::new(Shared {
                    layout,
                    environment,
                    spawner,
                    slots,
                    memory: Arc::new(MemoryWatch::of_this_process()),
                    installed: Arc::new(Installations::new(installed)),
                    busy: Mutex::default(),
                    runtime: Handle::current(),
                }),
            })
        })
    }
}

/// Ends what an executor of that directory left running; what is installed stays. The executor itself, or the process
/// that it was part of, must have ended. A directory that is not there is fine.
pub async fn settle(dir: &Path) -> Result<(), ExecutorError> {
    let dir = dir.to_owned();
    blocking(move || end_all(&dir).map(drop)).await
}

/// As [`settle`], and deletes the directory with all that is in it.
pub async fn clear(dir: &Path) -> Result<(), ExecutorError> {
    let dir = dir.to_owned();
    blocking(move || {
        let _lock = end_all(&dir)?;
        let files = RunAs::of(&dir).ok().flatten().map(|run_as| run_as.files_of(&dir));
        files.map_or(Ok(()), |files| layout::remove_tree(&files)).and_then(|()| layout::remove_tree(&dir)).map_err(
            |error| ExecutorError {
                message: format!("the worker's directory {} cannot be deleted: {error}", dir.display()),
            },
        )
    })
    .await
}

/// Ends what is left running, and gives the lock of the directory, if there is one.
fn end_all(dir: &Path) -> Result<Option<std::fs::File>, ExecutorError> {
    if !dir.exists() {
        return Ok(None);
    }
    let (layout, lock) = Layout::open(dir)?;
    let mark = layout.mark()?;
    leftovers::end_earlier(&layout, &mark);
    for workdirs in layout.all_workdirs(&mark).into_iter().filter(|dir| dir.exists()) {
        if let Err(error) = program::sweep(&layout, &workdirs) {
            tracing::warn!(%error, dir = %workdirs.display(), "what executions left could not be deleted");
        }
    }
    Ok(Some(lock))
}

#[async_trait]
impl Executor for ProcessExecutor {
    async fn install(&self, request: InstallRequest, output: OutputSink) -> Result<(), InstallError> {
        install::install(Arc::clone(&self.shared), request, output).await
    }

    async fn remove(&self, activity: ActivityId, revision: RevisionNo) -> Result<(), ExecutorError> {
        let key = (activity, revision);
        let claim = self.shared.claim(key).await;
        self.shared.installed.forget(key);
        let layout = self.shared.layout.clone();
        blocking(move || {
            let _claim = claim;
            layout.remove(key)
        })
        .await
        .map_err(|error| ExecutorError {
            message: format!(
                "revision {revision} of activity {activity} could not be deleted from the worker: {error}"
            ),
        })
    }

    async fn installed(&self) -> Result<Vec<Key>, ExecutorError> {
        Ok(self.shared.installed.keys())
    }

    async fn start(&self, request: StartRequest) -> Result<Box<dyn ExecutionHandle>, StartError> {
        ProcessRun::start(&self.shared, request).await.map(|run| Box::new(run) as Box<dyn ExecutionHandle>)
    }

    fn slots(&self) -> u32 {
        self.shared.slots
    }

    fn prefetch_limit(&self) -> u32 {
        self.shared.slots
    }

    async fn shutdown(&self) {
        self.shared.spawner.shut_down().await;
    }
}
