//! Revisions of activities.

use pod_core::domain::{Activity, Revision, RevisionStatus};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    super::{
        moment::Moment,
        openapi::enums::{RevisionStatusWord, SourceWord},
    },
    activity::{InstallationObject, source_of},
    reason::ReasonObject,
};

/// One version of an activity.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Revision)]
pub(crate) struct RevisionObject {
    /// The name of the activity.
    activity: String,
    activity_id: u64,
    /// Its number; 1 for the first.
    revision: u32,
    /// Whether it is the current one: executions that name no revision run it.
    current: bool,
    /// `verifying`, `approved`, `rejected` or `uninstalling`.
    #[schema(value_type = RevisionStatusWord)]
    status: RevisionStatus,
    /// Why it was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_description: Option<String>,
    /// Where the script comes from: `url`, `inline` or `directory`.
    #[schema(value_type = SourceWord)]
    source: &'static str,
    /// The address of the script, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    script_url: Option<String>,
    /// The sha256 of the script, or of what the directory holds, once it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    created_at: Moment,
    pub(in crate::api) installations: Vec<InstallationObject>,
    /// Why it is not verified yet, in sentences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::api) waits_for: Vec<String>,
    /// The same, each with a word for programs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::api) waits_for_reasons: Vec<ReasonObject>,
}

impl RevisionObject {
    pub(in crate::api) fn of(activity: &Activity, revision: &Revision) -> Self {
        let (source, script_url) = source_of(&revision.source);
        Self {
            activity: activity.name.to_string(),
            activity_id: activity.id.0,
            revision: revision.no.0,
            current: revision.no == activity.revision,
            status: revision.status,
            error_description: revision.error.as_deref().map(str::to_owned),
            source,
            script_url,
            sha256: revision.sha256.as_deref().map(str::to_owned),
            created_at: revision.created_at.into(),
            installations: Vec::new(),
            waits_for: Vec::new(),
            waits_for_reasons: Vec::new(),
        }
    }
}
