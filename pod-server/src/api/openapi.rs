//! The OpenAPI document. Its committed copy is `openapi.json` beside this crate's manifest.

use std::sync::{Arc, OnceLock};

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use utoipa::OpenApi;

use super::{activities, events, executions, many, output, overview, policies, problem, revisions, workers};
use crate::serve::App;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "POD, Processing On Demand",
        version = "1",
        description = "Runs your code on demand. JSON with camelCase members, RFC 3339 times and integer ids; errors \
                       are RFC 9457 problems with a stable type; lists are pages with items and next. Where the \
                       manager has a token, every request shows it as a Bearer token.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/api/v1")),
    components(schemas(problem::ProblemBody)),
    paths(
        activities::create, activities::list, activities::show, activities::put, activities::delete,
        activities::install_log,
        revisions::list, revisions::show, revisions::register,
        executions::create, executions::create_batch, executions::list, executions::show, executions::terminate,
        executions::retry, executions::explain,
        many::terminate, many::retry,
        output::show,
        workers::list, workers::show, workers::drain,
        policies::create, policies::list, policies::show, policies::put, policies::delete, policies::apply, policies::decisions,
        events::follow,
        overview::show,
    )
)]
struct Document;

/// The document as text, made once.
pub(super) fn document() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| Document::openapi().to_pretty_json().unwrap_or_default())
}

pub(super) async fn show(State(app): State<Arc<App>>) -> Response {
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    if app.base_path.as_str().is_empty() {
        return (kind, document()).into_response();
    }
    // Below the path of a proxy, that is where its operations are.
    let mut document = Document::openapi();
    for server in document.servers.iter_mut().flatten() {
        server.url.insert_str(0, app.base_path.as_str());
    }
    (kind, document.to_pretty_json().unwrap_or_default()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `UPDATE_OPENAPI=1 cargo test -p pod-server openapi` writes the copy anew.
    #[test]
    fn the_committed_copy_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(path, format!("{}\n", document())).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap();
        assert!(
            committed.trim_end() == document(),
            "openapi.json is not what the code says; write it anew with UPDATE_OPENAPI=1 and look at the difference"
        );
    }
}
