//! Endpoints for monitoring: `/healthz` (the process answers), `/readyz` (it takes work), `/metrics` (Prometheus).

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};

use crate::{
    api::problem::{Problem, ProblemKind},
    serve::app::App,
};

/// Needs no token, and tells nothing but that the process answers.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether new executions are taken. Needs no token either: what spreads requests over managers has none.
pub(crate) async fn readyz(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    if app.shutdown.is_cancelled() {
        return Err(Problem::new(ProblemKind::Stopping, "The manager is shutting down"));
    }
    match app.pod.overview().await?.degraded_reason {
        None => Ok("ready\n"),
        // Anybody may ask; the details of what is wrong are only for those who show the token.
        Some(_) => Err(Problem::new(
            ProblemKind::StoreFull,
            "New executions are refused for now; /api/v1/overview says why, as trouble",
        )),
    }
}

/// Numbers in the text format of Prometheus.
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let overview = app.pod.overview().await?;
    let text = app.metrics.text(&app.pod, &overview).map_err(|error| {
        tracing::error!(%error, "the metrics could not be written");
        Problem::new(ProblemKind::Internal, "The metrics could not be written; the log of the manager has more")
    })?;
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
