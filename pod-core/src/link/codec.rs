//! Frames as bytes: how many messages, and these in postcard. The transport adds the length.
//!
//! A message may be one byte and take a hundred in memory, so a frame is decoded message by message, as it is worked
//! off, and never all at once. Lists within a message have a bound each: see [`super::bounded`].

use std::marker::PhantomData;

use bytes::{Buf, Bytes};
use serde::{Serialize, de::DeserializeOwned};

/// The longest frame: a payload of 32 MiB and its envelope.
pub const MAX_FRAME: usize = 40 << 20;
/// The longest first frame of either side, which hello and welcome are alone in: until then nobody is known.
pub const MAX_FIRST_FRAME: usize = 64 << 10;
/// How many messages a frame has at most. What is sent has far fewer.
pub const MAX_MESSAGES: usize = 1 << 16;

/// Why a frame could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The peer closed the link, or it broke.
    #[error("the link ended: {0}")]
    Io(#[from] std::io::Error),
    /// What arrived is not a frame of this protocol.
    #[error("a malformed frame arrived: {0}")]
    Malformed(#[from] postcard::Error),
    /// A frame above what is taken at that time: [`MAX_FIRST_FRAME`], then [`MAX_FRAME`].
    #[error("a frame of {0} bytes is too long")]
    TooLong(usize),
    /// A frame of more than [`MAX_MESSAGES`].
    #[error("a frame of {0} messages is one of too many")]
    TooMany(usize),
}

/// Messages to bytes.
pub fn encode<M: Serialize>(messages: &[M]) -> Result<Bytes, FrameError> {
    let bytes = postcard::to_stdvec(messages)?;
    if bytes.len() > MAX_FRAME {
        return Err(FrameError::TooLong(bytes.len()));
    }
    Ok(bytes.into())
}

/// The messages of a frame, decoded one by one. After an error, none follows.
#[derive(Debug)]
pub struct Messages<M> {
    rest: Bytes,
    left: usize,
    messages: PhantomData<fn() -> M>,
}

impl<M: DeserializeOwned> Messages<M> {
    /// Those of that frame.
    pub fn of(frame: Bytes) -> Result<Self, FrameError> {
        let (left, rest) = postcard::take_from_bytes::<usize>(&frame)?;
        if left > MAX_MESSAGES {
            return Err(FrameError::TooMany(left));
        }
        // The shortest message has a byte.
        if left > rest.len() {
            return Err(postcard::Error::DeserializeUnexpectedEnd.into());
        }
        let rest = frame.slice(frame.len() - rest.len()..);
        Ok(Self { rest, left, messages: PhantomData })
    }

    /// None.
    #[must_use]
    pub const fn none() -> Self {
        Self { rest: Bytes::new(), left: 0, messages: PhantomData }
    }

    /// Whether all were decoded.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// The next ones, as many as are about that many bytes in their frame: to be worked off together.
    pub fn some(&mut self, bytes: usize) -> Result<Vec<M>, FrameError> {
        let until = self.rest.len().saturating_sub(bytes);
        let mut some = Vec::new();
        while some.is_empty() || self.rest.len() > until {
            match self.next() {
                Some(message) => some.push(message?),
                None => break,
            }
        }
        Ok(some)
    }
}

impl<M: DeserializeOwned> Iterator for Messages<M> {
    type Item = Result<M, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        match postcard::take_from_bytes(&self.rest) {
            Ok((message, rest)) => {
                let taken = self.rest.len() - rest.len();
                self.rest.advance(taken);
                Some(Ok(message))
            }
            Err(error) => {
                self.left = 0;
                Some(Err(error.into()))
            }
        }
    }
}

/// Bytes to messages, all at once: for tests, whose frames are short.
#[cfg(any(test, feature = "testing"))]
pub fn decode<M: DeserializeOwned>(frame: &[u8]) -> Result<Vec<M>, FrameError> {
    Messages::of(Bytes::copy_from_slice(frame))?.collect()
}
