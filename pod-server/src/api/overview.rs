//! `/overview`: counts of executions, activities and workers.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};

use super::{body::json, changing::Nothing, objects::OverviewObject, problem::Problem, request::StrictQuery};
use crate::serve::app::App;

/// What the whole POD is doing, in numbers.
#[utoipa::path(get, path = "/overview", operation_id = "getOverview", tag = "overview", responses((status = 200, body = OverviewObject)))]
pub(super) async fn show(State(app): State<Arc<App>>, _: StrictQuery<Nothing>) -> Result<Response, Problem> {
    let overview = app.pod.overview().await?;
    Ok(json(StatusCode::OK, &OverviewObject::of(overview, app.pod.store_id(), app.backend.clone())))
}
