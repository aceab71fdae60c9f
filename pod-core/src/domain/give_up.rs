//! Why executions are given up, as values. They are stored and sent as such; a sentence is made of one where somebody
//! reads it, and its code is for programs.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use super::ids::{AttemptNo, WorkerId};

/// Why POD could not run an execution, or gave it up. Displayed as a sentence without its stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum GiveUp {
    /// `main.sh` could not be started.
    StartFailed {
        /// What the worker says.
        error: Arc<str>,
    },
    /// Its worker was lost while it ran, and the activity says that it must not run again.
    NotRunAgain {
        /// The worker.
        worker: WorkerId,
        /// The attempt that ran there.
        attempt: AttemptNo,
    },
    /// It lost its worker as often as is allowed.
    LostTooOften {
        /// The last one that was lost.
        worker: WorkerId,
        /// The attempt that ran there.
        attempt: AttemptNo,
        /// So many were lost.
        losses: u32,
    },
    /// Its activity was deleted before it ran.
    ActivityDeleted,
    /// Its activity was rejected before it ran.
    ActivityRejected {
        /// Why, where that is known.
        error: Arc<str>,
    },
    /// Its activity was approved, and could be installed on none of the workers that are there.
    NotInstalled {
        /// What one of them says.
        error: Arc<str>,
    },
    /// What an earlier version of POD said.
    Said {
        /// The sentence.
        sentence: Arc<str>,
    },
}

impl GiveUp {
    /// A word for programs, which stays the same.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::StartFailed { .. } => "startFailed",
            Self::NotRunAgain { .. } => "notRunAgain",
            Self::LostTooOften { .. } => "lostTooOften",
            Self::ActivityDeleted => "activityDeleted",
            Self::ActivityRejected { .. } => "activityRejected",
            Self::NotInstalled { .. } => "notInstalled",
            Self::Said { .. } => "other",
        }
    }
}

impl fmt::Display for GiveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunAgain { worker, attempt } => {
                write!(f, "{}, and the activity says that it must not run again", lost(*worker, *attempt))
            }
            Self::LostTooOften { worker, attempt, losses } => {
                write!(f, "{}; given up after {losses} lost attempts", lost(*worker, *attempt))
            }
            Self::ActivityDeleted => f.write_str("the activity was deleted"),
            Self::ActivityRejected { error } => write!(f, "the activity was rejected: {error}"),
            Self::NotInstalled { error } => {
                write!(f, "the activity could not be installed on any worker: {error}")
            }
            Self::StartFailed { error: said } | Self::Said { sentence: said } => f.write_str(said),
        }
    }
}

impl From<Arc<str>> for GiveUp {
    fn from(sentence: Arc<str>) -> Self {
        Self::Said { sentence }
    }
}

impl From<&str> for GiveUp {
    fn from(sentence: &str) -> Self {
        Self::Said { sentence: sentence.into() }
    }
}

/// Why an execution waits again after an attempt. Displayed as a sentence without its stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Requeue {
    /// The attempt failed, and the activity allows another one.
    Failed {
        /// The attempt.
        attempt: AttemptNo,
        /// Tried again in so long.
        wait: super::time::Millis,
    },
    /// The attempt was lost with its worker.
    WorkerLost {
        /// The worker.
        worker: WorkerId,
        /// The attempt.
        attempt: AttemptNo,
    },
    /// The worker left in an orderly way while it ran the attempt.
    WorkerLeft {
        /// The worker.
        worker: WorkerId,
        /// The attempt.
        attempt: AttemptNo,
    },
}

impl Requeue {
    /// A word for programs, which stays the same.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Failed { .. } => "attemptFailed",
            Self::WorkerLost { .. } => "workerLost",
            Self::WorkerLeft { .. } => "workerLeft",
        }
    }
}

impl fmt::Display for Requeue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Failed { attempt, wait } => write!(f, "attempt {attempt} failed and is tried again in {wait}"),
            Self::WorkerLost { worker, attempt } => f.write_str(&lost(worker, attempt)),
            Self::WorkerLeft { worker, attempt } => f.write_str(&left(worker, attempt)),
        }
    }
}

fn lost(worker: WorkerId, attempt: AttemptNo) -> String {
    format!("worker {worker} was lost while it ran attempt {attempt}")
}

/// That a worker left while it ran an attempt.
pub(super) fn left(worker: WorkerId, attempt: AttemptNo) -> String {
    format!("worker {worker} left while it ran attempt {attempt}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Outcome;

    #[test]
    fn reasons_are_read_as_they_were_written_or_as_a_sentence() {
        let (worker, attempt) = (WorkerId(3), AttemptNo(2));
        for why in [
            GiveUp::StartFailed { error: "no such file".into() },
            GiveUp::NotRunAgain { worker, attempt },
            GiveUp::LostTooOften { worker, attempt, losses: 2 },
            GiveUp::ActivityDeleted,
            GiveUp::ActivityRejected { error: "exit code 1".into() },
            GiveUp::NotInstalled { error: "exit code 1".into() },
        ] {
            let ending = Outcome::Aborted(why);
            let text = serde_json::to_string(&ending).expect("it is written");
            assert_eq!(serde_json::from_str::<Outcome>(&text).expect("it is read"), ending, "{text}");
        }
        let before: Outcome = serde_json::from_str(r#"{"GaveUp":"it was lost"}"#).expect("it is read");
        assert_eq!(before, Outcome::Aborted(GiveUp::Said { sentence: "it was lost".into() }));
    }

    #[test]
    fn what_is_said_is_what_it_always_was() {
        let (worker, attempt) = (WorkerId(3), AttemptNo(2));
        for (said, expected) in [
            (
                Outcome::Aborted(GiveUp::NotRunAgain { worker, attempt }).reason(),
                "worker 3 was lost while it ran attempt 2, and the activity says that it must not run again",
            ),
            (
                Outcome::Aborted(GiveUp::LostTooOften { worker, attempt, losses: 4 }).reason(),
                "worker 3 was lost while it ran attempt 2; given up after 4 lost attempts",
            ),
            (
                Outcome::WorkerLeft { worker, attempt }.reason(),
                "worker 3 left while it ran attempt 2, and the activity says that it must not run again",
            ),
        ] {
            assert_eq!(said.as_deref(), Some(expected));
        }
        assert_eq!(Outcome::Exited(1).reason(), None);
    }
}
