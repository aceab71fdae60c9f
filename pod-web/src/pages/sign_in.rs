//! Pages for those who may see nothing else: the form that asks for the token, and a refusal.

use askama::Template;
use axum::{
    http::{HeaderMap, StatusCode},
    response::Response,
};

use crate::{assets, format::filters, layout, web::Web};

/// How one stands who is asked for the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing was typed yet.
    Asked,
    /// What was typed is not the token.
    Wrong,
    /// Too much was typed that is not the token; it may be tried again after so many seconds.
    Slowed(u64),
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
pub fn sign_in(web: &Web, headers: &HeaderMap, next: &str, standing: Standing) -> Response {
    let (status, error) = match standing {
        Standing::Asked => (StatusCode::UNAUTHORIZED, None),
        Standing::Wrong => (
            StatusCode::UNAUTHORIZED,
            Some("That is not the token of this manager. Check for missing characters and try again.".to_owned()),
        ),
        Standing::Slowed(seconds) => (
            StatusCode::TOO_MANY_REQUESTS,
            Some(format!("Too many wrong tokens came from this address. Try again in {seconds} s.")),
        ),
    };
    layout::html(status, &SignIn { style: assets::address("pod.css"), theme: web.theme(headers), next, error })
}

#[derive(Debug, Template)]
#[template(path = "refused.html")]
struct Refused<'a> {
    style: &'a str,
    theme: Option<&'a str>,
    sentence: &'a str,
}

/// A refusal as a page. It shows nothing of the manager: whoever sees it may not.
#[must_use]
pub fn refused(web: &Web, headers: &HeaderMap, status: StatusCode, sentence: &str) -> Response {
    layout::html(status, &Refused { style: assets::address("pod.css"), theme: web.theme(headers), sentence })
}
