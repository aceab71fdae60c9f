//! The sign-in of browsers: the refusal of a page is a form for the token, which sets the cookie.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};

use pod_web::{SignInState, origin::is_https};

use super::SignIn;
use crate::{
    action::params::Params,
    api::{
        body::read_body,
        problem::{Problem, ProblemKind, seconds_of},
    },
    peer::Peer,
    serve::app::App,
};

/// Where the form is, and is sent to.
pub(crate) const PATH: &str = "/login";
/// Where one is signed out.
pub(crate) const LOGOUT_PATH: &str = "/logout";

/// Whether a browser asks for a page, so that the refusal should be one that a person can use.
pub(crate) fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.split(',').any(|kind| kind.trim_start().starts_with("text/html"))
}

/// The refusal with the form, which leads back to the page that was asked for. What would have changed something is
/// not gone back to.
pub(crate) fn form(app: &App, refused: &Request) -> Response {
    let next = match refused.uri().path_and_query() {
        Some(page) if *refused.method() == Method::GET && refused.uri().path() != PATH => page.as_str(),
        _ => "/",
    };
    pod_web::sign_in(&app.web, refused.headers(), next, SignInState::Prompt)
}

/// `GET /login`: the form, also for those who have signed in.
pub(crate) async fn ask(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    pod_web::sign_in(&app.web, &headers, "/", SignInState::Prompt)
}

/// `POST /login`: the form comes back with the token; the answer sets the cookie.
pub(crate) async fn log_in(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    let body = read_body(request, 16 << 10).await?;
    let filled = Params::parse(&[], &body)
        .map_err(|malformed| Problem::new(ProblemKind::InvalidRequest, malformed.to_string()))?;
    let next = filled.get("next").unwrap_or("/");
    let typed = filled.get("token").unwrap_or_default().trim();
    Ok(match app.access.sign_in(typed, peer.address, is_https(&headers)) {
        SignIn::Done(cookie) => {
            let mut response = pod_web::see_other(next);
            response.headers_mut().append(header::SET_COOKIE, cookie);
            response
        }
        SignIn::Wrong => pod_web::sign_in(&app.web, &headers, next, SignInState::Wrong),
        SignIn::Throttled(wait) => {
            let seconds = seconds_of(wait);
            let mut response = pod_web::sign_in(&app.web, &headers, next, SignInState::Throttled(seconds));
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            response
        }
    })
}

/// `POST /logout`: the session ends, and the browser forgets its cookie.
pub(crate) async fn log_out(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let forget = app.access.sign_out(&headers, is_https(&headers));
    let headers = [(header::SET_COOKIE, forget), (header::LOCATION, HeaderValue::from_static(PATH))];
    (StatusCode::SEE_OTHER, headers).into_response()
}
