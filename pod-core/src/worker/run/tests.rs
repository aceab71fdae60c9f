//! The shell against a manager at the other end of a link, with an executor whose programs are written in the test.

use crate::link::Transport;
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU32, Ordering},
};

use bytes::Bytes;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::*;
use crate::{
    domain::{
        ActivityId, AttemptKey, AttemptNo, AttemptOutcome, Epoch, ExecutionId, Millis, RevisionNo, SessionId, StoreId,
        Stream, WorkerId,
    },
    executor::{
        ExecutionHandle, ExecutorError, InstallError, InstallRequest, OutputSink, RunEvent, StartError, StartRequest,
        StopMode,
    },
    link::{self, Hello, MAX_FRAME, NEWEST_VERSION, StartCommand, ToWorker, Welcome},
};

/// Installing it is more than the executor can do.
const DEFECT: ActivityId = ActivityId(13);

/// Runs `echo`: prints its input and ends, but goes on until it is stopped where the input is `wait`.
#[derive(Debug, Default)]
struct Echo {
    running: AtomicU32,
}

#[derive(Debug)]
struct EchoRun {
    events: mpsc::Receiver<RunEvent>,
    _stay: mpsc::Sender<RunEvent>,
}

#[async_trait]
impl Executor for Echo {
    async fn install(&self, request: InstallRequest, output: OutputSink) -> Result<(), InstallError> {
        assert!(request.activity != DEFECT, "a defect of the executor");
        let _ = output.send((Stream::Stdout, Bytes::from_static(b"installing"))).await;
        Ok(())
    }
    async fn remove(&self, _: ActivityId, _: RevisionNo) -> Result<(), ExecutorError> {
        Ok(())
    }
    async fn installed(&self) -> Result<Vec<(ActivityId, RevisionNo)>, ExecutorError> {
        Ok(vec![(ActivityId(1), RevisionNo(1))])
    }
    async fn start(&self, request: StartRequest) -> Result<Box<dyn ExecutionHandle>, StartError> {
        self.running.fetch_add(1, Ordering::Relaxed);
        let (sender, events) = mpsc::channel(4);
        let input = request.input.unwrap_or_default();
        let _ = sender.try_send(RunEvent::Started { at: Timestamp(1) });
        let bytes = Bytes::copy_from_slice(input.as_bytes());
        let _ = sender.try_send(RunEvent::Output { stream: Stream::Stdout, bytes });
        if &*input != "wait" {
            let _ = sender.try_send(RunEvent::Ended { end: AttemptOutcome::Exited(0), at: Timestamp(2) });
        }
        Ok(Box::new(EchoRun { events, _stay: sender }))
    }
    fn slots(&self) -> u32 {
        2
    }
    async fn shutdown(&self) {}
}

#[async_trait]
impl ExecutionHandle for EchoRun {
    async fn next(&mut self) -> Option<RunEvent> {
        self.events.recv().await
    }
    fn stop(&mut self, _: StopMode) {
        let _ = self._stay.try_send(RunEvent::Ended { end: AttemptOutcome::Terminated, at: Timestamp(3) });
    }
}

/// Hands the other end of every link to the test.
struct Switchboard(mpsc::Sender<Transport>);

#[async_trait]
impl Dialer for Switchboard {
    async fn dial(&self) -> Result<Transport, DialError> {
        let (here, there) = link::in_process();
        match self.0.send(there).await {
            Ok(()) => Ok(here),
            Err(_) => Err(DialError::Never("the test is over".into())),
        }
    }
}

/// The manager's end of a link.
struct Manager {
    link: Transport,
    heard: std::collections::VecDeque<FromWorker>,
}

