//! Frames over a WebSocket: each is one binary message. The same code at both ends, over either library's messages.

use std::{fmt, io};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{
    Sink, SinkExt, Stream, StreamExt,
    stream::{SplitSink, SplitStream},
};
use pod_core::link::{FrameError, FrameReader, FrameWriter, Transport};

/// What a message of a WebSocket library is to us.
pub(super) trait Message: Send + Sized + 'static {
    fn binary(frame: Vec<u8>) -> Self;
    /// The frame that it carries; none where it is a ping or pong, an error where it ends the link.
    fn frame(self) -> Result<Option<Bytes>, FrameError>;
}

impl Message for axum::extract::ws::Message {
    fn binary(frame: Vec<u8>) -> Self {
        Self::Binary(frame.into())
    }

    fn frame(self) -> Result<Option<Bytes>, FrameError> {
        match self {
            Self::Binary(frame) => Ok(Some(frame)),
            Self::Ping(_) | Self::Pong(_) => Ok(None),
            Self::Text(_) => Err(not_a_frame()),
            Self::Close(_) => Err(closed()),
        }
    }
}

impl Message for tokio_tungstenite::tungstenite::Message {
    fn binary(frame: Vec<u8>) -> Self {
        Self::Binary(frame.into())
    }

    fn frame(self) -> Result<Option<Bytes>, FrameError> {
        match self {
            Self::Binary(frame) => Ok(Some(frame)),
            Self::Ping(_) | Self::Pong(_) | Self::Frame(_) => Ok(None),
            Self::Text(_) => Err(not_a_frame()),
            Self::Close(_) => Err(closed()),
        }
    }
}

fn not_a_frame() -> FrameError {
    io::Error::new(io::ErrorKind::InvalidData, "a text message arrived where frames are binary").into()
}

fn closed() -> FrameError {
    io::Error::from(io::ErrorKind::UnexpectedEof).into()
}

/// Both directions of a WebSocket as a link.
pub(super) fn over_websocket<S, M, E>(socket: S, peer: String) -> Transport
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Send + 'static,
    M: Message,
    E: std::error::Error + Send + Sync + 'static,
{
    let (writer, reader) = socket.split();
    Transport { reader: Box::new(Reader(reader)), writer: Box::new(Writer(writer)), peer }
}

struct Reader<S>(SplitStream<S>);

struct Writer<S, M>(SplitSink<S, M>);

impl<S> fmt::Debug for Reader<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

impl<S, M> fmt::Debug for Writer<S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

#[async_trait]
impl<S, M, E> FrameReader for Reader<S>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Send + 'static,
    M: Message,
    E: std::error::Error + Send + Sync + 'static,
{
    async fn read(&mut self) -> Result<Bytes, FrameError> {
        loop {
            let message = self.0.next().await.ok_or_else(closed)?.map_err(io::Error::other)?;
            if let Some(frame) = message.frame()? {
                return Ok(frame);
            }
        }
    }
}

#[async_trait]
impl<S, M, E> FrameWriter for Writer<S, M>
where
    S: Sink<M, Error = E> + Send + 'static,
    M: Message,
    E: std::error::Error + Send + Sync + 'static,
{
    async fn write(&mut self, frame: Vec<u8>) -> Result<(), FrameError> {
        Ok(self.0.send(M::binary(frame)).await.map_err(io::Error::other)?)
    }
}
