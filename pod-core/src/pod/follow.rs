//! Following the output of an execution.

use std::{
    fmt, mem,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};

use super::{Pod, PodError};
use crate::{
    domain::{AttemptKey, AttemptNo, Execution, ExecutionId, ExecutionStatus, Gap, Stream},
    engine::Subscription,
};

/// How much is read at a time.
const PIECE: usize = 64 << 10;

/// A place in the output of an execution: what was taken so far. Resumes a follower without a gap or a repeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputPosition {
    /// The attempt; 0 for the latest one, and for the first one while there is none.
    pub attempt: AttemptNo,
    /// The next offset of stdout.
    pub stdout: u64,
    /// The next offset of stderr.
    pub stderr: u64,
}

/// Something that a follower gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputChunk {
    /// Bytes, in order per stream.
    Bytes {
        /// Which stream.
        stream: Stream,
        /// The offset of the first byte.
        offset: u64,
        /// The bytes; never empty.
        bytes: Bytes,
        /// Where to resume after this chunk.
        position: OutputPosition,
    },
    /// The cap cut these bytes out.
    Gap {
        /// Which stream.
        stream: Stream,
        /// What is missing.
        gap: Gap,
        /// Where to resume after it.
        position: OutputPosition,
    },
    /// The attempt ended without concluding the execution; what follows is of this one.
    NextAttempt(AttemptNo),
    /// The execution has ended; the last item.
    Ended(Box<Execution>),
}

/// A stream of what an execution prints, while it prints it. Pulls by offset, so a slow reader holds nothing up.
/// Use it by [`OutputFollower::next`], or as a `futures::Stream`.
pub struct OutputFollower {
    chunks: BoxStream<'static, Result<OutputChunk, PodError>>,
}

impl fmt::Debug for OutputFollower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutputFollower").finish_non_exhaustive()
    }
}

impl OutputFollower {
    pub(super) fn new(pod: Pod, execution: ExecutionId, position: OutputPosition, until: Until) -> Self {
        // Subscribed before anything is read, so that nothing is missed between the two.
        let news = pod.engine().subscribe(execution);
        let first = if position.stderr < position.stdout { Stream::Stderr } else { Stream::Stdout };
        let reader = Reader { pod, id: execution, news, known: None, position, until, first, ended: false };
        let chunks = stream::unfold(reader, |mut reader| async move {
            let chunk = reader.next().await.transpose()?;
            Some((chunk, reader))
        });
        Self { chunks: chunks.boxed() }
    }

    /// The next chunk; `None` after `Ended`, and at the end of an attempt that is followed alone. After an error it may be called again. Cancellation safe.
    pub async fn next(&mut self) -> Result<Option<OutputChunk>, PodError> {
        self.chunks.try_next().await
    }
}

impl futures::Stream for OutputFollower {
    type Item = Result<OutputChunk, PodError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.chunks.poll_next_unpin(context)
    }
}

/// How far an execution is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// To its end, through all attempts.
    Ended,
    /// To the end of one attempt.
    AttemptClosed,
}

/// Reads what there is, and waits when there is nothing.
struct Reader {
    pod: Pod,
    id: ExecutionId,
    news: Subscription,
    /// The execution as it was before output was last read.
    known: Option<Execution>,
    position: OutputPosition,
    until: Until,
    /// The stream that is looked at first: they take turns.
    first: Stream,
    ended: bool,
}

/// What follows after everything that an attempt has printed.
enum After {
    Nothing,
    Next(AttemptNo),
    End(Box<Execution>),
}

impl Reader {
    async fn next(&mut self) -> Result<Option<OutputChunk>, PodError> {
        if self.ended {
            return Ok(None);
        }
        loop {
            // The row first, the output after it: what an attempt printed is there before its end is.
            self.news.reading_output();
            if self.news.take_changed() || self.known.is_none() {
                self.known = None;
                self.known = Some(self.pod.execution(self.id).await?);
            }
            let latest = self.known.as_ref().map_or(AttemptNo(0), |execution| execution.attempt);
            if self.position.attempt.0 == 0 && latest.0 > 0 {
                self.position.attempt = latest;
            }
            if self.position.attempt.0 > 0
                && let Some(chunk) = self.read().await?
            {
                return Ok(Some(chunk));
            }
            let Some(after) = self.after() else {
                self.news.news().await?;
                continue;
            };
            let gap = self.last_gap().await?;
            return Ok(gap.or_else(|| self.go_on(after)));
        }
    }

    fn key(&self) -> AttemptKey {
        AttemptKey { execution: self.id, attempt: self.position.attempt }
    }

    fn offset(&mut self, stream: Stream) -> &mut u64 {
        match stream {
            Stream::Stdout => &mut self.position.stdout,
            Stream::Stderr => &mut self.position.stderr,
        }
    }

    /// The next piece of either stream, or the gap before it.
    async fn read(&mut self) -> Result<Option<OutputChunk>, PodError> {
        for stream in [self.first, other(self.first)] {
            let offset = *self.offset(stream);
            let slice = self.pod.engine().store().read_output(self.key(), stream, offset, PIECE).await?;
            if slice.bytes.is_empty() {
                continue;
            }
            if slice.offset > offset {
                return Ok(Some(self.gap(stream, slice.offset)));
            }
            *self.offset(stream) = slice.offset + slice.bytes.len() as u64;
            self.first = other(stream);
            return Ok(Some(OutputChunk::Bytes {
                stream,
                offset: slice.offset,
                bytes: slice.bytes,
                position: self.position,
            }));
        }
        Ok(None)
    }

    /// Steps over what is missing.
    fn gap(&mut self, stream: Stream, end: u64) -> OutputChunk {
        let start = mem::replace(self.offset(stream), end);
        OutputChunk::Gap { stream, gap: Gap { start, end }, position: self.position }
    }

    /// A gap that nothing comes after: the cap cut everything up to the end.
    async fn last_gap(&mut self) -> Result<Option<OutputChunk>, PodError> {
        if self.position.attempt.0 == 0 {
            return Ok(None);
        }
        let summary = self.pod.engine().store().output_summary(self.key()).await?;
        for stream in Stream::BOTH {
            let len = summary.of(stream).len;
            if len > *self.offset(stream) {
                return Ok(Some(self.gap(stream, len)));
            }
        }
        Ok(None)
    }

    /// What follows, by the row that was read before the output was; nothing while the attempt may print more.
    fn after(&self) -> Option<After> {
        let execution = self.known.as_ref()?;
        let at = self.position.attempt;
        let is_closed = execution.attempt > at || execution.status != ExecutionStatus::Running;
        if self.until == Until::AttemptClosed && at.0 > 0 && is_closed {
            Some(After::Nothing)
        } else if at.0 > 0 && execution.attempt > at {
            Some(After::Next(AttemptNo(at.0 + 1)))
        } else {
            execution.status.is_terminal().then(|| After::End(Box::new(execution.clone())))
        }
    }

    fn go_on(&mut self, after: After) -> Option<OutputChunk> {
        match after {
            After::Nothing => {
                self.ended = true;
                None
            }
            After::Next(attempt) => {
                self.position = OutputPosition { attempt, ..OutputPosition::default() };
                Some(OutputChunk::NextAttempt(attempt))
            }
            After::End(execution) => {
                self.ended = true;
                Some(OutputChunk::Ended(execution))
            }
        }
    }
}

const fn other(stream: Stream) -> Stream {
    match stream {
        Stream::Stdout => Stream::Stderr,
        Stream::Stderr => Stream::Stdout,
    }
}
