//! One stream of one attempt: what is kept, what was sent, what was acknowledged.

use bytes::{Buf, Bytes, BytesMut};

use super::{
    disk::{SpoolDisk, SpoolFile},
    piece::{MEMORY, Piece, WINDOW},
    tail::Tail,
};

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
    /// Kept bytes could not be read back.
    cut: bool,
}

#[derive(Debug)]
struct Overflow {
    file: Box<dyn SpoolFile>,
    /// The offset of its first byte.
    base: u64,
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
                Ok(file) => self.file = Some(Overflow { file, base: self.head_end }),
                Err(error) => {
                    tracing::warn!(%error, "no file could be made for output; only its tail is kept from here on");
                    return 0;
                }
            }
        }
        self.file.as_mut().map_or(0, |overflow| overflow.file.append(bytes))
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

    /// How many of them the window lets pass.
    pub(super) fn sendable(&self) -> u64 {
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
        let in_memory = usize::try_from(offset - self.acked).ok().and_then(|at| self.memory.get(at..));
        let bytes = match (in_memory.filter(|bytes| !bytes.is_empty()), &self.file) {
            (Some(bytes), _) => Bytes::copy_from_slice(&bytes[..length.min(bytes.len())]),
            (None, Some(Overflow { file, base })) => {
                let mut buffer = vec![0; length];
                if let Err(error) = file.read_at(&mut buffer, offset - base) {
                    tracing::error!(%error, "output could not be read back from the disk and is left out");
                    self.cut_here();
                    return None;
                }
                buffer.into()
            }
            (None, None) => return None,
        };
        self.sent += bytes.len() as u64;
        Some(Piece { offset, bytes })
    }

    /// Gives up what was kept and not sent: it becomes part of the gap.
    fn cut_here(&mut self) {
        self.head_end = self.sent;
        self.file = None;
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
        if self.acked == self.head_end {
            self.file = None;
            self.memory = BytesMut::new();
        }
    }

    #[cfg(test)]
    pub(super) fn kept_in_memory(&self) -> usize {
        self.memory.len() + self.tail.len()
    }

    pub(super) fn rewind(&mut self) {
        self.sent = self.acked;
    }
}
