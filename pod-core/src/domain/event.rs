//! What happened, for people and for those who follow along.

use std::sync::Arc;

use serde::{
    Deserialize, Serialize,
    de::{IntoDeserializer, value},
};

use super::{
    event_detail::EventDetail,
    execution::{ExecutionStatus, Outcome},
    ids::{ActivityId, AttemptNo, ExecutionId, RevisionNo, WorkerId},
    reason,
    reason::ScaleReason,
    time::Timestamp,
    word::words,
    worker::WorkerStatus,
};

/// Something that happened and was committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", from = "Stored")]
pub struct Event {
    /// Its place in the order of all events; starts at 1, without gaps.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
    /// The activity that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activity: Option<ActivityId>,
    /// The revision of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<RevisionNo>,
    /// The execution that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution: Option<ExecutionId>,
    /// The attempt that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<AttemptNo>,
    /// The worker that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerId>,
    /// What there is to tell beside `kind`. Displayed as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<EventDetail>,
}

/// An event as it is stored, perhaps by a version that had a sentence in the place of `detail`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    seq: u64,
    at: Timestamp,
    kind: EventKind,
    #[serde(default)]
    activity: Option<ActivityId>,
    #[serde(default)]
    revision: Option<RevisionNo>,
    #[serde(default)]
    execution: Option<ExecutionId>,
    #[serde(default)]
    attempt: Option<AttemptNo>,
    #[serde(default)]
    worker: Option<WorkerId>,
    #[serde(default)]
    detail: Option<EventDetail>,
    #[serde(default)]
    message: Option<Arc<str>>,
}

impl From<Stored> for Event {
    fn from(stored: Stored) -> Self {
        let Stored { seq, at, kind, activity, revision, execution, attempt, worker, detail, message } = stored;
        let detail = detail.or_else(|| message.map(|sentence| of_before(kind, sentence)));
        Self { seq, at, kind, activity, revision, execution, attempt, worker, detail }
    }
}

/// What an event of that kind told in an earlier version, which had a sentence or the word of a status.
fn of_before(kind: EventKind, sentence: Arc<str>) -> EventDetail {
    match kind {
        EventKind::WorkerChanged => {
            let word: value::StrDeserializer<'_, value::Error> = (*sentence).into_deserializer();
            match WorkerStatus::deserialize(word) {
                Ok(status) => EventDetail::Worker { status, reason: None },
                Err(_) => EventDetail::Said { sentence },
            }
        }
        EventKind::ExecutionEnded => match ExecutionStatus::from_word(&sentence) {
            Some(status) => EventDetail::Ended { status, ending: None },
            None => {
                let ending = Outcome::Aborted(sentence.into());
                EventDetail::Ended { status: ending.status(), ending: Some(ending) }
            }
        },
        EventKind::Scaled => EventDetail::Scaled { why: sentence.into() },
        EventKind::ActivityRejected => EventDetail::Rejected { error: sentence },
        _ => EventDetail::Said { sentence },
    }
}

impl Event {
    /// Says that it is about that execution.
    pub(crate) fn of(&mut self, execution: &super::execution::Execution) {
        self.activity = Some(execution.activity);
        self.execution = Some(execution.id);
        self.revision = (execution.revision != RevisionNo(0)).then_some(execution.revision);
    }
}

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EventKind {
    /// An activity, or a new revision of it, was registered.
    ActivityRegistered,
    /// A revision was approved.
    ActivityApproved,
    /// A revision was rejected.
    ActivityRejected,
    /// An activity is being removed.
    ActivityUninstalling,
    /// An activity is gone.
    ActivityDeleted,
    /// An installation finished or failed on a worker.
    InstallationChanged,
    /// An execution was accepted.
    ExecutionSubmitted,
    /// An attempt began to run.
    ExecutionStarted,
    /// An attempt ended without concluding the execution, which waits again.
    ExecutionRequeued,
    /// An execution concluded.
    ExecutionEnded,
    /// A worker changed its status.
    WorkerChanged,
    /// A policy was made, deleted or applied.
    PolicyChanged,
    /// The fleet was grown or shrunk.
    Scaled,
    /// A manager took over the store.
    ManagerStarted,
    /// The system's clock was set while a manager was running, or between two.
    ClockSet,
}

words! { EventKind, "kind of event": ActivityRegistered = "activityRegistered", ActivityApproved = "activityApproved", ActivityRejected = "activityRejected", ActivityUninstalling = "activityUninstalling", ActivityDeleted = "activityDeleted", InstallationChanged = "installationChanged", ExecutionSubmitted = "executionSubmitted", ExecutionStarted = "executionStarted", ExecutionRequeued = "executionRequeued", ExecutionEnded = "executionEnded", WorkerChanged = "workerChanged", PolicyChanged = "policyChanged", Scaled = "scaled", ManagerStarted = "managerStarted", ClockSet = "clockSet" }

/// One decision about the size of the fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScalingDecision {
    /// When it was made.
    pub at: Timestamp,
    /// How many workers were launched.
    pub launch: u32,
    /// Which workers were told to drain.
    pub drain: Vec<WorkerId>,
    /// Why.
    #[serde(deserialize_with = "reason::stored")]
    pub reason: ScaleReason,
}
