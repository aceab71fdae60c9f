//! The output of an execution as server-sent events: both streams, byte-exact, resumable.

use std::{convert::Infallible, str::FromStr};

use axum::{
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response, sse::Event},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use pod_core::{
    OutputChunk, OutputFollower, OutputPosition,
    domain::{AttemptNo, Execution, Now, Stream, Timestamp},
};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use utoipa::ToSchema;

use super::{
    moment::Moment, objects::ExecutionObject, openapi::enums::StreamWord, output_query::OutputQuery, page::is_storable,
    problem::Problem, request::last_event_id, sse::sse,
};
use crate::serve::app::App;

/// A piece of output: the data of an event `output`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OutputPiece {
    #[schema(value_type = StreamWord)]
    stream: Stream,
    #[schema(value_type = u32)]
    attempt: AttemptNo,
    /// Where it begins, as the program counts its bytes.
    offset: u64,
    /// What was printed, where that is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// What was printed, in base64, where it is not valid UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = Byte)]
    base64: Option<String>,
    /// When it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Moment>,
}

/// Output that is not kept: the data of an event `gap`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OutputGap {
    #[schema(value_type = StreamWord)]
    stream: Stream,
    #[schema(value_type = u32)]
    attempt: AttemptNo,
    /// Where it begins.
    start: u64,
    /// The position where the output continues.
    end: u64,
}

/// The attempt that is shown from here on, or was to its end so far: the data of the events `attempt` and `now`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OutputAttempt {
    #[schema(value_type = u32)]
    attempt: AttemptNo,
}

/// Why nothing more comes for now: the data of an event `error`. Ask again, with the last id as `Last-Event-ID`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OutputError {
    /// What was wrong, as a sentence.
    detail: String,
}

fn text_of(data: &impl Serialize) -> String {
    serde_json::to_string(data).unwrap_or_else(|error| unreachable!("an event is always JSON: {error}"))
}

/// The id of an event: where to go on after it, and whether it was the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EventId {
    position: OutputPosition,
    is_end: bool,
}

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let OutputPosition { attempt, stdout, stderr } = self.position;
        write!(f, "{attempt}:{stdout}:{stderr}{}", if self.is_end { ":end" } else { "" })
    }
}

impl FromStr for EventId {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (numbers, is_end) = match text.strip_suffix(":end") {
            Some(numbers) => (numbers, true),
            None => (text, false),
        };
        let mut numbers = numbers.split(':');
        let mut next = || {
            numbers.next().and_then(|number| number.parse::<u64>().ok().filter(|number| is_storable(*number))).ok_or(())
        };
        let attempt = AttemptNo(u32::try_from(next()?).map_err(|_| ())?);
        let position = OutputPosition { attempt, stdout: next()?, stderr: next()? };
        match numbers.next() {
            None => Ok(Self { position, is_end }),
            Some(_) => Err(()),
        }
    }
}

/// The position where a reader of events continues.
pub(super) fn resumed(headers: &HeaderMap) -> Result<Option<EventId>, Problem> {
    last_event_id(headers, "the id of an event of this stream: attempt:stdout:stderr")
}

pub(super) async fn show(
    app: &App,
    execution: &Execution,
    query: &OutputQuery,
    attempt: Option<AttemptNo>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let only = query.stream()?;
    let position = match resumed(headers)? {
        // An EventSource dials again after every end; this tells it to stay away.
        Some(EventId { is_end: true, .. }) => return Ok(StatusCode::NO_CONTENT.into_response()),
        // The first attempt may be one to come.
        Some(EventId { position, .. }) if position.attempt > execution.attempt.max(AttemptNo(1)) => {
            return Err(Problem::invalid(format!(
                "Last-Event-ID names attempt {}, and execution {} is at attempt {}",
                position.attempt, execution.id, execution.attempt
            )));
        }
        Some(EventId { position, .. }) => position,
        None => {
            let offset = query.offset.unwrap_or(0);
            let of = |stream| if only.is_none_or(|only| only == stream) { offset } else { 0 };
            OutputPosition {
                attempt: attempt.unwrap_or(execution.attempt),
                stdout: of(Stream::Stdout),
                stderr: of(Stream::Stderr),
            }
        }
    };
    let is_followed = query.follow.unwrap_or(true);
    let follower = if is_followed {
        app.pod.follow_from(execution.id, position).await?
    } else {
        app.pod.read_available(execution.id, position).await?
    };
    let name =
        app.pod.activity_names().await?.get(&execution.activity).map_or_else(String::new, |name| name.to_string());
    let follow_state =
        OutputEventFollow { follower, only, position, name, now: app.pod.clock(), shutdown: app.shutdown.clone() };
    Ok(sse(futures::stream::unfold(Some(follow_state), |state| async { state?.next().await })))
}

