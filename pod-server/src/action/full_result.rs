//! Streams an execution with its full output as one JSON object. Only one chunk is in memory, whatever the size of the
//! output and the speed of the client.

use axum::{
    body::Body,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use pod_core::{
    Pod, PodError,
    domain::{AttemptNo, Execution, Gap, OutputSummary, Stream},
};

use serde::Serialize;

use super::objects::ExecutionObject;

/// An execution as this API shows it.
#[derive(Serialize)]
pub(super) struct ExecutionView<'a> {
    pub(super) execution: ExecutionObject<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) event: Option<&'static str>,
}

/// Bytes per read from the store. Escaped, a byte may take six.
const READ_CHUNK_SIZE: usize = 64 << 10;
/// Answers up to this size are sent with their length.
const MAX_BUFFERED_SIZE: usize = 256 << 10;

/// The object around what [`members`] gives.
const BEGIN: &str = r#"{"execution":{"#;
const STDOUT: &str = r#","stdout":""#;
const STDERR: &str = r#"","stderr":""#;
const STANDING: &str = r#"","#;
const END: &str = "}}";

/// The object as a sequence of chunks.
pub(super) struct FullResult {
    pod: Pod,
    execution: Execution,
    activity_name: String,
    /// Output printed later is not waited for.
    printed: OutputSummary,
    step: Step,
    offset: u64,
    text: JsonTextEscaper,
    stdout_gap: Option<Gap>,
    stderr_gap: Option<Gap>,
}

#[derive(Clone, Copy)]
enum Step {
    Begin,
    Of(Stream),
    Done,
}

impl FullResult {
    pub(super) async fn of(pod: &Pod, execution: Execution, activity_name: &str) -> Result<Self, PodError> {
        let printed = match execution.attempt {
            AttemptNo(0) => OutputSummary::default(),
            attempt => pod.output_summary(execution.id, attempt).await?,
        };
        Ok(Self {
            pod: pod.clone(),
            execution,
            activity_name: activity_name.to_owned(),
            printed,
            step: Step::Begin,
            offset: 0,
            text: JsonTextEscaper::default(),
            stdout_gap: None,
            stderr_gap: None,
        })
    }

    /// Reads the first chunks; all of them if the object is short.
    pub(super) async fn begin(mut self) -> Result<FullResultBody, PodError> {
        let mut begin = Vec::new();
        while begin.len() <= MAX_BUFFERED_SIZE {
            match self.next().await? {
                Some(piece) => begin.extend_from_slice(&piece),
                None => return Ok(FullResultBody { begin, rest: None }),
            }
        }
        Ok(FullResultBody { begin, rest: Some(Box::new(self)) })
    }

    async fn next(&mut self) -> Result<Option<Vec<u8>>, PodError> {
        loop {
            let piece = match self.step {
                Step::Begin => {
                    self.step = Step::Of(Stream::Stdout);
                    [BEGIN, &members(&self.object().request), STDOUT].concat().into_bytes()
                }
                Step::Of(stream) => match self.read(stream).await? {
                    Some(bytes) => self.text.escape(&bytes),
                    None => {
                        let mut end = self.text.end();
                        self.offset = 0;
                        if stream == Stream::Stdout {
                            self.step = Step::Of(Stream::Stderr);
                            end.extend_from_slice(STDERR.as_bytes());
                        } else {
                            self.step = Step::Done;
                            let rest = [STANDING, &members(&self.object().standing), END].concat();
                            end.extend_from_slice(rest.as_bytes());
                        }
                        end
                    }
                },
                Step::Done => return Ok(None),
            };
            // Half a character may be all there is of a piece.
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
    }

    /// The execution without its outputs. The gaps are known when the outputs have been read.
    fn object(&self) -> ExecutionObject<'_> {
        let mut execution = ExecutionObject::of(&self.execution, &self.activity_name);
        let standing = &mut execution.standing;
        (standing.stdout_gap, standing.stderr_gap) = (self.stdout_gap.map(Into::into), self.stderr_gap.map(Into::into));
        execution
    }

