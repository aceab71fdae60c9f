//! What a program has printed and the manager has not yet confirmed to keep.
//!
//! A spool takes everything at any speed and never blocks. It keeps each stream from the acknowledged offset on: in
//! memory first, then in a file. The first `output_cap` bytes of an attempt (the head) are sent as they come; once the
//! cap is reached, or the disk is full, only a tail of each stream is kept, and sent at the end. So each stream that
//! the manager gets has at most one gap, and memory stays flat whatever the program prints.

mod disk;
mod stream;
mod tail;

use bytes::Bytes;

pub use disk::{SpoolDirectory, SpoolDisk, SpoolFile, SpoolMemory};
use stream::StreamSpool;

use crate::domain::Stream;

/// How much of a stream is kept in memory before a file takes over.
pub(super) const MEMORY: usize = 256 << 10;

/// How many bytes of a stream may be on their way without an acknowledgement.
pub(super) const WINDOW: u64 = 1 << 20;

/// How much of the end of a stream is kept beyond the cap.
pub(super) const TAIL: usize = 1 << 20;

/// The output of one attempt.
#[derive(Debug)]
pub(super) struct Spool {
    stdout: StreamSpool,
    stderr: StreamSpool,
    /// How many more bytes belong to the head; none once something had to be cut.
    room: u64,
}

/// A piece of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The offset of its first byte, as the program counts.
    pub(super) offset: u64,
    /// The bytes.
    pub(super) bytes: Bytes,
}

impl Spool {
    pub(super) fn new(output_cap: u64) -> Self {
        Self { stdout: StreamSpool::default(), stderr: StreamSpool::default(), room: output_cap }
    }

    /// Takes what the program printed.
    pub(super) fn push(&mut self, stream: Stream, bytes: &[u8], disk: &dyn SpoolDisk) {
        let head = usize::try_from(self.room).map_or(bytes.len(), |room| room.min(bytes.len()));
        let kept = if head == 0 { 0 } else { self.of_mut(stream).push_head(&bytes[..head], disk) };
        // What did not fit ends the head of both streams: what follows must not be taken for its continuation.
        self.room = if kept == head { self.room - kept as u64 } else { 0 };
        if kept < bytes.len() {
            self.room = 0;
            self.of_mut(stream).push_tail(&bytes[kept..]);
        }
    }

    /// The next piece of a stream that may be sent, at most `max` bytes.
    pub(super) fn next_piece(&mut self, stream: Stream, max: usize) -> Option<Piece> {
        let piece = self.of_mut(stream).next_piece(max);
        self.stop_head_if_cut();
        piece
    }

    /// What is still to be sent of a stream's head, if it is at most `max` bytes: to travel with the end.
    /// It counts as sent from now on.
    pub(super) fn take_rest(&mut self, stream: Stream, max: usize) -> Option<Piece> {
        let rest = self.of_mut(stream).take_rest(max);
        self.stop_head_if_cut();
        rest
    }

    /// Whether the whole rest of both heads is at most `max` bytes each.
    pub(super) fn rest_is_within(&self, max: usize) -> bool {
        Stream::BOTH.into_iter().all(|stream| self.of(stream).unsent() <= max as u64)
    }

    /// Whether something could be sent now.
    pub(super) fn has_sendable(&self) -> bool {
        Stream::BOTH.into_iter().any(|stream| self.of(stream).sendable() > 0)
    }

    /// The tail of a stream, if the cap cut it.
    pub(super) fn tail(&self, stream: Stream) -> Option<Piece> {
        self.of(stream).tail()
    }

    /// Output up to these offsets is durable at the manager.
    pub(super) fn acknowledge(&mut self, stream: Stream, offset: u64) {
        self.of_mut(stream).acknowledge(offset);
    }

    /// Everything that was not acknowledged is to be sent again.
    pub(super) fn rewind(&mut self) {
        self.stdout.rewind();
        self.stderr.rewind();
    }

    fn stop_head_if_cut(&mut self) {
        if self.stdout.was_cut() || self.stderr.was_cut() {
            self.room = 0;
        }
    }

    fn of(&self, stream: Stream) -> &StreamSpool {
        match stream {
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
        }
    }

    fn of_mut(&mut self, stream: Stream) -> &mut StreamSpool {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }
}

#[cfg(test)]
mod tests;
