//! One stream of one attempt: what is kept, what was sent, what was acknowledged.

use std::{io, ops::Range};

use bytes::{Buf, Bytes, BytesMut};

use super::{
    disk::{SpoolDisk, SpoolFile},
    piece::{COPIED, LONG, MEMORY, Piece, WINDOW},
    tail::Tail,
};
use crate::domain::OutputFile;

/// Offsets, as the program counts: `acked ≤ sent ≤ head_end ≤ total`. Kept are `acked..head_end`, the older part in
/// memory, the newer in a file, and the tail of `head_end..total`.
#[derive(Debug, Default)]
pub(super) struct StreamSpool {
    acked: u64,
    sent: u64,
    head_end: u64,
    total: u64,
    /// From `acked` on.
    memory: BytesMut,
    /// What did not fit into memory, until all of it is acknowledged.
    file: Option<Overflow>,
    tail: Tail,
    /// Whether `file` is the store's own, so that what is in it needs only be told.
    in_store: bool,
    /// Whether the manager was asked for its file on this link.
    asked: bool,
    /// Whether the executor was asked to write the file.
    offered: bool,
    /// Whether the executor writes the file.
    written_elsewhere: bool,
    /// Kept bytes could not be read back.
    cut: bool,
}

#[derive(Debug)]
struct Overflow {
    file: Box<dyn SpoolFile>,
    /// The offset of its first byte.
    base: u64,
    /// Which file of the store it is, if it is one.
    output: Option<OutputFile>,
}

impl StreamSpool {
    /// Takes bytes of the head, and says how many it could keep.
    pub(super) fn push_head(&mut self, bytes: &[u8], disk: &dyn SpoolDisk) -> usize {
        let kept = if self.file.is_none() && self.memory.len() + bytes.len() <= MEMORY {
            self.memory.extend_from_slice(bytes);
            bytes.len()
        } else {
            self.push_file(bytes, disk)
        };
        self.head_end += kept as u64;
        self.total += kept as u64;
        kept
    }

    fn push_file(&mut self, bytes: &[u8], disk: &dyn SpoolDisk) -> usize {
        if self.file.is_none() {
            match disk.create() {
                Ok(file) => self.file = Some(Overflow { file, base: self.head_end, output: None }),
                Err(error) => {
                    tracing::warn!(%error, "no file could be made for output; only its tail is kept from here on");
                    return 0;
                }
            }
        }
        self.file.as_mut().map_or(0, |overflow| overflow.file.append(bytes))
    }

    /// Whether to ask the manager now for its file of this stream; it counts as asked.
    pub(super) fn ask_for_file(&mut self) -> bool {
        let is_known = self.output().is_some();
        let is_little = is_known || self.head_end - self.acked <= COPIED;
        let ask = !self.asked && !self.in_store && self.head_end >= LONG && is_little;
        self.asked |= ask;
        ask
    }

    /// Has the store's file from now on, which holds what was acknowledged: adds the rest to it.
    pub(super) fn write_to(&mut self, output: &OutputFile, disk: &dyn SpoolDisk) {
        if !self.asked || self.in_store {
            return;
        }
        if self.output() == Some(output) {
            self.in_store = true;
            return;
        }
        if self.written_elsewhere || self.head_end - self.acked > COPIED {
            return;
        }
        match self.copied_to(output, disk) {
            Ok(file) => {
                self.file = Some(Overflow { file, base: 0, output: Some(output.clone()) });
                self.memory = BytesMut::new();
                self.in_store = true;
            }
            Err(error) => tracing::info!(%error, "output is sent to the manager, as its file of it cannot be written"),
        }
    }

    fn copied_to(&self, output: &OutputFile, disk: &dyn SpoolDisk) -> io::Result<Box<dyn SpoolFile>> {
        let mut file = disk.open_output(output, self.acked)?;
        let mut at = self.acked;
        while at < self.head_end {
            let length = usize::try_from(self.head_end - at).unwrap_or(usize::MAX).min(MEMORY);
            let bytes = self.bytes_at(at, length)?;
            if bytes.is_empty() || file.append(&bytes) < bytes.len() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            at += bytes.len() as u64;
        }
        Ok(file)
    }

    /// What was written into the store's file and not told yet: the offsets of it, which count as told.
    pub(super) fn next_written(&mut self) -> Option<Range<u64>> {
        let written = self.sent..self.head_end;
        if !self.in_store || written.is_empty() {
            return None;
        }
        self.sent = self.head_end;
        Some(written)
    }

    /// The store's file, as long as it is had.
    pub(super) fn output(&self) -> Option<&OutputFile> {
        self.file.as_ref()?.output.as_ref()
    }

    /// The store's file, for the executor to write; once.
    pub(super) fn offer(&mut self) -> Option<OutputFile> {
        let output = self.output().filter(|_| self.in_store && !self.offered)?.clone();
        self.offered = true;
        Some(output)
    }

