//! A place in the output of an execution.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::domain::{AttemptNo, Stream};

/// A place in the output of an execution: what was taken so far. Resumes a follower without a gap or a repeat.
///
/// As text it is `ATTEMPT.STDOUT.STDERR`, as short as a `Last-Event-ID` or a query of an address wants it:
///
/// ```
/// use pod_core::OutputPosition;
///
/// let position: OutputPosition = "2.4096.17".parse()?;
/// assert_eq!((position.attempt.0, position.stdout, position.stderr), (2, 4096, 17));
/// assert_eq!(position.to_string(), "2.4096.17");
/// # Ok::<(), pod_core::InvalidPosition>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

impl fmt::Display for OutputPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.attempt, self.stdout, self.stderr)
    }
}

impl FromStr for OutputPosition {
    type Err = InvalidPosition;
    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let mut parts = text.split('.');
        let mut next = || parts.next();
        let position = (|| {
            let (attempt, stdout, stderr) = (next()?.parse().ok()?, next()?.parse().ok()?, next()?.parse().ok()?);
            next().is_none().then_some(Self { attempt, stdout, stderr })
        })();
        position.ok_or_else(|| InvalidPosition(text.chars().take(120).collect()))
    }
}

/// A text that is no [`OutputPosition`], as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no place in an output: give the attempt and the offsets of both streams as in 1.4096.0")]
pub struct InvalidPosition(pub String);
