//! What a program prints: two streams of bytes, addressed by offset, with at most one gap each.

use serde::{Deserialize, Serialize};

use super::word::words;

/// One of the two streams of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

words! { Stream, "stream": Stdout = "stdout", Stderr = "stderr" }

impl Stream {
    /// Both, stdout first.
    pub const BOTH: [Self; 2] = [Self::Stdout, Self::Stderr];
}

/// Bytes that the cap cut out of the middle of a stream: `start..end`, in the program's own offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The offset of the first missing byte.
    pub start: u64,
    /// The offset of the first byte that is there again.
    pub end: u64,
}

/// A file that a store keeps a stream in from its first byte on, for a worker of the same machine to write itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputFile {
    /// Where it is, on the machine of the store.
    pub path: Box<str>,
    /// The device that it is on. Who finds another file at that path is elsewhere.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
}

/// How much of one stream there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct StreamSummary {
    /// How many bytes the program printed; the offset after its last byte.
    pub len: u64,
    /// What the cap cut out.
    pub gap: Option<Gap>,
}

/// How much both streams hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct OutputSummary {
    /// Standard output.
    pub stdout: StreamSummary,
    /// Standard error.
    pub stderr: StreamSummary,
}

impl OutputSummary {
    /// One of the two.
    #[must_use]
    pub const fn stream(&self, stream: Stream) -> StreamSummary {
        match stream {
            Stream::Stdout => self.stdout,
            Stream::Stderr => self.stderr,
        }
    }

    /// One of the two, to change it.
    pub fn stream_mut(&mut self, stream: Stream) -> &mut StreamSummary {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }
}
