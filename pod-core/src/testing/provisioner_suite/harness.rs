//! A provisioner under test, and the manager that its workers dial.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use tempfile::TempDir;
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::work::{SleepingProcess, TIMEOUT, Work, eventually, sleeping};
use crate::{
    domain::{ActivityId, AttemptKey, AttemptNo, Epoch, ExecutionId, Millis, RevisionNo, SessionId, StoreId, WorkerId},
    link::{
        self, FromWorker, Hello, InstallOutcome, MAX_FRAME, NEWEST_VERSION, StartCommand, ToWorker, Transport, Welcome,
    },
    provisioner::{
        Admission, Backend, BackendContext, Machine, ProvisionError, Provisioner, WorkerGateway, WorkerSpec,
    },
};

/// What a backend under test hands in.
#[derive(Debug)]
enum Arrival {
    Link(Transport),
    Gone(WorkerId),
}

/// Hands everything to the test instead of an engine.
#[derive(Debug)]
struct Observer(mpsc::Sender<Arrival>);

#[async_trait]
impl WorkerGateway for Observer {
    fn accept(&self, transport: Transport, _admission: Admission) {
        // A test that no longer looks lets the link end.
        drop(self.0.try_send(Arrival::Link(transport)));
    }

    async fn report_progress(&self, worker: WorkerId, note: String) {
        tracing::info!(%worker, note, "a worker is being made");
    }

    async fn report_lost(&self, worker: WorkerId, reason: String) {
        tracing::info!(%worker, reason, "a worker is gone");
        let _ = self.0.send(Arrival::Gone(worker)).await;
    }
}

type MakeBackend = dyn Fn(&Path) -> Box<dyn Backend> + Send + Sync;

/// A provisioner in a directory of its own.
pub struct Harness {
    backend: Box<MakeBackend>,
    work: Arc<dyn Work>,
    provisioner: Option<Arc<dyn Provisioner>>,
    store: StoreId,
    shutdown: CancellationToken,
    arrivals: mpsc::Receiver<Arrival>,
    dir: TempDir,
}

impl fmt::Debug for Harness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Harness").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// A worker that dialled in and was welcomed.
#[derive(Debug)]
pub struct TestWorker {
    link: Transport,
    heard: std::collections::VecDeque<FromWorker>,
    /// What it said first.
    pub hello: Hello,
}

/// What a worker does, as the suite sees it.
pub(super) struct WorkInProgress {
    work: Arc<dyn Work>,
    mark: String,
}

impl Harness {
    /// Starts a backend in a new directory, whose workers run processes of this machine.
    pub async fn start(backend: impl Fn(&Path) -> Box<dyn Backend> + Send + Sync + 'static) -> Self {
        Self::start_with(backend, Arc::new(SleepingProcess)).await
    }

    /// Starts a backend in a new directory, whose workers do that.
    pub async fn start_with(
        backend: impl Fn(&Path) -> Box<dyn Backend> + Send + Sync + 'static,
        work: Arc<dyn Work>,
    ) -> Self {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let store = StoreId(Uuid::new_v4());
        let (shutdown, (_, arrivals)) = (CancellationToken::new(), mpsc::channel(1));
        let backend = Box::new(backend);
        let mut rig = Self { backend, work, provisioner: None, store, shutdown, arrivals, dir };
        rig.manager_starts().await;
        rig
    }

    async fn manager_starts(&mut self) {
        let (observer, arrivals) = mpsc::channel(64);
        self.arrivals = arrivals;
        self.shutdown = CancellationToken::new();
        let context = BackendContext {
            store: self.store,
            workers: Arc::default(),
            links: Arc::new(Observer(observer)),
            shutdown: self.shutdown.clone(),
        };
        let started = timeout(TIMEOUT, (self.backend)(&self.path()).start(context)).await.expect("in time");
        self.provisioner = Some(started.expect("the backend starts"));
    }

