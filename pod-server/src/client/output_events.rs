//! Reading both streams of an execution as events, in the order in which they came.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::{Buf, Bytes, BytesMut};
use jiff::Timestamp;
use pod_core::domain::Stream;
use reqwest::{Method, Response, header};
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
    /// Missing bytes of a stream.
    Gap(Stream, Gap),
    /// Another attempt begins.
    Attempt(u32),
    /// This is all there is by now.
    Now,
    /// The execution has ended.
    End(Box<Execution>),
}

/// The events, as they arrive.
#[derive(Debug)]
pub struct OutputEvents {
    client: Client,
    response: Response,
    buffer: BytesMut,
    last_id: Option<String>,
}

#[derive(Deserialize)]
struct Piece {
    stream: Stream,
    text: Option<String>,
    base64: Option<String>,
    at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Missing {
    stream: Stream,
    start: u64,
    end: u64,
}

#[derive(Deserialize)]
struct Begun {
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
        let response = self.send(sent).await?;
        Ok(OutputEvents { client: self.clone(), response, buffer: BytesMut::new(), last_id: None })
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
            while let Some(event) = self.take_event() {
                if let Some(event) = self.decode(&event)? {
                    return Ok(event);
                }
            }
            match self.response.chunk().await.map_err(|error| self.client.lost(&error))? {
                Some(bytes) => self.buffer.extend_from_slice(&bytes),
                None => return Err(self.broken("the output breaks off")),
            }
        }
    }

    /// The text of the next whole event.
    fn take_event(&mut self) -> Option<String> {
        let end = memchr::memmem::find(&self.buffer, b"\n\n")?;
        let event = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        self.buffer.advance(end + 2);
        Some(event)
    }

    fn decode(&mut self, event: &str) -> Result<Option<OutputEvent>> {
        let (mut name, mut id, mut data) = ("", None, "");
        for (field, value) in event.lines().filter_map(|line| line.split_once(':')) {
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => name = value,
                "id" => id = Some(value.to_owned()),
                "data" => data = value,
                _ => {}
            }
        }
        let event = match name {
            "output" => {
                let Piece { stream, text, base64, at } = self.json(data)?;
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
                let Missing { stream, start, end } = self.json(data)?;
                OutputEvent::Gap(stream, Gap { start, end })
            }
            "attempt" => OutputEvent::Attempt(self.json::<Begun>(data)?.attempt),
            "now" => OutputEvent::Now,
            "end" => OutputEvent::End(Box::new(self.json(data)?)),
            "error" => return Err(self.broken("it cannot go on with the output")),
            // What keeps the connection alive, and what a later version may say.
            _ => return Ok(None),
        };
        self.last_id = id.or_else(|| self.last_id.take());
        Ok(Some(event))
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
