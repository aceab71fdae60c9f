//! `newPolicy`, `applyPolicy`, `deletePolicy`, `getPolicies`, `getActivePolicy`, `resetPolicies`.

use pod_core::domain::{InvalidRule, Rules};
use serde_json::json;

use super::{
    answer::{ActionError, Answer, answer},
    objects::PolicyObject,
    params::Params,
};
use crate::serve::app::App;

pub(super) async fn create(app: &App, params: &Params<'_>) -> Answer {
    let (name, rules) = (params.need("name")?, params.need("rules")?);
    let rules = Rules::parse_text(rules).map_err(|error: InvalidRule| ActionError::sentence(error.to_string()))?;
    let policy = app.pod.create_policy(name, rules).await?;
    let (_, active) = app.pod.policies().await?;
    Ok(answer(&json!({ "policy": PolicyObject::of(policy, active) })))
}

pub(super) async fn apply(app: &App, params: &Params<'_>) -> Answer {
    let policy = app.pod.apply_policy(params.need("name")?).await?;
    let id = policy.id;
    Ok(answer(&PolicyObject::of(policy, id)))
}

pub(super) async fn delete(app: &App, params: &Params<'_>) -> Answer {
    let policy = app.pod.delete_policy(params.need("name")?).await?;
    Ok(answer(&json!({ "policy": { "name": policy.name.as_str() }, "status": "deleted" })))
}

pub(super) async fn list(app: &App) -> Answer {
    let (policies, active) = app.pod.policies().await?;
    let policies: Vec<_> = policies.into_iter().map(|policy| PolicyObject::of(policy, active)).collect();
    Ok(answer(&json!({ "policies": policies })))
}

pub(super) async fn active(app: &App) -> Answer {
    let (policies, active) = app.pod.policies().await?;
    match policies.into_iter().find(|policy| policy.id == active) {
        Some(policy) => Ok(answer(&PolicyObject::of(policy, active))),
        None => Err(ActionError::sentence("The active policy is being replaced; ask again")),
    }
}

pub(super) async fn reset(app: &App) -> Answer {
    app.pod.reset_policies().await?;
    Ok(answer(&json!({ "status": "Policy deactivated. Running in default configuration" })))
}
