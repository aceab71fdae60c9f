//! Detects requests that a page of another site made, by headers of browsers that a page cannot set. Clients that are not
//! browsers send none of them.

use axum::http::{HeaderMap, Method, Request, header};

/// How programs begin that show pages to people, in `User-Agent`. Nearly all say that they are Mozilla.
const BROWSERS: &[&str] = &["mozilla/", "opera/", "lynx/", "links ", "elinks/", "w3m/", "dillo/", "netsurf/"];

/// Says why a request that could change something is refused, where a page of another site may have made it.
///
/// This is for requests that carry what only pages of ours know, the token of a form: what a browser says is then
/// looked at, and it may say nothing but `Origin`, as all of them do over plain HTTP to a name.
///
/// # Errors
///
/// With the reason, as a sentence.
pub fn check<B>(request: &Request<B>) -> Result<(), String> {
    let headers = request.headers();
    if prefetches(headers) {
        return Err("A prefetch may not change anything".to_owned());
    }
    if text(headers, "sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return Err("A page of another site may not change anything here".to_owned());
    }
    // HTTP/2 has it in the address.
    let authority = request.uri().authority().map(|authority| authority.as_str());
    let host = authority.or_else(|| text(headers, "host")).unwrap_or_default();
    for origin in headers.get_all(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or_default();
        if !is_own(origin, host) {
            return Err(format!(
                "A page of another origin may not change anything here: Origin says {origin:?} and Host {host:?}; a proxy \
                 in between has to pass on the host name with its port"
            ));
        }
    }
    if *request.method() == Method::GET && is_embedded(headers) {
        return Err("What a page embeds may not change anything; open the address itself".to_owned());
    }
    if is_browser(headers) && !headers.contains_key("sec-fetch-site") && !headers.contains_key(header::ORIGIN) {
        return Err(UNSAID.to_owned());
    }
    Ok(())
}

/// Why a browser is refused that does not say which page made its request.
pub const UNSAID: &str = "A browser that does not say which page made the request may not change anything this way; use \
                          the dashboard, or send the token as Authorization: Bearer";

/// Whether it is a browser, by its own words, that shows no token: what any page can make it send.
#[must_use]
pub fn is_browser(headers: &HeaderMap) -> bool {
    let agent = text(headers, "user-agent").unwrap_or_default().to_ascii_lowercase();
    let shows_token = headers
        .get(header::AUTHORIZATION)
        .is_some_and(|value| value.as_bytes().get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer ")));
    !shows_token && BROWSERS.iter().any(|name| agent.starts_with(name))
}

/// Whether a browser means to show the answer as its page, not as a part of another one.
#[must_use]
pub fn navigates(headers: &HeaderMap) -> bool {
    text(headers, "sec-fetch-mode") == Some("navigate") && !is_embedded(headers)
}

/// Whether it fetches or renders ahead, before anybody asked for it.
#[must_use]
pub fn prefetches(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose", "x-purpose", "x-moz"].into_iter().filter_map(|name| text(headers, name)).any(|purpose| {
        let purpose = purpose.to_ascii_lowercase();
        ["prefetch", "prerender", "preview"].iter().any(|word| purpose.contains(word))
    })
}

/// Whether the answer is to become a part of a page: an image, a frame, a script.
fn is_embedded(headers: &HeaderMap) -> bool {
    text(headers, "sec-fetch-dest").is_some_and(|place| !matches!(place, "document" | "empty" | "websocket"))
}

/// Whether the browser came here through TLS, by what the proxy in front says.
#[must_use]
pub fn is_https(headers: &HeaderMap) -> bool {
    // Each proxy on the way adds itself at the end: the first is the one that the browser spoke to.
    let first = |name: &str| text(headers, name).and_then(|value| value.split(',').next());
    if let Some(scheme) = first("x-forwarded-proto") {
        return scheme.trim().eq_ignore_ascii_case("https");
    }
    let named = first("forwarded").unwrap_or_default().split(';').filter_map(|pair| pair.split_once('='));
    named
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("proto"))
        .any(|(_, scheme)| scheme.trim().trim_matches('"').eq_ignore_ascii_case("https"))
}

/// A header as text; one that is not text counts as present and strange.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?").trim())
}

