//! The form that asks for the token, instead of a page that needs one.

use askama::Template;
use axum::{
    http::{HeaderMap, StatusCode},
    response::Response,
};

use crate::{assets, format::filters, layout};

#[derive(Debug, Template)]
#[template(path = "sign_in.html")]
struct SignIn<'a> {
    style: &'a str,
    theme: Option<&'a str>,
    next: &'a str,
    wrong: bool,
}

/// The form; `next` is where it leads afterwards, `wrong` that what was typed is not the token.
pub fn sign_in(headers: &HeaderMap, next: &str, wrong: bool) -> Response {
    let theme = layout::cookie(headers, "pod_theme").filter(|theme| matches!(*theme, "dark" | "light"));
    layout::html(StatusCode::UNAUTHORIZED, &SignIn { style: assets::address("pod.css"), theme, next, wrong })
}
