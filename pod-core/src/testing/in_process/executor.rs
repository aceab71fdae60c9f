//! Runs calls of one function as executions.

use std::{
    collections::BTreeSet,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    domain::{ActivityId, AttemptKey, AttemptOutcome, RevisionNo, Stream, Timestamp},
    executor::{
        ExecutionHandle, Executor, ExecutorError, InstallError, InstallRequest, OutputSink, RunEvent, StartError,
        StartRequest, StopMode,
    },
};

/// Events of one call that may wait to be taken: a call that prints more waits.
const EVENTS: usize = 64;
/// What a program that aborts is ended by; so is a call that panics.
const SIGABRT: i32 = 6;

pub(super) type Program = dyn Fn(Call) -> Pin<Box<dyn Future<Output = i32> + Send>> + Send + Sync;

/// One call of the function: what it is to do, and where its output goes.
#[derive(Debug)]
#[non_exhaustive]
pub struct Call {
    /// The name of the activity.
    pub activity: Arc<str>,
    /// Which attempt of which execution this is.
    pub key: AttemptKey,
    /// The input of the execution.
    pub input: Option<Arc<str>>,
    events: mpsc::Sender<RunEvent>,
}

impl Call {
    /// Prints to the standard output. Waits while much that was printed before was not taken yet.
    pub async fn print(&self, text: impl Into<Bytes>) {
        self.write(Stream::Stdout, text.into()).await;
    }

    /// Prints to the standard error.
    pub async fn print_error(&self, text: impl Into<Bytes>) {
        self.write(Stream::Stderr, text.into()).await;
    }

    async fn write(&self, stream: Stream, bytes: Bytes) {
        if !bytes.is_empty() {
            // Nobody listens any more when the run was dropped, and then this call is about to be.
            let _ = self.events.send(RunEvent::Output { stream, bytes }).await;
        }
    }
}

/// The executor of one worker.
pub(super) struct Calls {
    program: Arc<Program>,
    slots: u32,
    installed: Mutex<BTreeSet<(ActivityId, RevisionNo)>>,
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").field("slots", &self.slots).finish_non_exhaustive()
    }
}

impl Calls {
    pub(super) fn new(program: Arc<Program>, slots: u32) -> Self {
        Self { program, slots, installed: Mutex::default() }
    }

    fn installed(&self) -> std::sync::MutexGuard<'_, BTreeSet<(ActivityId, RevisionNo)>> {
        self.installed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Executor for Calls {
    async fn install(&self, request: InstallRequest, _output: OutputSink) -> Result<(), InstallError> {
        self.installed().insert((request.activity, request.revision));
        Ok(())
    }

    async fn remove(&self, activity: ActivityId, revision: RevisionNo) -> Result<(), ExecutorError> {
        self.installed().remove(&(activity, revision));
        Ok(())
    }

    async fn installed(&self) -> Result<Vec<(ActivityId, RevisionNo)>, ExecutorError> {
        Ok(self.installed().iter().copied().collect())
    }

    async fn start(&self, request: StartRequest) -> Result<Box<dyn ExecutionHandle>, StartError> {
        let (events, inbox) = mpsc::channel(EVENTS);
        let stop = CancellationToken::new();
        let call =
            Call { activity: request.activity_name, key: request.key, input: request.input, events: events.clone() };
        let (program, stopped, timeout) = (self.program.clone(), stop.clone(), request.timeout);
        let task = tokio::spawn(async move {
            let _ = events.send(RunEvent::Started { at: now() }).await;
            let too_long = async {
                match timeout {
                    Some(timeout) => tokio::time::sleep(timeout.as_duration()).await,
                    None => std::future::pending().await,
                }
            };
            let end = tokio::select! {
                biased;
                () = stopped.cancelled() => AttemptOutcome::Terminated,
                code = program(call) => AttemptOutcome::Exited(code),
                () = too_long => AttemptOutcome::TimedOut,
            };
            let _ = events.send(RunEvent::Ended { end, at: now() }).await;
        });
        Ok(Box::new(RunningCall { inbox, stop, task, ended: false }))
    }

    fn slots(&self) -> u32 {
        self.slots
    }

    // Each call ends with its `Running`, and the worker drops them all before.
    async fn shutdown(&self) {}
}

#[derive(Debug)]
struct RunningCall {
    inbox: mpsc::Receiver<RunEvent>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    ended: bool,
}

#[async_trait]
impl ExecutionHandle for RunningCall {
    async fn next(&mut self) -> Option<RunEvent> {
        if self.ended {
            return None;
        }
        // A call that panicked is gone without having said how it ended.
        let panicked = || RunEvent::Ended { end: AttemptOutcome::Signalled(SIGABRT), at: now() };
        let event = self.inbox.recv().await.unwrap_or_else(panicked);
        self.ended = matches!(event, RunEvent::Ended { .. });
        Some(event)
    }

    fn stop(&mut self, _mode: StopMode) {
        self.stop.cancel();
    }
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn now() -> Timestamp {
    SystemTime::now().into()
}
