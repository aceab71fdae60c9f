//! The switch between light, dark, and what the system says; remembered in a cookie.

use axum::{
    http::{HeaderValue, header},
    response::Response,
};

use crate::{flash::see_other, form::Filled};

/// `POST /theme`.
pub(crate) async fn choose(filled: Filled) -> Response {
    let cookie = match filled.get("theme") {
        "dark" => "pod_theme=dark; Path=/; Max-Age=31536000; SameSite=Lax",
        "light" => "pod_theme=light; Path=/; Max-Age=31536000; SameSite=Lax",
        _ => "pod_theme=; Path=/; Max-Age=0; SameSite=Lax",
    };
    let mut response = see_other(filled.back("/overview"));
    response.headers_mut().append(header::SET_COOKIE, HeaderValue::from_static(cookie));
    response
}
