//! Frames over a WebSocket: each is one binary message. The same code at both ends.

use std::{
    fmt, io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use pod_core::link::{FrameError, FrameReader, FrameWriter, MAX_FRAME, Transport};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{Role, WebSocketConfig},
    },
};

/// Bytes that a WebSocket adds to a frame: the headers of its fragments, and pings.
const FRAME_OVERHEAD: usize = 1 << 10;

/// How a WebSocket is read: no message is longer than a frame.
pub(super) fn limits() -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(Some(MAX_FRAME)).max_frame_size(Some(MAX_FRAME))
}

/// The frame that a message carries; none where it is a ping or pong, an error where it ends the link.
fn frame(message: Message) -> Result<Option<Bytes>, FrameError> {
    match message {
        Message::Binary(frame) => Ok(Some(frame)),
        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(None),
        Message::Text(_) => Err(not_a_frame()),
        Message::Close(_) => Err(closed()),
    }
}

fn not_a_frame() -> FrameError {
    io::Error::new(io::ErrorKind::InvalidData, "a text message arrived where frames are binary").into()
}

fn closed() -> FrameError {
    io::Error::from(io::ErrorKind::UnexpectedEof).into()
}

/// A connection that was asked to be a WebSocket, and was told that it is one.
pub(super) async fn accepted<S>(stream: S, peer: String) -> Transport
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let meter = Meter::default();
    let metered = Metered { stream, meter: meter.clone() };
    over_websocket(WebSocketStream::from_raw_socket(metered, Role::Server, Some(limits())).await, meter, peer)
}

/// A WebSocket that was dialled.
pub(super) fn dialled<S>(socket: WebSocketStream<S>, peer: String) -> Transport
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    over_websocket(socket, Meter::default(), peer)
}

fn over_websocket<S>(socket: WebSocketStream<S>, meter: Meter, peer: String) -> Transport
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (writer, reader) = socket.split();
    Transport { reader: Box::new(Reader { stream: reader, meter }), writer: Box::new(Writer(writer)), peer }
}

/// How many bytes may still come in for the frame that is being read. A WebSocket is given the longest message once and
/// for all; until it is known who is there, far less is taken.
#[derive(Clone, Debug, Default)]
struct Meter(Arc<AtomicUsize>);

/// A connection of which no more is read than its meter allows.
struct Metered<S> {
    stream: S,
    meter: Meter,
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let left = this.meter.0.load(Ordering::Relaxed).min(buffer.remaining());
        if left == 0 && buffer.remaining() > 0 {
            let error =
                io::Error::new(io::ErrorKind::InvalidData, "more arrived than is taken before a hello, or of a frame");
            return Poll::Ready(Err(error));
        }
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(left));
        ready!(Pin::new(&mut this.stream).poll_read(context, &mut part))?;
        let read = part.filled().len();
        buffer.advance(read);
        this.meter.0.fetch_sub(read, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

struct Reader<S> {
    stream: SplitStream<WebSocketStream<S>>,
    meter: Meter,
}

struct Writer<S>(SplitSink<WebSocketStream<S>, Message>);

impl<S> fmt::Debug for Reader<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

impl<S> fmt::Debug for Writer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

#[async_trait]
impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> FrameReader for Reader<S> {
    async fn read(&mut self, most: usize) -> Result<Bytes, FrameError> {
        self.meter.0.store(most + FRAME_OVERHEAD, Ordering::Relaxed);
        loop {
            let message = self.stream.next().await.ok_or_else(closed)?.map_err(io::Error::other)?;
            match frame(message)? {
                Some(frame) if frame.len() > most => return Err(FrameError::TooLong(frame.len())),
                Some(frame) => return Ok(frame),
                None => {}
            }
        }
    }
}

#[async_trait]
impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> FrameWriter for Writer<S> {
    async fn write(&mut self, frame: Bytes) -> Result<(), FrameError> {
        Ok(self.0.send(Message::Binary(frame)).await.map_err(io::Error::other)?)
    }
}
