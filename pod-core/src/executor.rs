//! The trait of what runs on a worker: installing activities and running executions.

use std::{collections::BTreeMap, fmt::Debug, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;

use crate::domain::{
    ActivityId, AttemptKey, AttemptOutcome, Millis, Network, OutputFile, Payload, RevisionNo, Stream, Timestamp,
    Workdir,
};

/// How many installations a worker makes at a time at most: one that hangs must not hold up all others.
pub const INSTALLATIONS_AT_A_TIME: usize = 4;

/// Installs activities and runs executions on one worker: processes, containers, or something else.
///
/// Every method may be called concurrently. A dropped future of `install` or `remove` ends what it began
/// (no process of it stays); a dropped [`ExecutionHandle`] kills its process tree.
///
/// One that wraps another and counts what it starts:
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
///
/// use async_trait::async_trait;
/// use pod_core::{domain::{ActivityId, RevisionNo}, executor::*};
///
/// #[derive(Debug)]
/// struct Counted {
///     inner: Arc<dyn Executor>,
///     started: AtomicU64,
/// }
///
/// #[async_trait]
/// impl Executor for Counted {
///     async fn install(&self, request: InstallRequest, output: OutputSink) -> Result<(), InstallError> {
///         self.inner.install(request, output).await
///     }
///
///     async fn remove(&self, activity: ActivityId, revision: RevisionNo) -> Result<(), ExecutorError> {
///         self.inner.remove(activity, revision).await
///     }
///
///     async fn installed(&self) -> Result<Vec<(ActivityId, RevisionNo)>, ExecutorError> {
///         self.inner.installed().await
///     }
///
///     async fn start(&self, request: StartRequest) -> Result<Box<dyn ExecutionHandle>, StartError> {
///         self.started.fetch_add(1, Ordering::Relaxed);
///         self.inner.start(request).await
///     }
///
///     fn slots(&self) -> u32 {
///         self.inner.slots()
///     }
///
///     // It has a default, which is not what the other one says.
///     fn prefetch_limit(&self) -> u32 {
///         self.inner.prefetch_limit()
///     }
///
///     async fn shutdown(&self) {
///         self.inner.shutdown().await;
///     }
/// }
/// ```
#[async_trait]
pub trait Executor: Debug + Send + Sync + 'static {
    /// Installs a revision at its final path, replacing leftovers of an unfinished try, and marks it complete last.
    /// `output` receives what the script prints, in order; it is bounded, and the script is never blocked by it for good.
    ///
    /// Succeeds when the script exits 0 and left a regular file `main.sh`, made executable.
    ///
    /// Up to [`INSTALLATIONS_AT_A_TIME`] of different revisions are under way at once, beside executions.
    async fn install(&self, request: InstallRequest, output: OutputSink) -> Result<(), InstallError>;

    /// Deletes an installation; one that is not there is fine. Never called while it runs executions.
    async fn remove(&self, activity: ActivityId, revision: RevisionNo) -> Result<(), ExecutorError>;

    /// The revisions that are completely installed here, found by their completion markers.
    async fn installed(&self) -> Result<Vec<(ActivityId, RevisionNo)>, ExecutorError>;

    /// Starts an execution. At most [`Executor::slots`] and [`Executor::prefetch_limit`] together are started and have not ended;
    /// the caller keeps to it.
    async fn start(&self, request: StartRequest) -> Result<Box<dyn ExecutionHandle>, StartError>;

    /// How many executions may run at a time.
    fn slots(&self) -> u32;

    /// How many more may be started while all slots are busy. They wait in the executor, first come, first served, and
    /// each begins at once when a slot is free: nobody has to be asked for it. While one waits, somebody must be waiting
    /// for the next event of each that runs.
    fn prefetch_limit(&self) -> u32 {
        0
    }

    /// Ends everything that runs here and lets the executor's resources go. Nothing of it is left when it returns.
    async fn shutdown(&self);
}

/// What to install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallRequest {
    /// The activity.
    pub activity: ActivityId,
    /// The revision.
    pub revision: RevisionNo,
    /// Its script or directory.
    pub payload: Payload,
    /// Added to the environment of the script.
    pub env: BTreeMap<String, String>,
    /// How long the script may run.
    pub timeout: Millis,
}

