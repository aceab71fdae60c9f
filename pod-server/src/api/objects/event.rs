//! Events.

use pod_core::domain::{Event, EventDetail, EventKind};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::{moment::Moment, openapi::enums::EventKindWord};

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event, examples(json!({
    "seq": 42, "at": "2026-11-24T14:05:00Z", "kind": "executionEnded", "activity": 1, "revision": 1, "execution": 17
})))]
pub(crate) struct EventObject {
    /// Its place in the order of all events.
    seq: u64,
    at: Moment,
    /// What kind of thing happened, for example `executionEnded`.
    #[schema(value_type = EventKindWord)]
    kind: EventKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    activity: Option<u64>,
    /// The revision of the activity.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    execution: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<u64>,
    /// What there is to say beside the kind: a sentence, or the status that something has now.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// Where there is a reason, a word for it, for programs: `silent`, `lostTooOften`, `tooSlow` and the like. There may be
    /// new ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
}

impl From<&Event> for EventObject {
    fn from(event: &Event) -> Self {
        Self {
            seq: event.seq,
            at: event.at.into(),
            kind: event.kind,
            activity: event.activity.map(|id| id.0),
            revision: event.revision.map(|no| no.0),
            execution: event.execution.map(|id| id.0),
            attempt: event.attempt.map(|no| no.0),
            worker: event.worker.map(|id| id.0),
            message: event.detail.as_ref().map(ToString::to_string),
            code: event.detail.as_ref().and_then(EventDetail::code),
        }
    }
}
