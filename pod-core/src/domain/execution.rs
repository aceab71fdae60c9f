//! Executions and their attempts.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    activity::RevisionChoice,
    give_up,
    give_up::GiveUp,
    ids::{ActivityId, AttemptKey, AttemptNo, ExecutionId, RevisionNo, WorkerId},
    output::OutputSummary,
    reason,
    time::{Age, Now, Timestamp},
    word::words,
};

/// One run of an activity that was asked for. Durable before it is acknowledged; concludes once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    /// Its identity.
    pub id: ExecutionId,
    /// What it runs.
    pub activity: ActivityId,
    /// Which revision of it, through every attempt. 0 where that is not known: it ended before executions were bound to
    /// their revision.
    pub revision: RevisionNo,
    /// The argument of `main.sh`; run without one when absent.
    pub input: Option<Arc<str>>,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// How it ended; present exactly when `status` is terminal.
    #[serde(rename = "ending")]
    pub outcome: Option<Outcome>,
    /// When it was acknowledged.
    pub submitted_at: Timestamp,
    /// It is not given to a worker before POD is so old. Its place in the queue: `(not_before, id)`.
    pub not_before: Age,
    /// When its latest attempt began to run.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How old POD was when it ended: by that it is kept and deleted.
    pub ended: Option<Age>,
    /// The number of its latest attempt; 0 before the first.
    pub attempt: AttemptNo,
    /// The worker of its latest attempt.
    pub worker: Option<WorkerId>,
    /// How many attempts failed by themselves (what `retries` counts).
    pub failures: u32,
    /// How many attempts were lost with their worker.
    #[serde(rename = "losses")]
    pub lost_attempts: u32,
    /// Someone asked to terminate it; it ends as soon as its process tree is gone.
    pub cancel_requested: bool,
    /// Its result was handed out over the action API, for which it no longer exists.
    pub retrieved: bool,
    /// The execution that this one repeats.
    pub retry_of: Option<ExecutionId>,
}

impl Execution {
    /// One that was just submitted: it waits, and nothing of it has run.
    #[must_use]
    pub fn waiting(
        id: ExecutionId,
        activity: ActivityId,
        revision: RevisionNo,
        input: Option<Arc<str>>,
        now: impl Into<Now>,
    ) -> Self {
        let now = now.into();
        Self {
            id,
            activity,
            revision,
            input,
            status: ExecutionStatus::Waiting,
            outcome: None,
            submitted_at: now.wall,
            not_before: now.age,
            started_at: None,
            finished_at: None,
            ended: None,
            attempt: AttemptNo(0),
            worker: None,
            failures: 0,
            lost_attempts: 0,
            cancel_requested: false,
            retrieved: false,
            retry_of: None,
        }
    }

    /// The status as users are told it: what was given to a worker ahead of time waits until it begins to run there.
    #[must_use]
    pub const fn public_status(&self) -> ExecutionStatus {
        match self.status {
            ExecutionStatus::Running if self.started_at.is_none() => ExecutionStatus::Waiting,
            status => status,
        }
    }
}

/// Where an execution stands: the words of `/api/v1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ExecutionStatus {
    /// In the queue, perhaps until a moment to come.
    Waiting,
    /// An attempt of it is open: assigned to a worker, or running there.
    Running,
    /// Ran to its end with exit code 0.
    Finished,
    /// Ran to its end with another exit code or a signal of its own, or POD could not run it.
    Failed,
    /// Ended because someone asked.
    Terminated,
    /// Ended because its time limit passed.
    TimedOut,
}

words! { ExecutionStatus, "status of an execution": Waiting = "waiting", Running = "running", Finished = "finished", Failed = "failed", Terminated = "terminated", TimedOut = "timedOut" }

impl ExecutionStatus {
    /// All of them, in order.
    pub const ALL: [Self; 6] =
        [Self::Waiting, Self::Running, Self::Finished, Self::Failed, Self::Terminated, Self::TimedOut];

    /// Whether it has concluded; such a status never changes again.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Waiting | Self::Running)
    }

    /// The status of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

/// How an execution ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// `main.sh` exited with this code.
    Exited(i32),
    /// `main.sh` was ended by this signal, which POD did not send.
    Signalled(i32),
    /// Someone asked to terminate it.
    Terminated,
    /// Its time limit passed.
    TimedOut,
    /// POD could not run it, or gave it up, for this reason.
    #[serde(rename = "GaveUp")]
    Aborted(#[serde(deserialize_with = "reason::stored")] GiveUp),
    /// The system killed it because its worker's memory was used up.
    OutOfMemory,
    /// Its worker left in an orderly way while it ran, and the activity says that it must not run again.
    WorkerLeft {
        /// The worker.
        worker: WorkerId,
        /// The attempt that ran there.
        attempt: AttemptNo,
    },
}

impl Outcome {
    /// The terminal status that goes with it.
    #[must_use]
    pub const fn status(&self) -> ExecutionStatus {
        match self {
            Self::Exited(0) => ExecutionStatus::Finished,
            Self::Exited(_) | Self::Signalled(_) | Self::OutOfMemory | Self::Aborted(_) | Self::WorkerLeft { .. } => {
                ExecutionStatus::Failed
            }
            Self::Terminated => ExecutionStatus::Terminated,
            Self::TimedOut => ExecutionStatus::TimedOut,
        }
    }

