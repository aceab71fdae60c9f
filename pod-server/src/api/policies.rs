//! `/policies` and `/scaling-decisions`.

use std::{collections::BTreeMap, sync::Arc};

use axum::{extract::State, http::StatusCode, response::Response};
use pod_core::{
    PodError,
    api::Put,
    domain::{Policy, PolicyId, Rules},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    activities::{ListQuery, tagged},
    body::json,
    bounded,
    changing::{Change, JsonContent, Nothing, Versioned},
    objects::{DecisionObject, PolicyObject},
    page::{self, Page},
    problem::Problem,
    request::{Segment, StrictQuery},
    rules::{GivenRules, RuleValue},
};
use crate::serve::app::App;

/// A policy to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPolicy, examples(json!({ "name": "night", "rules": { "minWorkers": 1, "maxWorkers": 8 } })))]
pub(crate) struct PolicyBody {
    name: String,
    /// `minWorkers`, `maxWorkers`, `fixedWorkers`, `maxWait` and `terminationTime`; numbers, or texts of numbers.
    #[serde(deserialize_with = "bounded::map")]
    #[schema(value_type = GivenRules)]
    pub(super) rules: BTreeMap<String, RuleValue>,
}

impl JsonContent for PolicyBody {
    fn limit(_: &App) -> usize {
        64 << 10
    }
}

impl JsonContent for RulesBody {
    fn limit(_: &App) -> usize {
        64 << 10
    }
}

/// A policy with its `ETag`.
fn answered(status: StatusCode, policy: Policy, active: PolicyId) -> Response {
    let version = policy.version();
    tagged(json(status, &PolicyObject::of(policy, active)), &version)
}

/// Makes a policy. `maxWait` is added unless it or `fixedWorkers` is given.
#[utoipa::path(post, path = "/policies", operation_id = "createPolicy", tag = "policies", request_body = PolicyBody, responses(
    (status = 201, body = PolicyObject),
    (status = 409, body = super::problem::ProblemBody, content_type = "application/problem+json"),
    (status = 422, body = super::problem::ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn create(State(app): State<Arc<App>>, change: Change<PolicyBody>) -> Result<Response, Problem> {
    let pod = change.on(&app.pod);
    let rules = completed(change.body.rules)?;
    let policy = pod.create_policy(&change.body.name, rules).await?;
    let (_, active) = app.pod.policies().await?;
    Ok(answered(StatusCode::CREATED, policy, active))
}

/// All policies, the default one first.
#[utoipa::path(get, path = "/policies", operation_id = "listPolicies", tag = "policies", params(ListQuery), responses(
    (status = 200, body = super::page::PolicyPage)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    StrictQuery(query): StrictQuery<ListQuery>,
) -> Result<Response, Problem> {
    let limit = page::limit(query.limit)?;
    let after: Option<PolicyId> = page::POLICIES.after(query.cursor.as_deref())?;
    let (mut policies, active) = app.pod.policies().await?;
    policies.sort_by_key(|policy| policy.id);
    policies.retain(|policy| after.is_none_or(|after| policy.id > after));
    let page = Page::of(page::POLICIES, policies, limit, |policy| policy.id);
    Ok(json(StatusCode::OK, &page.map(|policy| PolicyObject::of(policy, active))))
}

