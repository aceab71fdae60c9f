//! A POD with the in-memory store, no machines, and workers that a test plays itself.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;

use super::within;
use crate::{
    Pod, PodBuilder, PodError,
    domain::{
        AttemptKey, AttemptOutcome, ExecutionId, Millis, NewActivity, NewExecution, OutputSegment, Stream, Timestamp,
        WorkerId,
    },
    link::{
        self, AttemptReport, EndReport, FrameError, FromWorker, Hello, InstallOutcome, MAX_FRAME, Offer, StartCommand,
        ToWorker, Transport, in_process,
    },
    provisioner::{
        Admission, Backend, BackendContext, Machine, ProvisionError, Provisioner, WorkerGateway, WorkerSpec,
    },
    store::{MemoryStore, Store},
};

/// A POD and the gateway for its workers.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) pod: Pod,
    pub(super) links: Arc<dyn WorkerGateway>,
}

/// A backend whose machines never come: the workers of a test dial in by themselves.
#[derive(Debug, Default)]
struct NoMachines(Arc<Mutex<Option<Arc<dyn WorkerGateway>>>>);

#[async_trait]
impl Backend for NoMachines {
    async fn start(self: Box<Self>, context: BackendContext) -> Result<Arc<dyn Provisioner>, ProvisionError> {
        *self.0.lock().unwrap() = Some(context.links);
        Ok(Arc::new(Self::default()))
    }
}

#[async_trait]
impl Provisioner for NoMachines {
    fn name(&self) -> &str {
        "test"
    }

    async fn create(&self, _: WorkerId, _: &WorkerSpec) -> Result<(), ProvisionError> {
        Ok(())
    }
    async fn destroy(&self, _: WorkerId) -> Result<(), ProvisionError> {
        Ok(())
    }
    async fn list(&self) -> Result<Vec<Machine>, ProvisionError> {
        Ok(Vec::new())
    }
}

impl Stage {
    pub(super) async fn new() -> Self {
        Self::over(MemoryStore::new()).await
    }

    pub(super) async fn over(store: impl Store) -> Self {
        Self::with(Pod::builder().store(store)).await
    }

    pub(super) async fn with(builder: PodBuilder) -> Self {
        Self::try_with(builder).await.unwrap()
    }

    pub(super) async fn try_with(builder: PodBuilder) -> Result<Self, PodError> {
        let gateway = NoMachines::default();
        let links = gateway.0.clone();
        let pod = builder.backend(gateway).start().await?;
        let links = links.lock().unwrap().take().unwrap();
        Ok(Self { pod, links })
    }

    /// With an approved activity `a`, and the worker that installed it.
    pub(super) async fn ready(self) -> (Self, StageWorker) {
        self.pod.create_activity(NewActivity::script("a", "cp /bin/true main.sh")).await.unwrap();
        let mut worker = StageWorker::dial(&self.links, StageWorker::stranger()).await;
        worker.install().await;
        within(async {
            let mut seen = 0;
            while self.pod.activity("a").await.unwrap().activity.status != crate::domain::ActivityStatus::Approved {
                let events = self.pod.events_after(seen, 100, super::DEADLINE).await.unwrap();
                seen = events.last().map_or(seen, |event| event.seq);
            }
        })
        .await;
        (self, worker)
    }

    pub(super) async fn start(&self) -> Result<ExecutionId, PodError> {
        self.pod.start(NewExecution::new("a")).await
    }
}

/// A worker that a test plays.
#[derive(Debug)]
pub(super) struct StageWorker {
    transport: Transport,
    arrived: std::collections::VecDeque<ToWorker>,
    pub(super) hello: Hello,
}

impl StageWorker {
    /// The first hello of a worker that nobody created.
    pub(super) fn stranger() -> Hello {
        Hello::new(7, 2)
    }

    /// Dials and is welcomed.
    pub(super) async fn dial(links: &Arc<dyn WorkerGateway>, hello: Hello) -> Self {
        let mut worker = Self::knock(links, hello).await;
        let ToWorker::Welcome(welcome) = worker.next().await else { panic!("not welcomed") };
        worker.hello.worker = Some(welcome.worker);
        worker.hello.store = Some(welcome.store);
        worker.hello.epoch = Some(welcome.epoch);
        worker
    }

