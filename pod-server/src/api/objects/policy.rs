//! Policies and scaling decisions.

use std::collections::BTreeMap;

use pod_core::domain::{Policy, PolicyId, ScalingDecision};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::{moment::Moment, rules::RuleTexts};

/// A policy: how the fleet of workers grows and shrinks.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Policy)]
pub(crate) struct PolicyObject {
    id: u64,
    pub(in crate::api) name: String,
    active: bool,
    /// The rules as they were given, each a number as a text.
    #[schema(value_type = RuleTexts)]
    rules: BTreeMap<String, String>,
}

impl PolicyObject {
    pub(in crate::api) fn of(policy: Policy, active: PolicyId) -> Self {
        Self { id: policy.id.0, name: policy.name.to_string(), active: policy.id == active, rules: policy.rules }
    }
}

/// One decision about the size of the fleet.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ScalingDecision)]
pub(crate) struct DecisionObject {
    at: Moment,
    /// How many workers were launched.
    launch: u32,
    /// Which workers were told to drain.
    drain: Vec<u64>,
    /// Why, as a sentence.
    reason: String,
    /// The same as a word for programs: `belowMinimum`, `noWorker`, `tooSlow`, `launchesHang`, `waitsTooLong`,
    /// `overMaximum`, `idle`, `makesRoom` or `other`.
    reason_code: &'static str,
}

impl From<ScalingDecision> for DecisionObject {
    fn from(decision: ScalingDecision) -> Self {
        Self {
            at: decision.at.into(),
            launch: decision.launch,
            drain: decision.drain.iter().map(|worker| worker.0).collect(),
            reason: decision.reason.to_string(),
            reason_code: decision.reason.code(),
        }
    }
}