/// Whether an origin is the one that the request was sent to.
fn is_own(origin: &str, host: &str) -> bool {
    let (authority, default_port) = match (origin.strip_prefix("http://"), origin.strip_prefix("https://")) {
        (Some(authority), _) => (authority, ":80"),
        (_, Some(authority)) => (authority, ":443"),
        _ => return false,
    };
    let bare = |text: &str| text.strip_suffix(default_port).unwrap_or(text).to_ascii_lowercase();
    !authority.is_empty() && bare(authority) == bare(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_sites_are_told_apart() {
        for (method, sent, allowed) in [
            ("GET", vec![], true),
            ("GET", vec![("sec-fetch-site", "none"), ("sec-fetch-dest", "document")], true),
            ("GET", vec![("sec-fetch-site", "same-origin"), ("sec-fetch-dest", "empty")], true),
            ("POST", vec![("sec-fetch-site", "same-origin"), ("origin", "http://localhost:8080")], true),
            ("POST", vec![("origin", "http://localhost:8080")], true),
            ("POST", vec![("origin", "HTTP://localhost:8080")], false),
            ("GET", vec![("sec-fetch-site", "cross-site")], false),
            ("GET", vec![("sec-fetch-site", "same-site")], false),
            ("GET", vec![("sec-fetch-site", "")], false),
            ("GET", vec![("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "document")], false),
            ("POST", vec![("sec-fetch-site", "cross-site"), ("origin", "http://localhost:8080")], false),
            ("POST", vec![("origin", "http://evil.example")], false),
            ("POST", vec![("origin", "null")], false),
            ("POST", vec![("origin", "")], false),
            ("POST", vec![("origin", "http://localhost:8081")], false),
            ("POST", vec![("origin", "http://localhost:8080.evil.example")], false),
            ("POST", vec![("origin", "http://localhost:8080"), ("origin", "http://evil.example")], false),
            ("GET", vec![("sec-fetch-site", "same-origin"), ("sec-fetch-dest", "image")], false),
            ("GET", vec![("sec-fetch-site", "same-origin"), ("sec-fetch-dest", "iframe")], false),
            ("GET", vec![("sec-fetch-site", "none"), ("sec-fetch-dest", "script")], false),
            ("GET", vec![("sec-fetch-site", "same-origin"), ("sec-fetch-dest", "websocket")], true),
            ("GET", vec![("sec-purpose", "prefetch")], false),
            ("GET", vec![("sec-purpose", "prefetch;prerender")], false),
            ("GET", vec![("purpose", "prefetch")], false),
            ("GET", vec![("x-moz", "prefetch")], false),
            ("POST", vec![("user-agent", "Mozilla/5.0")], false),
            ("POST", vec![("user-agent", "Mozilla/5.0"), ("authorization", "Bearer x")], true),
            ("POST", vec![("user-agent", "Mozilla/5.0"), ("authorization", "Basic eDp4")], false),
            ("POST", vec![("user-agent", "Mozilla/5.0"), ("origin", "http://localhost:8080")], true),
            ("POST", vec![("user-agent", "Mozilla/5.0"), ("sec-fetch-site", "same-origin")], true),
            ("POST", vec![("user-agent", "curl/8.5.0")], true),
        ] {
            let mut request = Request::builder().method(method).header(header::HOST, "localhost:8080");
            for (name, value) in &sent {
                request = request.header(*name, *value);
            }
            assert_eq!(check(&request.body(()).unwrap()).is_ok(), allowed, "{method} {sent:?}");
        }
    }

    #[test]
    fn http_2_names_its_host_in_the_address() {
        for (origin, allowed) in [("https://pod.example", true), ("https://evil.example", false)] {
            let request = Request::post("https://pod.example/x").header("origin", origin).body(()).unwrap();
            assert_eq!(check(&request).is_ok(), allowed, "{origin}");
        }
    }

    #[test]
    fn the_proxy_that_the_browser_speaks_to_says_whether_it_did_so_through_tls() {
        for (name, value, expected) in [
            ("x-forwarded-proto", "https", true),
            ("x-forwarded-proto", "HTTPS, http", true),
            ("x-forwarded-proto", "http, https", false),
            ("x-forwarded-proto", "", false),
            ("forwarded", "for=192.0.2.1;proto=https;host=pod.example", true),
            ("forwarded", "For=\"[2001:db8::1]\"; Proto=\"https\", for=10.0.0.1;proto=http", true),
            ("forwarded", "for=192.0.2.1;proto=http, proto=https", false),
            ("forwarded", "for=https", false),
            ("x-forwarded-scheme", "https", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(axum::http::HeaderName::from_static(name), value.parse().unwrap());
            assert_eq!(is_https(&headers), expected, "{name}: {value}");
        }
    }

    #[test]
    fn default_ports_are_the_same_origin() {
        for (origin, host) in [("http://pod.example", "pod.example:80"), ("https://pod.example", "Pod.Example")] {
            assert!(is_own(origin, host), "{origin} {host}");
        }
    }
}