/// Where an installation's output goes: chunks of both streams, in the order they came.
pub type OutputSink = tokio::sync::mpsc::Sender<(Stream, Bytes)>;

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartRequest {
    /// Which attempt of which execution this is.
    pub key: AttemptKey,
    /// The activity.
    pub activity: ActivityId,
    /// Its name, for the environment.
    pub activity_name: Arc<str>,
    /// The revision, which is installed here.
    pub revision: RevisionNo,
    /// The argument; none where absent. What exceeds one argument goes through the file `POD_INPUT_FILE`.
    pub input: Option<Arc<str>>,
    /// Added to the environment.
    pub env: BTreeMap<String, String>,
    /// Ends the process tree when it has run for so long.
    pub timeout: Option<Millis>,
    /// Between TERM and KILL.
    pub grace: Millis,
    /// Where it runs.
    pub workdir: Workdir,
    /// What it reaches over the network.
    pub network: Network,
}

/// An execution that runs. Dropping it kills its process tree.
#[async_trait]
pub trait ExecutionHandle: Debug + Send + 'static {
    /// The next thing that happens: `Started` once, output, and at last `Ended`; `None` after that.
    /// Cancellation safe: a dropped call loses nothing.
    async fn next(&mut self) -> Option<RunEvent>;

    /// Asks for the end of the process tree; its `Ended` follows. May be called again, and with a harder mode.
    fn stop(&mut self, mode: StopMode);

    /// Asks for it back if it still waits for a slot: its `Ended` is [`AttemptOutcome::Recalled`] then, and no `Started`
    /// comes before it. One that has begun goes on. It is known soon, not at once, what it was.
    fn recall(&mut self) {}

    /// Asks for a stream to be written into a file instead of being given as [`RunEvent::Output`]. One that cannot do so
    /// goes on with that; nothing else comes of it then.
    fn write_to(&mut self, stream: Stream, sink: &Sink) {
        let _ = (stream, sink);
    }
}

/// Into what an executor is to write a stream itself, by the program's own offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sink {
    /// Into this file, but not yet: it says [`RunEvent::Holds`] when all that came before was given, and waits for more.
    /// The file holds by then what was given.
    Ready(OutputFile),
    /// Up to this offset, where it says [`RunEvent::Holds`] again. May be moved on before.
    UpTo(u64),
    /// No further: what follows is given as [`RunEvent::Output`].
    Over,
}

/// What an execution does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunEvent {
    /// `main.sh` was started.
    Started {
        /// When, by this machine's clock.
        at: Timestamp,
    },
    /// It printed something.
    Output {
        /// Where.
        stream: Stream,
        /// What; never empty.
        bytes: Bytes,
    },
    /// It printed something, which was written into the file of [`ExecutionHandle::write_to`].
    Wrote {
        /// Where.
        stream: Stream,
        /// How many bytes.
        len: u64,
    },
    /// It takes no more of a stream until it is told how far it may write it: see [`Sink`].
    Holds {
        /// Which.
        stream: Stream,
    },
    /// It was not started because its installation is damaged or gone: that does not count as installed any more, and
    /// [`Executor::install`] makes it again. Comes before `Ended`, where `Recalled` says that the execution can be run
    /// then, and another end that it cannot.
    InstallationLost,
    /// Its whole process tree is gone and all of its output was delivered.
    Ended {
        /// How. `Recalled` only after [`ExecutionHandle::recall`] and [`RunEvent::InstallationLost`]; `Lost` only where what watched over the execution was itself killed or shut down.
        end: AttemptOutcome,
        /// When, by this machine's clock.
        at: Timestamp,
    },
}

/// How to stop an execution. `Kill` is the harder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopMode {
    /// TERM to the whole tree, KILL after the grace time of its request.
    Terminate,
    /// KILL at once.
    Kill,
}

/// Why an installation failed: a sentence that a person can act on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InstallError {
    /// The sentence, with the tail of the script's output where that helps.
    pub message: String,
    /// Whether another worker would do no better: the script itself is at fault.
    pub permanent: bool,
}

impl InstallError {
    /// Something that may go better at another time or on another worker.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), permanent: false }
    }

    /// The script itself is at fault: the revision is rejected, and installed nowhere else.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self { message: message.into(), permanent: true }
    }
}

/// Why an execution could not be started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StartError {
    /// A sentence.
    pub message: String,
}

impl StartError {
    /// With that sentence: the attempt ends as [`AttemptOutcome::StartFailed`].
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

/// Any other failure of an executor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExecutorError {
    /// A sentence.
    pub message: String,
}

impl ExecutorError {
    /// With that sentence.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}
