//! An executor under test, and what the cases do with it.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tempfile::TempDir;

use super::{
    driver::{ExecutorDriver, TestProgram},
    observed::ObservedRun,
    watching::{Outcome, TIMEOUT, finish, in_time},
};
use crate::{
    domain::{ActivityId, AttemptKey, AttemptNo, ExecutionId, Millis, Network, RevisionNo, Workdir},
    executor::{ExecutionHandle, Executor, InstallError, InstallRequest, StartRequest},
};

/// An executor with two slots.
pub struct Harness {
    driver: Arc<dyn ExecutorDriver>,
    executor: Arc<dyn Executor>,
    last: AtomicU64,
    _dir: TempDir,
}

impl fmt::Debug for Harness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Harness").field("executor", &self.executor).finish_non_exhaustive()
    }
}

impl Harness {
    /// Opens an executor.
    pub async fn open(driver: Arc<dyn ExecutorDriver>) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let executor = in_time("an executor", driver.open(dir.path().join("worker"), 2)).await;
        assert_eq!(executor.slots(), 2);
        Self { driver, executor, last: AtomicU64::new(0), _dir: dir }
    }

    pub(super) fn executor(&self) -> &dyn Executor {
        &*self.executor
    }

    fn number(&self) -> u64 {
        self.last.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Installs a program as an activity of its own. Nobody reads what the installation prints.
    pub(super) async fn try_to_install(&self, program: TestProgram) -> Result<ActivityId, InstallError> {
        let activity = ActivityId(self.number());
        self.install_again(activity, program).await.map(|()| activity)
    }

    /// Installs a program as that activity.
    pub(super) async fn install_again(&self, activity: ActivityId, program: TestProgram) -> Result<(), InstallError> {
        let request = InstallRequest {
            activity,
            revision: RevisionNo(1),
            payload: self.driver.payload(program),
            env: BTreeMap::new(),
            timeout: Millis(TIMEOUT.as_millis() as u64),
        };
        let (sink, _) = tokio::sync::mpsc::channel(1);
        in_time("an installation", self.executor.install(request, sink)).await
    }

    /// Installs a program.
    pub(super) async fn activity(&self, program: TestProgram) -> ActivityId {
        self.try_to_install(program).await.expect("the installation is a good one")
    }

    /// A request to run an activity with that input.
    pub(super) fn request(&self, activity: ActivityId, input: &str) -> StartRequest {
        StartRequest {
            key: AttemptKey { execution: ExecutionId(self.number()), attempt: AttemptNo(1) },
            activity,
            activity_name: "an-activity".into(),
            revision: RevisionNo(1),
            input: Some(input.into()),
            env: BTreeMap::new(),
            timeout: None,
            grace: Millis(TIMEOUT.as_millis() as u64),
            workdir: Workdir::Private,
            network: Network::Default,
        }
    }

    /// Starts.
    pub(super) async fn start(&self, request: StartRequest) -> Box<dyn ExecutionHandle> {
        in_time("a start", self.executor.start(request)).await.expect("it can be started")
    }

    /// Starts an activity with that input, and listens to it all the time.
    pub(super) async fn observe(&self, activity: ActivityId, input: &str) -> ObservedRun {
        ObservedRun::of(self.start(self.request(activity, input)).await)
    }

    /// Runs an activity with that input to its end.
    pub(super) async fn run(&self, activity: ActivityId, input: &str) -> Outcome {
        finish(&mut *self.start(self.request(activity, input)).await).await
    }
}
