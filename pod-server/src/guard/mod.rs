//! What every request passes before anything looks at it: the `Host` it names, whether a page of another site made it,
//! and the token. Nothing here knows what the request would do, only whether it could change something.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{
    action,
    api::problem::{Problem, ProblemKind},
    auth::{Shown, login},
    serve::App,
    worker_link,
};

mod hosts;
mod origin;

pub use hosts::Hosts;

/// Refuses a request or lets it through, and marks every answer.
pub async fn check(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let speaks_actions = action::is_action_path(request.uri().path());
    let mut response = match admit(&app, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) if problem.kind == ProblemKind::TokenNeeded && login::wants_page(request.headers()) => {
            login::form(&request)
        }
        Err(problem) if speaks_actions => action::answer::refusal(&problem),
        Err(problem) => problem.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    // Answers are for the one who asked: not for frames, images or scripts of other sites.
    const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    response
}

fn admit(app: &App, request: &Request) -> Result<(), Problem> {
    let (headers, path) = (request.headers(), request.uri().path());
    for host in hosts::named(request) {
        if !app.hosts.answers(host) {
            return Err(Problem::new(
                ProblemKind::HostRefused,
                format!(
                    "This manager does not answer to the host name {:?}; use its address, or start it with --allow-host",
                    host.chars().take(100).collect::<String>()
                ),
            ));
        }
    }
    let changing = could_change(request);
    if changing {
        origin::check(request.method(), headers).map_err(|reason| Problem::new(ProblemKind::CrossSite, reason))?;
    }
    if path == "/healthz"
        || (path == login::PATH && request.method() == Method::POST)
        || path.starts_with(pod_web::ASSETS)
    {
        return Ok(());
    }
    // A task of a swarm shows its own token, and gets no further than to what is for itself.
    let for_workers = path.starts_with(worker_link::PATH);
    if for_workers && app.link.worker(headers)?.is_some() {
        return Ok(());
    }
    let shown = if for_workers { app.access.shown_by_worker(headers) } else { app.access.shown(headers) };
    match shown {
        Shown::NotNeeded | Shown::Token => Ok(()),
        Shown::Cookie if changing && is_safe(request.method()) => Err(Problem::new(
            ProblemKind::TokenTooWeak,
            "A cookie does not authorise a GET that changes something; send the token as Authorization: Bearer",
        )),
        Shown::Cookie => Ok(()),
        Shown::Nothing => Err(Problem::new(
            ProblemKind::TokenNeeded,
            "This manager asks for a token; send it as Authorization: Bearer TOKEN (clients read POD_TOKEN)",
        )),
        Shown::Wrong => Err(Problem::new(ProblemKind::TokenNeeded, "The token is not the one of this manager")),
    }
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether a request could change something: every method but the safe ones, an upgrade to a WebSocket, and a GET of
/// the action API whose action does.
fn could_change(request: &Request) -> bool {
    if !is_safe(request.method()) || request.headers().contains_key(header::UPGRADE) {
        return true;
    }
    let uri = request.uri();
    action::is_action_path(uri.path())
        && (has_body(request.headers()) || action::changes(uri.query().unwrap_or_default()))
}

/// A GET may carry its action in a form body. No browser sends one, so it is treated as the strictest.
fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0")
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    #[test]
    fn what_could_change_something() {
        for (method, uri, headers, expected) in [
            ("GET", "/POD/?action=getWorkers", "", false),
            ("GET", "/POD/?action=newExecution&name=a", "", true),
            ("GET", "/POD?name=a&action=newExecution", "", true),
            ("GET", "/?action=%6eewExecution", "", true),
            ("GET", "/POD/?action=getExecutionStatus&executionId=1", "", true),
            ("GET", "/POD/?action=newExecution&action=getWorkers", "", true),
            ("GET", "/POD/?x=1&action=getWorkers&action=newExecution", "", false),
            ("GET", "/POD/?name=newExecution", "", false),
            ("GET", "/POD/", "content-length: 5", true),
            ("GET", "/POD/", "content-length: 0", false),
            ("GET", "/", "", false),
            ("GET", "/api/v1/executions", "", false),
            ("GET", "/api/v1/executions?action=newExecution", "", false),
            ("GET", "/api/v1/worker-link", "upgrade: websocket", true),
            ("POST", "/api/v1/executions", "", true),
            ("PUT", "/api/v1/activities/a", "", true),
            ("DELETE", "/api/v1/activities/a", "", true),
        ] {
            let mut request = Request::builder().method(method).uri(uri);
            if let Some((name, value)) = headers.split_once(": ") {
                request = request.header(name, value);
            }
            let request = request.body(Body::empty()).unwrap();
            assert_eq!(could_change(&request), expected, "{method} {uri} {headers}");
        }
    }
}
