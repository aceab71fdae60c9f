//! What a worker process of this machine does.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures::future::BoxFuture;
use pod_core::{
    executor::Executor,
    link::{FIRST_VERSION, NEWEST_VERSION, OLDEST_VERSION, Transport},
    worker::{DialError, Dialer, Identity, Leave, ShutdownNotice, SpoolDirectory, WorkerConfig, WorkerExit, run},
};
use uuid::Uuid;

use super::socket;
use crate::{
    data_dir::{directory::WorkerRecord, lock::write_process},
    process::ProcessExecutor,
};

/// As the command line, and the rows of its workers, call this backend.
pub(crate) const NAME: &str = "local";
/// The file that a worker process holds locked.
pub(super) const LOCK: &str = "worker.lock";
/// The file in which it says the oldest version of the link that it speaks.
const LINK: &str = "worker.link";

/// A manager that looks whether a worker is alive holds its lock for a moment.
const LOCK_WITHIN: Duration = Duration::from_secs(1);

/// Runs the worker of a directory that [`super::WorkerProcesses`] made, until it ends. To be called by a process that
/// does nothing else; a runtime of one thread is the cheapest. Leaves the session of whoever started it.
///
/// `leave` asks it to leave; a token that is cancelled does, and then what runs is asked to end right away.
pub async fn run_local_worker(dir: &Path, leave: impl Into<Leave>) -> WorkerExit {
    run_boxed(dir, leave.into()).await
}

fn run_boxed(dir: &Path, leave: Leave) -> BoxFuture<'_, WorkerExit> {
    Box::pin(run_worker_of(dir, leave, |DirectoryWorker { dir, record }| async move {
        let executor = ProcessExecutor::open(&dir, record.slots).await.map_err(|error| error.message)?;
        Ok(Arc::new(executor) as Arc<dyn Executor>)
    }))
}

/// A worker as its directory tells of it.
#[derive(Clone, Debug)]
pub(crate) struct DirectoryWorker {
    pub(crate) dir: PathBuf,
    pub(crate) record: WorkerRecord,
}

/// The same, with the executor that `executor` opens.
pub(crate) async fn run_worker_of<F>(
    dir: &Path,
    leave: Leave,
    executor: impl FnOnce(DirectoryWorker) -> F,
) -> WorkerExit
where
    F: Future<Output = Result<Arc<dyn Executor>, String>>,
{
    // Fails when this process leads a session already, which is as good.
    let _ = rustix::process::setsid();
    match open(dir, executor).await {
        Ok((config, executor, dial, _lock)) => run(config, executor, dial, leave).await,
        Err(reason) => WorkerExit::ExecutorFailed(reason),
    }
}

async fn open<F>(
    dir: &Path,
    executor: impl FnOnce(DirectoryWorker) -> F,
) -> Result<(WorkerConfig, Arc<dyn Executor>, DialDataDir, File), String>
where
    F: Future<Output = Result<Arc<dyn Executor>, String>>,
{
    let unusable = |error: io::Error| format!("the worker's directory {} cannot be used: {error}", dir.display());
    let dir = dir.canonicalize().map_err(unusable)?;
    let record = WorkerRecord::read(&dir).map_err(unusable)?;
    let lock = hold(&dir).await?;
    fs::write(dir.join(LINK), OLDEST_VERSION.to_string()).map_err(unusable)?;
    let executor = executor(DirectoryWorker { dir: dir.clone(), record }).await?;
    let config = config(record, &dir, ShutdownNotice::Permanent);
    Ok((config, executor, DialDataDir { dir, record }, lock))
}

/// Whether the worker process of a directory speaks a version of the link that a manager of this release understands.
/// What it speaks was not written down before version 3.
pub(super) fn is_understood(dir: &Path) -> bool {
    let speaks = fs::read_to_string(dir.join(LINK)).ok().and_then(|version| version.trim().parse().ok());
    speaks.is_some_and(|oldest| (FIRST_VERSION..=NEWEST_VERSION).contains(&oldest))
}

/// What a worker of this machine is run with.
pub(crate) fn config(record: WorkerRecord, dir: &Path, departure: ShutdownNotice) -> WorkerConfig {
    // Folded, so that all of its chance is used.
    let (high, low) = Uuid::new_v4().as_u64_pair();
    let identity = Identity {
        store: Some(record.store),
        worker: Some(record.worker),
        host: rustix::system::uname().nodename().to_str().ok().map(str::to_owned),
        shutdown_notice: departure,
        ..Identity::new(high ^ low)
    };
    WorkerConfig::new(identity).spool(SpoolDirectory::new(dir.join("spool")).beside_store())
}

/// Locks a worker's directory for this process, which notes itself down there.
async fn hold(dir: &Path) -> Result<File, String> {
    let failed = |error: io::Error| format!("{} cannot be locked: {error}", dir.join(LOCK).display());
    let mut file =
        File::options().create(true).truncate(false).read(true).write(true).open(dir.join(LOCK)).map_err(failed)?;
    let deadline = tokio::time::Instant::now() + LOCK_WITHIN;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::Error(error)) => return Err(failed(error)),
            Err(TryLockError::WouldBlock) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(TryLockError::WouldBlock) => {
                return Err(format!("another process is the worker of {} already", dir.display()));
            }
        }
    }
    write_process(&mut file).map_err(failed)?;
    Ok(file)
}

/// Dials the manager of the data directory that a worker's directory lies in.
struct DialDataDir {
    dir: PathBuf,
    record: WorkerRecord,
}

#[async_trait]
impl Dialer for DialDataDir {
    async fn dial(&self) -> Result<Transport, DialError> {
        // Deleted, or made anew for another worker: this one's manager will never be there again.
        match WorkerRecord::read(&self.dir) {
            Ok(found) if found.store == self.record.store && found.worker == self.record.worker => {}
            Ok(_) => {
                return Err(DialError::Never(format!("{} belongs to another worker now", self.dir.display())));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(DialError::Never(format!("its directory {} was deleted", self.dir.display())));
            }
            Err(error) => return Err(DialError::Later(error.to_string())),
        }
        let data = self.dir.ancestors().nth(2).unwrap_or(&self.dir);
        socket::connect(data).await.map_err(|error| DialError::Later(format!("the manager is not there: {error}")))
    }
}
