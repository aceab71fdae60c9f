//! What can be wrong with a request: one sentence each, that says what to do.

use super::limits::InvalidLimit;
use crate::{
    domain::{ActivityId, ExecutionId, InvalidInput, InvalidName, InvalidRule, Isolation, RevisionNo, WorkerId},
    provisioner::ProvisionError,
    store::{HeldLease, StoreError},
};

/// Why a request was not carried out. `Display` is a sentence for a person; match on the variant, never on the text.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PodError {
    /// A name that is not allowed.
    #[error(transparent)]
    InvalidName(#[from] InvalidName),
    /// An input that is not allowed.
    #[error(transparent)]
    InvalidInput(#[from] InvalidInput),
    /// Rules that are not allowed.
    #[error(transparent)]
    InvalidRule(#[from] InvalidRule),
    /// A limit that is not allowed.
    #[error(transparent)]
    InvalidLimit(#[from] InvalidLimit),
    /// Something else in the request that is not allowed, as a sentence.
    #[error("{0}")]
    Invalid(String),
    /// The name of the new activity is taken.
    #[error("The activity name {0} already exists")]
    ActivityExists(String),
    /// No activity of that name.
    #[error("The requested activity doesn't exist")]
    NoSuchActivity(String),
    /// The activity of an execution was deleted.
    #[error("{}", gone(*id, name, *taken))]
    ActivityGone {
        /// Which.
        id: ActivityId,
        /// The name that it had.
        name: String,
        /// Another one has that name now.
        taken: bool,
    },
    /// The name is that of an activity that is being removed.
    #[error(
        "The activity {name} is being removed{}; give it another name, or try again when that is done",
        waits(executions)
    )]
    BeingRemoved {
        /// The name.
        name: String,
        /// Those of its executions that have not ended, which it waits for.
        executions: Vec<ExecutionId>,
    },
    /// The activity takes no executions.
    #[error("The requested activity isn't approved for executions. Its current status is {status}")]
    NotOpen {
        /// Its name.
        name: String,
        /// Its status, as a word.
        status: &'static str,
    },
    /// No revision of that number, or it is not kept any more.
    #[error("Activity {name} has no revision {revision}; leave it out to run the current one")]
    NoSuchRevision {
        /// The activity.
        name: String,
        /// The revision.
        revision: RevisionNo,
    },
    /// That revision could not be installed.
    #[error(
        "Revision {revision} of activity {name} was rejected: it could not be installed; name another one, or leave it out to run the current one"
    )]
    RevisionRejected {
        /// The activity.
        name: String,
        /// The revision.
        revision: RevisionNo,
    },
    /// The backend does not make workers of that kind.
    #[error("{}", impossible(*.0))]
    IsolationImpossible(Isolation),
    /// No network takes a container for each execution.
    #[error(
        "network none takes a container for each execution; give isolation execution with it, on a manager with a backend that makes containers"
    )]
    NetworkNeedsIsolation,
    /// The revision that an execution ran is not kept any more, so that it cannot be repeated as it was.
    #[error("Execution {0} ran a revision that is not kept any more; retry it with the latest one")]
    RevisionGone(ExecutionId),
    /// The activity is still verifying, or already going.
    #[error("The requested activity isn't available for uninstalling yet")]
    NotDeletable(String),
    /// No execution of that id, or its retention time is over.
    #[error("Execution with id {0} doesn't exist or it expired")]
    NoSuchExecution(ExecutionId),
    /// It has already ended.
    #[error("Execution {0} has already ended")]
    AlreadyEnded(ExecutionId),
    /// It has not ended.
    #[error("Execution {0} has not ended; terminate it or wait for it first")]
    NotEnded(ExecutionId),
    /// Its result was already handed out.
    #[error("The result of execution {0} has already been retrieved")]
    AlreadyRetrieved(ExecutionId),
    /// The idempotency key was used for another request.
    #[error("The idempotency key {0:?} was already used for another request; use a new key")]
    IdempotencyConflict(String),
    /// What was to be changed is not what it was expected to be.
    #[error("The {what} {name} {why}")]
    NotAsExpected {
        /// An activity or a policy.
        what: &'static str,
        /// Its name.
        name: String,
        /// How it is instead, and what to do: the rest of the sentence.
        why: &'static str,
    },
    /// The name of the new policy is taken.
    #[error("The policy name {0} already exists")]
    PolicyExists(String),
    /// No policy of that name.
    #[error("The requested policy doesn't exist")]
    NoSuchPolicy(String),
    /// The built-in policy.
    #[error("The default policy can't be deleted")]
    DefaultPolicy,
    /// No worker of that id.
    #[error("Worker {0} doesn't exist")]
    NoSuchWorker(WorkerId),
    /// The worker is gone.
    #[error("Worker {0} is already gone")]
    WorkerGone(WorkerId),
    /// More requests than can be taken.
    #[error("The manager is overloaded; try again in a moment")]
    Overloaded,
    /// Another manager holds the store, at a start.
    #[error("another manager runs on this store: {0}; use that one, or end it")]
    StoreHeld(HeldLease),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The backend could not be started.
    #[error(transparent)]
    Provision(#[from] ProvisionError),
    /// The engine panicked, by a fault in it or in a part that it was given: with what was said then. Workers that have
    /// processes of their own go on.
    #[error("The manager crashed ({0}); what was acknowledged is kept, so start it again and report this")]
    Crashed(std::sync::Arc<str>),
    /// The engine has stopped.
    #[error("The manager is shutting down")]
    Stopped,
}

