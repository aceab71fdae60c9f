//! `newActivity`, `getActivityStatus`, `deleteActivity`.

use pod_core::domain::{ActivitySettings, ActivityStatus, NewActivity, Workdir, WorkerId};
use serde_json::json;

use super::{
    answer::{Answer, answer},
    objects::ActivityObject,
    params::Params,
};
use crate::{api::request::unknown_activity, serve::app::App};

pub(super) async fn create(app: &App, params: &Params<'_>) -> Answer {
    let (name, location) = (params.need("name")?, params.need("installationScriptLocation")?);
    // As it has always been here: its executions may leave each other something beside main.sh.
    let settings = ActivitySettings { workdir: Workdir::Shared, ..ActivitySettings::default() };
    let activity = app.pod.create_activity(NewActivity::url(name, location).settings(settings)).await?;
    Ok(answer(&json!({ "activity": ActivityObject::plain(&activity), "status": "installing" })))
}

pub(super) async fn show(app: &App, params: &Params<'_>) -> Answer {
    let view = app.pod.activity(params.need("name")?).await.map_err(unknown_activity)?;
    // A script that could not be fetched never reached a worker. It counts as a failed installation on the one that
    // would have verified it, so that whoever reads only the installations sees the reason.
    let verifier = match view.activity.status {
        ActivityStatus::Rejected if view.installations.is_empty() => {
            let workers = app.pod.workers().await?;
            let live = workers.iter().map(|view| &view.worker).find(|worker| !worker.status.is_terminal());
            Some(live.map_or(WorkerId(0), |worker| worker.id))
        }
        _ => None,
    };
    Ok(answer(&json!({ "activity": ActivityObject::with_installations(&view, verifier) })))
}

pub(super) async fn delete(app: &App, params: &Params<'_>) -> Answer {
    let view = app.pod.delete_activity(params.need("name")?).await.map_err(unknown_activity)?;
    Ok(answer(&json!({ "activity": ActivityObject::plain(&view.activity), "status": "uninstalling" })))
}