struct OutputEventFollow {
    follower: OutputFollower,
    only: Option<Stream>,
    position: OutputPosition,
    name: String,
    now: Now,
    shutdown: CancellationToken,
}

impl OutputEventFollow {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Option<Self>)> {
        loop {
            let chunk = tokio::select! {
                chunk = self.follower.next() => chunk,
                () = self.shutdown.cancelled() => return None,
            };
            let chunk = match chunk {
                Ok(Some(chunk)) => chunk,
                Ok(None) => {
                    let data = text_of(&OutputAttempt { attempt: self.position.attempt });
                    let id = EventId { position: self.position, is_end: false };
                    let event = Event::default().event("now").id(id.to_string()).data(data);
                    return Some((Ok(event), None));
                }
                Err(error) => {
                    // Sent as an event without an id: the reader reconnects and continues where it was.
                    let data = text_of(&OutputError { detail: error.to_string() });
                    let event = Event::default().event("error").data(data);
                    return Some((Ok(event), None));
                }
            };
            let (name, data, is_end) = match chunk {
                OutputChunk::Bytes { stream, offset, bytes, at, position } => {
                    self.position = position;
                    if self.only.is_some_and(|only| only != stream) {
                        continue;
                    }
                    ("output", output_data(stream, position.attempt, offset, &bytes, at), false)
                }
                OutputChunk::Gap { stream, gap, position } => {
                    self.position = position;
                    if self.only.is_some_and(|only| only != stream) {
                        continue;
                    }
                    let gap = OutputGap { stream, attempt: position.attempt, start: gap.start, end: gap.end };
                    ("gap", text_of(&gap), false)
                }
                OutputChunk::NextAttempt(attempt) => {
                    self.position = OutputPosition { attempt, stdout: 0, stderr: 0 };
                    ("attempt", text_of(&OutputAttempt { attempt }), false)
                }
                OutputChunk::Ended(execution) => {
                    let object = ExecutionObject::of(&execution, &self.name, self.now);
                    let data = text_of(&object);
                    ("end", data, true)
                }
            };
            let id = EventId { position: self.position, is_end };
            let event = Event::default().event(name).id(id.to_string()).data(data);
            return Some((Ok(event), (!is_end).then_some(self)));
        }
    }
}

/// A piece of output. Text where that is exact, else base64.
fn output_data(stream: Stream, attempt: AttemptNo, offset: u64, bytes: &[u8], at: Option<Timestamp>) -> String {
    let (text, base64) = match str::from_utf8(bytes) {
        Ok(text) => (Some(text.to_owned()), None),
        Err(_) => (None, Some(BASE64_STANDARD.encode(bytes))),
    };
    text_of(&OutputPiece { stream, attempt, offset, text, base64, at: at.map(Moment::from) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back() {
        for text in ["1:0:0", "2:17:4", "3:5:6:end"] {
            assert_eq!(text.parse::<EventId>().unwrap().to_string(), text);
        }
        for text in ["", "1", "1:2", "1:2:3:4", "a:b:c", "-1:0:0", "99999999999:0:0", "1:0:9223372036854775808"] {
            assert!(text.parse::<EventId>().is_err(), "{text}");
        }
    }

    #[test]
    fn pieces_are_exact_either_way() {
        let data = |bytes: &[u8]| -> serde_json::Value {
            serde_json::from_str(&output_data(Stream::Stderr, AttemptNo(1), 7, bytes, Some(Timestamp(1)))).unwrap()
        };
        let text = data("é\r\n\0".as_bytes());
        assert_eq!((text["text"].as_str(), text["stream"].as_str()), (Some("é\r\n\0"), Some("stderr")));
        assert_eq!(text["at"], "1970-01-01T00:00:00.001Z");
        let half = data(&"é".as_bytes()[..1]);
        assert_eq!(BASE64_STANDARD.decode(half["base64"].as_str().unwrap()).unwrap(), [0xc3]);
        assert!(half["text"].is_null() && half["offset"] == 7);
    }
}
