//! How a browser gets its cookie: the refusal of a page is a form that asks for the token.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};

use crate::{
    action::params::Params,
    api::{
        body::read_body,
        problem::{Problem, ProblemKind},
    },
    serve::App,
};

/// Where the form is sent to.
pub(crate) const PATH: &str = "/login";

const FORM: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>POD: token</title></head>
<body><form method="post" action="/login">
<p><label>This manager asks for its token: <input type="password" name="token" autocomplete="current-password" autofocus></label>
<button>Go on</button></p>
</form></body></html>
"#;

/// Whether a browser asks for a page, so that the refusal should be one that a person can use.
pub(crate) fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.split(',').any(|kind| kind.trim_start().starts_with("text/html"))
}

/// The refusal with the form.
pub(crate) fn form() -> Response {
    let mut response = (StatusCode::UNAUTHORIZED, Html(FORM)).into_response();
    let policy = HeaderValue::from_static("default-src 'none'; form-action 'self'; frame-ancestors 'none'");
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

/// `POST /login`: the form comes back with the token; the answer sets the cookie.
pub(crate) async fn log_in(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let body = read_body(request, 16 << 10).await?;
    let filled = Params::parse(&[], &body)
        .map_err(|malformed| Problem::new(ProblemKind::InvalidRequest, malformed.to_string()))?;
    match app.access.cookie_for(filled.get("token").unwrap_or_default()) {
        Some(cookie) => Ok((
            StatusCode::SEE_OTHER,
            [(header::SET_COOKIE, cookie), (header::LOCATION, HeaderValue::from_static("/"))],
        )
            .into_response()),
        None => Ok(form()),
    }
}
