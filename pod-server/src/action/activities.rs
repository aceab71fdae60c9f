//! `newActivity`, `getActivityStatus`, `deleteActivity`.

use pod_core::domain::NewActivity;
use serde_json::json;

use super::{
    answer::{Answer, answer},
    objects::ActivityObject,
    params::Params,
};
use crate::serve::App;

pub(super) async fn create(app: &App, params: &Params<'_>) -> Answer {
    let (name, location) = (params.need("name")?, params.need("installationScriptLocation")?);
    let activity = app.pod.create_activity(NewActivity::url(name, location)).await?;
    Ok(answer(&json!({ "activity": ActivityObject::plain(&activity), "status": "installing" })))
}

pub(super) async fn show(app: &App, params: &Params<'_>) -> Answer {
    let view = app.pod.activity(params.need("name")?).await?;
    Ok(answer(&json!({ "activity": ActivityObject::with_installations(&view) })))
}

pub(super) async fn delete(app: &App, params: &Params<'_>) -> Answer {
    let view = app.pod.delete_activity(params.need("name")?).await?;
    Ok(answer(&json!({ "activity": ActivityObject::plain(&view.activity), "status": "uninstalling" })))
}
