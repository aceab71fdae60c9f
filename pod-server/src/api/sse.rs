//! Responses of server-sent events, with the header that stops proxies from buffering them.

use std::{convert::Infallible, time::Duration};

use axum::{
    http::{HeaderName, HeaderValue},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::Stream;

/// An answer of events that no proxy holds back. An idle one says something now and then, so that both ends notice
/// when the other is gone.
pub(super) fn sse(events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Response {
    let events = Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)));
    unbuffered(events.into_response())
}

/// Tells a proxy in between to pass on each piece when it comes.
pub(super) fn unbuffered(mut response: Response) -> Response {
    const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
    response.headers_mut().insert(BUFFERING, HeaderValue::from_static("no"));
    response
}
