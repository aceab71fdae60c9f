//! The pace of a request's body. Who sends nothing, or a byte now and then, holds a connection and nothing else, and
//! not for long: a deadline that moves with what has come, whatever reads the body.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::serve::connection_limit::ConnectionState;

/// How long an empty body may take.
const BASE_BODY_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes that extend the deadline by one second.
const MIN_BYTES_PER_SECOND: u64 = 16 << 10;

/// What came too slowly.
#[derive(Debug, thiserror::Error)]
#[error("the body came too slowly")]
pub(crate) struct TooSlow;

/// The same body, which ends with an error where it comes too slowly.
pub(super) fn paced(body: Body, state: Option<Arc<ConnectionState>>) -> Body {
    with_base_timeout(body, state, BASE_BODY_TIMEOUT)
}

fn with_base_timeout(body: Body, state: Option<Arc<ConnectionState>>, base_timeout: Duration) -> Body {
    use axum::body::HttpBody;
    if body.is_end_stream() {
        return body;
    }
    if let Some(state) = &state {
        state.mark_awaited();
    }
    let begun = Instant::now();
    Body::from_stream(PacedBody {
        stream: body.into_data_stream(),
        state,
        begun,
        base_timeout,
        came: 0,
        deadline: None,
    })
}

struct PacedBody {
    stream: BodyDataStream,
    state: Option<Arc<ConnectionState>>,
    begun: Instant,
    base_timeout: Duration,
    came: u64,
    /// Made when the body is waited for: most are there at once.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Stream for PacedBody {
    type Item = Result<Bytes, io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Poll::Ready(piece) = self.stream.poll_next_unpin(context) {
            if let Some(Ok(bytes)) = &piece {
                self.came += bytes.len() as u64;
                let until = self.until();
                if let Some(deadline) = &mut self.deadline {
                    deadline.as_mut().reset(until);
                }
            } else {
                self.has_come();
            }
            return Poll::Ready(piece.map(|piece| piece.map_err(io::Error::other)));
        }
        let until = self.until();
        ready!(self.deadline.get_or_insert_with(|| Box::pin(sleep_until(until))).as_mut().poll(context));
        Poll::Ready(Some(Err(io::Error::other(TooSlow))))
    }
}

impl PacedBody {
    fn until(&self) -> Instant {
        self.begun + self.base_timeout + Duration::from_secs(self.came / MIN_BYTES_PER_SECOND)
    }

    /// The client waits for the answer now.
    fn has_come(&mut self) {
        if let Some(state) = self.state.take() {
            state.mark_busy();
        }
    }
}

impl Drop for PacedBody {
    fn drop(&mut self) {
        self.has_come();
    }
}

/// Whether a body ended because it came too slowly.
pub(crate) fn was_too_slow(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<TooSlow>()
            || error.downcast_ref::<io::Error>().and_then(io::Error::get_ref).is_some_and(|inner| inner.is::<TooSlow>())
        {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(10);

    /// Pieces that come one after another, a tick between them; then nothing, for ever.
    fn dripping(piece: &'static [u8], pieces: usize, ends: bool) -> Body {
        let stream = futures::stream::iter(0..pieces).then(move |_| async move {
            tokio::time::sleep(TICK).await;
            Ok::<_, io::Error>(Bytes::from_static(piece))
        });
        let silence = futures::stream::pending().take(usize::from(!ends));
        with_base_timeout(Body::from_stream(stream.chain(silence).boxed()), None, 20 * TICK)
    }

    async fn read(body: Body) -> Result<usize, bool> {
        let bytes = axum::body::to_bytes(body, usize::MAX).await;
        bytes.map(|bytes| bytes.len()).map_err(|error| was_too_slow(&error))
    }

    #[tokio::test]
    async fn a_body_may_be_slow_but_not_idle() {
        static PIECE: [u8; MIN_BYTES_PER_SECOND as usize] = [b'x'; MIN_BYTES_PER_SECOND as usize];
        assert_eq!(read(paced(Body::from("at once"), None)).await, Ok(7));
        assert_eq!(read(dripping(b"x", 3, true)).await, Ok(3));
        assert_eq!(read(dripping(b"x", 10_000, true)).await, Err(true), "a byte now and then");
        assert_eq!(read(dripping(b"x", 1, false)).await, Err(true), "a byte, then nothing");
        assert_eq!(read(dripping(b"", 0, false)).await, Err(true), "nothing");
        assert_eq!(read(dripping(&PIECE, 50, true)).await, Ok(50 * PIECE.len()), "slow, but it gets on");
    }
}
