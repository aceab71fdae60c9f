//! An executor: executions are calls of functions that the application registers by name.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use pod_core::{
    domain::{ActivityId, AttemptOutcome, Payload, RevisionNo, Stream, Timestamp},
    executor::{
        ExecutionHandle, Executor, ExecutorError, InstallError, InstallRequest, OutputSink, RunEvent, StartError,
        StartRequest, StopMode,
    },
};
use tokio::{sync::mpsc, task::AbortHandle};
use tokio_util::sync::CancellationToken;

/// What runs: gets the input, prints, ends with an exit code. Asked to stop, it sees the token cancelled.
pub type Function = fn(Option<Arc<str>>, Printer, CancellationToken) -> i32;

/// The functions of an application by name. An activity names one as its script: `fn:NAME`.
#[derive(Clone, Default)]
pub struct Functions {
    by_name: Arc<BTreeMap<&'static str, Function>>,
}

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_name.keys()).finish()
    }
}

impl Functions {
    /// These functions.
    pub fn new(functions: impl IntoIterator<Item = (&'static str, Function)>) -> Self {
        Self { by_name: Arc::new(functions.into_iter().collect()) }
    }

    /// The function that an activity names.
    fn named(&self, payload: &Payload) -> Result<Function, InstallError> {
        let Payload::Script(script) = payload else {
            return Err(InstallError::permanent("a directory cannot be run here; give fn:NAME as the script"));
        };
        let name = std::str::from_utf8(script).ok().and_then(|text| text.trim().strip_prefix("fn:"));
        let name = name.ok_or_else(|| InstallError::permanent("the script names no function; give fn:NAME"))?;
        let found = self.by_name.get(name).copied();
        found.ok_or_else(|| InstallError::permanent(format!("this application has no function {name}")))
    }
}

/// Where a function prints. It waits while much of what was printed before was not taken yet.
#[derive(Clone, Debug)]
pub struct Printer(mpsc::Sender<RunEvent>);

impl Printer {
    /// Prints a line.
    pub fn line(&self, text: &str) {
        // Fails when the execution was dropped: nobody reads it any more.
        let _ =
            self.0.blocking_send(RunEvent::Output { stream: Stream::Stdout, bytes: Bytes::from(format!("{text}\n")) });
    }
}

/// Runs functions on threads of the runtime's pool for what blocks.
#[derive(Debug)]
pub struct FunctionExecutor {
    functions: Functions,
    slots: u32,
    installed: Mutex<BTreeMap<(ActivityId, RevisionNo), Function>>,
}

impl FunctionExecutor {
    /// An executor of one worker.
    pub fn new(functions: Functions, slots: u32) -> Self {
        Self { functions, slots, installed: Mutex::default() }
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<(ActivityId, RevisionNo), Function>> {
        self.installed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Executor for FunctionExecutor {
    async fn install(&self, request: InstallRequest, output: OutputSink) -> Result<(), InstallError> {
        let function = self.functions.named(&request.payload)?;
        let _ = output.send((Stream::Stdout, Bytes::from_static(b"found\n"))).await;
        self.all().insert((request.activity, request.revision), function);
        Ok(())
    }

    async fn remove(&self, activity: ActivityId, revision: RevisionNo) -> Result<(), ExecutorError> {
        self.all().remove(&(activity, revision));
        Ok(())
    }

    async fn installed(&self) -> Result<Vec<(ActivityId, RevisionNo)>, ExecutorError> {
        let installed: BTreeSet<_> = self.all().keys().copied().collect();
        Ok(installed.into_iter().collect())
    }

    async fn start(&self, request: StartRequest) -> Result<Box<dyn ExecutionHandle>, StartError> {
        let function = self.all().get(&(request.activity, request.revision)).copied();
        let function = function.ok_or_else(|| StartError::new("it is not installed on this worker"))?;
        let (events, inbox) = mpsc::channel(64);
        let (stop, killed) = (CancellationToken::new(), CancellationToken::new());
        let call = Call { events, stop: stop.clone(), killed: killed.clone() };
        let task = tokio::spawn(call.run(function, request.input, request.timeout.map(|limit| limit.as_duration())));
        Ok(Box::new(RunningFunction {
            inbox,
            stop,
            killed,
            task: task.abort_handle(),
            grace: request.grace.as_duration(),
            ended: false,
        }))
    }

    fn slots(&self) -> u32 {
        self.slots
    }

    async fn shutdown(&self) {}
}

/// A call while it goes on.
struct Call {
    events: mpsc::Sender<RunEvent>,
    stop: CancellationToken,
    killed: CancellationToken,
}

impl Call {
    async fn run(self, function: Function, input: Option<Arc<str>>, limit: Option<Duration>) {
        let Self { events, stop, killed } = self;
        let _ = events.send(RunEvent::Started { at: now() }).await;
        let (printer, asked) = (Printer(events.clone()), stop.clone());
        let called = tokio::task::spawn_blocking(move || function(input, printer, asked));
        let limit = async {
            match limit {
                Some(limit) => tokio::time::sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        let end = tokio::select! {
            code = called => match code {
                Ok(_) if stop.is_cancelled() => AttemptOutcome::Terminated,
                Ok(code) => AttemptOutcome::Exited(code),
                // A panic: what a program that aborts ends by.
                Err(_) => AttemptOutcome::Signalled(6),
            },
            () = killed.cancelled() => AttemptOutcome::Terminated,
            () = limit => AttemptOutcome::TimedOut,
        };
        // Whatever goes on is told; a thread cannot be ended from outside.
        stop.cancel();
        let _ = events.send(RunEvent::Ended { end, at: now() }).await;
    }
}

#[derive(Debug)]
struct RunningFunction {
    inbox: mpsc::Receiver<RunEvent>,
    stop: CancellationToken,
    killed: CancellationToken,
    task: AbortHandle,
    grace: Duration,
    /// A function that was given up may still print; nobody is told.
    ended: bool,
}

#[async_trait]
impl ExecutionHandle for RunningFunction {
    async fn next(&mut self) -> Option<RunEvent> {
        if self.ended {
            return None;
        }
        let event = self.inbox.recv().await;
        self.ended = matches!(event, None | Some(RunEvent::Ended { .. }));
        event
    }

    fn stop(&mut self, mode: StopMode) {
        self.stop.cancel();
        let (killed, grace) = (self.killed.clone(), self.grace);
        match mode {
            StopMode::Kill => killed.cancel(),
            StopMode::Terminate => {
                tokio::spawn(async move {
                    tokio::time::sleep(grace).await;
                    killed.cancel();
                });
            }
        }
    }
}

impl Drop for RunningFunction {
    fn drop(&mut self) {
        self.stop.cancel();
        self.task.abort();
    }
}

fn now() -> Timestamp {
    SystemTime::now().into()
}
