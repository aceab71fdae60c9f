//! What a program has printed and the manager has not yet confirmed to keep.
//!
//! A spool takes everything at any speed and never blocks. It keeps each stream from the acknowledged offset on: in
//! memory first, then in a file. The first `output_cap` bytes of an attempt (the head) are sent as they come; once the
//! cap is reached, or the disk is full, only a tail of each stream is kept, and sent at the end. So each stream that
//! the manager gets has at most one gap, and memory stays flat whatever the program prints. The order in which both
//! streams came is kept beside them, as runs of bytes.

pub(in crate::worker) mod disk;
mod grant;
mod order;
mod piece;
mod stream;
mod tail;

pub use disk::{SpoolDirectory, SpoolDisk, SpoolFile, SpoolMemory};
use order::Order;
pub(in crate::worker) use piece::Piece;
use stream::StreamSpool;

use std::ops::Range;

use crate::domain::{Millis, OutputFile, OutputSegment, Stream};

/// The output of one attempt.
#[derive(Debug)]
pub(super) struct Spool {
    stdout: StreamSpool,
    stderr: StreamSpool,
    order: Order,
    /// How many more bytes belong to the head; none once something had to be cut.
    room: u64,
    /// How many more the executor may write into each stream itself, which are not of the room.
    granted: [u64; 2],
}

impl Spool {
    pub(super) fn new(output_cap: u64) -> Self {
        Self {
            stdout: StreamSpool::default(),
            stderr: StreamSpool::default(),
            order: Order::new(output_cap),
            room: output_cap,
            granted: [0; 2],
        }
    }

    /// Takes what the program printed, so long after its start.
    pub(super) fn push(&mut self, stream: Stream, bytes: &[u8], since: Millis, disk: &dyn SpoolDisk) {
        self.take_back(stream);
        let head = usize::try_from(self.room).map_or(bytes.len(), |room| room.min(bytes.len()));
        let kept = if head == 0 { 0 } else { self.of_mut(stream).push_head(&bytes[..head], disk) };
        // What did not fit ends the head of both streams: what follows must not be taken for its continuation.
        self.room = if kept == head { self.room - kept as u64 } else { 0 };
        if kept > 0 {
            self.order.head(OutputSegment { stream, len: kept as u64, since }, disk);
        }
        if kept < bytes.len() {
            self.room = 0;
            self.of_mut(stream).push_tail(&bytes[kept..]);
            self.order.tail(OutputSegment { stream, len: (bytes.len() - kept) as u64, since });
        }
    }

    /// The order of all that was taken may be sent. To be called before what it is of is sent.
    pub(super) fn flush_order(&mut self, disk: &dyn SpoolDisk) {
        self.order.flush(disk);
    }

    /// Nothing more will be pushed.
    pub(super) fn finish(&mut self, disk: &dyn SpoolDisk) {
        let kept = [self.stdout.kept_of_tail(), self.stderr.kept_of_tail()];
        self.order.finish(kept, disk);
    }

    /// The next piece of the log of the order, at most `max` bytes.
    pub(super) fn next_order(&mut self, max: usize) -> Option<Piece> {
        self.order.next_piece(max)
    }

    /// What is still to be sent of that log, as [`Self::take_rest`] does of a stream.
    pub(super) fn take_rest_of_order(&mut self, max: usize) -> Option<Piece> {
        self.order.log_mut().take_rest(max)
    }

    /// That log is durable at the manager up to there.
    pub(super) fn acknowledge_order(&mut self, offset: u64) {
        self.order.log_mut().acknowledge(offset);
    }

    /// The next piece of a stream that may be sent, at most `max` bytes.
    pub(super) fn next_piece(&mut self, stream: Stream, max: usize) -> Option<Piece> {
        if self.of(stream).is_in_store() {
            return None;
        }
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

    /// Whether the whole rest of both heads, and of the log of their order, is at most `max` bytes each.
    pub(super) fn rest_is_within(&self, max: usize) -> bool {
        [&self.stdout, &self.stderr, self.order.log()].into_iter().all(|spool| spool.unsent() <= max as u64)
    }

    /// Whether something could be sent now.
    pub(super) fn has_sendable(&self) -> bool {
        let log = self.order.log();
        let waits = |spool: &StreamSpool| spool.is_in_store() && log.unsent() > 0;
        log.sendable() > 0
            || [&self.stdout, &self.stderr].into_iter().any(|spool| spool.sendable() > 0 && !waits(spool))
    }

    /// Whether to ask the manager now for its file of a stream.
    pub(super) fn ask_for_file(&mut self, stream: Stream) -> bool {
        self.of_mut(stream).ask_for_file()
    }

    /// The manager keeps a stream in that file: what is printed goes there from now on, if it can be reached.
    pub(super) fn write_to(&mut self, stream: Stream, file: &OutputFile, disk: &dyn SpoolDisk) {
        self.of_mut(stream).write_to(file, disk);
    }

    /// The offsets of what was written into the manager's file of a stream and not told. It is told when all of the log
    /// was, since that is of it.
    pub(super) fn next_written(&mut self, stream: Stream) -> Option<Range<u64>> {
        if self.order.log().unsent() > 0 {
            return None;
        }
        self.of_mut(stream).next_written()
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
        self.order.log_mut().rewind();
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
mod beside_store_tests;
#[cfg(test)]
mod tests;
