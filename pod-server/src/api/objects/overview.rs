//! The overview: counts, the fleet, the clock.

use pod_core::{FleetCount, Overview, domain::ClockChange};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::moment::Moment;
use crate::config::Config;

/// Executions by status.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatusCounts {
    waiting: u64,
    running: u64,
    finished: u64,
    failed: u64,
    terminated: u64,
    timed_out: u64,
}

impl From<[u64; 6]> for StatusCounts {
    /// In the order of [`ExecutionStatus::ALL`].
    fn from([waiting, running, finished, failed, terminated, timed_out]: [u64; 6]) -> Self {
        Self { waiting, running, finished, failed, terminated, timed_out }
    }
}

/// What the whole POD is doing, in numbers.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Overview)]
pub(crate) struct OverviewObject {
    executions: StatusCounts,
    /// When the execution that waits longest was submitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_waiting_at: Option<Moment>,
    workers: FleetObject,
    /// How many workers the active policy wants at least.
    min_workers: u32,
    /// How many workers the active policy wants at most.
    max_workers: u32,
    /// The id of the active policy.
    policy: u64,
    /// Ids of activities that are rejected, or failing to install somewhere.
    troubled_activities: Vec<u64>,
    /// Where executions run: `local`, `docker` or `swarm`.
    backend: String,
    /// A fingerprint of how containers are made, where executions run in some: it is another one when a setting is.
    #[serde(skip_serializing_if = "Option::is_none")]
    containers: Option<String>,
    /// Why new executions are refused, when they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
    /// Why the last launch of a worker failed, until one succeeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    launch_refusal: Option<RefusalObject>,
    /// How the clock of the manager's machine was set last, within the last 24 hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    clock: Option<ClockObject>,
    /// The identity of the store.
    store: String,
    /// The version of the manager.
    version: &'static str,
}

/// Where executions run, as configured.
#[derive(Clone, Debug)]
pub(crate) struct Backend {
    name: String,
    containers: Option<String>,
}

impl Backend {
    pub(crate) fn of(config: &Config) -> Self {
        Self { name: config.backend.to_string(), containers: config.containers() }
    }
}

/// A launch that failed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LaunchRefusal)]
pub(crate) struct RefusalObject {
    reason: String,
    /// What is in the way, for programs: `capacity`, `quota`, `throttled`, `invalid`, `credentials`, `unreachable`, or
    /// `other`. There may be new ones.
    code: &'static str,
    /// Trying again leads to the same until somebody changes something.
    lasting: bool,
    /// When a launch is tried again, if one is needed then.
    retry_at: Moment,
}

/// The system's clock was set.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ClockChange)]
pub(crate) struct ClockObject {
    /// What it said before.
    before: String,
    /// What it said then.
    after: String,
    /// How far it was set, in milliseconds; below zero when it was set back.
    by_millis: i64,
    /// All of it as a sentence.
    message: String,
}

impl From<&ClockChange> for ClockObject {
    fn from(change: &ClockChange) -> Self {
        Self {
            before: change.before.to_rfc3339(),
            after: change.after.to_rfc3339(),
            by_millis: change.by(),
            message: change.sentence(),
        }
    }
}

/// Workers by status.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Fleet)]
pub(crate) struct FleetObject {
    launching: u32,
    pending: u32,
    ready: u32,
    working: u32,
    unreachable: u32,
    draining: u32,
    failed: u32,
    terminated: u32,
    slots: u32,
    busy_slots: u32,
}

impl From<FleetCount> for FleetObject {
    fn from(fleet: FleetCount) -> Self {
        Self {
            launching: fleet.launching,
            pending: fleet.pending,
            ready: fleet.ready,
            working: fleet.working,
            unreachable: fleet.unreachable,
            draining: fleet.draining,
            failed: fleet.failed,
            terminated: fleet.terminated,
            slots: fleet.slots,
            busy_slots: fleet.busy_slots,
        }
    }
}

impl OverviewObject {
    pub(in crate::api) fn of(overview: Overview, store: pod_core::domain::StoreId, backend: Backend) -> Self {
        Self {
            executions: overview.counts.into(),
            oldest_waiting_at: overview.oldest_waiting.map(Moment::from),
            workers: overview.fleet.into(),
            min_workers: overview.desired.0,
            max_workers: overview.desired.1,
            policy: overview.policy.0,
            troubled_activities: overview.failing_activities.iter().map(|id| id.0).collect(),
            backend: backend.name,
            containers: backend.containers,
            trouble: overview.degraded_reason.as_deref().map(str::to_owned),
            launch_refusal: overview.launch_failure.map(|refusal| RefusalObject {
                reason: refusal.reason.to_string(),
                code: refusal.kind.code(),
                lasting: refusal.lasting,
                retry_at: refusal.retry_at.into(),
            }),
            clock: overview.clock.as_ref().map(ClockObject::from),
            store: store.to_string(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}
