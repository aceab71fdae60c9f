//! Limits what browsers may change. Pages of other sites, links and typed addresses change nothing: at most a page of ours
//! asks the user for confirmation.

use axum::{
    extract::Request,
    http::{Method, header},
};
use pod_web::origin;

use crate::action;

/// How a request that could change something is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BrowserPolicy {
    /// No browser made it, or a page of ours did.
    Allow,
    /// A browser goes to an address that would change something: a page says what, and asks.
    Ask,
    /// A page of another site may have made it.
    Deny(String),
}

/// Judges a request that could change something.
pub(super) fn judge(request: &Request) -> BrowserPolicy {
    let headers = request.headers();
    let is_action = action::is_action_path(request.uri().path());
    let says_site = headers.get("sec-fetch-site").map(axum::http::HeaderValue::as_bytes);
    // A page is all that it gets: what other sites may make of it is what they may make of a link.
    if *request.method() == Method::GET
        && is_action
        && origin::navigates(headers)
        && !origin::prefetches(headers)
        && !headers.contains_key(header::ORIGIN)
        && (matches!(says_site, Some(b"none" | b"same-origin")) || takes_pages(request))
    {
        return BrowserPolicy::Ask;
    }
    if let Err(reason) = origin::check(request) {
        return BrowserPolicy::Deny(reason);
    }
    // Pages of ours have forms for themselves, and each carries its token. The APIs are for programs: what could be one
    // of any page's is not taken there.
    if !is_action && !request.uri().path().starts_with("/api/") {
        return BrowserPolicy::Allow;
    }
    if origin::is_browser(headers) && says_site.is_none() {
        return BrowserPolicy::Deny(origin::UNSAID.to_owned());
    }
    if origin::navigates(headers) && !(is_action && says_site == Some(b"same-origin")) {
        return BrowserPolicy::Deny("A form that no page of this manager made may not change anything here".to_owned());
    }
    // Typed or bookmarked, by a browser that does not say what it wants the answer for.
    if *request.method() == Method::GET && origin::is_browser(headers) && says_site == Some(b"none") {
        return if is_action { BrowserPolicy::Ask } else { BrowserPolicy::Allow };
    }
    BrowserPolicy::Allow
}

