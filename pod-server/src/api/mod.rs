//! `/api/v1`: JSON over HTTP for programs. A file per resource; every error is a [`problem::Problem`].

use std::sync::Arc;

use axum::{
    Router,
    extract::OriginalUri,
    routing::{get, post},
};

use crate::serve::app::App;
use problem::{Problem, ProblemKind};

mod activities;
pub mod blank;
pub(crate) mod body;
mod bounded;
mod bulk;
mod changing;
mod env;
mod events;
mod executions;
mod filter;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
mod moment;
pub(crate) mod objects;
mod openapi;
mod output;
mod output_events;
mod output_query;
mod overview;
mod page;
mod parse_errors;
mod policies;
pub mod problem;
pub(crate) mod request;
mod revisions;
mod rules;
mod seconds;
mod sse;
mod workers;

/// Everything under `/api/v1`.
pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/activities", get(activities::list).post(activities::create))
        .route("/activities/{name}", get(activities::show).put(activities::put).delete(activities::delete))
        .route("/activities/{name}/revisions", get(revisions::list).post(revisions::register))
        .route("/activities/{name}/revisions/{revision}", get(revisions::show))
        .route("/activities/{name}/installations/{worker}/log", get(activities::install_log))
        .route("/executions", post(executions::create).get(executions::list))
        .route("/executions/batch", post(executions::create_batch))
        .route("/executions/terminate", post(bulk::terminate))
        .route("/executions/retry", post(bulk::retry))
        .route("/executions/{id}", get(executions::show))
        .route("/executions/{id}/output", get(output::show))
        .route("/executions/{id}/terminate", post(executions::terminate))
        .route("/executions/{id}/retry", post(executions::retry))
        .route("/executions/{id}/explain", get(executions::explain))
        .route("/workers", get(workers::list))
        .route("/workers/{id}", get(workers::show))
        .route("/workers/{id}/drain", post(workers::drain))
        .route("/policies", get(policies::list).post(policies::create))
        .route("/policies/{name}", get(policies::show).put(policies::put).delete(policies::delete))
        .route("/policies/{name}/apply", post(policies::apply))
        .route("/scaling-decisions", get(policies::decisions))
        .route("/events", get(events::follow))
        .route("/overview", get(overview::show))
        .route("/openapi.json", get(openapi::show))
        .fallback(no_such_route)
        .method_not_allowed_fallback(method_not_allowed)
}

pub(crate) async fn no_such_route(OriginalUri(uri): OriginalUri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    Problem::new(
        ProblemKind::NoSuchRoute,
        format!("There is nothing at {path}; /api/v1/openapi.json describes what there is"),
    )
}

pub(crate) async fn method_not_allowed(method: axum::http::Method, OriginalUri(uri): OriginalUri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    Problem::new(ProblemKind::MethodNotAllowed, format!("{path} does not take {method}"))
}
