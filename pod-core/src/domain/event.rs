//! What happened, for people and for those who follow along.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    ids::{ActivityId, AttemptNo, ExecutionId, RevisionNo, WorkerId},
    reason,
    reason::ScaleReason,
    time::Timestamp,
};

/// Something that happened and was committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Its place in the order of all events; starts at 1, without gaps.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
    /// The activity that it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub activity: Option<ActivityId>,
    /// The revision of it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revision: Option<RevisionNo>,
    /// The execution that it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub execution: Option<ExecutionId>,
    /// The attempt that it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attempt: Option<AttemptNo>,
    /// The worker that it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub worker: Option<WorkerId>,
    /// A sentence, where there is more to say than `kind` does.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub message: Option<Arc<str>>,
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
