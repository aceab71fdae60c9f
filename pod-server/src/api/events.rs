//! `/events`: what happens, as server-sent events, resumable by `Last-Event-ID`.

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::HeaderMap,
    response::{Response, sse::Event},
};
use pod_core::{EventGap, Pod, domain};
use serde::Deserialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use utoipa::IntoParams;

use super::{
    objects::EventObject,
    openapi::streams::EventStream,
    problem::Problem,
    request::{StrictQuery, last_event_id, storable},
    sse::sse,
};
use crate::serve::app::App;

/// Events per read.
const PAGE_SIZE: usize = 256;
/// How long one read waits for new events.
const LONG_POLL_TIMEOUT: Duration = Duration::from_secs(60);

/// Where to begin.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// Begin after this event; 0 for the oldest that is kept. From now on unless given.
    #[param(maximum = 9_223_372_036_854_775_807_u64)]
    after: Option<u64>,
}

/// What happens, as it happens.
///
/// Server-sent events: each has its `seq` as id, its kind as name, and as data an `Event` in JSON. Followed again after a
/// pause by `Last-Event-ID` or `after`, none is missed. Who names an event from which on not everything is there (it is not
/// kept any more, or not of this store, which was restored) is told so first, by an event `gap`, whose id is where it goes on.
#[utoipa::path(get, path = "/events", operation_id = "followEvents", tag = "events", params(EventsQuery,
        ("Last-Event-ID" = Option<String>, Header, pattern = "^([0-9]{1,18})?$", description = "Begin after this event")), responses(
    (status = 200, body = EventStream, content_type = "text/event-stream")))]
pub(super) async fn follow(
    State(app): State<Arc<App>>,
    StrictQuery(query): StrictQuery<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let resumed = storable("Last-Event-ID", last_event_id(&headers, "the seq of an event")?)?;
    let after = resumed.or(storable("after", query.after)?).unwrap_or_else(|| app.pod.newest_event());
    let gap = app.pod.event_gap(after).await?;
    let after = gap.as_ref().map_or(after, |gap| gap.after);
    let follow_state =
        EventFollow { pod: app.pod.clone(), gap, after, pending: VecDeque::new(), shutdown: app.shutdown.clone() };
    Ok(sse(futures::stream::unfold(follow_state, EventFollow::next)))
}

struct EventFollow {
    pod: Pod,
    /// Sent before the first event.
    gap: Option<EventGap>,
    after: u64,
    pending: VecDeque<domain::Event>,
    shutdown: CancellationToken,
}

impl EventFollow {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        if let Some(gap) = self.gap.take() {
            let data = json!({
                "asked": gap.asked, "after": gap.after, "oldest": gap.oldest, "newest": gap.newest,
                "message": gap.message,
            });
            let event = Event::default().id(gap.after.to_string()).event("gap").data(data.to_string());
            return Some((Ok(event), self));
        }
        while self.pending.is_empty() {
            let events = tokio::select! {
                events = self.pod.events_after(self.after, PAGE_SIZE, LONG_POLL_TIMEOUT) => events,
                () = self.shutdown.cancelled() => return None,
            };
            match events {
                Ok(events) => self.pending = events.into(),
                Err(error) => {
                    tracing::debug!(%error, "a follower of events is let go");
                    return None;
                }
            }
        }
        let event = self.pending.pop_front()?;
        self.after = event.seq;
        let name = serde_json::to_value(event.kind).ok()?;
        let data = serde_json::to_string(&EventObject::from(&event)).ok()?;
        let event = Event::default().id(event.seq.to_string()).event(name.as_str()?).data(data);
        Some((Ok(event), self))
    }
}