/// What a caller can do about a [`PodError`], whatever it is about. An application that answers requests makes its
/// statuses of it, and looks at single variants only where it has more to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PodErrorKind {
    /// The request is wrong, and stays so.
    Invalid,
    /// What it names is not there, or not any more.
    NotFound,
    /// It contradicts how things stand: what it names is not in that state, or is another thing meanwhile.
    Conflict,
    /// There is no room for it now; what is deleted makes some.
    Full,
    /// Nothing is wrong with it, and the same may be done in a moment, perhaps by another manager.
    Unavailable,
    /// POD or a part that it was given does not work; a person has to look.
    Internal,
}

impl PodError {
    /// What a caller can do about it.
    #[must_use]
    pub const fn kind(&self) -> PodErrorKind {
        match self {
            Self::InvalidName(_)
            | Self::InvalidInput(_)
            | Self::InvalidRule(_)
            | Self::InvalidLimit(_)
            | Self::Invalid(_)
            | Self::IsolationImpossible(_)
            | Self::NetworkNeedsIsolation => PodErrorKind::Invalid,
            Self::NoSuchActivity(_)
            | Self::ActivityGone { .. }
            | Self::NoSuchRevision { .. }
            | Self::RevisionGone(_)
            | Self::NoSuchExecution(_)
            | Self::NoSuchPolicy(_)
            | Self::NoSuchWorker(_) => PodErrorKind::NotFound,
            Self::ActivityExists(_)
            | Self::BeingRemoved { .. }
            | Self::NotOpen { .. }
            | Self::RevisionRejected { .. }
            | Self::NotDeletable(_)
            | Self::AlreadyEnded(_)
            | Self::NotEnded(_)
            | Self::AlreadyRetrieved(_)
            | Self::IdempotencyConflict(_)
            | Self::NotAsExpected { .. }
            | Self::PolicyExists(_)
            | Self::DefaultPolicy
            | Self::WorkerGone(_) => PodErrorKind::Conflict,
            Self::Store(StoreError::Full(_)) => PodErrorKind::Full,
            Self::Overloaded
            | Self::Stopped
            | Self::StoreHeld(_)
            | Self::Store(StoreError::Unavailable(_) | StoreError::Fenced) => PodErrorKind::Unavailable,
            Self::Store(_) | Self::Provision(_) | Self::Crashed(_) => PodErrorKind::Internal,
        }
    }
}

fn impossible(isolation: Isolation) -> &'static str {
    match isolation {
        Isolation::Execution => {
            "isolation execution is not possible with this manager's backend, whose workers run executions beside each \
             other; leave it out, or run the manager with a backend that makes containers"
        }
        Isolation::Worker => {
            "isolation worker is not possible with this manager's backend, whose workers run each execution in a \
             container of its own; leave it out, or let the manager have containers for workers too, which need an \
             address to dial"
        }
    }
}

/// What became of an activity that was deleted, as a sentence without its stop.
pub(crate) fn gone(id: ActivityId, name: &str, taken: bool) -> String {
    let after = if taken { "; another one has the name now, which has nothing to do with it" } else { "" };
    format!("The activity #{id} named {name} was deleted{after}")
}

/// What the removal of an activity waits for.
fn waits(executions: &[ExecutionId]) -> String {
    const SHOWN: usize = 10;
    let shown: Vec<String> = executions.iter().take(SHOWN).map(ToString::to_string).collect();
    match (shown.as_slice(), executions.len().saturating_sub(SHOWN)) {
        ([], _) => ", and waits for its workers to remove it".to_owned(),
        ([one], 0) => format!(", and waits for execution {one}"),
        (some, 0) => format!(", and waits for executions {}", some.join(", ")),
        (some, more) => format!(", and waits for executions {} and {more} more", some.join(", ")),
    }
}
