//! The last bytes of a stream, in a ring that grows up to a limit.

use super::piece::TAIL;

use bytes::Bytes;

/// A ring of at most [`TAIL`] bytes.
#[derive(Debug, Default)]
pub(super) struct Tail {
    ring: Vec<u8>,
    /// Where the oldest byte is once the ring is full.
    oldest: usize,
}

impl Tail {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(TAIL)..];
        let grow = (TAIL - self.ring.len()).min(bytes.len());
        self.ring.extend_from_slice(&bytes[..grow]);
        let mut rest = &bytes[grow..];
        while !rest.is_empty() {
            let count = rest.len().min(TAIL - self.oldest);
            self.ring[self.oldest..self.oldest + count].copy_from_slice(&rest[..count]);
            self.oldest = (self.oldest + count) % TAIL;
            rest = &rest[count..];
        }
    }

    pub(super) fn len(&self) -> usize {
        self.ring.len()
    }

    /// The bytes, oldest first.
    pub(super) fn bytes(&self) -> Bytes {
        let (newer, older) = self.ring.split_at(self.oldest);
        [older, newer].concat().into()
    }
}
