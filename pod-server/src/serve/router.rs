//! Which path leads where.

use std::sync::Arc;

use axum::{
    Router,
    extract::{OriginalUri, Request, State},
    http::Method,
    middleware,
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use tower_http::catch_panic::CatchPanicLayer;

use super::App;
use crate::{
    action, api,
    api::problem::{Problem, ProblemKind},
    auth::login,
    guard, metrics, probes, worker_link,
};

/// Everything that a manager answers to.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .nest("/api/v1", api::router())
        .route("/POD", any(action::at_pod))
        .route("/POD/", any(action::at_pod))
        .route("/", any(action::at_root))
        .route(login::PATH, get(login::ask).post(login::log_in))
        .route(login::LOGOUT_PATH, post(login::log_out))
        .route("/healthz", get(probes::healthz))
        .route("/readyz", get(probes::readyz))
        .route("/metrics", get(probes::metrics))
        .merge(worker_link::routes(app.link.clone()).with_state(()))
        .merge(pod_web::router(app.web.clone()))
        .fallback(nothing_here)
        .method_not_allowed_fallback(api::method_not_allowed)
        .layer(middleware::from_fn_with_state(app.clone(), guard::check))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(app.clone(), metrics::timed))
        .with_state(app)
}

/// A person gets a page, a program a problem.
async fn nothing_here(State(app): State<Arc<App>>, request: Request) -> Response {
    if request.method() == Method::GET && login::wants_page(request.headers()) {
        return pod_web::front(&app.web, request.uri(), request.headers()).await;
    }
    api::no_such_route(OriginalUri(request.uri().clone())).await.into_response()
}

fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!(panic = said.unwrap_or("?"), "a request met a defect");
    Problem::new(ProblemKind::Internal, "POD met a defect of its own; its log has more").into_response()
}
