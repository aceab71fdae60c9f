//! What a request did that made no executions of its own: kept under its idempotency key, so that the same request sent
//! again is answered and not done again.

use serde::{Deserialize, Serialize};

use crate::domain::{ActivityId, ExecutionId, Policy, RevisionNo, WorkerId};

/// How many notes are kept at least; the oldest go first.
pub const KEPT_NOTES: u64 = 100_000;

/// What a request did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// It registered a revision of an activity, or found it registered.
    Registered {
        /// The activity.
        activity: ActivityId,
        /// Its name, which may be another's by now.
        name: String,
        /// The revision.
        revision: RevisionNo,
    },
    /// It began to remove an activity.
    Removed {
        /// The activity.
        activity: ActivityId,
        /// Its name, which may be another's by now.
        name: String,
    },
    /// It was about this policy, as the policy was then.
    Policy {
        /// The policy.
        policy: Policy,
        /// Whether the policy was made by it.
        made: bool,
    },
    /// It was about this execution.
    Execution(ExecutionId),
    /// It was about this worker.
    Worker(WorkerId),
    /// It is to be done to what it found: not to what would be found later.
    Found {
        /// The executions.
        ids: Vec<ExecutionId>,
        /// Where the next portion begins.
        next: Option<ExecutionId>,
    },
    /// It was done to all that it found.
    Done {
        /// Those to which it was done, or the new executions.
        ids: Vec<ExecutionId>,
        /// How many refused it.
        refused: u64,
        /// Why the first of those did, as a sentence.
        why: Option<String>,
        /// Where the next portion begins.
        next: Option<ExecutionId>,
    },
}