    /// Ends the manager, and starts the next one of the same store.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.manager_starts().await;
    }

    /// Ends the manager. Workers that end with it have ended then.
    pub async fn stop(&mut self) {
        if let Some(provisioner) = self.provisioner.take().filter(|provisioner| !provisioner.workers_stay()) {
            timeout(TIMEOUT, provisioner.leave(Duration::ZERO)).await.expect("the workers leave in time");
        }
        self.shutdown.cancel();
    }

    /// Whom the workers serve.
    #[must_use]
    pub fn store(&self) -> StoreId {
        self.store
    }

    /// Ends the manager, and starts one of another store in its place.
    pub async fn restart_with_another_store(&mut self) {
        self.store = StoreId(Uuid::new_v4());
        self.restart().await;
    }

    /// The directory of the backend: its path has more than 150 bytes, which is more than a socket's may have.
    #[must_use]
    pub fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("a-long-name-".repeat(12)).join("data")
    }

    /// What is tested.
    #[must_use]
    pub fn provisioner(&self) -> &Arc<dyn Provisioner> {
        self.provisioner.as_ref().expect("the backend was started")
    }

    /// Creates a worker with two slots.
    pub async fn create(&self, worker: u64) {
        self.try_to_create(worker).await.expect("the worker is created");
    }

    /// The same, where it may be refused.
    pub async fn try_to_create(&self, worker: u64) -> Result<(), ProvisionError> {
        let spec = WorkerSpec::new(self.store, 2).isolation(self.provisioner().capabilities().default_isolation);
        self.provisioner().create(WorkerId(worker), &spec).await
    }

    /// Destroys a worker.
    pub async fn destroy(&self, worker: u64) {
        let destroyed = timeout(TIMEOUT, self.provisioner().destroy(WorkerId(worker))).await;
        destroyed.expect("in time").expect("the worker is destroyed");
    }

    /// The workers that there are, by number.
    pub async fn list(&self) -> Vec<u64> {
        self.machines().await.into_iter().map(|machine| machine.worker.0).collect()
    }

    /// The machines that there are, by the numbers of their workers.
    pub async fn machines(&self) -> Vec<Machine> {
        let mut listed = self.provisioner().list().await.expect("they can be listed");
        listed.sort_unstable_by_key(|machine| machine.worker);
        listed
    }

    /// The next worker that dials in, welcomed. One that breaks off before is passed over.
    pub async fn connected_worker(&mut self) -> TestWorker {
        loop {
            let arrival = timeout(TIMEOUT, self.arrivals.recv()).await.expect("a worker dials in");
            let Some(Arrival::Link(link)) = arrival else { panic!("{arrival:?} came, and no worker") };
            if let Some(worker) = TestWorker::receive(link, self.store).await {
                return worker;
            }
        }
    }

    /// Gives a worker something to do, which runs then.
    pub(super) async fn give_work(&self, worker: &mut TestWorker) -> WorkInProgress {
        let work = WorkInProgress { work: self.work.clone(), mark: worker.begins(&*self.work).await };
        eventually("what was started", || work.runs().then_some(())).await;
        work
    }

    /// The next worker that the provisioner says is gone.
    pub async fn gone(&mut self) -> WorkerId {
        loop {
            match timeout(TIMEOUT, self.arrivals.recv()).await.expect("news of a worker") {
                Some(Arrival::Gone(worker)) => return worker,
                Some(Arrival::Link(_)) => {}
                None => panic!("the backend ended"),
            }
        }
    }

    /// Destroys every worker.
    pub async fn clean_up(&self) {
        for worker in self.list().await {
            self.destroy(worker).await;
        }
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl TestWorker {
    async fn receive(link: Transport, store: StoreId) -> Option<Self> {
        let mut link = link;
        let frame = timeout(TIMEOUT, link.reader.read(MAX_FRAME)).await.expect("a hello").ok()?;
        let mut heard: std::collections::VecDeque<_> = link::decode(&frame).expect("a frame").into();
        let Some(FromWorker::Hello(hello)) = heard.pop_front() else { panic!("a hello comes first") };
        if hello.store != Some(store) {
            return None;
        }
        let worker = hello.worker.expect("a created worker knows who it is");
        let welcome = Welcome {
            store,
            epoch: Epoch(1),
            worker,
            session: SessionId(1),
            heartbeat: Millis::from_secs(5),
            orphan_timeout: Millis::from_secs(600),
            output_cap: 1 << 20,
            discard: Vec::new(),
            remove: Vec::new(),
            version: NEWEST_VERSION,
        };
        let mut worker = Self { link, heard, hello: *hello };
        worker.say(ToWorker::Welcome(Box::new(welcome))).await;
        Some(worker)
    }

    /// Says something to the worker.
    pub async fn say(&mut self, message: ToWorker) {
        let frame = link::encode(&[message]).expect("a frame");
        self.link.writer.write(frame).await.expect("the link takes it");
    }

    /// The next thing that it says; none when the link has ended.
    pub async fn hear(&mut self) -> Option<FromWorker> {
        while self.heard.is_empty() {
            let frame =
                timeout(TIMEOUT, self.link.reader.read(MAX_FRAME)).await.expect("it says something or ends").ok()?;
            self.heard.extend(link::decode::<FromWorker>(&frame).expect("a frame"));
        }
        self.heard.pop_front()
    }

    /// Waits until the link has ended.
    pub async fn leaves(&mut self) {
        self.says_that_it_leaves().await;
    }

    /// Waits until the link has ended. Whether the worker has said before that it leaves and does not come back.
    pub(super) async fn says_that_it_leaves(&mut self) -> bool {
        let mut said = false;
        while let Some(message) = self.hear().await {
            said |= matches!(message, FromWorker::Leaving { .. });
        }
        said
    }

    /// Installs a process that sleeps, and runs it. Gives its process id as this machine counts, where a container may
    /// count otherwise.
    pub async fn runs_something(&mut self) -> u32 {
        let mark = self.begins(&SleepingProcess).await;
        eventually("what was started", || sleeping(&mark)).await
    }

    /// Installs that work and starts it; gives its mark when it has printed something.
    async fn begins(&mut self, work: &dyn Work) -> String {
        let (activity, revision) = (ActivityId(1), RevisionNo(1));
        let mark = (10_000_000 + Uuid::new_v4().as_u128() % 900_000_000).to_string();
        let (payload, timeout) = (work.payload(&mark), Millis::from_secs(60));
        self.say(ToWorker::Install { activity, revision, payload, env: Default::default(), timeout }).await;
        loop {
            match self.hear().await.expect("the worker is there") {
                FromWorker::InstallEnded { outcome: InstallOutcome::Installed, .. } => break,
                FromWorker::InstallEnded { outcome, .. } => panic!("{outcome:?}"),
                _ => {}
            }
        }
        let order = StartCommand {
            key: AttemptKey { execution: ExecutionId(1), attempt: AttemptNo(1) },
            activity,
            activity_name: "stay".into(),
            revision,
            input: Some(mark.as_str().into()),
            env: Default::default(),
            timeout: None,
            grace: Millis::from_secs(10),
            workdir: crate::domain::Workdir::Private,
            network: crate::domain::Network::Default,
        };
        self.say(ToWorker::Start(Box::new(order))).await;
        loop {
            match self.hear().await.expect("the worker is there") {
                FromWorker::Output { .. } => return mark,
                FromWorker::Ended(report) => panic!("{report:?}"),
                _ => {}
            }
        }
    }
}

impl WorkInProgress {
    /// Whether it runs.
    pub(super) fn runs(&self) -> bool {
        self.work.runs(&self.mark)
    }

    /// Waits until it does not run any more.
    pub(super) async fn ends(&self) {
        eventually("the end of what a worker ran", || (!self.runs()).then_some(())).await;
    }
}
