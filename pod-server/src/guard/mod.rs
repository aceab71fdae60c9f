//! Checks every request before its handler runs: the `Host`, whether a page of another site made it, the user of the
//! connection, and the token. It does not know what a request does, only whether it could change something.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use pod_web::origin::is_https;

use crate::{
    action,
    api::problem::{Problem, ProblemKind},
    auth::{Credentials, login},
    metrics::requests::RequestTimer,
    peer::Peer,
    serve::{
        app::App,
        connection_limit::{ConnectionState, ResponseGuard},
    },
    worker_link,
};

pub(crate) mod body;
mod browser;
pub(crate) mod hosts;

use browser::BrowserPolicy;
pub use hosts::Hosts;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admission {
    /// To what answers it.
    Yes,
    /// The same, by the cookie of a session.
    InSession,
    /// To the page that asks.
    Ask,
}

/// Refuses a request or lets it through, marks every answer, and counts how long it took.
pub async fn check(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let timing = RequestTimer::start(&request);
    let response = answer(&app, request, next).await;
    timing.finish(&app.metrics, response.status());
    response
}

async fn answer(app: &Arc<App>, request: Request, next: Next) -> Response {
    let state = request.extensions().get::<Arc<ConnectionState>>().cloned();
    let answering = ResponseGuard::new(state.clone());
    let path = request.uri().path();
    let speaks_actions = action::is_action_path(path);
    let mut response = match admit(app, &request) {
        Ok(Admission::Ask) => action::ask(app, &request),
        Ok(admitted) => {
            let renewed = (admitted == Admission::InSession && path != login::LOGOUT_PATH)
                .then(|| app.access.renewed(request.headers(), is_https(request.headers())))
                .flatten();
            let mut response = next.run(request.map(|body| body::paced(body, state))).await;
            if let Some(cookie) = renewed {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            response
        }
        Err(problem) if login::wants_page(request.headers()) => match problem.kind {
            ProblemKind::TokenNeeded => login::form(app, &request),
            _ if speaks_actions && !is_navigation(&request) => action::answer::refusal(&problem),
            _ => page_of(app, &problem, request.headers()),
        },
        Err(problem) if speaks_actions => action::answer::refusal(&problem),
        Err(problem) => problem.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    // Answers may not be used in frames, images or scripts of other sites.
    const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(pod_web::POLICY));
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        answering.disarm();
        return response;
    }
    response.map(|body| answering.attach_to(body))
}

fn is_navigation(request: &Request) -> bool {
    pod_web::origin::navigates(request.headers())
}

/// A refusal for a person. Its headers are those of the problem.
fn page_of(app: &App, problem: &Problem, headers: &HeaderMap) -> Response {
    let page = pod_web::refused(&app.web, headers, problem.kind.status(), &format!("{}.", problem.detail));
    let (mut parts, _) = problem.clone().into_response().into_parts();
    let (shown, body) = page.into_parts();
    parts.headers.extend(shown.headers);
    Response::from_parts(parts, body)
}

fn admit(app: &App, request: &Request) -> Result<Admission, Problem> {
    let (headers, path) = (request.headers(), request.uri().path());
    for host in hosts::named(request) {
        if !app.hosts.answers(host) {
            let host: String = host.chars().take(100).collect();
            return Err(Problem::new(
                ProblemKind::HostRefused,
                if app.access.requires_token() {
                    format!(
                        "This manager does not answer to the host name {host:?}; use its address, or start it with --allow-host"
                    )
                } else {
                    format!(
                        "This manager answers to localhost and 127.0.0.1, not to the host name {host:?}; for others start \
                         it with a token (POD_TOKEN) and --allow-host"
                    )
                },
            ));
        }
    }
    let changing = could_change(request);
    let asks = match if changing { browser::judge(request) } else { BrowserPolicy::Allow } {
        BrowserPolicy::Deny(reason) => return Err(Problem::new(ProblemKind::CrossSite, reason)),
        verdict => verdict == BrowserPolicy::Ask,
    };
    let admitted = |yes: Admission| Ok(if asks { Admission::Ask } else { yes });
    let signs_in = app.access.requires_token() && path == login::PATH && request.method() == Method::POST;
    if matches!(path, "/healthz" | "/readyz") || signs_in || path.starts_with(pod_web::ASSETS) {
        return Ok(Admission::Yes);
    }
    // A task of a swarm shows its own token, which opens only its own routes.
    let for_workers = path.starts_with(worker_link::PATH);
    if for_workers && app.link.worker(headers)?.is_some() {
        return Ok(Admission::Yes);
    }
    let shown = if for_workers { app.access.worker_credentials(headers) } else { app.access.credentials(headers) };
    let peer = request.extensions().get::<Peer>();
    match shown {
        Credentials::Token => admitted(Admission::Yes),
        Credentials::NotNeeded if peer.is_some_and(|peer| peer.is_owner) => admitted(Admission::Yes),
        Credentials::NotNeeded => Err(Problem::new(
            ProblemKind::AnotherUser,
            "This manager serves the user who started it and nobody else; to let others in, start it with a token \
             (POD_TOKEN) and send that as Authorization: Bearer TOKEN",
        )),
        Credentials::Cookie if asks => Ok(Admission::Ask),
        Credentials::Cookie if changing && is_safe(request.method()) => Err(Problem::new(
            ProblemKind::TokenTooWeak,
            "A cookie does not authorise a GET that changes something; send the token as Authorization: Bearer",
        )),
        Credentials::Cookie => Ok(Admission::InSession),
        Credentials::Nothing => Err(Problem::new(
            ProblemKind::TokenNeeded,
            "This manager asks for a token; send it as Authorization: Bearer TOKEN (clients read POD_TOKEN)",
        )),
        Credentials::Ended => Err(Problem::new(
            ProblemKind::TokenNeeded,
            "The session of this browser has ended; sign in with the token again",
        )),
        Credentials::Wrong => Err(match peer.and_then(|peer| app.access.record_wrong_token(peer.address, headers)) {
            Some(wait) => Problem {
                retry_after: Some(wait),
                ..Problem::new(
                    ProblemKind::TooManyTries,
                    "Too many wrong tokens came from this address; wait a minute, and send the right one",
                )
            },
            None => Problem::new(ProblemKind::TokenNeeded, "The token is not the one of this manager"),
        }),
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
