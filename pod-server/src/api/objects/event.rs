//! What happened.

use pod_core::domain::{Event, EventKind};
use serde::Serialize;
use utoipa::ToSchema;

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub(crate) struct EventObject {
    /// Its place in the order of all events.
    seq: u64,
    at: String,
    /// What kind of thing happened, for example `executionEnded`.
    #[schema(value_type = String)]
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
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

impl From<&Event> for EventObject {
    fn from(event: &Event) -> Self {
        Self {
            seq: event.seq,
            at: event.at.to_rfc3339(),
            kind: event.kind,
            activity: event.activity.map(|id| id.0),
            revision: event.revision.map(|no| no.0),
            execution: event.execution.map(|id| id.0),
            attempt: event.attempt.map(|no| no.0),
            worker: event.worker.map(|id| id.0),
            message: event.message.as_deref().map(str::to_owned),
        }
    }
}
