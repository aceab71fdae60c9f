//! A place in the output of an execution.

use crate::domain::{AttemptNo, Stream};

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

impl OutputPosition {
    /// The offset of a stream, to change it.
    pub(super) const fn of_mut(&mut self, stream: Stream) -> &mut u64 {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }
}
