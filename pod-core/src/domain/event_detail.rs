//! What events tell beside their kind, as values. They are stored and sent as such; a sentence is made of one where
//! somebody reads it, and its code is for programs.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    activity::ActivityName,
    clock_change::ClockChange,
    execution::{ExecutionStatus, Outcome},
    give_up::Requeue,
    reason::{ScaleReason, WorkerReason},
    worker::WorkerStatus,
};

/// What there is to tell of an event beside its kind. Displayed as a sentence, or as the word of a status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum EventDetail {
    /// Where a worker stands now.
    Worker {
        /// Its status.
        status: WorkerStatus,
        /// Why, where there is more to say.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reason: Option<WorkerReason>,
    },
    /// Why the size of the fleet changed.
    Scaled {
        /// Why.
        why: ScaleReason,
    },
    /// Why an execution waits again.
    Requeued {
        /// Why.
        why: Requeue,
    },
    /// How an execution concluded.
    Ended {
        /// Its status.
        status: ExecutionStatus,
        /// And how; absent where it finished, and where an earlier version told no more than the status.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        ending: Option<Outcome>,
    },
    /// How the system's clock was set.
    ClockSet {
        /// From when to when.
        change: ClockChange,
    },
    /// What was done to a policy.
    Policy {
        /// Its name.
        name: ActivityName,
        /// What was done.
        change: PolicyChange,
    },
    /// Why a revision was rejected.
    Rejected {
        /// What was in the way.
        error: Arc<str>,
    },
    /// An installation failed.
    InstallationFailed {
        /// What the worker says.
        error: Arc<str>,
    },
    /// The files of an installation were damaged, and it is made again.
    InstallationDamaged,
    /// What an earlier version of POD said.
    Said {
        /// The sentence.
        sentence: Arc<str>,
    },
}

/// What was done to a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum PolicyChange {
    /// It is new.
    Made,
    /// It has other rules.
    Changed,
    /// It is the active one.
    Applied,
    /// It is gone.
    Deleted,
}

impl EventDetail {
    /// A word for programs, which stays the same: the reason, where there is one.
    #[must_use]
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::Worker { reason, .. } => reason.as_ref().map(WorkerReason::code),
            Self::Scaled { why } => Some(why.code()),
            Self::Requeued { why } => Some(why.code()),
            Self::Ended { ending, .. } => ending.as_ref()?.code(),
            Self::Policy { change, .. } => Some(match change {
                PolicyChange::Made => "policyMade",
                PolicyChange::Changed => "policyChanged",
                PolicyChange::Applied => "policyApplied",
                PolicyChange::Deleted => "policyDeleted",
            }),
            Self::InstallationFailed { .. } => Some("installationFailed"),
            Self::InstallationDamaged => Some("installationDamaged"),
            Self::ClockSet { .. } | Self::Rejected { .. } => None,
            Self::Said { .. } => Some("other"),
        }
    }
}

