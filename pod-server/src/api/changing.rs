//! Requests that change something. An unknown member, parameter or header refuses the whole request before anything is
//! done: a misspelt filter that was ignored would select everything.
//!
//! Every changing route extracts [`Change`], which checks the query, the headers and the body.

use std::{future::Future, sync::Arc};

use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, header},
};
use pod_core::{
    Pod,
    api::{Expected, Terms},
};
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    blank::is_blank,
    body::{is_json, object, read_body, read_json},
    problem::{Problem, ProblemKind},
    request::{StrictQuery, idempotency_key},
};
use crate::serve::app::App;

/// A checked request that changes something: its body, its query, and its condition.
#[derive(Debug)]
pub(super) struct Change<B = Nothing, Q = Nothing, C = Nothing> {
    pub(super) body: B,
    pub(super) query: Q,
    condition: C,
    key: Option<String>,
}

/// No body, no parameters, no condition.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

impl<B: Content, Q: DeserializeOwned + Send, C: Condition> FromRequest<Arc<App>> for Change<B, Q, C> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        check_headers(&parts.headers, B::HEADERS)?;
        let key = idempotency_key(&parts.headers)?;
        let condition = C::of(&parts.headers)?;
        let StrictQuery(query) = read_query(&mut parts).await?;
        let body = B::read(app, Request::from_parts(parts, body)).await?;
        Ok(Self { body, query, condition, key })
    }
}

/// Reads the query. A blank value is refused as forgotten; only an empty cursor has a meaning, the first page.
async fn read_query<Q: DeserializeOwned + Send>(
    parts: &mut axum::http::request::Parts,
) -> Result<StrictQuery<Q>, Problem> {
    let params = StrictQuery::from_request_parts(parts, &()).await?;
    let query = parts.uri.query().unwrap_or_default();
    let is_forgotten = |name: &str, value: &str| is_blank(value) && (name, value) != ("cursor", "");
    match url::form_urlencoded::parse(query.as_bytes()).find(|(name, value)| is_forgotten(name, value)) {
        None => Ok(params),
        Some((name, _)) => Err(Problem::invalid(format!("The parameter {name} is blank; fill it in or leave it out"))),
    }
}

impl<B, Q, C: Condition> Change<B, Q, C> {
    /// The pod, on the terms of this request.
    pub(super) fn on(&self, pod: &Pod) -> Pod {
        pod.on(Terms { key: self.key.clone(), expected: self.condition.expected() })
    }

    /// What makes the request repeatable.
    pub(super) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }
}

/// The body that a route takes.
pub(super) trait Content: Sized {
    /// The headers of ours that describe it.
    const HEADERS: &'static [&'static str] = &[];

    /// Reads all of it.
    fn read(app: &App, request: Request) -> impl Future<Output = Result<Self, Problem>> + Send;
}

impl Content for Nothing {
    async fn read(_: &App, request: Request) -> Result<Self, Problem> {
        /// Read and discarded before the refusal, so that the client sees the answer.
        const MAX_DISCARDED_SIZE: usize = 64 << 10;
        let is_json = request.headers().get(header::CONTENT_TYPE).is_none_or(is_json);
        let none = || Problem::invalid("No body is taken here; what the request is about stands in its address");
        match read_body(request, MAX_DISCARDED_SIZE).await {
            Ok(bytes) if bytes.is_empty() => Ok(Self {}),
            // Some clients cannot but send an object: an empty one says nothing.
            Ok(bytes) if is_json && bytes.trim_ascii_start().starts_with(b"{") => {
                object(&bytes).map_err(Problem::invalid)
            }
            Ok(_) | Err(Problem { kind: ProblemKind::TooLarge, .. }) => Err(none()),
            Err(problem) => Err(problem),
        }
    }
}

/// A body of JSON.
pub(super) trait JsonContent: DeserializeOwned {
    /// How many bytes it may have.
    fn limit(app: &App) -> usize;
}

