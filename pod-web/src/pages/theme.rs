//! The switch between light, dark, and what the system says; remembered in a cookie.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::Response,
};

use crate::{cookies::set_visible_cookie, flash::see_other, form::FormData, origin, web::Web};

/// How long it is remembered.
const COOKIE_MAX_AGE_SECONDS: u64 = 365 * 24 * 60 * 60;

/// `POST /theme`.
pub(crate) async fn choose(State(web): State<Arc<Web>>, headers: HeaderMap, form_data: FormData) -> Response {
    let (theme, seconds) = match form_data.get("theme") {
        theme @ ("dark" | "light") => (theme, COOKIE_MAX_AGE_SECONDS),
        _ => ("", 0),
    };
    let cookie = set_visible_cookie(&web.theme_cookie, theme, seconds, origin::is_https(&headers));
    let mut response = see_other(form_data.back("/overview"));
    response.headers_mut().append(header::SET_COOKIE, cookie);
    response
}
