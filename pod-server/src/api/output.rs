//! `/executions/{id}/output`: the bytes themselves, or events of both streams.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use pod_core::{
    OutputChunk, OutputFollower, OutputPosition, Pod, PodError,
    domain::{AttemptNo, Execution, ExecutionId, Gap, Stream},
};
use tokio_util::sync::CancellationToken;

use super::{
    openapi::{bodies::Binary, streams::OutputStream},
    output_events,
    output_query::OutputQuery,
    problem::{Problem, ProblemKind},
    request::{Segment, StrictQuery, storable},
    sse::unbuffered,
};
use crate::serve::app::App;

/// Bytes per read from the store.
const READ_CHUNK_SIZE: usize = 256 << 10;

const GAP_START: HeaderName = HeaderName::from_static("pod-output-gap-start");
const GAP_END: HeaderName = HeaderName::from_static("pod-output-gap-end");
const ATTEMPT: HeaderName = HeaderName::from_static("pod-output-attempt");

/// The output of an execution.
///
/// The body holds the bytes exactly as they were printed. Where the cap cut the middle out, it holds head and tail, and
/// the headers `pod-output-gap-start` and `pod-output-gap-end` name the missing offsets.
///
/// With `Accept: text/event-stream` it is a stream of events, resumed by `Last-Event-ID`:
/// `output` `{"stream","attempt","offset","text","at"}` (`"base64"` instead of `"text"` where the piece is not valid
/// UTF-8: either way the exact bytes), both streams in the order in which they came, `at` being when; `gap`
/// `{"stream","attempt","start","end"}`, `attempt` `{"attempt"}` when another attempt begins, and at last `end` with the
/// execution, or `now` `{"attempt"}` where it was not to be followed. An id is `attempt:stdout:stderr`, the offsets that
/// come next.
#[utoipa::path(get, path = "/executions/{id}/output", operation_id = "getOutput", tag = "executions",
    params(("id" = u64, Path, description = "The id of the execution"), OutputQuery,
        ("Last-Event-ID" = Option<String>, Header,
            pattern = "^([0-9]{1,9}:[0-9]{1,18}:[0-9]{1,18}(:end)?)?$", description = "Where to go on, as events")), responses(
    (status = 200, content((Binary = "application/octet-stream"), (OutputStream = "text/event-stream"))),
    (status = 204, description = "As events: everything was delivered before"),
    (status = 404, body = super::problem::ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    id: Segment,
    StrictQuery(query): StrictQuery<OutputQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    storable("offset", query.offset)?;
    let execution = app.pod.execution(id.execution_id()?).await?;
    let attempt = match query.attempt {
        Some(number) if number > execution.attempt.0 || number == 0 => {
            return Err(Problem::new(
                ProblemKind::NoSuchAttempt,
                match execution.attempt.0 {
                    1 => format!("Execution {} has 1 attempt; there is no attempt {number}", execution.id),
                    count => format!("Execution {} has {count} attempts; there is no attempt {number}", execution.id),
                },
            ));
        }
        Some(number) => Some(AttemptNo(number)),
        None => None,
    };
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if accept.contains("text/event-stream") {
        return output_events::show(&app, &execution, &query, attempt, &headers).await;
    }
    // It says nothing of bytes, but what it could not be is a mistake all the same.
    output_events::resumed(&headers)?;
    let stream = query.stream()?.unwrap_or(Stream::Stdout);
    let offset = query.offset.unwrap_or(0);
    let mut response = if query.follow.unwrap_or(false) && !is_over(&execution, attempt) {
        unbuffered(follow(&app, &execution, attempt, stream, offset).await?)
    } else {
        so_far(&app, &execution, attempt.unwrap_or(execution.attempt), stream, offset).await?
    };
    raw_headers(response.headers_mut());
    Ok(response)
}

/// Whether the requested output is complete.
fn is_over(execution: &Execution, attempt: Option<AttemptNo>) -> bool {
    execution.status.is_terminal() || attempt.is_some_and(|attempt| attempt < execution.attempt)
}

/// Headers that keep a browser from taking a program's output for a page of ours.
pub(super) fn raw_headers(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    let policy = HeaderValue::from_static("sandbox; default-src 'none'; frame-ancestors 'none'");
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
}

fn mark_attempt(response: &mut Response, attempt: AttemptNo) {
    response.headers_mut().insert(ATTEMPT, HeaderValue::from(attempt.0));
}

fn mark_gap(response: &mut Response, gap: Option<Gap>, offset: u64) {
    if let Some(gap) = gap.filter(|gap| gap.end > offset) {
        response.headers_mut().insert(GAP_START, HeaderValue::from(gap.start));
        response.headers_mut().insert(GAP_END, HeaderValue::from(gap.end));
    }
}

/// What there is by now. Its end is fixed beforehand, so that a program that prints on does not prolong it.
async fn so_far(
    app: &App,
    execution: &Execution,
    attempt: AttemptNo,
    stream: Stream,
    offset: u64,
) -> Result<Response, Problem> {
    if attempt == AttemptNo(0) {
        return Ok(Body::empty().into_response());
    }
    let summary = app.pod.output_summary(execution.id, attempt).await?.stream(stream);
    let reader = AvailableOutput { pod: app.pod.clone(), id: execution.id, attempt, stream, offset, end: summary.len };
    let pieces = futures::stream::try_unfold(reader, |reader| reader.next());
    let mut response = Body::from_stream(pieces).into_response();
    mark_attempt(&mut response, attempt);
    mark_gap(&mut response, summary.gap, offset);
    Ok(response)
}

struct AvailableOutput {
    pod: Pod,
    id: ExecutionId,
    attempt: AttemptNo,
    stream: Stream,
    offset: u64,
    end: u64,
}

impl AvailableOutput {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, PodError> {
        let limit =
            READ_CHUNK_SIZE.min(usize::try_from(self.end.saturating_sub(self.offset)).unwrap_or(READ_CHUNK_SIZE));
        if limit == 0 {
            return Ok(None);
        }
        let slice = self.pod.read_output(self.id, self.attempt, self.stream, self.offset, limit).await?;
        // What lies behind a gap that opened meanwhile is past the end that was fixed.
        let kept = slice.bytes.len().min(usize::try_from(self.end.saturating_sub(slice.offset)).unwrap_or(usize::MAX));
        if kept == 0 {
            return Ok(None);
        }
        self.offset = slice.offset + kept as u64;
        Ok(Some((slice.bytes.slice(..kept), self)))
    }
}

/// Streams the output until the end of the attempt.
async fn follow(
    app: &App,
    execution: &Execution,
    attempt: Option<AttemptNo>,
    stream: Stream,
    offset: u64,
) -> Result<Response, Problem> {
    let is_only = attempt.is_some();
    let attempt = attempt.unwrap_or(execution.attempt);
    // The other stream is not wanted: it counts as read to its end.
    const END_OFFSET: u64 = i64::MAX as u64;
    let (stdout, stderr) = if stream == Stream::Stdout { (offset, END_OFFSET) } else { (END_OFFSET, offset) };
    let position = OutputPosition { attempt, stdout, stderr };
    let follower = if is_only {
        app.pod.follow_attempt(execution.id, position).await?
    } else {
        app.pod.follow_from(execution.id, position).await?
    };
    let gap = match attempt {
        AttemptNo(0) => None,
        attempt => app.pod.output_summary(execution.id, attempt).await?.stream(stream).gap,
    };
    let follow_state = OutputFollow { follower, stream, shutdown: app.shutdown.clone() };
    let mut response =
        Body::from_stream(futures::stream::try_unfold(follow_state, |state| state.next())).into_response();
    if attempt != AttemptNo(0) {
        mark_attempt(&mut response, attempt);
    }
    mark_gap(&mut response, gap, offset);
    Ok(response)
}

struct OutputFollow {
    follower: OutputFollower,
    stream: Stream,
    shutdown: CancellationToken,
}

impl OutputFollow {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, PodError> {
        loop {
            let chunk = tokio::select! {
                chunk = self.follower.next() => chunk?,
                // An aborted body tells the reader that this was not the end.
                () = self.shutdown.cancelled() => return Err(PodError::Stopped),
            };
            match chunk {
                Some(OutputChunk::Bytes { stream, bytes, .. }) if stream == self.stream => {
                    return Ok(Some((bytes, self)));
                }
                Some(OutputChunk::Bytes { .. } | OutputChunk::Gap { .. }) => {}
                Some(OutputChunk::NextAttempt(_) | OutputChunk::Ended(_)) | None => return Ok(None),
            }
        }
    }
}