/// Whether it takes a page for an answer, as browsers do that go somewhere.
fn takes_pages(request: &Request) -> bool {
    origin::is_browser(request.headers()) || crate::auth::login::wants_page(request.headers())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    const MOZILLA: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36";

    /// The policy for `method path | header: value | …`.
    fn judged(text: &str) -> &'static str {
        let mut parts = text.split(" | ");
        let (method, path) = parts.next().unwrap().split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost:8080");
        for part in parts {
            let (name, value) = part.split_once(": ").unwrap();
            request = request.header(name, if value == "MOZILLA" { MOZILLA } else { value });
        }
        match judge(&request.body(Body::empty()).unwrap()) {
            BrowserPolicy::Allow => "fine",
            BrowserPolicy::Ask => "asks",
            BrowserPolicy::Deny(_) => "refused",
        }
    }

    #[test]
    fn programs_and_pages_of_ours_may_and_browsers_by_themselves_may_not() {
        const GET: &str = "GET /POD/?action=newExecution&name=a";
        const POST: &str = "POST /POD/?action=newExecution&name=a";
        const API: &str = "POST /api/v1/executions";
        const FORM: &str = "POST /executions/1/retry";
        for (request, made, expected) in [
            // curl, scripts, other programs
            (GET, "", "fine"),
            (GET, "user-agent: curl/8.5.0", "fine"),
            (GET, "user-agent: node | sec-fetch-mode: cors", "fine"),
            (POST, "user-agent: python-requests/2.31", "fine"),
            (API, "user-agent: Wget/1.21", "fine"),
            (API, "user-agent: MOZILLA | authorization: Bearer x", "fine"),
            // an address that was typed, a link in a mail, a link of another page, one of ours
            (
                GET,
                "user-agent: MOZILLA | sec-fetch-site: none | sec-fetch-mode: navigate | sec-fetch-dest: document",
                "asks",
            ),
            (GET, "sec-fetch-site: none | sec-fetch-mode: navigate", "asks"),
            (GET, "user-agent: MOZILLA | sec-fetch-site: none", "asks"),
            (
                GET,
                "user-agent: MOZILLA | sec-fetch-site: cross-site | sec-fetch-mode: navigate | sec-fetch-dest: document",
                "asks",
            ),
            (
                GET,
                "accept: text/html | sec-fetch-site: same-site | sec-fetch-mode: navigate | sec-fetch-dest: document",
                "asks",
            ),
            (
                GET,
                "user-agent: MOZILLA | sec-fetch-site: same-origin | sec-fetch-mode: navigate | sec-fetch-dest: document",
                "asks",
            ),
            (GET, "sec-fetch-site: cross-site | sec-fetch-mode: navigate | sec-fetch-dest: document", "refused"),
            // ahead of time, and embedded
            (GET, "sec-purpose: prefetch | sec-fetch-site: none | sec-fetch-mode: navigate", "refused"),
            (
                GET,
                "purpose: prefetch | user-agent: MOZILLA | sec-fetch-site: none | sec-fetch-mode: navigate",
                "refused",
            ),
            (GET, "sec-fetch-site: none | sec-fetch-mode: navigate | sec-fetch-dest: iframe", "refused"),
            (GET, "sec-fetch-site: same-origin | sec-fetch-mode: navigate | sec-fetch-dest: iframe", "refused"),
            (GET, "sec-fetch-site: cross-site | sec-fetch-mode: no-cors | sec-fetch-dest: image", "refused"),
            (GET, "sec-fetch-site: same-origin | sec-fetch-mode: no-cors | sec-fetch-dest: image", "refused"),
            (GET, "sec-fetch-site: cross-site | sec-fetch-mode: cors | origin: http://evil.example", "refused"),
            // a browser that does not say: plain http to a name, or an old one
            (GET, "user-agent: MOZILLA", "refused"),
            (GET, "user-agent: MOZILLA | accept: text/html", "refused"),
            (GET, "user-agent: Opera/9.80", "refused"),
            (GET, "user-agent: Lynx/2.9", "refused"),
            (GET, "user-agent: MOZILLA | authorization: Basic eDp4", "refused"),
            (POST, "user-agent: MOZILLA | origin: http://localhost:8080", "refused"),
            (API, "user-agent: MOZILLA | origin: http://localhost:8080", "refused"),
            (API, "user-agent: MOZILLA | content-type: text/plain", "refused"),
            // forms of other pages, and of none of ours
            (POST, "sec-fetch-site: cross-site | sec-fetch-mode: navigate | sec-fetch-dest: document", "refused"),
            (POST, "origin: null | content-type: application/x-www-form-urlencoded", "refused"),
            (POST, "sec-fetch-site: none | sec-fetch-mode: navigate", "refused"),
            (API, "sec-fetch-site: same-origin | sec-fetch-mode: navigate | content-type: text/plain", "refused"),
            (API, "sec-fetch-site: cross-site | content-type: text/plain | origin: http://evil.example", "refused"),
            (FORM, "sec-fetch-site: cross-site | sec-fetch-mode: navigate", "refused"),
            (FORM, "user-agent: MOZILLA", "refused"),
            // a script of ours, and forms of ours, whose token is looked at later
            (
                GET,
                "user-agent: MOZILLA | sec-fetch-site: same-origin | sec-fetch-mode: cors | sec-fetch-dest: empty",
                "fine",
            ),
            (API, "user-agent: MOZILLA | sec-fetch-site: same-origin | origin: http://localhost:8080", "fine"),
            (
                POST,
                "user-agent: MOZILLA | sec-fetch-site: same-origin | sec-fetch-mode: navigate | origin: http://localhost:8080",
                "fine",
            ),
            (FORM, "user-agent: MOZILLA | sec-fetch-site: same-origin | sec-fetch-mode: navigate", "fine"),
            (FORM, "user-agent: MOZILLA | origin: http://localhost:8080", "fine"),
        ] {
            let text = if made.is_empty() { request.to_owned() } else { format!("{request} | {made}") };
            assert_eq!(judged(&text), expected, "{text}");
        }
    }
}