impl<T: JsonContent> Content for T {
    async fn read(app: &App, request: Request) -> Result<Self, Problem> {
        read_json(request, T::limit(app)).await
    }
}

/// What a request expects of what it changes, by `If-Match` and `If-None-Match`.
pub(super) trait Condition: Sized + Send {
    fn of(headers: &HeaderMap) -> Result<Self, Problem>;
    fn expected(&self) -> Option<Expected>;
}

impl Condition for Nothing {
    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        for name in [header::IF_MATCH, header::IF_NONE_MATCH] {
            if headers.contains_key(&name) {
                return Err(Problem::invalid(format!(
                    "The header {name} is not taken here; PUT and DELETE of activities and policies take it, and apply"
                )));
            }
        }
        Ok(Self {})
    }

    fn expected(&self) -> Option<Expected> {
        None
    }
}

/// A condition on something that has an `ETag`.
#[derive(Debug)]
pub(super) struct Versioned(Option<Expected>);

impl Condition for Versioned {
    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let of = |name: header::HeaderName| headers.get(&name).map(|value| Tags::read(name, value.as_bytes()));
        let expected = match (of(header::IF_MATCH).transpose()?, of(header::IF_NONE_MATCH).transpose()?) {
            (None, None) => None,
            (Some(Tags::Any), None) => Some(Expected::Present),
            (Some(Tags::These(tags)), None) => Some(Expected::OneOf(tags)),
            (None, Some(Tags::Any)) => Some(Expected::Absent),
            (None, Some(Tags::These(tags))) => Some(Expected::NoneOf(tags)),
            (Some(_), Some(_)) => {
                return Err(Problem::invalid("Send either the header If-Match or If-None-Match, not both"));
            }
        };
        Ok(Self(expected))
    }

    fn expected(&self) -> Option<Expected> {
        self.0.clone()
    }
}

/// The longest condition, in bytes: ten of our ETags.
pub(super) const MAX_CONDITION_LEN: usize = 255;

/// Some ETags, or `*` for whatever there is.
enum Tags {
    Any,
    These(Vec<String>),
}

impl Tags {
    fn read(name: header::HeaderName, value: &[u8]) -> Result<Self, Problem> {
        let wrong = || {
            Problem::invalid(format!(
                "The header {name} must be * or the ETag of an earlier answer, with its quotes, such as \"5.2.1f\""
            ))
        };
        if value.len() > MAX_CONDITION_LEN {
            return Err(Problem::invalid(format!("The header {name} has more than {MAX_CONDITION_LEN} characters")));
        }
        let text = str::from_utf8(value).map_err(|_| wrong())?.trim();
        if text == "*" {
            return Ok(Self::Any);
        }
        let mut tags = Vec::new();
        for tag in text.split(',').map(str::trim) {
            let (is_weak, quoted) = tag.strip_prefix("W/").map_or((false, tag), |quoted| (true, quoted));
            let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or_else(wrong)?;
            if inner.contains('"') || inner.contains(char::is_whitespace) {
                return Err(wrong());
            }
            // None of ours is weak: such a one is that of nothing.
            if !is_weak {
                tags.push(inner.to_owned());
            }
        }
        Ok(Self::These(tags))
    }
}

/// The `ETag` of a version.
pub(super) fn etag(version: &str) -> String {
    format!("\"{version}\"")
}

/// Headers that may be sent only once.
const SINGLE_HEADERS: [header::HeaderName; 9] = [
    header::AUTHORIZATION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_UNMODIFIED_SINCE,
];

/// Headers that would select another method or a part of a resource, with the advice for each.
const UNSUPPORTED_HEADERS: [(&str, &str); 7] = [
    ("content-range", "send the whole body"),
    ("if-modified-since", "send If-Match with the ETag of what is changed"),
    ("if-unmodified-since", "send If-Match with the ETag of what is changed"),
    ("if-range", "send If-Match with the ETag of what is changed"),
    ("x-http-method", "send the method itself"),
    ("x-http-method-override", "send the method itself"),
    ("x-method-override", "send the method itself"),
];

