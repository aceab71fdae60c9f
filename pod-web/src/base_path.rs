//! The prefix that a proxy puts before every path: `https://lab.example/pod/executions` for `/executions`.
//!
//! Pages, handlers and APIs use paths without it. One layer at the edge removes the prefix from requests, whether the proxy
//! has done so already or not, and adds it to responses (`Location`, the path of cookies, the addresses in a page).
//! Scripts derive it from the address that they were loaded from.

use std::{fmt, str::FromStr, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Uri, header, uri::PathAndQuery},
    middleware::{self, Next},
    response::Response,
};

/// The attributes of our pages that hold addresses.
const ADDRESSES: [&str; 4] = [" href", " src", " action", " formaction"];

/// A path without its last slash: `/pod`, `/lab/pod`; empty where nothing is before those of POD.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasePath(Arc<str>);

/// Why a text is no base path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBasePath {
    /// It is not absolute.
    #[error("must begin with a slash")]
    Relative,
    /// A part of it is empty, or leads elsewhere.
    #[error("must not hold //, . or ..")]
    Wanders,
    /// It has more than a path, or is escaped.
    #[error("must be a path of ASCII letters, digits and -._~, without a query")]
    Odd,
}

impl FromStr for BasePath {
    type Err = InvalidBasePath;

    fn from_str(text: &str) -> Result<Self, InvalidBasePath> {
        let path = text.strip_prefix('/').ok_or(InvalidBasePath::Relative)?;
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.is_empty() {
            return if text == "/" { Ok(Self::default()) } else { Err(InvalidBasePath::Wanders) };
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        for part in path.split('/') {
            if matches!(part, "" | "." | "..") {
                return Err(InvalidBasePath::Wanders);
            }
            if !part.bytes().all(plain) {
                return Err(InvalidBasePath::Odd);
            }
        }
        Ok(Self(format!("/{path}").into()))
    }
}

impl fmt::Display for BasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl BasePath {
    /// The path as it is put before others; empty where there is none.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its first part, without a slash.
    #[must_use]
    pub fn first_part(&self) -> &str {
        self.0.trim_start_matches('/').split('/').next().unwrap_or_default()
    }

    /// Puts everything that a router answers below this path. It answers without it, too: to those who do not come
    /// through the proxy, and where that takes it off.
    pub fn below(self, router: Router) -> Router {
        if self.0.is_empty() {
            return router;
        }
        // Around the router, not in it: which path leads where is decided by what is left.
        Router::new().fallback_service(router).layer(middleware::from_fn_with_state(self, edge))
    }

    /// An address without this path before it; none where it has none.
    fn taken_off(&self, uri: &Uri) -> Option<Uri> {
        let rest = uri.path().strip_prefix(self.as_str()).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
        let rest = if rest.is_empty() { "/" } else { rest };
        let rest = uri.query().map_or_else(|| rest.to_owned(), |query| format!("{rest}?{query}"));
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::try_from(rest).ok()?);
        Uri::from_parts(parts).ok()
    }

    fn in_headers(&self, headers: &mut HeaderMap) {
        let place = headers.get(header::LOCATION).and_then(|place| place.to_str().ok());
        if let Some(place) = place.filter(|place| is_path(place))
            && let Ok(place) = HeaderValue::from_str(&format!("{self}{place}"))
        {
            headers.insert(header::LOCATION, place);
        }
        let cookies: Vec<HeaderValue> = headers.get_all(header::SET_COOKIE).iter().cloned().collect();
        headers.remove(header::SET_COOKIE);
        for cookie in cookies {
            // Nobody but us sees them: not what else the host has below other paths.
            let ours = cookie.to_str().ok().map(|cookie| cookie.replace("; Path=/;", &format!("; Path={self};")));
            let ours = ours.and_then(|cookie| HeaderValue::from_str(&cookie).ok());
            headers.append(header::SET_COOKIE, ours.unwrap_or(cookie));
        }
    }

    /// A page whose addresses have this path before them. What is not markup of ours holds no quotation mark that is not
    /// escaped, so nothing that somebody wrote looks like an attribute.
    fn in_page(&self, page: &str) -> String {
        const BEGINS: &str = "=\"/";
        let mut out = String::with_capacity(page.len() + page.len() / 16);
        let mut rest = page;
        while let Some(at) = rest.find(BEGINS) {
            let (before, path) = rest.split_at(at + BEGINS.len() - 1);
            out.push_str(before);
            let name = &before[..at];
            if is_path(path) && ADDRESSES.iter().any(|attribute| name.ends_with(attribute)) {
                out.push_str(self.as_str());
            }
            rest = path;
        }
        out.push_str(rest);
        out
    }
}

/// Whether it is a path of this host: `//` begins the name of another one.
fn is_path(text: &str) -> bool {
    text.starts_with('/') && !text.starts_with("//")
}

