//! The pages without a sign-in: the form for the token, and a refusal.

use askama::Template;
use axum::{
    http::{HeaderMap, StatusCode},
    response::Response,
};

use crate::{assets, format::filters, layout, web::Web};

/// The outcome of the last try to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInState {
    /// No try yet.
    Prompt,
    /// The token was wrong.
    Wrong,
    /// Too many wrong tokens; the next try is allowed after this many seconds.
    Throttled(u64),
}

#[derive(Debug, Template)]
#[template(path = "sign_in.html")]
struct SignIn<'a> {
    style: &'a str,
    theme: Option<&'a str>,
    next: &'a str,
    error: Option<String>,
}

/// The form; `next` is where it leads afterwards.
#[must_use]
pub fn sign_in(web: &Web, headers: &HeaderMap, next: &str, state: SignInState) -> Response {
    let (status, error) = match state {
        SignInState::Prompt => (StatusCode::UNAUTHORIZED, None),
        SignInState::Wrong => (
            StatusCode::UNAUTHORIZED,
            Some("That is not the token of this manager. Check for missing characters and try again.".to_owned()),
        ),
        SignInState::Throttled(seconds) => (
            StatusCode::TOO_MANY_REQUESTS,
            Some(format!("Too many wrong tokens came from this address. Try again in {seconds} s.")),
        ),
    };
    layout::html(status, &SignIn { style: assets::address("pod.css"), theme: web.theme(headers), next, error })
}

#[derive(Debug, Template)]
#[template(path = "refused.html")]
struct RefusalPage<'a> {
    style: &'a str,
    theme: Option<&'a str>,
    sentence: &'a str,
}

/// A refusal as a page. It shows nothing of the manager: whoever sees it may not.
#[must_use]
pub fn refused(web: &Web, headers: &HeaderMap, status: StatusCode, sentence: &str) -> Response {
    layout::html(status, &RefusalPage { style: assets::address("pod.css"), theme: web.theme(headers), sentence })
}
