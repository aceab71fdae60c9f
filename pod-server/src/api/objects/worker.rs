//! Workers.

use pod_core::{
    WorkerView,
    domain::{AttemptKey, Isolation, WorkerReason},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    super::{
        moment::Moment,
        openapi::enums::{IsolationWord, WorkerStatusWord},
    },
    activity::InstallationObject,
};

/// A worker.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Worker)]
pub(crate) struct WorkerObject {
    id: u64,
    /// `launching`, `pending`, `ready`, `working`, `unreachable`, `lost`, `draining`, `terminated` or `failed`.
    #[schema(value_type = WorkerStatusWord)]
    status: &'static str,
    slots: u32,
    draining: bool,
    created_at: Moment,
    #[serde(skip_serializing_if = "Option::is_none")]
    ready_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_worked_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Moment>,
    /// Why it was launched, let go or lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The same as a word for programs: that of a scaling decision, `dialledIn`, `launching`, `launchFailed`,
    /// `neverDialledIn`, `notNeeded`, `silent`, `askedToDrain`, `leaves`, `died` or `other`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason_code: Option<&'static str>,
    /// The backend that made it: `local`, `docker` or `swarm`; absent where it dialled in by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    backend: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    /// It dialled in by itself.
    external: bool,
    /// What has a container of its own on it: the `worker`, or each `execution`.
    #[schema(value_type = IsolationWord)]
    isolation: Isolation,
    /// The attempts that are assigned to it.
    attempts: Vec<AttemptObject>,
    installations: Vec<InstallationObject>,
}

/// An attempt of an execution.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AttemptKey)]
pub(crate) struct AttemptObject {
    execution: u64,
    attempt: u32,
}

impl From<&AttemptKey> for AttemptObject {
    fn from(key: &AttemptKey) -> Self {
        Self { execution: key.execution.0, attempt: key.attempt.0 }
    }
}

impl From<&WorkerView> for WorkerObject {
    fn from(view: &WorkerView) -> Self {
        let worker = &view.worker;
        let time = |at: Option<pod_core::domain::Timestamp>| at.map(Moment::from);
        Self {
            id: worker.id.0,
            status: worker.status.as_str(),
            slots: worker.slots,
            draining: worker.draining,
            created_at: worker.created_at.into(),
            ready_at: time(worker.ready_at),
            last_seen_at: time(worker.last_seen),
            last_worked_at: time(worker.last_worked),
            ended_at: time(worker.ended_at),
            reason: worker.why(),
            reason_code: worker.reason.as_ref().map(WorkerReason::code),
            backend: worker.backend.as_deref().map(str::to_owned),
            host: worker.host.as_deref().map(str::to_owned),
            external: worker.self_registered,
            isolation: worker.isolation,
            attempts: view.attempts.iter().map(AttemptObject::from).collect(),
            installations: view.installations.iter().map(InstallationObject::from).collect(),
        }
    }
}
