//! Workers: the machines, containers or processes that run executions.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    activity::Isolation,
    ids::WorkerId,
    reason,
    reason::WorkerReason,
    time::{Age, Timestamp},
    word::words,
};

/// How many slots a worker has at most. What it may hold is bounded by it, and so what one link must be able to take.
pub const MAX_SLOTS: u32 = 1024;

/// A worker. Its desired state (`draining`) is a member, not a status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    /// Its identity, never used again.
    pub id: WorkerId,
    /// Where it stands.
    pub status: WorkerStatus,
    /// How many executions it runs at a time.
    pub slots: u32,
    /// It takes no new work, and is let go when what it runs has ended.
    pub draining: bool,
    /// When it was wanted.
    pub created_at: Timestamp,
    /// When it first said hello.
    pub ready_at: Option<Timestamp>,
    /// When a frame of it last arrived.
    pub last_seen: Option<Timestamp>,
    /// When it last ran an execution.
    pub last_worked: Option<Timestamp>,
    /// When it was gone.
    pub ended_at: Option<Timestamp>,
    /// How old POD was then: by that it is forgotten.
    #[serde(default)]
    pub gone: Option<Age>,
    /// Why it was launched, let go or lost.
    #[serde(default, deserialize_with = "reason::stored_or_none")]
    pub reason: Option<WorkerReason>,
    /// What was in the way when the provisioner was last asked to destroy it, as a sentence.
    #[serde(default)]
    pub destroy_error: Option<Arc<str>>,
    /// The [name](crate::provisioner::Provisioner::name) of the backend that made it; none where it dialled in by itself, or was made before
    /// that was written down.
    #[serde(default)]
    pub backend: Option<Arc<str>>,
    /// Its host name or address, as it told.
    pub host: Option<Arc<str>>,
    /// It dialled in by itself: POD did not create it and does not destroy it.
    #[serde(rename = "external")]
    pub self_registered: bool,
    /// What has a container of its own on it: it takes activities that want it so, and no others.
    #[serde(default)]
    pub isolation: Isolation,
    /// The process that last said hello under this id: another one holds nothing of what was running.
    pub incarnation: Option<u64>,
}

impl Worker {
    /// Why it is where it is, as a sentence: why it was launched, let go or lost, and what is in the way of its end.
    #[must_use]
    pub fn why(&self) -> Option<String> {
        let reason = self.reason.as_ref().map(WorkerReason::to_string);
        match &self.destroy_error {
            None => reason,
            Some(error) => {
                let reason = reason.unwrap_or_else(|| "it was let go".to_owned());
                Some(format!("{reason}; it could not be destroyed: {error}"))
            }
        }
    }
}

/// Where a worker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WorkerStatus {
    /// The provisioner was asked to create it.
    Launching,
    /// Created; it has not said hello.
    Pending,
    /// Connected and idle.
    Ready,
    /// Connected and running executions.
    Working,
    /// Silent: it gets no new work.
    Unreachable,
    /// Silent for too long, or known to be dead: its work was given up.
    Lost,
    /// Let go when what it runs has ended.
    Draining,
    /// Gone as it should be.
    Terminated,
    /// It could not be created, or never said hello.
    Failed,
}

words! { WorkerStatus, "status of a worker": Launching = "launching", Pending = "pending", Ready = "ready", Working = "working", Unreachable = "unreachable", Lost = "lost", Draining = "draining", Terminated = "terminated", Failed = "failed" }

impl WorkerStatus {
    /// Whether it is over: it never comes back under this id.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Lost | Self::Terminated | Self::Failed)
    }
}
