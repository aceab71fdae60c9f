//! Where the bytes of a stream lie: a head from offset 0 on, and perhaps a tail behind a gap.

use std::ops::Range;

use pod_core::domain::{Gap, StreamSummary};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// How long the head is.
    pub(super) head: u64,
    /// The offsets of the tail.
    pub(super) tail: Option<Range<u64>>,
}

/// What to read for a slice: offsets within the head, then offsets within the tail.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pieces {
    pub(super) offset: u64,
    pub(super) head: Range<u64>,
    pub(super) tail: Range<u64>,
}

impl Layout {
    pub(super) fn summary(&self) -> StreamSummary {
        match &self.tail {
            Some(tail) => StreamSummary {
                len: self.head.max(tail.end),
                gap: (tail.start > self.head).then_some(Gap { start: self.head, end: tail.start }),
            },
            None => StreamSummary { len: self.head, gap: None },
        }
    }

    /// As much as there is contiguously from `offset` on, or from behind the gap if it lies there.
    pub(super) fn pieces(&self, offset: u64, limit: usize) -> Pieces {
        let limit = limit as u64;
        let head = offset..offset.saturating_add(limit).min(self.head).max(offset);
        let mut pieces = Pieces { offset, head: head.clone(), tail: 0..0 };
        let Some(tail) = &self.tail else { return pieces };
        if head.is_empty() && offset < tail.end && limit > 0 {
            pieces.offset = offset.max(tail.start);
            pieces.tail = pieces.offset..pieces.offset.saturating_add(limit).min(tail.end);
        } else if head.end == self.head && tail.start <= self.head && self.head < tail.end {
            let left = limit - (head.end - head.start);
            pieces.tail = self.head..(self.head + left).min(tail.end);
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_skips_the_gap_and_joins_what_is_contiguous() {
        let gapped = Layout { head: 10, tail: Some(20..30) };
        assert_eq!(gapped.pieces(5, 100), Pieces { offset: 5, head: 5..10, tail: 0..0 });
        assert_eq!(gapped.pieces(10, 4), Pieces { offset: 20, head: 10..10, tail: 20..24 });
        assert_eq!(gapped.pieces(25, 100), Pieces { offset: 25, head: 25..25, tail: 25..30 });
        assert_eq!(gapped.pieces(30, 4), Pieces { offset: 30, head: 30..30, tail: 0..0 });
        let joined = Layout { head: 10, tail: Some(8..30) };
        assert_eq!(joined.pieces(5, 10), Pieces { offset: 5, head: 5..10, tail: 10..15 });
    }
}
