//! The objects of the action API. Members that are absent are left out; none is ever `null`.

use std::{borrow::Cow, collections::BTreeMap, net::IpAddr};

use pod_core::{
    ActivityView, WorkerView,
    domain::{
        Activity, Execution, Gap, Installation, InstallationStatus, Outcome, Policy, PolicyId, ScriptSource, WorkerId,
    },
};
use serde::Serialize;

use super::legacy_status;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ActivityObject {
    id: u64,
    name: String,
    /// Empty for an activity made from an inline script or a directory.
    installation_script_location: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    installations: Option<Vec<InstallationObject>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_description: Option<String>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct InstallationObject {
    worker_id: u64,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_description: Option<String>,
}

impl ActivityObject {
    pub(super) fn plain(activity: &Activity) -> Self {
        Self {
            id: activity.id.0,
            name: activity.name.to_string(),
            installation_script_location: match &activity.source {
                ScriptSource::Url(url) => url.to_string(),
                ScriptSource::Inline | ScriptSource::Directory => String::new(),
            },
            status: legacy_status::activity(activity.status),
            installations: None,
            error_description: activity.error.as_deref().map(str::to_owned),
        }
    }

    /// With its installations; `verifier` stands in for the worker of one that failed before it reached any.
    pub(super) fn with_installations(view: &ActivityView, verifier: Option<WorkerId>) -> Self {
        let mut installations = one_per_worker(view);
        installations.extend(verifier.map(|worker| InstallationObject {
            worker_id: worker.0,
            status: legacy_status::installation(InstallationStatus::Failed),
            error_description: view.activity.error.as_deref().map(str::to_owned),
        }));
        Self { installations: Some(installations), ..Self::plain(&view.activity) }
    }
}

/// This API knows no revisions: of a worker's installations, the one that serves is shown, else the newest.
fn one_per_worker(view: &ActivityView) -> Vec<InstallationObject> {
    let serving = view.activity.revision;
    let mut shown: BTreeMap<u64, &Installation> = BTreeMap::new();
    for installation in &view.installations {
        let better = |other: &Installation| {
            other.revision != serving && (installation.revision == serving || installation.revision > other.revision)
        };
        match shown.get(&installation.worker.0) {
            Some(other) if !better(other) => {}
            _ => drop(shown.insert(installation.worker.0, installation)),
        }
    }
    shown
        .into_values()
        .map(|installation| {
            let status = legacy_status::installation(installation.status);
            InstallationObject {
                worker_id: installation.worker.0,
                status,
                error_description: installation.error.as_deref().filter(|_| status == "error").map(str::to_owned),
            }
        })
        .collect()
}

/// An execution. With its output, that stands between its two parts.
#[derive(Debug, Serialize)]
pub(super) struct ExecutionObject<'a> {
    #[serde(flatten)]
    pub(super) request: ExecutionRequest<'a>,
    #[serde(flatten)]
    pub(super) standing: ExecutionStanding<'a>,
}

/// What was asked for.
#[derive(Debug, Serialize)]
pub(super) struct ExecutionRequest<'a> {
    id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    stdin: Option<&'a str>,
}

/// Its status and outcome.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExecutionStanding<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Cow<'a, str>>,
    activity_id: u64,
    activity_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) predicted_time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<i32>,
    attempt: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stdout_gap: Option<GapObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stderr_gap: Option<GapObject>,
}

/// The bytes that the cap left out of a stream, in the program's own offsets.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct GapObject {
    start: u64,
    end: u64,
}

impl From<Gap> for GapObject {
    fn from(gap: Gap) -> Self {
        Self { start: gap.start, end: gap.end }
    }
}

impl<'a> ExecutionObject<'a> {
    pub(super) fn of(execution: &'a Execution, activity_name: &'a str) -> Self {
        let (exit_code, signal, error) = match &execution.outcome {
            Some(Outcome::Exited(code)) => (Some(*code), None, None),
            Some(Outcome::Signalled(signal)) => (None, Some(*signal), None),
            Some(Outcome::OutOfMemory) => (None, Some(9), Some(Cow::Borrowed("It ran out of memory"))),
            Some(Outcome::TimedOut) => (None, None, Some(Cow::Borrowed("The time limit of the activity passed"))),
            Some(given_up @ (Outcome::Aborted(_) | Outcome::WorkerLeft { .. })) => {
                (None, None, given_up.reason().map(Cow::Owned))
            }
            Some(Outcome::Terminated) | None => (None, None, None),
        };
        Self {
            request: ExecutionRequest { id: execution.id.0, stdin: execution.input.as_deref() },
            standing: ExecutionStanding {
                status: legacy_status::execution(execution),
                error,
                activity_id: execution.activity.0,
                activity_name,
                start_time: execution.started_at.map(|at| at.0),
                finish_time: execution.finished_at.map(|at| at.0),
                predicted_time: None,
                exit_code,
                signal,
                attempt: execution.attempt.0,
                stdout_gap: None,
                stderr_gap: None,
            },
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WorkerObject {
    id: u64,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    local_ip: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_time_worked: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_time_alive: Option<i64>,
    /// The manager is never a worker itself.
    is_manager: bool,
}

impl From<&WorkerView> for WorkerObject {
    fn from(view: &WorkerView) -> Self {
        let worker = &view.worker;
        Self {
            id: worker.id.0,
            status: legacy_status::worker(worker.status),
            local_ip: worker.host.as_deref().and_then(|host| host.parse().ok()),
            host: worker.host.as_deref().map(str::to_owned),
            last_time_worked: worker.last_worked.map(|at| at.0),
            last_time_alive: worker.last_seen.map(|at| at.0),
            is_manager: false,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct PolicyObject {
    id: u64,
    name: String,
    active: bool,
    rules: BTreeMap<String, String>,
}

impl PolicyObject {
    pub(super) fn of(policy: Policy, active: PolicyId) -> Self {
        Self { id: policy.id.0, name: policy.name.to_string(), active: policy.id == active, rules: policy.rules }
    }
}
