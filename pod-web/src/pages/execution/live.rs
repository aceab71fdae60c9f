//! Streams the output of an execution as rows while it runs: server-sent events that resume where the client was.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use pod_core::{OutputChunk, OutputFollower, PodError};
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::query::id_of;
use crate::{
    failure::Failure,
    output::{Place, Rows, View},
    web::Web,
};

/// Output within this time goes into one event: a page need not change more often.
const GATHER_INTERVAL: Duration = Duration::from_millis(50);
/// Bytes of output in one event.
const MAX_EVENT_SIZE: usize = 128 << 10;
/// The id of the last event: an `EventSource` that reconnects with it gets `204` and stops.
const END_EVENT_ID: &str = "end";

/// Where to begin.
#[derive(Debug, Deserialize)]
pub(crate) struct LiveQuery {
    #[serde(default)]
    view: String,
    #[serde(default)]
    from: String,
}

/// `GET /executions/{id}/output/live`.
pub(crate) async fn follow(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    Query(from): Query<LiveQuery>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let execution = web.pod.execution(id_of(&id)?).await?;
    let resumed = headers.get("last-event-id").and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty());
    if resumed == Some(END_EVENT_ID) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let view = View::from_word(&from.view);
    let place = match resumed.unwrap_or(&from.from) {
        "" => Place::start(execution.attempt, view),
        text => text.parse::<Place>().ok().filter(|place| place.attempt <= execution.attempt).ok_or_else(|| {
            Failure::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "This is no place in the output of this execution. Load the page again.",
            )
        })?,
    };
    let follower = web.pod.follow_from(execution.id, place.position()).await?;
    let follow_state = OutputFollow {
        follower,
        view,
        rows: Rows::at(place),
        unfinished: String::new(),
        ended: false,
        shutdown: web.shutdown.clone(),
    };
    let events = futures::stream::unfold(Some(follow_state), |state| async { state?.next().await });
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response();
    const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
    response.headers_mut().insert(BUFFERING, HeaderValue::from_static("no"));
    Ok(response)
}

struct OutputFollow {
    follower: OutputFollower,
    view: View,
    rows: Rows,
    /// The incomplete lines as last sent.
    unfinished: String,
    ended: bool,
    shutdown: CancellationToken,
}

impl OutputFollow {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Option<Self>)> {
        loop {
            match self.gather().await {
                Ok(()) => {}
                // The stream breaks off: the page dials again and goes on where it was.
                Err(PodError::Stopped) => return None,
                Err(error) => {
                    tracing::debug!(%error, "an output cannot be followed");
                    return None;
                }
            }
            let (html, count) = self.rows.take();
            let unfinished = self.rows.unfinished();
            if html.is_empty() && unfinished == self.unfinished && !self.ended {
                continue;
            }
            self.unfinished.clone_from(&unfinished);
            let data = json!({ "html": html, "unfinished": unfinished, "count": count, "end": self.ended });
            let id = if self.ended { END_EVENT_ID.to_owned() } else { self.rows.place().to_string() };
            let event = Event::default().event("rows").retry(Duration::from_millis(500)).id(id).data(data.to_string());
            let more = (!self.ended).then_some(self);
            return Some((Ok(event), more));
        }
    }

    /// Waits for something, and takes what comes soon after it.
    async fn gather(&mut self) -> Result<(), PodError> {
        let mut taken = 0;
        let mut deadline = None;
        while taken < MAX_EVENT_SIZE && !self.ended {
            let chunk = tokio::select! {
                chunk = self.follower.next() => chunk?,
                () = self.shutdown.cancelled() => return Err(PodError::Stopped),
                () = at(deadline) => return Ok(()),
            };
            deadline.get_or_insert_with(|| Instant::now() + GATHER_INTERVAL);
            match chunk {
                // A later attempt begins with both streams, also where one of them is not shown.
                Some(OutputChunk::Bytes { stream, bytes, at, position, .. }) if self.view.shows(stream) => {
                    taken += bytes.len();
                    self.rows.of_attempt(position.attempt);
                    self.rows.push(stream, &bytes, at);
                }
                Some(OutputChunk::Bytes { .. }) => {}
                Some(OutputChunk::Gap { stream, gap, .. }) if self.view.shows(stream) => self.rows.gap(stream, gap),
                Some(OutputChunk::Gap { .. }) => {}
                Some(OutputChunk::NextAttempt(attempt)) => self.rows.next_attempt(attempt),
                Some(OutputChunk::Ended(_)) | None => {
                    self.rows.end();
                    self.ended = true;
                }
            }
        }
        Ok(())
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
