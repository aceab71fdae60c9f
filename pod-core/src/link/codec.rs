//! Frames as bytes: a list of messages in postcard. The transport adds the length.

use serde::{Serialize, de::DeserializeOwned};

/// The longest frame: a payload of 32 MiB and its envelope.
pub const MAX_FRAME: usize = 40 << 20;

/// Why a frame could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The peer closed the link, or it broke.
    #[error("the link ended: {0}")]
    Io(#[from] std::io::Error),
    /// What arrived is not a frame of this protocol.
    #[error("a malformed frame arrived: {0}")]
    Malformed(#[from] postcard::Error),
    /// A frame above [`MAX_FRAME`].
    #[error("a frame of {0} bytes is too long")]
    TooLong(usize),
}

/// Messages to bytes.
pub fn encode<M: Serialize>(messages: &[M]) -> Result<Vec<u8>, FrameError> {
    let bytes = postcard::to_stdvec(messages)?;
    if bytes.len() > MAX_FRAME {
        return Err(FrameError::TooLong(bytes.len()));
    }
    Ok(bytes)
}

/// Bytes to messages.
pub fn decode<M: DeserializeOwned>(frame: &[u8]) -> Result<Vec<M>, FrameError> {
    Ok(postcard::from_bytes(frame)?)
}
