//! Reads bodies with a size limit and parses them as JSON; errors become sentences.

use std::time::Duration;

use axum::{
    body::{Body, BodyDataStream},
    extract::Request,
    http::{HeaderValue, header},
};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use serde::de::DeserializeOwned;

use super::{
    parse_errors,
    problem::{Problem, ProblemKind},
};
use crate::guard::body::was_too_slow;

/// Read and discarded of a refused body, so that the client sees the answer.
const MAX_DISCARDED_SIZE: usize = 64 << 20;

/// Reserved at once for a body that comes in pieces.
const MAX_INITIAL_CAPACITY: usize = 1 << 20;

/// Reads a whole body of at most `limit` bytes.
pub(crate) async fn read_body(request: Request, limit: usize) -> Result<Bytes, Problem> {
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok())
        .unwrap_or(0);
    let mut stream = request.into_body().into_data_stream();
    if announced > limit {
        return Err(refused(&mut stream, limit).await);
    }
    // Nearly every body comes in one piece: it is not copied.
    let Some(first) = piece(&mut stream).await? else { return Ok(Bytes::new()) };
    let Some(mut next) = piece(&mut stream).await? else {
        return if first.len() <= limit { Ok(first) } else { Err(too_large(limit)) };
    };
    // What was announced need not come: room is made as pieces do.
    let mut whole =
        BytesMut::with_capacity(announced.min(MAX_INITIAL_CAPACITY).max(first.len() + next.len()).min(limit));
    whole.extend_from_slice(&first[..first.len().min(limit)]);
    loop {
        if whole.len() + next.len() > limit {
            return Err(refused(&mut stream, limit).await);
        }
        whole.extend_from_slice(&next);
        match piece(&mut stream).await? {
            Some(piece) => next = piece,
            None => return Ok(whole.freeze()),
        }
    }
}

/// The next piece of a body. How long it may take is a matter of the guard.
async fn piece(stream: &mut BodyDataStream) -> Result<Option<Bytes>, Problem> {
    stream.next().await.transpose().map_err(|error| {
        if was_too_slow(&error) {
            return Problem::new(
                ProblemKind::TooSlow,
                "The body came too slowly or stopped arriving; send the request again",
            );
        }
        Problem::invalid("The request ended before its body was complete; send it again")
    })
}

/// Refuses a body after its rest was discarded, so that the client sees the answer.
async fn refused(stream: &mut BodyDataStream, limit: usize) -> Problem {
    discard(stream).await;
    too_large(limit)
}

fn too_large(limit: usize) -> Problem {
    Problem::new(ProblemKind::TooLarge, format!("The body is larger than the {limit} bytes allowed here"))
}

async fn discard(stream: &mut BodyDataStream) {
    let drain = async {
        let mut left = MAX_DISCARDED_SIZE;
        while let Some(Ok(bytes)) = stream.next().await {
            left = left.saturating_sub(bytes.len());
            if left == 0 {
                return;
            }
        }
    };
    // Past this time the sender meets a closed connection: that is its own doing.
    let _ = tokio::time::timeout(Duration::from_secs(10), drain).await;
}

/// Reads a JSON body of at most `limit` bytes. Unknown members are errors where `T` denies them.
pub(crate) async fn read_json<T: DeserializeOwned>(request: Request, limit: usize) -> Result<T, Problem> {
    if let Some(kind) = request.headers().get(header::CONTENT_TYPE) {
        let parts = kind.to_str().unwrap_or_default().split(';').skip(1).map(str::trim);
        if !is_json(kind) {
            return Err(Problem::new(
                ProblemKind::UnsupportedMediaType,
                "Send the body as JSON, with the header Content-Type: application/json",
            ));
        }
        let charsets =
            parts.filter_map(|part| part.split_once('=')).filter(|(name, _)| name.eq_ignore_ascii_case("charset"));
        for (_, charset) in charsets {
            let charset = charset.trim_matches('"');
            if !["utf-8", "utf8", "us-ascii"].iter().any(|known| charset.eq_ignore_ascii_case(known)) {
                let shown: String = charset.chars().take(40).collect();
                return Err(Problem::new(
                    ProblemKind::UnsupportedMediaType,
                    format!("The body is said to be in {shown}; send JSON in UTF-8"),
                ));
            }
        }
    }
    let bytes = read_body(request, limit).await?;
    object(&bytes).map_err(Problem::invalid)
}

/// Whether a `ActivitySource-Type` is that of JSON.
pub(super) fn is_json(kind: &HeaderValue) -> bool {
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/json")
}

/// Understands a JSON object. An array is none, though the members of `T` could be read from one in their order.
pub(super) fn object<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    use serde_json::error::Category;
    let not_json = |error: serde_json::Error| format!("The body is not JSON: {error}");
    // UTF-16 and UTF-32 have a NUL beside each character of JSON, JSON in UTF-8 has none anywhere.
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") || bytes.iter().take(4).any(|byte| *byte == 0) {
        return Err("The body is not in UTF-8; encode it so".to_owned());
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err("The body begins with a byte order mark; send JSON in UTF-8 without one".to_owned());
    }
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None => return Err("The body is empty; a JSON object is expected".to_owned()),
        Some(b'{') => {}
        Some(_) => {
            serde_json::from_slice::<serde::de::IgnoredAny>(bytes).map_err(not_json)?;
            return Err("The body is JSON but no object; a JSON object is expected".to_owned());
        }
    }
    serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        Category::Syntax | Category::Eof => not_json(error),
        _ => parse_errors::of_json(&error),
    })
}

/// A JSON answer.
pub(crate) fn json<T: serde::Serialize>(status: axum::http::StatusCode, value: &T) -> axum::response::Response {
    let text = serde_json::to_vec(value).unwrap_or_else(|error| unreachable!("an answer is always JSON: {error}"));
    let mut response = axum::response::Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, axum::http::HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(pieces: Vec<&'static str>) -> Request {
        let stream = futures::stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
        Request::new(Body::from_stream(stream))
    }

    #[test]
    fn only_an_object_is_a_body() {
        #[derive(Debug, serde::Deserialize)]
        struct Pair {
            _a: String,
            _b: String,
        }
        assert!(object::<Pair>(br#" {"_a":"x","_b":"y"}"#).is_ok());
        for (body, expected) in [
            (r#"["x","y"]"#, "a JSON object is expected"),
            ("null", "a JSON object is expected"),
            (" ", "The body is empty"),
            ("[", "not JSON"),
            ("{", "not JSON"),
            ("hello", "not JSON"),
            ("\u{feff}{}", "byte order mark"),
            ("{\0}\0", "not in UTF-8"),
            ("\0{\0}", "not in UTF-8"),
        ] {
            let said = object::<Pair>(body.as_bytes()).unwrap_err();
            assert!(said.contains(expected), "{body}: {said}");
        }
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit() {
        for (sent, limit, expected) in [
            (vec![], 0, Some("")),
            (vec!["abc"], 3, Some("abc")),
            (vec!["ab", "c"], 3, Some("abc")),
            (vec!["a", "b", "c"], 3, Some("abc")),
            (vec!["abcd"], 3, None),
            (vec!["ab", "cd"], 3, None),
            (vec!["a", "b", "c", "d"], 3, None),
        ] {
            let read = read_body(pieces(sent.clone()), limit).await;
            match expected {
                Some(text) => assert_eq!(read.unwrap(), text, "{sent:?}"),
                None => assert_eq!(read.unwrap_err().kind, ProblemKind::TooLarge, "{sent:?}"),
            }
        }
    }
}