    async fn read(&mut self, stream: Stream) -> Result<Option<Bytes>, PodError> {
        let end = self.printed.stream(stream).len;
        if self.offset >= end {
            return Ok(None);
        }
        let (id, attempt) = (self.execution.id, self.execution.attempt);
        let mut slice = self.pod.read_output(id, attempt, stream, self.offset, READ_CHUNK_SIZE).await?;
        if slice.bytes.is_empty() {
            return Ok(None);
        }
        if slice.offset > self.offset {
            let gap = Some(Gap { start: self.offset, end: slice.offset });
            match stream {
                Stream::Stdout => self.stdout_gap = gap,
                Stream::Stderr => self.stderr_gap = gap,
            }
        }
        let wanted = usize::try_from(end.saturating_sub(slice.offset)).unwrap_or(usize::MAX);
        slice.bytes.truncate(wanted);
        self.offset = slice.offset + slice.bytes.len() as u64;
        Ok(Some(slice.bytes))
    }
}

/// A response whose first chunks are there.
pub(super) struct FullResultBody {
    begin: Vec<u8>,
    rest: Option<Box<FullResult>>,
}

impl IntoResponse for FullResultBody {
    fn into_response(self) -> Response {
        let body = match self.rest {
            None => Body::from(self.begin),
            Some(rest) => {
                let rest = stream::try_unfold(rest, |mut rest| async move {
                    let piece = rest.next().await.inspect_err(|error| {
                        tracing::warn!(execution = %rest.execution.id, %error, "an answer breaks off");
                    })?;
                    Ok::<_, PodError>(piece.map(|piece| (piece, rest)))
                });
                Body::from_stream(stream::iter([Ok(self.begin)]).chain(rest))
            }
        };
        (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], body).into_response()
    }
}

/// The members of an object, without its brackets.
fn members(object: &impl Serialize) -> String {
    let mut text = serde_json::to_string(object).unwrap_or_else(|error| unreachable!("it is always JSON: {error}"));
    text.pop();
    text.split_off(1)
}

/// Escapes bytes as the inside of a JSON string, chunk by chunk. It replaces invalid UTF-8 exactly as if all bytes came
/// at once. `/api/v1` has the bytes themselves.
#[derive(Default)]
struct JsonTextEscaper {
    /// The first bytes of a character that the next chunk may complete.
    cut: Vec<u8>,
}

impl JsonTextEscaper {
    fn escape(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut joined = std::mem::take(&mut self.cut);
        joined.extend_from_slice(bytes);
        self.cut = joined.split_off(joined.len() - cut_off(&joined));
        escaped(&joined)
    }

    fn end(&mut self) -> Vec<u8> {
        escaped(&std::mem::take(&mut self.cut))
    }
}

/// How many bytes at the end are the beginning of a character that may go on.
fn cut_off(bytes: &[u8]) -> usize {
    let may_go_on = |len: &usize| {
        let end = &bytes[bytes.len() - len..];
        std::str::from_utf8(end).is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    };
    (1..=bytes.len().min(3)).find(may_go_on).unwrap_or(0)
}

fn escaped(bytes: &[u8]) -> Vec<u8> {
    let mut quoted = serde_json::to_vec(&*String::from_utf8_lossy(bytes)).unwrap_or_default();
    quoted.pop();
    if !quoted.is_empty() {
        quoted.remove(0);
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_the_same_text_as_the_whole() {
        let samples: [&[u8]; 6] = [
            "wörld €5 \u{10348} \"quoted\"\\ \u{7}\n".as_bytes(),
            b"\xe2\x82 cut, \xf0\x90\x8d cut, \xff\xfe never, \xc3",
            b"\xe2\x82\xe2\x82\xac\xf0\x90\x80\xed\xa0\x80\xc0\xaf",
            b"\xf0\x90\x8d",
            b"\x80\x80\x80\x80",
            b"",
        ];
        for sample in samples {
            let whole = serde_json::to_vec(&*String::from_utf8_lossy(sample)).unwrap();
            for size in 1..=sample.len().max(1) {
                let mut text = JsonTextEscaper::default();
                let mut pieces = b"\"".to_vec();
                sample.chunks(size).for_each(|piece| pieces.extend(text.escape(piece)));
                pieces.extend(text.end());
                pieces.push(b'"');
                assert_eq!(String::from_utf8(pieces).unwrap(), String::from_utf8(whole.clone()).unwrap());
            }
        }
    }
}