/// Refuses a header that would change what the request means, and is not understood.
fn check_headers(headers: &HeaderMap, of_body: &[&str]) -> Result<(), Problem> {
    for name in headers.keys() {
        let ours = name.as_str().starts_with("pod-");
        let counts_once = ours || name == "idempotency-key" || SINGLE_HEADERS.contains(name);
        if counts_once && headers.get_all(name).iter().nth(1).is_some() {
            return Err(Problem::invalid(format!("The header {name} is there twice; send it once")));
        }
        if ours && !of_body.iter().any(|known| name.as_str().eq_ignore_ascii_case(known)) {
            return Err(Problem::invalid(format!("The header {name} is not known here; leave it out")));
        }
        if let Some((_, instead)) = UNSUPPORTED_HEADERS.iter().find(|(refused, _)| name == refused) {
            return Err(Problem::invalid(format!("The header {name} is not taken; {instead}")));
        }
    }
    let encoding = headers.get(header::CONTENT_ENCODING).map_or(&b"identity"[..], |encoding| encoding.as_bytes());
    if !encoding.trim_ascii().eq_ignore_ascii_case(b"identity") {
        return Err(Problem::new(
            ProblemKind::UnsupportedMediaType,
            "A body is taken as it is; send it without Content-Encoding",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let parsed = |name: &str| header::HeaderName::from_bytes(name.as_bytes()).unwrap();
        lines.iter().map(|(name, value)| (parsed(name), header::HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_header_that_is_not_understood_refuses_the_request() {
        for fine in [
            &[][..],
            &[("content-encoding", "identity"), ("accept", "a/b"), ("accept", "c/d"), ("x-request-id", "7")],
            &[("pod-env", "A=b"), ("idempotency-key", "k")],
        ] {
            assert!(check_headers(&headers(fine), &["Pod-Env"]).is_ok(), "{fine:?}");
        }
        for wrong in [
            &[("content-encoding", "gzip")][..],
            &[("content-type", "a/b"), ("content-type", "a/b")],
            &[("idempotency-key", "k"), ("idempotency-key", "k")],
            &[("pod-env", "A=b"), ("pod-env", "A=b")],
            &[("pod-dry-run", "true")],
            &[("content-range", "bytes 0-1/2")],
            &[("x-http-method-override", "DELETE")],
        ] {
            assert!(check_headers(&headers(wrong), &["Pod-Env"]).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn conditions_are_etags_or_a_star() {
        let read = |name, value| Versioned::of(&headers(&[(name, value)])).map(|condition| condition.0);
        let one = |tag: &str| vec![tag.to_owned()];
        for (name, value, expected) in [
            ("if-match", "*", Expected::Present),
            ("if-none-match", " * ", Expected::Absent),
            ("if-match", "\"1.2.a\"", Expected::OneOf(one("1.2.a"))),
            ("if-none-match", "\"1.2.a\"", Expected::NoneOf(one("1.2.a"))),
            ("if-match", "W/\"1.2.a\", \"1.3.b\"", Expected::OneOf(one("1.3.b"))),
        ] {
            assert_eq!(read(name, value).unwrap(), Some(expected), "{name}: {value}");
        }
        for wrong in ["", "nonsense", "\"", "\"a\" \"b\"", "\"a\",", "w/\"a\""] {
            assert!(read("if-match", wrong).is_err(), "{wrong}");
        }
        let long = etag(&"a".repeat(MAX_CONDITION_LEN - 2));
        assert!(Tags::read(header::IF_MATCH, long.as_bytes()).is_ok());
        assert!(Tags::read(header::IF_MATCH, format!("{long},").as_bytes()).is_err());
        let both = headers(&[("if-match", "*"), ("if-none-match", "*")]);
        assert!(Versioned::of(&both).is_err());
    }
}