async fn edge(State(base): State<BasePath>, mut request: Request, next: Next) -> Response {
    if let Some(uri) = base.taken_off(request.uri()) {
        *request.uri_mut() = uri;
    }
    let mut response = next.run(request).await;
    base.in_headers(response.headers_mut());
    let kind = response.headers().get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    if !kind.starts_with(b"text/html") {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    // A page was rendered as a whole: nothing is waited for here.
    let page = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(base.in_page(&String::from_utf8_lossy(&page))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(text: &str) -> BasePath {
        text.parse().unwrap()
    }

    #[test]
    fn it_is_an_absolute_path_and_nothing_else() {
        for (text, expected) in
            [("/pod", "/pod"), ("/pod/", "/pod"), ("/", ""), ("/lab/pod-1.2_~", "/lab/pod-1.2_~"), ("/.pod", "/.pod")]
        {
            assert_eq!(base(text).as_str(), expected, "{text}");
        }
        use InvalidBasePath::{Odd, Relative, Wanders};
        for (text, expected) in [
            ("", Relative),
            ("pod", Relative),
            ("http://pod.example/pod", Relative),
            ("//", Wanders),
            ("//evil.example", Wanders),
            ("/pod//x", Wanders),
            ("/pod//", Wanders),
            ("/..", Wanders),
            ("/pod/../x", Wanders),
            ("/pod/.", Wanders),
            ("/pod?x=1", Odd),
            ("/pod#x", Odd),
            ("/pod x", Odd),
            ("/p%6fd", Odd),
            ("/pöd", Odd),
            ("/pod\\x", Odd),
            ("/pod;x", Odd),
            ("/pod\r\nx: y", Odd),
        ] {
            assert_eq!(text.parse::<BasePath>(), Err(expected), "{text}");
        }
        assert_eq!((base("/lab/pod").first_part(), base("/").first_part()), ("lab", ""));
    }

    #[test]
    fn it_is_taken_off_what_comes_in() {
        let taken = |text: &str| base("/pod").taken_off(&text.parse().unwrap()).map(|uri| uri.to_string());
        for (text, expected) in [
            ("/pod", Some("/")),
            ("/pod/", Some("/")),
            ("/pod?action=getWorkers", Some("/?action=getWorkers")),
            ("/pod/executions?q=%2Fpod", Some("/executions?q=%2Fpod")),
            ("/pod/pod/x", Some("/pod/x")),
            ("http://pod.example/pod/x", Some("http://pod.example/x")),
            ("/executions", None),
            ("/podium", None),
            ("/POD/", None),
        ] {
            assert_eq!(taken(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn it_is_put_before_what_goes_out() {
        let mut headers = HeaderMap::new();
        headers.insert(header::LOCATION, HeaderValue::from_static("/executions/3?view=stdout"));
        headers.append(header::SET_COOKIE, HeaderValue::from_static("a=/; Path=/; Max-Age=1"));
        headers.append(header::SET_COOKIE, HeaderValue::from_static("b=2; Path=/; HttpOnly"));
        base("/pod").in_headers(&mut headers);
        assert_eq!(headers[header::LOCATION], "/pod/executions/3?view=stdout");
        let cookies: Vec<_> = headers.get_all(header::SET_COOKIE).iter().collect();
        assert_eq!(cookies, ["a=/; Path=/pod; Max-Age=1", "b=2; Path=/pod; HttpOnly"]);
        for elsewhere in ["//other.example/", "https://other.example/x"] {
            headers.insert(header::LOCATION, HeaderValue::from_static(elsewhere));
            base("/pod").in_headers(&mut headers);
            assert_eq!(headers[header::LOCATION], elsewhere);
        }
    }

    #[test]
    fn addresses_of_a_page_have_it_and_what_people_wrote_does_not() {
        for (page, expected) in [
            (r#"<a href="/x">"#, r#"<a href="/pod/x">"#),
            (
                r#"<form method="post" action="/a"><button formaction="/b">"#,
                r#"<form method="post" action="/pod/a"><button formaction="/pod/b">"#,
            ),
            (
                r##"<script src="/s.js" defer></script><use href="/i.svg#x"/>"##,
                r##"<script src="/pod/s.js" defer></script><use href="/pod/i.svg#x"/>"##,
            ),
            (r#"<a href="?x=1"><a href="//other.example/"><a href="https://x/">"#, ""),
            (r#"<input name="back" value="/executions"><input data-href="/x">"#, ""),
            ("<pre>&lt;a href=&#34;/x&#34;&gt; ä</pre>", ""),
            ("", ""),
        ] {
            assert_eq!(base("/pod").in_page(page), if expected.is_empty() { page } else { expected });
        }
    }
}
