//! What programs print: every byte is a function of the attempt, the history, the stream and the offset, so that whoever finds it
//! somewhere can tell whether it belongs there.

use std::sync::OnceLock;

use bytes::Bytes;

use super::random::Random;
use crate::domain::{AttemptKey, Stream};

/// Whose output it is: an attempt, in the history of the store that its worker is of.
pub(super) type Source = (u32, AttemptKey);

/// No multiple of anything that offsets are multiples of, so that bytes from a wrong place differ.
const LEN: usize = (1 << 20) + 7;

/// Bytes that repeat only after so many.
fn noise() -> &'static [u8] {
    static NOISE: OnceLock<Vec<u8>> = OnceLock::new();
    NOISE.get_or_init(|| {
        let mut random = Random::of(1, 1);
        let mut bytes: Vec<u8> = (0..LEN / 8 + 1).flat_map(|_| random.next().to_le_bytes()).collect();
        bytes.truncate(LEN);
        bytes
    })
}

/// Where in the noise a stream begins.
fn start((history, key): Source, stream: Stream) -> usize {
    let number = u64::from(history) << 56
        | key.execution.0 << 8
        | u64::from(key.attempt.0) << 1
        | u64::from(stream == Stream::Stderr);
    usize::try_from(Random::of(number, 2).next() % LEN as u64).unwrap_or(0)
}

fn place(of: Source, stream: Stream, offset: u64) -> usize {
    (start(of, stream) + usize::try_from(offset % LEN as u64).unwrap_or(0)) % LEN
}

/// At most `len` bytes of a stream from `offset` on, and at least one if `len` is.
pub(super) fn piece(of: Source, stream: Stream, offset: u64, len: usize) -> Bytes {
    let from = place(of, stream, offset);
    Bytes::from_static(&noise()[from..(from + len).min(LEN)])
}

/// The offset of the first byte that does not belong where it was found.
pub(super) fn first_wrong(of: Source, stream: Stream, offset: u64, mut bytes: &[u8]) -> Option<u64> {
    let mut at = offset;
    while !bytes.is_empty() {
        let right = piece(of, stream, at, bytes.len());
        let (here, rest) = bytes.split_at(right.len());
        if here != right {
            let same = here.iter().zip(&right).take_while(|(here, right)| here == right).count();
            return Some(at + same as u64);
        }
        (at, bytes) = (at + here.len() as u64, rest);
    }
    None
}