/// One policy.
#[utoipa::path(get, path = "/policies/{name}", operation_id = "getPolicy", tag = "policies",
    params(("name" = String, Path, description = "The name of the policy")), responses(
    (status = 200, body = PolicyObject),
    (status = 404, body = super::problem::ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    name: Segment,
    _: StrictQuery<Nothing>,
) -> Result<Response, Problem> {
    let (policies, active) = app.pod.policies().await?;
    let policy =
        policies.into_iter().find(|policy| policy.name.as_str() == name.0).ok_or(PodError::NoSuchPolicy(name.0))?;
    Ok(answered(StatusCode::OK, policy, active))
}

/// The rules of a policy.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PolicyChange, examples(json!({ "rules": { "fixedWorkers": 2 } })))]
pub(crate) struct RulesBody {
    /// The name, which a policy keeps: where it is given, it is that of the path.
    name: Option<String>,
    /// `minWorkers`, `maxWorkers`, `fixedWorkers`, `maxWait` and `terminationTime`; numbers, or texts of numbers.
    #[serde(deserialize_with = "bounded::map")]
    #[schema(value_type = GivenRules)]
    rules: BTreeMap<String, RuleValue>,
}

/// Makes a policy, or gives it other rules. If it is the active one, the fleet is brought to them.
#[utoipa::path(put, path = "/policies/{name}", operation_id = "putPolicy", tag = "policies", request_body = RulesBody,
    params(("name" = String, Path, description = "The name of the policy")), responses(
    (status = 200, body = PolicyObject, description = "The policy has these rules now"),
    (status = 201, body = PolicyObject, description = "The policy was made"),
    (status = 409, body = super::problem::ProblemBody, content_type = "application/problem+json"),
    (status = 422, body = super::problem::ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn put(
    State(app): State<Arc<App>>,
    name: Segment,
    change: Change<RulesBody, Nothing, Versioned>,
) -> Result<Response, Problem> {
    let pod = change.on(&app.pod);
    let body = change.body;
    if let Some(other) = body.name.filter(|other| *other != name.0) {
        return Err(Problem::invalid(format!("name is {other:?}, but the path names {:?}; leave it out", name.0)));
    }
    let rules = completed(body.rules)?;
    let (status, policy) = match pod.update_policy(&name.0, rules).await {
        Ok((policy, Put::Changed)) => (StatusCode::OK, policy),
        Ok((policy, Put::Made)) => (StatusCode::CREATED, policy),
        Err(error @ PodError::DefaultPolicy) => {
            let detail = "The default policy stays as it is; make another one, and apply it";
            return Err(Problem { detail: detail.to_owned(), ..error.into() });
        }
        Err(error) => return Err(error.into()),
    };
    let (_, active) = app.pod.policies().await?;
    Ok(answered(status, policy, active))
}

pub(super) fn completed(rules: BTreeMap<String, RuleValue>) -> Result<BTreeMap<String, String>, Problem> {
    let rules = rules.into_iter().map(|(rule, value)| (rule, value.into())).collect();
    Ok(Rules::complete(rules).map_err(PodError::from)?)
}

/// Deletes a policy; the default one takes over if it was active.
#[utoipa::path(delete, path = "/policies/{name}", operation_id = "deletePolicy", tag = "policies",
    params(("name" = String, Path, description = "The name of the policy")), responses(
    (status = 200, body = PolicyObject, description = "The policy that was deleted"),
    (status = 404, body = super::problem::ProblemBody, content_type = "application/problem+json"),
    (status = 409, body = super::problem::ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    name: Segment,
    change: Change<Nothing, Nothing, Versioned>,
) -> Result<Response, Problem> {
    let policy = change.on(&app.pod).delete_policy(&name.0).await?;
    let (_, active) = app.pod.policies().await?;
    Ok(answered(StatusCode::OK, policy, active))
}

/// Makes a policy the active one; the fleet is brought to it.
#[utoipa::path(post, path = "/policies/{name}/apply", operation_id = "applyPolicy", tag = "policies",
    params(("name" = String, Path, description = "The name of the policy")), responses(
    (status = 200, body = PolicyObject),
    (status = 404, body = super::problem::ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn apply(
    State(app): State<Arc<App>>,
    name: Segment,
    change: Change<Nothing, Nothing, Versioned>,
) -> Result<Response, Problem> {
    let policy = change.on(&app.pod).apply_policy(&name.0).await?;
    let id = policy.id;
    Ok(answered(StatusCode::OK, policy, id))
}

/// The latest decisions that paging reaches.
const MAX_DECISIONS: usize = 10_000;

/// The last decisions about the size of the fleet, newest first.
#[utoipa::path(get, path = "/scaling-decisions", operation_id = "listScalingDecisions", tag = "policies", params(ListQuery), responses(
    (status = 200, body = super::page::ScalingDecisionPage)))]
pub(super) async fn decisions(
    State(app): State<Arc<App>>,
    StrictQuery(query): StrictQuery<ListQuery>,
) -> Result<Response, Problem> {
    let limit = page::limit(query.limit)?;
    // Decisions have no ids: the cursor counts those already seen.
    let seen: usize = page::DECISIONS.after(query.cursor.as_deref())?.unwrap_or(0).min(MAX_DECISIONS);
    let decisions = app.pod.scaling_decisions(seen + limit + 1).await?;
    let mut place = seen;
    let placed = decisions
        .into_iter()
        .skip(seen)
        .map(|decision| {
            place += 1;
            (place, decision)
        })
        .collect();
    let page = Page::of(page::DECISIONS, placed, limit, |(place, _)| *place);
    Ok(json(StatusCode::OK, &page.map(|(_, decision)| DecisionObject::from(decision))))
}
