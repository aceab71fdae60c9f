//! A payload as bytes that are sent in pieces.
//!
//! It is encoded once, and so is each frame with a piece of it: every link that it goes to sends the same bytes.

use bytes::Bytes;

use super::{
    codec::{FrameError, MAX_FRAME, encode},
    message::ToWorker,
};
use crate::domain::{ActivityId, Payload, RevisionNo};

/// How many bytes of a payload one frame carries.
pub const PIECE_LEN: usize = 256 << 10;

/// The longest encoding: no payload that is taken is longer.
pub const MAX_ENCODED_PAYLOAD: u64 = MAX_FRAME as u64;

/// The frames of one payload.
#[derive(Debug)]
pub struct PayloadFrames {
    key: (ActivityId, RevisionNo),
    frames: Vec<Bytes>,
    piece_len: u64,
    total: u64,
}

impl PayloadFrames {
    /// Cuts a payload into pieces of that many bytes, of which the last may be shorter.
    pub fn new(
        activity: ActivityId,
        revision: RevisionNo,
        payload: &Payload,
        piece_len: usize,
    ) -> Result<Self, FrameError> {
        let encoded = Bytes::from(postcard::to_stdvec(payload)?);
        let (piece_len, total) = (piece_len.max(1), encoded.len() as u64);
        let mut frames = Self { key: (activity, revision), frames: Vec::new(), piece_len: piece_len as u64, total };
        for offset in (0..encoded.len()).step_by(piece_len) {
            let piece = encoded.slice(offset..(offset + piece_len).min(encoded.len()));
            let frame = frames.frame(offset as u64, piece)?;
            frames.frames.push(frame);
        }
        Ok(frames)
    }

    /// How long the encoded payload is, in bytes.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    fn frame(&self, offset: u64, bytes: Bytes) -> Result<Bytes, FrameError> {
        let ((activity, revision), total) = (self.key, self.total);
        encode(&[ToWorker::Piece { activity, revision, offset, total, bytes }])
    }

    /// The frame with the piece that begins at that offset; none beyond the end. Only a piece that a worker began to pull
    /// from a manager that cuts otherwise is encoded anew.
    pub fn at(&self, offset: u64) -> Result<Option<Bytes>, FrameError> {
        let index = usize::try_from(offset / self.piece_len).unwrap_or(usize::MAX);
        let Some(frame) = self.frames.get(index).filter(|_| offset < self.total) else { return Ok(None) };
        if offset.is_multiple_of(self.piece_len) {
            return Ok(Some(frame.clone()));
        }
        // The bytes of the piece are the last ones of its frame.
        let rest = (self.piece_len - offset % self.piece_len).min(self.total - offset);
        let rest = usize::try_from(rest).unwrap_or(frame.len()).min(frame.len());
        self.frame(offset, frame.slice(frame.len() - rest..)).map(Some)
    }
}

/// The payload, once all pieces are there.
pub fn decode_payload(encoded: &[u8]) -> Result<Payload, FrameError> {
    Ok(postcard::from_bytes(encoded)?)
}

#[cfg(test)]
mod tests {
    use super::{super::codec::decode, *};

    #[test]
    fn from_any_offset_the_pieces_are_the_encoded_payload() {
        let payload = Payload::Archive((0..50).collect::<Vec<u8>>().into());
        let encoded = postcard::to_stdvec(&payload).unwrap();
        for piece_len in [1, 7, 51, 52, 53] {
            let frames = PayloadFrames::new(ActivityId(1), RevisionNo(1), &payload, piece_len).unwrap();
            for start in 0..encoded.len() {
                let mut all = encoded[..start].to_vec();
                while let Some(frame) = frames.at(all.len() as u64).unwrap() {
                    let messages = decode::<ToWorker>(&frame).unwrap();
                    let [ToWorker::Piece { offset, total, bytes, .. }] = &messages[..] else { panic!() };
                    assert_eq!((*offset, *total), (all.len() as u64, encoded.len() as u64));
                    all.extend_from_slice(bytes);
                }
                assert_eq!(all, encoded);
                assert_eq!(decode_payload(&all).unwrap(), payload);
            }
        }
    }
}