impl Manager {
    async fn accept(links: &Mutex<mpsc::Receiver<Transport>>) -> (Self, Hello) {
        let link = links.lock().await.recv().await.unwrap();
        let mut manager = Self { link, heard: Default::default() };
        let FromWorker::Hello(hello) = manager.hear().await else { panic!("a hello comes first") };
        let welcome = Welcome {
            store: StoreId(Uuid::from_u128(7)),
            epoch: Epoch(1),
            worker: WorkerId(1),
            session: SessionId(1),
            heartbeat: Millis::from_secs(5),
            orphan_timeout: Millis::from_secs(600),
            output_cap: 1 << 20,
            discard: Vec::new(),
            remove: Vec::new(),
            version: NEWEST_VERSION,
        };
        manager.say(&[ToWorker::Welcome(Box::new(welcome))]).await;
        (manager, *hello)
    }

    async fn hear(&mut self) -> FromWorker {
        while self.heard.is_empty() {
            let frame =
                tokio::time::timeout(Duration::from_secs(20), self.link.reader.read(MAX_FRAME)).await.unwrap().unwrap();
            self.heard.extend(link::decode::<FromWorker>(&frame).unwrap());
        }
        self.heard.pop_front().unwrap()
    }

    /// The next end, whatever comes before it.
    async fn end(&mut self) -> link::EndReport {
        loop {
            if let FromWorker::Ended(report) = self.hear().await {
                return *report;
            }
        }
    }

    async fn say(&mut self, messages: &[ToWorker]) {
        self.link.writer.write(link::encode(messages).unwrap()).await.unwrap();
    }
}

fn key(execution: u64) -> AttemptKey {
    AttemptKey { execution: ExecutionId(execution), attempt: AttemptNo(1) }
}

fn order(execution: u64, input: &str) -> ToWorker {
    ToWorker::Start(Box::new(StartCommand {
        key: key(execution),
        activity: ActivityId(1),
        activity_name: "echo".into(),
        revision: RevisionNo(1),
        input: Some(input.into()),
        env: Arc::new(BTreeMap::new()),
        timeout: None,
        grace: Millis::from_secs(10),
        workdir: crate::domain::Workdir::Private,
        network: crate::domain::Network::Default,
    }))
}

struct Scene {
    links: Mutex<mpsc::Receiver<Transport>>,
    shutdown: CancellationToken,
    worker: tokio::task::JoinHandle<WorkerExit>,
    _directory: tempfile::TempDir,
}

fn scene() -> Scene {
    let directory = tempfile::tempdir().unwrap();
    let config = WorkerConfig::new(Identity::new(42)).spool_in(directory.path());
    let (dial, links) = mpsc::channel(1);
    let shutdown = CancellationToken::new();
    let worker = tokio::spawn(run(config, Arc::new(Echo::default()), Switchboard(dial), shutdown.clone()));
    Scene { links: Mutex::new(links), shutdown, worker, _directory: directory }
}

#[tokio::test]
async fn many_executions_run_and_each_ends_once_with_its_output() {
    let scene = scene();
    let (mut manager, hello) = Manager::accept(&scene.links).await;
    assert_eq!(hello.installed, [(ActivityId(1), RevisionNo(1))]);
    let orders: Vec<ToWorker> = (1..=500).map(|n| order(n, &format!("hello {n}"))).collect();
    manager.say(&orders).await;
    let mut ended = BTreeMap::new();
    while ended.len() < 500 {
        let report = manager.end().await;
        assert_eq!(report.stdout, format!("hello {}", report.key.execution));
        assert_eq!(report.end, AttemptOutcome::Exited(0));
        manager.say(&[ToWorker::EndAck { key: report.key }]).await;
        assert!(ended.insert(report.key, ()).is_none(), "told once");
    }
    manager.say(&[ToWorker::Shutdown { reason: "the test is over".into() }]).await;
    assert_eq!(scene.worker.await.unwrap(), WorkerExit::Shutdown("the test is over".into()));
}