impl fmt::Display for EventDetail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Worker { reason: Some(reason), .. } => reason.fmt(f),
            Self::Worker { status, reason: None } => f.write_str(status.as_str()),
            Self::Scaled { why } => why.fmt(f),
            Self::Requeued { why } => why.fmt(f),
            Self::Ended { ending: Some(Outcome::Aborted(why)), .. } => why.fmt(f),
            Self::Ended { status, .. } => f.write_str(status.as_str()),
            Self::ClockSet { change } => f.write_str(&change.sentence()),
            Self::Policy { name, change } => {
                let done = match change {
                    PolicyChange::Made => "made",
                    PolicyChange::Changed => "changed",
                    PolicyChange::Applied => "applied",
                    PolicyChange::Deleted => "deleted",
                };
                write!(f, "policy {name} was {done}")
            }
            Self::InstallationDamaged => {
                f.write_str("its files on the worker were damaged; it is installed there again")
            }
            Self::Rejected { error: said }
            | Self::InstallationFailed { error: said }
            | Self::Said { sentence: said } => f.write_str(said),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AttemptNo, Event, EventKind, GiveUp, Millis, Timestamp, WorkerId};

    #[test]
    fn events_of_a_version_that_had_sentences_are_read() {
        for (kind, message, code) in [
            ("workerChanged", "ready", None),
            ("workerChanged", "it was killed", Some("other")),
            ("executionEnded", "finished", None),
            ("executionEnded", "timedOut", None),
            ("executionEnded", "the activity was deleted", Some("other")),
            ("executionRequeued", "worker 1 was lost while it ran attempt 1", Some("other")),
            ("scaled", "Launched 2 workers.", Some("other")),
            ("policyChanged", "policy busy was made", Some("other")),
            ("activityRejected", "exit code 3", None),
        ] {
            let event = format!(r#"{{"seq":4,"at":5,"kind":"{kind}","worker":2,"message":"{message}"}}"#);
            let event: Event = serde_json::from_str(&event).expect("it is read");
            assert_eq!((event.seq, event.worker), (4, Some(WorkerId(2))));
            let detail = event.detail.expect("it is told");
            assert_eq!((detail.to_string().as_str(), detail.code()), (message, code), "{detail:?}");
        }
        let event: Event = serde_json::from_str(r#"{"seq":4,"at":5,"kind":"managerStarted"}"#).expect("it is read");
        assert_eq!(event.detail, None);
    }

    #[test]
    fn details_are_read_as_they_were_written_and_say_what_they_always_said() {
        let (worker, attempt) = (WorkerId(3), AttemptNo(2));
        let name = ActivityName::new("busy").expect("a valid name");
        let change = ClockChange { before: Timestamp(0), after: Timestamp(9000), away: true };
        let reason = Some(WorkerReason::Silent { since: Millis(5000) });
        let gave_up = GiveUp::LostTooOften { worker, attempt, losses: 3 };
        let left = Outcome::WorkerLeft { worker, attempt };
        for (kind, detail, said, code) in [
            (
                EventKind::WorkerChanged,
                EventDetail::Worker { status: WorkerStatus::Lost, reason },
                "nothing was heard of it for 5 s",
                Some("silent"),
            ),
            (
                EventKind::WorkerChanged,
                EventDetail::Worker { status: WorkerStatus::Ready, reason: None },
                "ready",
                None,
            ),
            (
                EventKind::Scaled,
                EventDetail::Scaled { why: ScaleReason::Idle { released: 1, after: Millis(1000) } },
                "Let 1 worker go after 1 s without work.",
                Some("idle"),
            ),
            (
                EventKind::ExecutionRequeued,
                EventDetail::Requeued { why: Requeue::WorkerLeft { worker, attempt } },
                "worker 3 left while it ran attempt 2",
                Some("workerLeft"),
            ),
            (
                EventKind::ExecutionRequeued,
                EventDetail::Requeued { why: Requeue::Failed { attempt, wait: Millis(2000) } },
                "attempt 2 failed and is tried again in 2 s",
                Some("attemptFailed"),
            ),
            (
                EventKind::ExecutionEnded,
                EventDetail::Ended { status: ExecutionStatus::Failed, ending: Some(Outcome::Aborted(gave_up)) },
                "worker 3 was lost while it ran attempt 2; given up after 3 lost attempts",
                Some("lostTooOften"),
            ),
            (
                EventKind::ExecutionEnded,
                EventDetail::Ended { status: ExecutionStatus::Failed, ending: Some(left) },
                "failed",
                Some("workerLeft"),
            ),
            (EventKind::ClockSet, EventDetail::ClockSet { change: change.clone() }, &change.sentence(), None),
            (
                EventKind::PolicyChanged,
                EventDetail::Policy { name, change: PolicyChange::Applied },
                "policy busy was applied",
                Some("policyApplied"),
            ),
            (
                EventKind::InstallationChanged,
                EventDetail::InstallationDamaged,
                "its files on the worker were damaged; it is installed there again",
                Some("installationDamaged"),
            ),
        ] {
            assert_eq!((detail.to_string().as_str(), detail.code()), (said, code));
            let nobody = (None, None, None, None, None);
            let (activity, revision, execution, attempt, worker) = nobody;
            let (seq, at, detail) = (1, Timestamp(5), Some(detail));
            let event = Event { seq, at, kind, activity, revision, execution, attempt, worker, detail };
            let text = serde_json::to_string(&event).expect("it is written");
            assert_eq!(serde_json::from_str::<Event>(&text).expect("it is read"), event, "{text}");
        }
    }
}
