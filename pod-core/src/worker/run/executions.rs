//! What runs on the executor: a task per execution, per installation and per removal, and their events.

use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc};

use bytes::Bytes;
use futures::FutureExt as _;
use tokio::{
    sync::{mpsc, watch},
    task::{self, JoinHandle, JoinSet},
};

use super::super::state::Input;
use crate::{
    domain::{ActivityId, AttemptKey, RevisionNo, Stream},
    executor::{ExecutionHandle, Executor, InstallError, InstallRequest, RunEvent, Sink, StartRequest, StopMode},
};

/// How many events wait for the worker. A program that prints faster than the worker takes waits here for a moment.
const EVENTS_WAITING: usize = 64;

/// How many pieces of an installation's output wait for the worker.
const INSTALL_OUTPUT_WAITING: usize = 16;

pub(super) struct Executions {
    executor: Arc<dyn Executor>,
    events: mpsc::Receiver<Input>,
    sender: mpsc::Sender<Input>,
    tasks: JoinSet<AttemptKey>,
    running: HashMap<AttemptKey, Execution>,
    by_task: HashMap<task::Id, AttemptKey>,
    installs: HashMap<(ActivityId, RevisionNo), JoinHandle<()>>,
    others: JoinSet<()>,
}

struct Execution {
    task: task::Id,
    wish: watch::Sender<Option<RunCommand>>,
    /// The last that was said of each stream.
    sinks: watch::Sender<Sinks>,
}

/// Into what the streams of an execution are to be written.
type Sinks = [Option<Sink>; 2];

/// What is asked of an execution that was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum RunCommand {
    Recall,
    Stop(StopMode),
}

impl Executions {
    pub(super) fn new(executor: Arc<dyn Executor>) -> Self {
        let (sender, events) = mpsc::channel(EVENTS_WAITING);
        Self {
            executor,
            events,
            sender,
            tasks: JoinSet::new(),
            running: HashMap::new(),
            by_task: HashMap::new(),
            installs: HashMap::new(),
            others: JoinSet::new(),
        }
    }

    /// Waits for events, and adds up to `limit` of them. Cancellation safe.
    pub(super) async fn next(&mut self, inputs: &mut Vec<Input>, limit: usize) {
        self.events.recv_many(inputs, limit).await;
    }

    /// Adds the events that are there already, and clears away tasks that are done.
    pub(super) fn drain(&mut self, inputs: &mut Vec<Input>, limit: usize) {
        while inputs.len() < limit
            && let Ok(input) = self.events.try_recv()
        {
            inputs.push(input);
        }
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            let id = match &ended {
                Ok((id, _)) => *id,
                Err(error) => error.id(),
            };
            let Some(key) = self.by_task.remove(&id) else { continue };
            if self.running.get(&key).is_some_and(|execution| execution.task == id) {
                self.running.remove(&key);
            }
            if let Err(error) = ended {
                tracing::error!(%error, %key, "an execution's task failed");
                inputs.push(Input::Vanished(key));
            }
        }
        while self.others.try_join_next().is_some() {}
    }

    pub(super) fn start(&mut self, request: StartRequest) {
        let key = request.key;
        let (wish, wished) = watch::channel(None);
        let (sinks, told) = watch::channel(Sinks::default());
        let (executor, sender) = (Arc::clone(&self.executor), self.sender.clone());
        let task = self.tasks.spawn(async move {
            execute(&*executor, request, wished, told, &sender).await;
            key
        });
        self.by_task.insert(task.id(), key);
        self.running.insert(key, Execution { task: task.id(), wish, sinks });
    }

    pub(super) fn stop(&mut self, key: AttemptKey, mode: StopMode) {
        self.ask(key, RunCommand::Stop(mode));
    }

    pub(super) fn recall(&mut self, key: AttemptKey) {
        self.ask(key, RunCommand::Recall);
    }

    pub(super) fn write_to(&mut self, key: AttemptKey, stream: Stream, sink: Sink) {
        if let Some(execution) = self.running.get(&key) {
            execution.sinks.send_modify(|sinks| sinks[stream as usize] = Some(sink));
        }
    }

    /// What is harder replaces what is softer.
    fn ask(&mut self, key: AttemptKey, wish: RunCommand) {
        if let Some(execution) = self.running.get(&key) {
            execution.wish.send_if_modified(|asked| {
                let harder = *asked < Some(wish);
                if harder {
                    *asked = Some(wish);
                }
                harder
            });
        }
    }

    pub(super) fn install(&mut self, request: InstallRequest) {
        let (executor, sender) = (Arc::clone(&self.executor), self.sender.clone());
        let (activity, revision) = (request.activity, request.revision);
        self.installs.retain(|_, install| !install.is_finished());
        let task = tokio::spawn(async move {
            // One that panics must not keep its place for good.
            let installing = AssertUnwindSafe(install(&*executor, request, &sender)).catch_unwind();
            let result = installing.await.unwrap_or_else(|_| {
                let message = "the worker met a defect of its executor; its log has more".to_owned();
                Err(InstallError { message, permanent: false })
            });
            let _ = sender.send(Input::InstallEnded(activity, revision, result)).await;
        });
        self.installs.insert((activity, revision), task);
    }

    pub(super) fn abort_install(&mut self, activity: ActivityId, revision: RevisionNo) {
        let Some(install) = self.installs.remove(&(activity, revision)) else { return };
        install.abort();
        let sender = self.sender.clone();
        self.others.spawn(async move {
            // One that ended before it could be aborted has told so itself.
            if install.await.is_err() {
                let _ = sender.send(Input::InstallAborted(activity, revision)).await;
            }
        });
    }

    pub(super) fn remove(&mut self, activity: ActivityId, revision: RevisionNo) {
        let (executor, sender) = (Arc::clone(&self.executor), self.sender.clone());
        self.others.spawn(async move {
            if let Err(error) = executor.remove(activity, revision).await {
                tracing::error!(%error, %activity, %revision, "an installation could not be removed");
            }
            let _ = sender.send(Input::Removed(activity, revision)).await;
        });
    }

    /// Ends everything; nothing of it is left then.
    pub(super) async fn shutdown(&mut self) {
        self.events.close();
        for install in self.installs.values() {
            install.abort();
        }
        for (_, install) in self.installs.drain() {
            let _ = install.await;
        }
        self.tasks.shutdown().await;
        self.others.shutdown().await;
        self.executor.shutdown().await;
    }
}

