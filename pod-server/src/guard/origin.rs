//! Whether a page of another site made a request. Browsers tell, in headers that a page cannot set; a client that is
//! not a browser sends none of them.

use axum::http::{HeaderMap, Method, header};

/// Says why a request that could change something is refused, if it is.
pub(super) fn check(method: &Method, headers: &HeaderMap) -> Result<(), &'static str> {
    if prefetches(headers) {
        return Err("A prefetch may not change anything");
    }
    if let Some(site) = text(headers, "sec-fetch-site")
        && !matches!(site, "same-origin" | "none")
    {
        return Err("A page of another site may not change anything here");
    }
    if headers.get_all(header::ORIGIN).iter().any(|origin| !is_own(origin.to_str().unwrap_or_default(), headers)) {
        return Err("A page of another origin may not change anything here");
    }
    if *method == Method::GET
        && let Some(destination) = text(headers, "sec-fetch-dest")
        && !matches!(destination, "document" | "empty" | "websocket")
    {
        return Err("What a page embeds may not change anything; open the address itself");
    }
    Ok(())
}

/// A header as text; one that is not text counts as present and strange.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?").trim())
}

fn prefetches(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose", "x-purpose", "x-moz"].into_iter().filter_map(|name| text(headers, name)).any(|purpose| {
        let purpose = purpose.to_ascii_lowercase();
        ["prefetch", "prerender", "preview"].iter().any(|word| purpose.contains(word))
    })
}

/// Whether an origin is the one that the request was sent to.
fn is_own(origin: &str, headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return false };
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
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "localhost:8080".parse().unwrap());
            for (name, value) in &sent {
                let name: axum::http::HeaderName = name.parse().unwrap();
                headers.append(name, value.parse().unwrap());
            }
            let method: Method = method.parse().unwrap();
            assert_eq!(check(&method, &headers).is_ok(), allowed, "{method} {sent:?}");
        }
    }

    #[test]
    fn default_ports_are_the_same_origin() {
        for (origin, host) in [("http://pod.example", "pod.example:80"), ("https://pod.example", "Pod.Example")] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            assert!(is_own(origin, &headers), "{origin} {host}");
        }
    }
}