    /// Dials; what comes back is for the test to see.
    pub(super) async fn knock(links: &Arc<dyn WorkerGateway>, hello: Hello) -> Self {
        Self::knock_at(links, Admission::Anyone, hello).await
    }

    /// The same by that way in.
    pub(super) async fn knock_at(links: &Arc<dyn WorkerGateway>, admission: Admission, hello: Hello) -> Self {
        let (ours, theirs) = in_process();
        links.accept(theirs, admission);
        let mut worker = Self { transport: ours, arrived: Default::default(), hello: hello.clone() };
        worker.say([FromWorker::Hello(Box::new(hello))]).await;
        worker
    }

    /// Loses the link and dials again, with what it holds.
    pub(super) async fn redial(mut self, links: &Arc<dyn WorkerGateway>, running: &[AttemptKey]) -> Self {
        let report = |key: &AttemptKey| AttemptReport { key: *key, started_at: Some(Timestamp(1)), ended: false };
        self.hello.attempts = running.iter().map(report).collect();
        let hello = self.hello.clone();
        drop(self);
        Self::dial(links, hello).await
    }

    pub(super) async fn say(&mut self, messages: impl IntoIterator<Item = FromWorker>) {
        let messages: Vec<_> = messages.into_iter().collect();
        let frame = link::encode(&messages).unwrap();
        within(self.transport.writer.write(frame)).await.unwrap();
    }

    /// The next frame, when all before it was looked at.
    pub(super) async fn next_frame(&mut self) -> Bytes {
        assert!(self.arrived.is_empty(), "{:?}", self.arrived);
        within(self.transport.reader.read(MAX_FRAME)).await.unwrap()
    }

    /// The next message, or the end of the link.
    pub(super) async fn try_next(&mut self) -> Result<ToWorker, FrameError> {
        while self.arrived.is_empty() {
            let frame = within(self.transport.reader.read(MAX_FRAME)).await?;
            self.arrived.extend(link::decode::<ToWorker>(&frame).unwrap());
        }
        Ok(self.arrived.pop_front().unwrap())
    }

    pub(super) async fn next(&mut self) -> ToWorker {
        self.try_next().await.expect("the manager ended the link")
    }

    /// Waits for an order to install, and does.
    pub(super) async fn install(&mut self) {
        loop {
            if let ToWorker::Offer(offer) = self.next().await {
                let Offer { activity, revision, .. } = *offer;
                self.hello.installed.push((activity, revision));
                return self
                    .say([FromWorker::InstallEnded { activity, revision, outcome: InstallOutcome::Installed }])
                    .await;
            }
        }
    }

    /// Waits for an order to start.
    pub(super) async fn order(&mut self) -> StartCommand {
        loop {
            if let ToWorker::Start(order) = self.next().await {
                return *order;
            }
        }
    }

    /// The log of an order in which these came.
    pub(super) fn order_of(key: AttemptKey, runs: &[OutputSegment]) -> FromWorker {
        let (mut bytes, mut last) = (Vec::new(), Millis(0));
        for run in runs {
            run.encode(last, &mut bytes);
            last = run.since;
        }
        FromWorker::Interleaving { key, offset: 0, bytes: bytes.into() }
    }

    pub(super) fn output(key: AttemptKey, offset: u64, bytes: &[u8]) -> FromWorker {
        FromWorker::Output { key, stream: Stream::Stdout, offset, bytes: Bytes::copy_from_slice(bytes) }
    }

    /// An end with exit code 0 that brings the last output along.
    pub(super) fn end(key: AttemptKey, stdout_from: u64, stdout: &[u8]) -> FromWorker {
        FromWorker::Ended(Box::new(EndReport {
            key,
            started_at: Some(Timestamp(1)),
            ended_at: Timestamp(2),
            end: AttemptOutcome::Exited(0),
            stdout: Bytes::copy_from_slice(stdout),
            stdout_from,
            stderr: Bytes::new(),
            stderr_from: 0,
            order: Bytes::new(),
            order_from: 0,
        }))
    }
}