impl Drop for Executions {
    fn drop(&mut self) {
        for install in self.installs.values() {
            install.abort();
        }
    }
}

/// Runs one execution to its end and tells all of it.
async fn execute(
    executor: &dyn Executor,
    request: StartRequest,
    mut wished: watch::Receiver<Option<RunCommand>>,
    mut told: watch::Receiver<Sinks>,
    events: &mpsc::Sender<Input>,
) {
    let key = request.key;
    let mut running: Box<dyn ExecutionHandle> = match executor.start(request).await {
        Ok(running) => running,
        Err(error) => {
            let _ = events.send(Input::StartFailed(key, error)).await;
            return;
        }
    };
    let mut sinks = Sinks::default();
    loop {
        let event = tokio::select! {
            event = running.next() => event,
            Ok(()) = wished.changed() => {
                match *wished.borrow_and_update() {
                    Some(RunCommand::Stop(mode)) => running.stop(mode),
                    Some(RunCommand::Recall) => running.recall(),
                    None => {}
                }
                continue;
            }
            Ok(()) = told.changed() => {
                let before = std::mem::replace(&mut sinks, told.borrow_and_update().clone());
                for stream in Stream::BOTH {
                    let (before, sink) = (&before[stream as usize], &sinks[stream as usize]);
                    if let Some(sink) = sink.as_ref().filter(|_| before != sink) {
                        running.write_to(stream, sink);
                    }
                }
                continue;
            }
        };
        let (input, is_last) = match event {
            Some(event @ RunEvent::Ended { .. }) => (Input::Run(key, event), true),
            Some(event) => (Input::Run(key, event), false),
            None => (Input::Vanished(key), true),
        };
        if events.send(input).await.is_err() || is_last {
            return;
        }
    }
}

async fn install(
    executor: &dyn Executor,
    request: InstallRequest,
    events: &mpsc::Sender<Input>,
) -> Result<(), InstallError> {
    let (activity, revision) = (request.activity, request.revision);
    let (sink, mut output) = mpsc::channel::<(Stream, Bytes)>(INSTALL_OUTPUT_WAITING);
    let forward = async {
        while let Some((_, bytes)) = output.recv().await {
            let _ = events.send(Input::InstallOutput(activity, revision, bytes)).await;
        }
    };
    // The sink is dropped by `install`, which ends the forwarding.
    let (result, ()) = tokio::join!(executor.install(request, sink), forward);
    result
}
