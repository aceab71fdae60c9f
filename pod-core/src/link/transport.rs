//! What carries frames: a byte stream, two channels within one process, or whatever implements the two traits.

use std::fmt::Debug;

use async_trait::async_trait;
use bytes::{Buf, Bytes};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    sync::mpsc,
};

use super::codec::{FrameError, MAX_FRAME};

/// Reads frames. Cancellation safe: a dropped `read` loses nothing.
#[async_trait]
pub trait FrameReader: Debug + Send + 'static {
    /// The next frame, of at most so many bytes; an error when the link ended, or when the frame is longer, of which no
    /// more is kept.
    async fn read(&mut self, most: usize) -> Result<Bytes, FrameError>;
}

/// Writes frames, whole.
#[async_trait]
pub trait FrameWriter: Debug + Send + 'static {
    /// Sends a frame. Not cancellation safe: after a dropped `write` the link is to be given up.
    async fn write(&mut self, frame: Bytes) -> Result<(), FrameError>;
}

/// Both directions of a link.
#[derive(Debug)]
pub struct Transport {
    /// What arrives.
    pub reader: Box<dyn FrameReader>,
    /// What is sent.
    pub writer: Box<dyn FrameWriter>,
    /// Who is at the other end, for people.
    pub peer: String,
}

/// The two ends of a link within one process.
#[must_use]
pub fn in_process() -> (Transport, Transport) {
    let (a, b) = (mpsc::channel(8), mpsc::channel(8));
    let end = |tx: mpsc::Sender<Bytes>, rx: mpsc::Receiver<Bytes>| Transport {
        reader: Box::new(ChannelReader(rx)),
        writer: Box::new(ChannelWriter(tx)),
        peer: "this process".to_owned(),
    };
    (end(a.0, b.1), end(b.0, a.1))
}

#[derive(Debug)]
struct ChannelReader(mpsc::Receiver<Bytes>);

#[derive(Debug)]
struct ChannelWriter(mpsc::Sender<Bytes>);

fn closed() -> FrameError {
    FrameError::Io(std::io::ErrorKind::UnexpectedEof.into())
}

#[async_trait]
impl FrameReader for ChannelReader {
    async fn read(&mut self, most: usize) -> Result<Bytes, FrameError> {
        let frame = self.0.recv().await.ok_or_else(closed)?;
        if frame.len() > most { Err(FrameError::TooLong(frame.len())) } else { Ok(frame) }
    }
}

#[async_trait]
impl FrameWriter for ChannelWriter {
    async fn write(&mut self, frame: Bytes) -> Result<(), FrameError> {
        self.0.send(frame).await.map_err(|_| closed())
    }
}

/// Frames over a stream of bytes: a length in four bytes, little-endian, then the frame.
pub fn over_stream<R, W>(read: R, write: W, peer: String) -> Transport
where
    R: AsyncRead + Debug + Send + Unpin + 'static,
    W: AsyncWrite + Debug + Send + Unpin + 'static,
{
    Transport {
        reader: Box::new(StreamReader { read: BufReader::with_capacity(64 << 10, read), partial: Vec::new() }),
        writer: Box::new(StreamWriter(write)),
        peer,
    }
}

/// A frame's length stands before it in so many bytes.
const LENGTH: usize = 4;

/// Memory for a frame is taken in steps of this: a length alone, which anybody can send, costs no more.
const STEP: usize = 1 << 20;

/// A frame that is shorter is copied behind its length, which is cheaper than handing two buffers to the system.
const COPIED: usize = 16 << 10;

#[derive(Debug)]
struct StreamReader<R> {
    read: BufReader<R>,
    /// What has arrived of the frame under way, its length included: kept here so that `read` can be cancelled.
    partial: Vec<u8>,
}

#[async_trait]
impl<R: AsyncRead + Debug + Send + Unpin + 'static> FrameReader for StreamReader<R> {
    async fn read(&mut self, most: usize) -> Result<Bytes, FrameError> {
        loop {
            let wanted = match self.partial.first_chunk::<LENGTH>() {
                None => LENGTH,
                Some(length) => {
                    let length = u32::from_le_bytes(*length) as usize;
                    if length > most.min(MAX_FRAME) {
                        return Err(FrameError::TooLong(length));
                    }
                    if self.partial.len() == LENGTH + length {
                        let frame = Bytes::from(std::mem::take(&mut self.partial));
                        return Ok(frame.slice(LENGTH..));
                    }
                    LENGTH + length
                }
            };
            let missing = wanted - self.partial.len();
            self.partial.reserve(missing.min(STEP));
            if (&mut self.read).take(missing as u64).read_buf(&mut self.partial).await? == 0 {
                return Err(closed());
            }
        }
    }
}

#[derive(Debug)]
struct StreamWriter<W>(W);

#[async_trait]
impl<W: AsyncWrite + Debug + Send + Unpin + 'static> FrameWriter for StreamWriter<W> {
    async fn write(&mut self, frame: Bytes) -> Result<(), FrameError> {
        if frame.len() > MAX_FRAME {
            return Err(FrameError::TooLong(frame.len()));
        }
        let length = u32::try_from(frame.len()).map_err(|_| FrameError::TooLong(frame.len()))?.to_le_bytes();
        if frame.len() < COPIED {
            self.0.write_all(&[&length[..], &frame].concat()).await?;
        } else {
            let mut both = Buf::chain(&length[..], &frame[..]);
            while both.has_remaining() {
                if self.0.write_buf(&mut both).await? == 0 {
                    return Err(FrameError::Io(std::io::ErrorKind::WriteZero.into()));
                }
            }
        }
        self.0.flush().await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
