//! An executor under test, and what the cases do with it.

use std::{
    collections::BTreeMap,
    fmt, fs,
    future::Future,
    path::PathBuf,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tempfile::TempDir;
use tokio::time::sleep;

use super::super::executor_suite::watching::TIMEOUT;
pub(super) use super::super::executor_suite::watching::{Outcome, finish, in_time, line};
use crate::{
    domain::{ActivityId, AttemptKey, AttemptNo, ExecutionId, Millis, Network, Payload, RevisionNo, Stream, Workdir},
    executor::{ExecutionHandle, Executor, InstallError, InstallRequest, StartRequest},
};

const POLL_INTERVAL: Duration = Duration::from_millis(5);

type Open = dyn Fn(PathBuf, u32) -> Pin<Box<dyn Future<Output = Arc<dyn Executor>> + Send>> + Send + Sync;

/// An executor with two slots in a directory of its own.
pub struct Harness {
    executor: Mutex<Arc<dyn Executor>>,
    open: Box<Open>,
    last: AtomicU64,
    dir: TempDir,
}

impl fmt::Debug for Harness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Harness").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Harness {
    /// Opens an executor in a new directory.
    pub async fn open<F>(open: F) -> Self
    where
        F: Fn(PathBuf, u32) -> Pin<Box<dyn Future<Output = Arc<dyn Executor>> + Send>> + Send + Sync + 'static,
    {
        let dir = TempDir::new().expect("a temporary directory");
        let executor = open(dir.path().join("worker"), 2).await;
        assert_eq!(executor.slots(), 2);
        Self { executor: Mutex::new(executor), open: Box::new(open), last: AtomicU64::new(0), dir }
    }

    /// The executor.
    pub(super) fn executor(&self) -> Arc<dyn Executor> {
        Arc::clone(&self.executor.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Shuts the executor down and opens another one on the same directory.
    pub(super) async fn reopen(&self) {
        self.executor().shutdown().await;
        let again = (self.open)(self.dir.path().join("worker"), 2).await;
        *self.executor.lock().unwrap_or_else(PoisonError::into_inner) = again;
    }

    /// A path of the test's own, where programs leave word.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A number that was not used before.
    pub(super) fn number(&self) -> u64 {
        self.last.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// What to install for that script, as a new activity.
    pub(super) fn installation(&self, script: impl Into<Vec<u8>>) -> InstallRequest {
        InstallRequest {
            activity: ActivityId(self.number()),
            revision: RevisionNo(1),
            payload: Payload::Script(script.into().into()),
            env: BTreeMap::new(),
            timeout: Millis(TIMEOUT.as_millis() as u64),
        }
    }

    /// Installs; gives all that the script printed on either stream.
    pub(super) async fn install(&self, request: InstallRequest) -> Result<Vec<u8>, InstallError> {
        let (sink, mut output) = tokio::sync::mpsc::channel::<(Stream, Bytes)>(4);
        let collect = tokio::spawn(async move {
            let mut all = Vec::new();
            while let Some((_, bytes)) = output.recv().await {
                all.extend_from_slice(&bytes);
            }
            all
        });
        in_time("an installation", self.executor().install(request, sink)).await?;
        Ok(collect.await.expect("collecting does not fail"))
    }

    /// Installs an activity with that `main.sh`, and gives a request to run it.
    pub(super) async fn activity(&self, main: &str) -> StartRequest {
        let request = self.installation(format!("cat > main.sh <<'END OF MAIN'\n{main}\nEND OF MAIN\n"));
        let activity = request.activity;
        self.install(request).await.expect("the installation is a good one");
        self.request(activity)
    }

    /// A request to run an activity.
    pub(super) fn request(&self, activity: ActivityId) -> StartRequest {
        StartRequest {
            key: AttemptKey { execution: ExecutionId(self.number()), attempt: AttemptNo(1) },
            activity,
            activity_name: "an-activity".into(),
            revision: RevisionNo(1),
            input: None,
            env: BTreeMap::new(),
            timeout: None,
            grace: Millis(TIMEOUT.as_millis() as u64),
            workdir: Workdir::Private,
            network: Network::Default,
        }
    }

    /// Starts.
    pub(super) async fn start(&self, request: StartRequest) -> Box<dyn ExecutionHandle> {
        in_time("a start", self.executor().start(request)).await.expect("it can be started")
    }

    /// Runs to the end.
    pub(super) async fn run(&self, request: StartRequest) -> Outcome {
        finish(&mut *self.start(request).await).await
    }

    /// Installs that `main.sh` and runs it to the end.
    pub(super) async fn run_main(&self, main: &str) -> Outcome {
        let request = self.activity(main).await;
        self.run(request).await
    }

    /// Waits until a file holds so many lines, and gives them as process ids.
    pub(super) async fn pids(&self, name: &str, count: usize) -> Vec<u32> {
        let path = self.path(name);
        eventually(&format!("{count} process ids in {name}"), || {
            let pids: Vec<u32> = fs::read_to_string(&path).ok()?.lines().filter_map(|line| line.parse().ok()).collect();
            (pids.len() >= count).then_some(pids)
        })
        .await
    }
}

/// Waits until these processes are gone.
pub(super) async fn gone(pids: &[u32]) {
    eventually(&format!("the end of {pids:?}"), || pids.iter().all(|&pid| !lives(pid)).then_some(())).await;
}

/// Fails unless these processes are gone already.
pub(super) fn already_gone(pids: &[u32]) {
    let living: Vec<_> = pids.iter().filter(|&&pid| lives(pid)).collect();
    assert!(living.is_empty(), "{living:?} of {pids:?} still run");
}

/// Whether a process is there and has not ended.
pub(super) fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// The processes that have this in their environment.
pub(super) fn with_variable(variable: &str) -> Vec<u32> {
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|other| other == variable.as_bytes())
    })
    .collect()
}

/// Looks until there is something.
pub(super) async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    in_time(what, async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            sleep(POLL_INTERVAL).await;
        }
    })
    .await
}
