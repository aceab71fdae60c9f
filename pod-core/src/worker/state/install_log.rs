//! The output of an installation on its way to the manager: bounded, with its middle left out where the link is slow.

use bytes::{Buf, Bytes, BytesMut};

/// How much is kept before, and how much after, what is left out.
const HALF: usize = 128 << 10;

#[derive(Debug, Default)]
pub(super) struct InstallOutput {
    head: BytesMut,
    left_out: u64,
    tail: BytesMut,
}

impl InstallOutput {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.left_out == 0 && self.tail.is_empty() && self.head.len() + bytes.len() <= HALF {
            self.head.extend_from_slice(bytes);
            return;
        }
        self.tail.extend_from_slice(bytes);
        let excess = self.tail.len().saturating_sub(HALF);
        self.tail.advance(excess);
        self.left_out += excess as u64;
    }

    /// The next piece, at most `max` bytes; none when there is nothing.
    pub(super) fn next(&mut self, max: usize) -> Option<Bytes> {
        if self.head.is_empty() {
            if self.left_out > 0 {
                let count = std::mem::take(&mut self.left_out);
                return Some(format!("\n[POD left out {count} bytes here: the link was too slow]\n").into());
            }
            std::mem::swap(&mut self.head, &mut self.tail);
        }
        let length = self.head.len().min(max);
        (length > 0).then(|| self.head.split_to(length).freeze())
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.head.is_empty() && self.tail.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_output_passes_unchanged_and_in_order() {
        let mut output = InstallOutput::default();
        output.push(b"one ");
        output.push(b"two");
        assert_eq!(output.next(5).unwrap(), "one t");
        output.push(b"!");
        let rest: Vec<u8> = std::iter::from_fn(|| output.next(64)).flatten().collect();
        assert_eq!(rest, b"wo!");
        assert!(output.is_empty());
    }

    #[test]
    fn a_flood_keeps_both_ends_and_says_what_is_missing() {
        let mut output = InstallOutput::default();
        output.push(b"first line\n");
        for _ in 0..100 {
            output.push(&[b'.'; 10_000]);
        }
        output.push(b"\nlast line");
        let all: Vec<u8> = std::iter::from_fn(|| output.next(64 << 10)).flatten().collect();
        let text = String::from_utf8(all).unwrap();
        assert!(text.starts_with("first line\n"));
        assert!(text.ends_with("last line"));
        assert!(text.contains("[POD left out"));
        assert!(text.len() <= 2 * HALF + 100);
    }
}
