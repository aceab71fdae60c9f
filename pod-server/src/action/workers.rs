//! `getWorkers`.

use serde_json::json;

use pod_core::domain::WorkerStatus;

use super::{
    answer::{Answer, answer},
    legacy_status::WorkerCount,
    objects::WorkerObject,
};
use crate::serve::app::App;

/// Terminated workers are counted, not listed. Both come from one look, so that they agree.
pub(super) async fn list(app: &App) -> Answer {
    let workers = app.pod.workers().await?;
    let count: WorkerCount = workers.iter().map(|view| view.worker.status).collect();
    let listed: Vec<WorkerObject> =
        workers.iter().filter(|view| view.worker.status != WorkerStatus::Terminated).map(WorkerObject::from).collect();
    Ok(answer(&json!({ "count": count, "workers": listed })))
}
