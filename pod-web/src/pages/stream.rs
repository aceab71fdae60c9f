//! Streams change notifications to open pages.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::{Query, State},
    http::{HeaderName, HeaderValue},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use serde::Deserialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{live::LastChanges, web::Web};

/// The query of the stream.
#[derive(Debug, Deserialize)]
pub(crate) struct TopicsQuery {
    /// `activities`, `executions`, `workers`, `policies`, apart by blanks.
    #[serde(default)]
    of: String,
}

/// `GET /stream`: says `changed` whenever something that the page is about did.
pub(crate) async fn change_stream(State(web): State<Arc<Web>>, Query(topics): Query<TopicsQuery>) -> Response {
    let changed = web.live.open();
    let known = changed.borrow().of(&topics.of);
    let follow_state = ChangeFollow { changed, known, topics: topics.of, shutdown: web.shutdown.clone() };
    let events = futures::stream::unfold(follow_state, ChangeFollow::next);
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(20))).into_response();
    const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
    response.headers_mut().insert(BUFFERING, HeaderValue::from_static("no"));
    response
}

struct ChangeFollow {
    changed: watch::Receiver<LastChanges>,
    known: u64,
    topics: String,
    shutdown: CancellationToken,
}

impl ChangeFollow {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        let (known, topics) = (self.known, self.topics.as_str());
        let news = self.changed.wait_for(|changed| changed.of(topics) > known);
        let news = tokio::select! {
            news = news => news.ok()?.of(topics),
            () = self.shutdown.cancelled() => return None,
        };
        self.known = news;
        Some((Ok(Event::default().event("changed").data(news.to_string())), self))
    }
}
