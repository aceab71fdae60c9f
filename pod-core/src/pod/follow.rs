//! Following the output of an execution.

use bytes::Bytes;

use super::{Pod, PodError};
use crate::domain::{AttemptNo, Execution, ExecutionId, Gap, Stream};

/// A place in the output of an execution: what was taken so far. Resumes a follower without a gap or a repeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputPosition {
    /// The attempt; 0 for the latest one, from its beginning.
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
#[derive(Debug)]
pub struct OutputFollower {
    pod: Pod,
    execution: ExecutionId,
    position: OutputPosition,
}

impl OutputFollower {
    pub(super) fn new(pod: Pod, execution: ExecutionId, position: OutputPosition) -> Self {
        Self { pod, execution, position }
    }

    /// The next chunk; `None` after `Ended`. Cancellation safe.
    pub async fn next(&mut self) -> Result<Option<OutputChunk>, PodError> {
        unimplemented!()
    }
}
