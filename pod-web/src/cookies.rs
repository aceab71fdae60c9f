//! Cookies, read and set.

use axum::http::{HeaderMap, HeaderValue, header};

/// What sets a cookie that no script sees, for so many seconds; for none, the browser forgets it. It is sent along where
/// a link of another page leads here, and with nothing else that another page does.
#[must_use]
pub fn set_cookie(name: &str, value: &str, seconds: u64, secure: bool) -> HeaderValue {
    written_cookie(name, value, seconds, "; HttpOnly", secure)
}

/// The same, of one that the script of a page may change.
pub(crate) fn set_visible_cookie(name: &str, value: &str, seconds: u64, secure: bool) -> HeaderValue {
    written_cookie(name, value, seconds, "", secure)
}

fn written_cookie(name: &str, value: &str, seconds: u64, more: &str, secure: bool) -> HeaderValue {
    let secure = if secure { "; Secure" } else { "" };
    let cookie = format!("{name}={value}; Path=/; Max-Age={seconds}{more}; SameSite=Lax{secure}");
    HeaderValue::from_str(&cookie).unwrap_or(HeaderValue::from_static(""))
}

/// A cookie of a request.
pub fn cookie<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == wanted).then_some(value))
}
