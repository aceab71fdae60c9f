//! Reading both streams of an execution as events, in the order in which they came.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use eventsource_stream::{Event, EventStreamError, Eventsource};
use futures::{StreamExt, stream::BoxStream};
use jiff::Timestamp;
use pod_core::domain::Stream;
use reqwest::{Method, header};
use serde::Deserialize;

use super::{
    error::{ClientError, Result},
    http::Client,
    model::Execution,
    output::Gap,
};

/// Which events to read.
#[derive(Clone, Debug)]
pub struct OutputEventsRequest {
    /// The execution.
    pub execution: u64,
    /// One stream only.
    pub stream: Option<Stream>,
    /// From this attempt on; from the latest when absent.
    pub attempt: Option<u32>,
    /// Whether to go on until the execution has ended.
    pub follow: bool,
    /// Where to go on: the `id` of the last event that was taken.
    pub after: Option<String>,
}

/// Something that an execution printed, or did.
#[derive(Clone, Debug)]
pub enum OutputEvent {
    /// Bytes.
    Bytes {
        /// Of which stream.
        stream: Stream,
        /// The bytes.
        bytes: Bytes,
        /// When they came, where that is known.
        at: Option<Timestamp>,
    },
    /// GapEvent bytes of a stream.
    Gap(Stream, Gap),
    /// Another attempt begins.
    Attempt(u32),
    /// This is all there is by now.
    Now,
    /// The execution has ended.
    End(Box<Execution>),
}

/// The events, as they arrive.
pub struct OutputEvents {
    client: Client,
    events: BoxStream<'static, std::result::Result<Event, EventStreamError<reqwest::Error>>>,
    last_id: Option<String>,
}

impl fmt::Debug for OutputEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutputEvents").field("last_id", &self.last_id).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct BytesEvent {
    stream: Stream,
    text: Option<String>,
    base64: Option<String>,
    at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct GapEvent {
    stream: Stream,
    start: u64,
    end: u64,
}

#[derive(Deserialize)]
struct AttemptEvent {
    attempt: u32,
}

impl Client {
    /// Reads the output of an execution as events.
    pub async fn output_events(&self, request: &OutputEventsRequest) -> Result<OutputEvents> {
        let mut url = self.api(&["executions", &request.execution.to_string(), "output"]);
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("follow", if request.follow { "true" } else { "false" });
            if let Some(stream) = request.stream {
                query.append_pair("stream", stream.as_str());
            }
            if let Some(attempt) = request.attempt {
                query.append_pair("attempt", &attempt.to_string());
            }
        }
        let mut sent = self.request(Method::GET, url).header(header::ACCEPT, "text/event-stream");
        if let Some(id) = &request.after {
            sent = sent.header("last-event-id", id);
        }
        let events = self.send(sent).await?.bytes_stream().eventsource().boxed();
        Ok(OutputEvents { client: self.clone(), events, last_id: None })
    }
}

impl OutputEvents {
    /// The id of the last event, to go on after it.
    #[must_use]
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// The next event. The stream ends with [`OutputEvent::Now`] or [`OutputEvent::End`]; that it breaks off before is
    /// an error. Cancellation safe.
    pub async fn next(&mut self) -> Result<OutputEvent> {
        loop {
            let event = match self.events.next().await {
                Some(Ok(event)) => event,
                Some(Err(EventStreamError::Transport(error))) => return Err(self.client.transport_error(&error)),
                Some(Err(error)) => return Err(self.nonsense(&error)),
                None => return Err(self.broken("the output breaks off")),
            };
            if let Some(event) = self.decode(&event)? {
                return Ok(event);
            }
        }
    }

    fn decode(&mut self, event: &Event) -> Result<Option<OutputEvent>> {
        let data = &*event.data;
        let decoded = match &*event.event {
            "output" => {
                let BytesEvent { stream, text, base64, at } = self.json(data)?;
                let bytes = match (text, base64) {
                    (Some(text), _) => Bytes::from(text),
                    (None, base64) => BASE64_STANDARD
                        .decode(base64.unwrap_or_default())
                        .map_err(|error| self.nonsense(&error))?
                        .into(),
                };
                OutputEvent::Bytes { stream, bytes, at }
            }
            "gap" => {
                let GapEvent { stream, start, end } = self.json(data)?;
                OutputEvent::Gap(stream, Gap { start, end })
            }
            "attempt" => OutputEvent::Attempt(self.json::<AttemptEvent>(data)?.attempt),
            "now" => OutputEvent::Now,
            "end" => OutputEvent::End(Box::new(self.json(data)?)),
            "error" => return Err(self.broken("it cannot go on with the output")),
            // What keeps the connection alive, and what a later version may say.
            _ => return Ok(None),
        };
        if !event.id.is_empty() {
            self.last_id = Some(event.id.clone());
        }
        Ok(Some(decoded))
    }

    fn json<'d, T: Deserialize<'d>>(&self, data: &'d str) -> Result<T> {
        serde_json::from_str(data).map_err(|error| self.nonsense(&error))
    }

    fn nonsense(&self, why: &dyn std::fmt::Display) -> ClientError {
        ClientError::NotPod { address: self.client.address(), why: why.to_string() }
    }

    /// What may be well again at the next try.
    fn broken(&self, why: &str) -> ClientError {
        ClientError::Unreachable { address: self.client.address(), why: why.to_owned(), was_sent: true }
    }
}
