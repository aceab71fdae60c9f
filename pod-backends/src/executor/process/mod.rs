//! Executions as processes of this machine.
//!
//! Nothing is forked here. A small program that this library carries along, the *spawner*, runs as one process per
//! slot beside the worker, starts the programs, and is the keeper of their process trees: whatever a program does to
//! get away, it is found and ended with it, also when the worker is killed. `spawner/main.rs` tells how.
//!
//! | module | what it does |
//! |---|---|
//! | `crew` | runs the spawner, and runs it again when it was killed |
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

mod active;
mod archive;
mod crew;
mod entry;
mod environment;
mod failure;
mod install;
mod installed;
mod layout;
mod leftovers;
#[allow(unreachable_pub, reason = "it is compiled into the spawner too")]
#[path = "../../../spawner/memory.rs"]
mod memory;
mod orphans;
mod plan;
mod pool;
mod program;
mod run;
mod run_as;
mod slot;
mod tail;
mod text;
#[allow(unreachable_pub, reason = "it is compiled into the spawner too")]
#[path = "../../../spawner/user.rs"]
mod user;
#[cfg(test)]
#[allow(unreachable_pub, dead_code, reason = "it is compiled into the spawner")]
#[path = "../../../spawner/user_of.rs"]
mod user_of;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "it is compiled into the spawner too, which uses the other half of each pair"
)]
#[path = "../../../spawner/wire.rs"]
mod wire;
#[allow(unreachable_pub, reason = "it is compiled into the spawner too")]
#[path = "../../../spawner/witness.rs"]
mod witness;

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use pod_core::{
    domain::{ActivityId, RevisionNo},
    executor::{Executor, ExecutorError, InstallError, InstallRequest, OutputSink, Running, StartError, StartRequest},
};
use tokio::runtime::Handle;

pub(crate) use self::entry::Entry;
#[cfg(test)]
#[cfg(feature = "docker")]
pub(crate) use self::wire::last_words;
#[cfg(feature = "docker")]
pub(crate) use self::{
    active::now,
    archive::{Refused, unpack},
    entry::BadEntry,
    failure::{explain as explain_not_started, no_place},
    install::{bad_entry, wide_script},
    installed::{Absent, Damage, Installation, Installations as AllInstalled},
    layout::remove_tree,
    program::PROGRAM,
    tail::Tail,
    text::{Script, Unready, make_ready},
    wire::{ARGUMENT_LIMIT, BEGIN, End, HEARS, LAST_WORDS, Report, mark},
};
pub use self::{archive::stays_within, environment::Inherit, orphans::adopt_orphans, run_as::RunAs};
use self::{
    crew::CrewHandle,
    environment::Environment,
    installed::Installations,
    layout::{Installed, Layout},
    memory::MemoryWatch,
    run::ProcessRun,
};
use crate::open_files;

/// Runs executions as processes of this machine, in a directory of its own.
#[derive(Debug)]
pub struct ProcessExecutor {
    shared: Arc<Shared>,
}

/// What running installations need too.
#[derive(Debug)]
struct Shared {
    layout: Layout,
    environment: Environment,
    crew: CrewHandle,
    slots: u32,
    memory: Arc<MemoryWatch>,
    /// What is completely installed.
    installed: Arc<Installations<Installed>>,
    /// Held while an installation is made or deleted.
    busy: Mutex<HashMap<Key, Arc<tokio::sync::Mutex<()>>>>,
    runtime: Handle,
}

/// An installation.
type Key = (ActivityId, RevisionNo);

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
        let crew = CrewHandle::start(layout.clone(), lock, mark, slots).await?;
        Ok(Self {
            shared: Arc::new(Shared {
                layout,
                environment,
                crew,
                slots,
                memory: Arc::new(MemoryWatch::of_this_process()),
                installed: Arc::new(Installations::new(installed)),
                busy: Mutex::default(),
                runtime: Handle::current(),
            }),
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

impl Shared {
    /// Waits until nobody else changes this installation.
    async fn claim(&self, key: Key) -> tokio::sync::OwnedMutexGuard<()> {
        let lock = {
            let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
            busy.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(busy.entry(key).or_default())
        };
        lock.lock_owned().await
    }
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

    async fn start(&self, request: StartRequest) -> Result<Box<dyn Running>, StartError> {
        ProcessRun::start(&self.shared, request).await.map(|run| Box::new(run) as Box<dyn Running>)
    }

    fn slots(&self) -> u32 {
        self.shared.slots
    }

    fn ahead(&self) -> u32 {
        self.shared.slots
    }

    async fn shutdown(&self) {
        self.shared.crew.shut_down().await;
    }
}

/// Does file work where it may wait.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}