#[tokio::test]
async fn what_runs_is_told_again_over_the_next_link_and_can_be_stopped_there() {
    let scene = scene();
    let (mut manager, _) = Manager::accept(&scene.links).await;
    manager.say(&[order(1, "wait")]).await;
    loop {
        if let FromWorker::Output { bytes, .. } = manager.hear().await {
            assert_eq!(bytes, "wait");
            break;
        }
    }
    drop(manager);
    let (mut manager, hello) = Manager::accept(&scene.links).await;
    assert_eq!(hello.attempts.len(), 1);
    assert_eq!(hello.attempts[0].started_at, Some(Timestamp(1)));
    manager.say(&[ToWorker::Stop { key: key(1), grace: Millis::from_secs(1) }]).await;
    let report = manager.end().await;
    assert_eq!((report.end, report.stdout_from), (AttemptOutcome::Terminated, 4), "its output was sent before");
    scene.shutdown.cancel();
    loop {
        if matches!(manager.hear().await, FromWorker::Goodbye { .. }) {
            break;
        }
    }
    assert_eq!(scene.worker.await.unwrap(), WorkerExit::Cancelled);
}

/// A manager that has no reason to answer must not be needed for the rest.
#[tokio::test]
async fn what_does_not_fit_into_one_frame_follows_at_once() {
    let scene = scene();
    let (mut manager, _) = Manager::accept(&scene.links).await;
    let (much, begun) = ("much ".repeat(160_000), std::time::Instant::now());
    manager.say(&[order(1, &much)]).await;
    let report = manager.end().await;
    assert_eq!(report.stdout_from + report.stdout.len() as u64, much.len() as u64);
    assert!(begun.elapsed() < Duration::from_secs(4), "it waited for the next heartbeat: {:?}", begun.elapsed());
    scene.worker.abort();
}

#[tokio::test]
async fn a_worker_whose_manager_can_never_be_there_again_ends() {
    let scene = scene();
    let (manager, _) = Manager::accept(&scene.links).await;
    drop(scene.links);
    drop(manager);
    assert_eq!(scene.worker.await.unwrap(), WorkerExit::Abandoned("the test is over".into()));
}

#[tokio::test]
async fn an_installation_that_panics_is_told_as_failed_and_makes_room() {
    let scene = scene();
    let (mut manager, _) = Manager::accept(&scene.links).await;
    let install = |activity, revision| ToWorker::Install {
        activity,
        revision: RevisionNo(revision),
        payload: crate::domain::Payload::Script(Bytes::from_static(b"true")),
        env: BTreeMap::new(),
        timeout: Millis::from_secs(5),
    };
    let most = u32::try_from(crate::executor::INSTALLATIONS_AT_A_TIME).unwrap();
    let orders: Vec<ToWorker> = (1..=most).map(|revision| install(DEFECT, revision)).collect();
    manager.say(&orders).await;
    manager.say(&[install(ActivityId(2), 1)]).await;
    let (mut failed, mut installed) = (0, 0);
    while failed + installed <= most {
        match manager.hear().await {
            FromWorker::InstallEnded { outcome: link::InstallOutcome::Installed, .. } => installed += 1,
            FromWorker::InstallEnded { outcome: link::InstallOutcome::Failed { message, permanent }, .. } => {
                assert!(message.contains("a defect") && !permanent, "{message}");
                failed += 1;
            }
            _ => {}
        }
    }
    assert_eq!((failed, installed), (most, 1));
    scene.worker.abort();
}

#[tokio::test]
async fn an_installation_is_done_and_told() {
    let scene = scene();
    let (mut manager, _) = Manager::accept(&scene.links).await;
    let payload = crate::domain::Payload::Script(Bytes::from_static(b"true"));
    let (activity, revision) = (ActivityId(2), RevisionNo(1));
    let timeout = Millis::from_secs(5);
    manager.say(&[ToWorker::Install { activity, revision, payload, env: BTreeMap::new(), timeout }]).await;
    let mut log = Vec::new();
    loop {
        match manager.hear().await {
            FromWorker::InstallOutput { bytes, .. } => log.extend_from_slice(&bytes),
            FromWorker::InstallEnded { outcome, .. } => {
                assert_eq!(outcome, link::InstallOutcome::Installed);
                break;
            }
            _ => {}
        }
    }
    assert_eq!(log, b"installing");
    scene.worker.abort();
}
