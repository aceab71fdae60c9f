//! Following the output of an execution.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};

use self::interleaver::{Interleaver, Step};
use super::handle::Pod;
use crate::{
    api::PodError,
    domain::{AttemptKey, AttemptNo, Execution, ExecutionId, ExecutionStatus, Gap, Millis, Stream, Timestamp},
    engine::Subscription,
    store::OutputSlice,
};

mod interleaver;
mod position;

pub use self::position::{InvalidPosition, OutputPosition};

impl Pod {
    /// Follows both streams of the latest attempt from their beginning, on into later attempts, until the execution
    /// has ended.
    ///
    /// # Errors
    ///
    /// [`PodError::NoSuchExecution`] when there is none of that id, or none any more.
    pub async fn follow(&self, id: ExecutionId) -> Result<OutputFollower, PodError> {
        self.follow_from(id, OutputPosition::default()).await
    }

    /// Follows from a position, for example that of the last chunk one has got.
    ///
    /// # Errors
    ///
    /// [`PodError::NoSuchExecution`] when there is none of that id, or none any more.
    pub async fn follow_from(&self, id: ExecutionId, position: OutputPosition) -> Result<OutputFollower, PodError> {
        self.execution(id).await?;
        Ok(OutputFollower::new(self.clone(), id, position, Until::Ended))
    }

    /// Follows a single attempt from a position, until that attempt has ended.
    ///
    /// # Errors
    ///
    /// [`PodError::NoSuchExecution`] when there is none of that id, or none any more.
    pub async fn follow_attempt(&self, id: ExecutionId, position: OutputPosition) -> Result<OutputFollower, PodError> {
        self.execution(id).await?;
        Ok(OutputFollower::new(self.clone(), id, position, Until::AttemptClosed))
    }

    /// Follows a single attempt from a position, as far as it has come by now; what is not there yet is not waited for.
    ///
    /// # Errors
    ///
    /// [`PodError::NoSuchExecution`] when there is none of that id, or none any more.
    pub async fn read_available(&self, id: ExecutionId, position: OutputPosition) -> Result<OutputFollower, PodError> {
        self.execution(id).await?;
        Ok(OutputFollower::new(self.clone(), id, position, Until::Now))
    }
}

/// Something that a follower gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputChunk {
    /// Bytes, in the order in which both streams came.
    Bytes {
        /// Which stream.
        stream: Stream,
        /// The offset of the first byte.
        offset: u64,
        /// The bytes; never empty.
        bytes: Bytes,
        /// When the first of them came, to about 10 ms; absent where no order was kept: of attempts by a version of
        /// POD that kept none, and where nobody knows in which order the last bytes of a lost attempt came.
        at: Option<Timestamp>,
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
    /// Counts it among the followers.
    _follower: Arc<()>,
}

impl fmt::Debug for OutputFollower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutputFollower").finish_non_exhaustive()
    }
}

impl OutputFollower {
    pub(super) fn new(pod: Pod, execution: ExecutionId, position: OutputPosition, until: Until) -> Self {
        // Subscribed before anything is read, so that nothing is missed between the two.
        let follower = pod.engine().follower();
        let news = pod.engine().subscribe(execution);
        let reader =
            Reader { pod, id: execution, news, known: None, position, until, merged: None, began: None, ended: false };
        let chunks = stream::unfold(reader, |mut reader| async move {
            let chunk = reader.next().await.transpose()?;
            Some((chunk, reader))
        });
        Self { chunks: chunks.boxed(), _follower: follower }
    }

    /// The next chunk; `None` after `Ended`, and at the end of an attempt that is followed alone. Cancellation safe: a
    /// dropped call takes nothing.
    ///
    /// # Errors
    ///
    /// When the store does not work, when the POD has ended, and [`PodError::NoSuchExecution`] when the execution was
    /// deleted meanwhile. It may be called again after an error, and goes on where it was.
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
    /// As far as one attempt has come.
    Now,
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
    /// The output of the attempt that is read.
    merged: Option<Interleaver>,
    /// When that attempt began.
    began: Option<Timestamp>,
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
            match self.after() {
                Some(after) => return Ok(self.go_on(after)),
                None => self.news.news().await?,
            }
        }
    }

    /// The next piece of output, or the gap before it.
    async fn read(&mut self) -> Result<Option<OutputChunk>, PodError> {
        let key = AttemptKey { execution: self.id, attempt: self.position.attempt };
        if self.merged.as_ref().is_none_or(|merged| merged.key() != key) {
            self.merged = Some(Interleaver::of(key));
            self.began = None;
        }
        let closed = self.is_closed();
        let (Some(merged), store) = (&mut self.merged, self.pod.engine().store()) else { return Ok(None) };
        Ok(match merged.next(&**store, &mut self.position, closed).await? {
            Some(Step::Bytes { stream, slice, since }) => {
                let at = match since {
                    Some(since) => self.moment(since, closed).await?,
                    None => None,
                };
                let OutputSlice { offset, bytes } = slice;
                Some(OutputChunk::Bytes { stream, offset, bytes, at, position: self.position })
            }
            Some(Step::Gap(stream, gap)) => Some(OutputChunk::Gap { stream, gap, position: self.position }),
            None => None,
        })
    }

    /// The moment so long after the beginning of the attempt. Where that is not known yet, it has just begun.
    async fn moment(&mut self, since: Millis, closed: bool) -> Result<Option<Timestamp>, PodError> {
        if self.began.is_none() {
            let latest = self.known.as_ref().filter(|known| known.attempt == self.position.attempt);
            self.began = match latest.and_then(|known| known.started_at) {
                Some(began) => Some(began),
                None if !closed => None,
                None => {
                    let attempts = self.pod.attempts(self.id).await?;
                    let at = attempts.iter().find(|attempt| attempt.key.attempt == self.position.attempt);
                    at.map(|attempt| attempt.started_at.unwrap_or(attempt.assigned_at))
                }
            };
        }
        Ok(Some(self.began.map_or_else(|| self.pod.now(), |began| began + since)))
    }

    /// Whether the attempt had ended when its execution was last looked at.
    fn is_closed(&self) -> bool {
        let (known, at) = (self.known.as_ref(), self.position.attempt);
        let has_ended = |known: &Execution| match known.status {
            ExecutionStatus::Running => false,
            // It may be one to come.
            ExecutionStatus::Waiting => known.attempt == at,
            _ => true,
        };
        at.0 > 0 && known.is_some_and(|known| known.attempt > at || has_ended(known))
    }

    /// What follows, by the row that was read before the output was; nothing while the attempt may print more.
    fn after(&self) -> Option<After> {
        let execution = self.known.as_ref()?;
        let at = self.position.attempt;
        match self.until {
            Until::Now => Some(After::Nothing),
            Until::AttemptClosed if self.is_closed() => Some(After::Nothing),
            _ if at.0 > 0 && execution.attempt > at => Some(After::Next(AttemptNo(at.0 + 1))),
            _ => execution.status.is_terminal().then(|| After::End(Box::new(execution.clone()))),
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
