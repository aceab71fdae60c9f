//! The routes of the manager and the layers around them.

use std::sync::Arc;

use axum::{
    Router,
    extract::{OriginalUri, Request, State},
    http::{Extensions, HeaderMap, Method, StatusCode, Version, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use tower::ServiceBuilder;
use tower_http::{
    CompressionLevel,
    catch_panic::CatchPanicLayer,
    compression::{CompressionLayer, Predicate, predicate::SizeAbove},
};

use super::app::App;
use crate::{
    action, api,
    api::problem::{Problem, ProblemKind},
    auth::login,
    guard, probes, worker_link,
};

/// Smaller responses are not worth compressing.
const MIN_COMPRESSED_SIZE: u64 = 1024;

/// Everything that a manager answers to.
pub fn router(app: Arc<App>) -> Router {
    let compression = CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(SizeAbove::new(MIN_COMPRESSED_SIZE).and(is_page_or_record));
    let base_path = app.base_path.clone();
    base_path.below(routes(app)).layer(compression)
}

/// Whether an answer is of a kind that is compressed: never what programs print, which comes as it is printed, nor an
/// archive.
fn is_page_or_record(_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    const COMPRESSED_TYPES: [&str; 6] =
        ["text/html", "text/css", "text/javascript", "image/svg+xml", "application/json", "application/problem+json"];
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    COMPRESSED_TYPES.contains(&kind.split(';').next().unwrap_or_default().trim())
}

fn routes(app: Arc<App>) -> Router {
    // As one layer: each that a router is given costs every request some allocations.
    let around = ServiceBuilder::new()
        .layer(middleware::from_fn_with_state(app.clone(), guard::check))
        .layer(CatchPanicLayer::custom(panicked));
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
        .layer(around)
        .with_state(app)
}

/// A person gets a page, a program a problem.
async fn nothing_here(State(app): State<Arc<App>>, request: Request) -> Response {
    if request.method() == Method::GET && login::wants_page(request.headers()) {
        return pod_web::index(&app.web, request.uri(), request.headers()).await;
    }
    api::no_such_route(OriginalUri(request.uri().clone())).await.into_response()
}

fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!(panic = said.unwrap_or("?"), "a request met a defect");
    Problem::new(ProblemKind::Internal, "POD met a defect of its own; its log has more").into_response()
}