    /// A word for programs, which stays the same, of what ended it or kept it from running; nothing where `main.sh` ended
    /// by itself.
    #[must_use]
    pub const fn code(&self) -> Option<&'static str> {
        Some(match self {
            Self::Exited(_) | Self::Signalled(_) => return None,
            Self::Terminated => "terminated",
            Self::TimedOut => "timedOut",
            Self::OutOfMemory => "outOfMemory",
            Self::Aborted(why) => why.code(),
            Self::WorkerLeft { .. } => "workerLeft",
        })
    }

    /// Why POD could not run it or gave it up, as a sentence without its stop. Nothing where it ended in another way.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Aborted(why) => Some(why.to_string()),
            Self::WorkerLeft { worker, attempt } => {
                let left = give_up::left(*worker, *attempt);
                Some(format!("{left}, and the activity says that it must not run again"))
            }
            _ => None,
        }
    }
}

/// One try to run an execution, on one worker. At most one of an execution is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Which attempt of which execution.
    pub key: AttemptKey,
    /// The revision that it runs.
    pub revision: RevisionNo,
    /// Where it runs.
    pub worker: WorkerId,
    /// When it was given to the worker.
    pub assigned_at: Timestamp,
    /// When `main.sh` was started, by the worker's clock.
    pub started_at: Option<Timestamp>,
    /// When it ended, by the worker's clock where the worker told.
    pub ended_at: Option<Timestamp>,
    /// How it ended; absent while it is open.
    pub end: Option<AttemptOutcome>,
    /// How much it printed, as far as known.
    pub output: OutputSummary,
}

impl Attempt {
    /// Where it stands, derived from its members.
    #[must_use]
    pub const fn status(&self) -> AttemptStatus {
        match (&self.end, self.started_at) {
            (Some(_), _) => AttemptStatus::Ended,
            (None, Some(_)) => AttemptStatus::Running,
            (None, None) => AttemptStatus::Assigned,
        }
    }
}

/// Where an attempt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AttemptStatus {
    /// Committed to a worker, which has not yet said that it runs.
    Assigned,
    /// `main.sh` was started.
    Running,
    /// Over.
    Ended,
}

words! { AttemptStatus, "status of an attempt": Assigned = "assigned", Running = "running", Ended = "ended" }

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttemptOutcome {
    /// `main.sh` exited with this code.
    Exited(i32),
    /// A signal that POD did not send.
    Signalled(i32),
    /// The time limit passed, and the process tree was ended.
    TimedOut,
    /// It was asked to stop, and the process tree was ended.
    Terminated,
    /// Its worker was lost.
    Lost,
    /// It could not be started, for this reason.
    StartFailed(Arc<str>),
    /// Taken back before it was started: it never ran, and its number is used again.
    Recalled,
    /// The system killed it, or what it waited for, because the worker's memory was used up.
    OutOfMemory,
    /// Its worker left in an orderly way and ended it: no loss.
    WorkerLeft,
}

/// A request to run an activity once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewExecution {
    /// The name of the activity.
    pub activity: String,
    /// Which revision of it.
    pub revision: RevisionChoice,
    /// The argument of `main.sh`.
    pub input: Option<String>,
    /// The same key and request again give the same execution; the same key with another request is a conflict.
    pub idempotency_key: Option<String>,
}

impl NewExecution {
    /// An execution of that activity, without input.
    pub fn new(activity: impl Into<String>) -> Self {
        Self { activity: activity.into(), revision: RevisionChoice::Current, input: None, idempotency_key: None }
    }

    /// Runs that revision instead of the current one.
    #[must_use]
    pub fn revision(mut self, revision: RevisionNo) -> Self {
        self.revision = RevisionChoice::No(revision);
        self
    }

    /// Sets the argument of `main.sh`.
    #[must_use]
    pub fn input(mut self, input: impl Into<String>) -> Self {
        self.input = Some(input.into());
        self
    }

    /// Makes the request repeatable.
    #[must_use]
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }
}

/// Which revision an execution that repeats another one runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RetryRevision {
    /// That of the execution that it repeats.
    #[default]
    Same,
    /// The one that is current now.
    Latest,
}

/// Why an input was refused, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidInput {
    /// It holds a NUL character, which no argument can.
    #[error(
        "the input holds a NUL character at byte {0}, which a program's argument cannot; encode it, for example as base64"
    )]
    Nul(usize),
    /// It is longer than allowed.
    #[error(
        "the input has {len} bytes and at most {max} are allowed; put it where the activity can fetch it and give its address"
    )]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
}

/// Checks an input: no NUL, at most `max` bytes.
pub fn validate_input(input: &str, max: usize) -> Result<(), InvalidInput> {
    if input.len() > max {
        return Err(InvalidInput::TooLong { len: input.len(), max });
    }
    match input.bytes().position(|byte| byte == 0) {
        Some(at) => Err(InvalidInput::Nul(at)),
        None => Ok(()),
    }
}
