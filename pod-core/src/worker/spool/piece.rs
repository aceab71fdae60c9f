//! Pieces of a stream, and how much is kept of one where.

use bytes::Bytes;

/// How much of a stream is kept in memory before a file takes over.
pub(in crate::worker) const MEMORY: usize = 256 << 10;

/// How many bytes of a stream may be on their way without an acknowledgement.
pub(in crate::worker) const WINDOW: u64 = 1 << 20;

/// How much of the end of a stream is kept beyond the cap.
pub(in crate::worker) const TAIL: usize = 1 << 20;

/// A piece of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::worker) struct Piece {
    /// The offset of its first byte, as the program counts.
    pub(in crate::worker) offset: u64,
    /// The bytes.
    pub(in crate::worker) bytes: Bytes,
}
