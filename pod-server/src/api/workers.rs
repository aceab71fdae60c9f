//! `/workers`: show, drain.

use std::{cmp::Reverse, sync::Arc};

use axum::{extract::State, http::StatusCode, response::Response};
use pod_core::{PodError, domain::WorkerId};

use super::{
    activities::ListQuery,
    body::json,
    changing::{Change, Nothing},
    objects::WorkerObject,
    page::{self, Page},
    problem::{Problem, ProblemKind},
    request::{Segment, StrictQuery},
};
use crate::serve::app::App;

fn id_of(segment: &Segment) -> Result<WorkerId, Problem> {
    segment.id(ProblemKind::NoSuchWorker, "Worker")
}

/// Workers, newest first; those that are gone included for a while.
#[utoipa::path(get, path = "/workers", operation_id = "listWorkers", tag = "workers", params(ListQuery), responses(
    (status = 200, body = super::page::WorkerPage)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    StrictQuery(query): StrictQuery<ListQuery>,
) -> Result<Response, Problem> {
    let limit = page::limit(query.limit)?;
    let before: Option<WorkerId> = page::WORKERS.after(query.cursor.as_deref())?;
    let mut workers = app.pod.workers().await?;
    workers.retain(|view| before.is_none_or(|before| view.worker.id < before));
    workers.sort_by_key(|view| Reverse(view.worker.id));
    let page = Page::of(page::WORKERS, workers, limit, |view| view.worker.id);
    Ok(json(StatusCode::OK, &page.map(|view| WorkerObject::from(&view))))
}

/// One worker.
#[utoipa::path(get, path = "/workers/{id}", operation_id = "getWorker", tag = "workers",
    params(("id" = u64, Path, description = "The id of the worker")), responses(
    (status = 200, body = WorkerObject),
    (status = 404, body = super::problem::ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    id: Segment,
    _: StrictQuery<Nothing>,
) -> Result<Response, Problem> {
    let id = id_of(&id)?;
    let workers = app.pod.workers().await?;
    let view = workers.iter().find(|view| view.worker.id == id).ok_or(PodError::NoSuchWorker(id))?;
    Ok(json(StatusCode::OK, &WorkerObject::from(view)))
}

/// Lets a worker go when what it runs has ended.
#[utoipa::path(post, path = "/workers/{id}/drain", operation_id = "drainWorker", tag = "workers",
    params(("id" = u64, Path, description = "The id of the worker")), responses(
    (status = 202, body = WorkerObject),
    (status = 404, body = super::problem::ProblemBody, content_type = "application/problem+json"),
    (status = 409, body = super::problem::ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn drain(State(app): State<Arc<App>>, id: Segment, change: Change) -> Result<Response, Problem> {
    let view = change.on(&app.pod).drain_worker(id_of(&id)?).await?;
    Ok(json(StatusCode::ACCEPTED, &WorkerObject::from(&view)))
}