    /// How much there is of the head.
    pub(super) const fn head_end(&self) -> u64 {
        self.head_end
    }

    /// Whether the executor is to write the store's file from now on.
    pub(super) fn leave_writing(&mut self, to_executor: bool) {
        self.written_elsewhere = to_executor && self.file.is_some();
    }

    /// Notes what the executor wrote, and says whether that is of the head.
    pub(super) fn push_written(&mut self, len: u64) -> bool {
        self.total += len;
        let Some(overflow) = self.file.as_mut().filter(|_| self.written_elsewhere) else { return false };
        overflow.file.skip(len);
        self.head_end += len;
        true
    }

    pub(super) const fn is_in_store(&self) -> bool {
        self.in_store
    }

    /// Takes bytes beyond the head.
    pub(super) fn push_tail(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        self.tail.push(bytes);
    }

    /// How many bytes of the head were not sent on this link.
    pub(super) fn unsent(&self) -> u64 {
        self.head_end - self.sent
    }

    /// How many of them the window lets pass. What the store has needs none.
    pub(super) fn sendable(&self) -> u64 {
        if self.in_store {
            return self.unsent();
        }
        self.unsent().min(WINDOW.saturating_sub(self.sent - self.acked))
    }

    pub(super) fn next_piece(&mut self, max: usize) -> Option<Piece> {
        let length = usize::try_from(self.sendable()).unwrap_or(usize::MAX).min(max);
        self.read(length)
    }

    pub(super) fn take_rest(&mut self, max: usize) -> Option<Piece> {
        let length = usize::try_from(self.unsent()).ok().filter(|length| *length <= max)?;
        let offset = self.sent;
        let mut rest = BytesMut::new();
        while rest.len() < length {
            let Some(piece) = self.read(length - rest.len()) else { break };
            if piece.bytes.len() == length {
                return Some(piece);
            }
            rest.extend_from_slice(&piece.bytes);
        }
        Some(Piece { offset, bytes: rest.freeze() })
    }

    /// Reads at most `length` bytes from `sent` on, out of memory or the file, and counts them as sent.
    fn read(&mut self, length: usize) -> Option<Piece> {
        if length == 0 {
            return None;
        }
        let offset = self.sent;
        let bytes = match self.bytes_at(offset, length) {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::error!(%error, "output could not be read back from the disk and is left out");
                self.cut_here();
                return None;
            }
        };
        self.sent += bytes.len() as u64;
        (!bytes.is_empty()).then_some(Piece { offset, bytes })
    }

    /// At most `length` bytes from an offset on that was not acknowledged, out of memory or the file.
    fn bytes_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let in_memory = usize::try_from(offset - self.acked).ok().and_then(|at| self.memory.get(at..));
        match (in_memory.filter(|bytes| !bytes.is_empty()), &self.file) {
            (Some(bytes), _) => Ok(Bytes::copy_from_slice(&bytes[..length.min(bytes.len())])),
            (None, Some(Overflow { file, base, .. })) => {
                let mut buffer = vec![0; length];
                file.read_at(&mut buffer, offset - base)?;
                Ok(buffer.into())
            }
            (None, None) => Ok(Bytes::new()),
        }
    }

    /// Gives up what was kept and not sent: it becomes part of the gap.
    fn cut_here(&mut self) {
        self.head_end = self.sent;
        self.file = None;
        (self.in_store, self.written_elsewhere) = (false, false);
        self.cut = true;
    }

    pub(super) const fn was_cut(&self) -> bool {
        self.cut
    }

    pub(super) fn tail(&self) -> Option<Piece> {
        (self.total > self.head_end)
            .then(|| Piece { offset: self.total - self.tail.len() as u64, bytes: self.tail.bytes() })
    }

    /// How much of what came beyond the head is kept.
    pub(super) fn kept_of_tail(&self) -> u64 {
        self.tail.len() as u64
    }

    pub(super) fn acknowledge(&mut self, offset: u64) {
        let offset = offset.min(self.head_end);
        if offset <= self.acked {
            return;
        }
        let freed = usize::try_from(offset - self.acked).unwrap_or(usize::MAX).min(self.memory.len());
        self.memory.advance(freed);
        self.acked = offset;
        // An acknowledgement of what an earlier link carried may be ahead of what this one did.
        self.sent = self.sent.max(offset);
        if self.acked == self.head_end && !self.in_store && !self.written_elsewhere {
            self.file = None;
            self.memory = BytesMut::new();
        }
    }

    #[cfg(test)]
    pub(super) const fn total(&self) -> u64 {
        self.total
    }

    #[cfg(test)]
    pub(super) fn kept_in_memory(&self) -> usize {
        self.memory.len() + self.tail.len()
    }

    pub(super) fn rewind(&mut self) {
        self.sent = self.acked;
        // The next manager may keep it elsewhere. Until it has told, the file is read as any other.
        (self.in_store, self.asked) = (false, false);
    }
}
