//! Activities and their installations.

use pod_core::{
    ActivityView,
    domain::{
        Activity, ActivityStatus, Installation, InstallationStatus, Isolation, Network, OnLost, ScriptSource, Workdir,
    },
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    super::{
        env::{self, MaskedEnv},
        moment::Moment,
        openapi::enums::{
            ActivityStatusWord, InstallationStatusWord, IsolationWord, NetworkWord, OnLostWord, SourceWord, WorkdirWord,
        },
        seconds::Seconds,
    },
    overview::StatusCounts,
    reason::ReasonObject,
};

/// An activity.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Activity)]
pub(crate) struct ActivityObject {
    id: u64,
    name: String,
    /// `verifying`, `approved`, `rejected` or `uninstalling`.
    #[schema(value_type = ActivityStatusWord)]
    status: ActivityStatus,
    /// The current revision, which executions run that name no other.
    revision: u32,
    /// The newest revision; another one while it is verified, or when it was rejected.
    latest_revision: u32,
    /// Where the script comes from: `url`, `inline` or `directory`.
    #[schema(value_type = SourceWord)]
    source: &'static str,
    /// The address of the script, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    script_url: Option<String>,
    /// The sha256 of the script, or of what the directory holds, once it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    /// Why the newest revision was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_description: Option<String>,
    created_at: Moment,
    /// How long one attempt may run; no limit when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>)]
    timeout_seconds: Option<Seconds>,
    retries: u32,
    /// `requeue` or `fail`.
    #[schema(value_type = OnLostWord)]
    on_lost: OnLost,
    /// The names of its variables; what they hold is not shown.
    #[schema(value_type = BTreeMap<String, env::Masked>)]
    env: MaskedEnv,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_concurrency: Option<u32>,
    /// What has a container of its own: a `worker` or each `execution`; what the manager's setting says when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<IsolationWord>)]
    isolation: Option<Isolation>,
    /// Where its executions run: `private`, `copy` or `shared`.
    #[schema(value_type = WorkdirWord)]
    workdir: Workdir,
    /// `none` where its executions reach nothing over the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<NetworkWord>)]
    network: Option<Network>,
    #[serde(skip_serializing_if = "Option::is_none")]
    installations: Option<Vec<InstallationObject>>,
    /// Why its newest revision is not verified yet, in sentences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waits_for: Vec<String>,
    /// The same, each with a word for programs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waits_for_reasons: Vec<ReasonObject>,
    /// Its executions by status.
    #[serde(skip_serializing_if = "Option::is_none")]
    executions: Option<StatusCounts>,
    /// How long a run is expected to take; known after two.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_millis: Option<u64>,
}

/// The word for where a script comes from, and its address where it has one.
pub(super) fn source_of(source: &ScriptSource) -> (&'static str, Option<String>) {
    match source {
        ScriptSource::Url(url) => ("url", Some(url.to_string())),
        ScriptSource::Inline => ("inline", None),
        ScriptSource::Directory => ("directory", None),
    }
}

impl From<&Activity> for ActivityObject {
    fn from(activity: &Activity) -> Self {
        let (source, script_url) = source_of(&activity.source);
        Self {
            id: activity.id.0,
            name: activity.name.to_string(),
            status: activity.status,
            revision: activity.revision.0,
            latest_revision: activity.latest.0,
            source,
            script_url,
            sha256: activity.sha256.as_deref().map(str::to_owned),
            error_description: activity.error.as_deref().map(str::to_owned),
            created_at: activity.created_at.into(),
            timeout_seconds: activity.settings.timeout.map(Seconds),
            retries: activity.settings.retries,
            on_lost: activity.settings.on_lost,
            env: env::masked(&activity.settings.env),
            max_concurrency: activity.settings.max_concurrency,
            isolation: activity.settings.isolation,
            workdir: activity.settings.workdir,
            network: Some(activity.settings.network).filter(|network| *network != Network::Default),
            installations: None,
            waits_for: Vec::new(),
            waits_for_reasons: Vec::new(),
            executions: None,
            expected_millis: None,
        }
    }
}

impl From<&ActivityView> for ActivityObject {
    fn from(view: &ActivityView) -> Self {
        Self {
            installations: Some(view.installations.iter().map(InstallationObject::from).collect()),
            waits_for: view.pending_reasons.iter().map(ToString::to_string).collect(),
            waits_for_reasons: view.pending_reasons.iter().map(ReasonObject::from).collect(),
            executions: Some(view.counts.into()),
            expected_millis: view.expected_duration.map(|millis| millis.0),
            ..Self::from(&view.activity)
        }
    }
}

/// One revision of an activity on one worker.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Installation)]
pub(crate) struct InstallationObject {
    activity_id: u64,
    worker_id: u64,
    revision: u32,
    /// `pending`, `installing`, `installed`, `failed` or `removing`.
    #[schema(value_type = InstallationStatusWord)]
    status: InstallationStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_description: Option<String>,
    changed_at: Moment,
    tries: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_at: Option<Moment>,
}

impl From<&Installation> for InstallationObject {
    fn from(installation: &Installation) -> Self {
        Self {
            activity_id: installation.activity.0,
            worker_id: installation.worker.0,
            revision: installation.revision.0,
            status: installation.status,
            error_description: installation.error.as_deref().map(str::to_owned),
            changed_at: installation.changed_at.into(),
            tries: installation.tries,
            retry_at: installation.retry_at.map(Moment::from),
        }
    }
}
