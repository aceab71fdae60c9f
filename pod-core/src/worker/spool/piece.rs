//! Pieces of a stream, and how much is kept of one where.

use bytes::Bytes;

/// How much of a stream is kept in memory before a file takes over.
pub(in crate::worker) const MEMORY: usize = 256 << 10;

/// How many bytes of a stream may be on their way without an acknowledgement.
pub(in crate::worker) const WINDOW: u64 = 1 << 20;

/// How much of the end of a stream is kept beyond the cap.
pub(in crate::worker) const TAIL: usize = 1 << 20;

/// Who has printed so much on a stream is expected to print more: then it is worth a file of the store.
pub(in crate::worker) const LONG: u64 = 256 << 10;

/// No more than this is copied into a file of the store at once.
pub(in crate::worker) const COPIED: u64 = 32 << 20;

/// A piece of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::worker) struct Piece {
    /// The offset of its first byte, as the program counts.
    pub(in crate::worker) offset: u64,
    /// The bytes.
    pub(in crate::worker) bytes: Bytes,
}
