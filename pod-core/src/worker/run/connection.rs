//! The link of a worker, over all its ends: dialling with backoff, reading, and one write at a time.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::time::{Instant, sleep_until};

use super::{
    super::state::Input,
    dial::{DialError, Dialer},
};
use crate::link::{
    FrameError, FrameReader, FrameWriter, FromWorker, MAX_FIRST_FRAME, MAX_FRAME, Messages, ToWorker, Transport, encode,
};

/// The waits before dialling again: they double from the first to the last, each with a share of chance, so that many
/// workers do not come back at the same moment.
const REDIAL_DELAYS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// A link that lasted so long was a good one: the next dial need not wait for longer.
const GOOD_LINK: Duration = Duration::from_secs(5);

/// About so many bytes of a frame are worked off at once.
const BATCH_BYTES: usize = 64 << 10;

/// How long one dial may take.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

type Dialling = BoxFuture<'static, Result<Transport, DialError>>;
type Writing = BoxFuture<'static, (Box<dyn FrameWriter>, Result<(), FrameError>)>;

pub(super) struct Connection {
    dial: Arc<dyn Dialer>,
    phase: Phase,
    seed: u64,
    waits: ExponentialBackoff,
}

enum Phase {
    Dialling(Dialling),
    Linked(Box<Linked>),
}

struct Linked {
    reader: Box<dyn FrameReader>,
    /// What a frame may have: little until the manager has answered the hello.
    most: usize,
    /// What is left of the frame that came last.
    received: Messages<ToWorker>,
    writer: Option<Box<dyn FrameWriter>>,
    writing: Option<Writing>,
    since: Instant,
    peer: String,
}

pub(super) enum LinkEvent {
    Input(Input),
    /// A frame went out, so another one may.
    Written,
    /// There will never be a manager again.
    Never(String),
}

impl Connection {
    pub(super) fn new(dial: Arc<dyn Dialer>, seed: u64) -> Self {
        let phase = Phase::Dialling(dial_after(Arc::clone(&dial), Duration::ZERO));
        Self { dial, phase, seed, waits: waits(seed) }
    }

    /// The next thing that happens to the link. Cancellation safe.
    pub(super) async fn next(&mut self) -> LinkEvent {
        loop {
            match &mut self.phase {
                Phase::Dialling(dialling) => match dialling.await {
                    Ok(transport) => {
                        tracing::debug!(peer = transport.peer, "connected to the manager");
                        self.phase = Phase::Linked(Box::new(Linked::new(transport)));
                        return LinkEvent::Input(Input::Connected);
                    }
                    Err(DialError::Later(reason)) => {
                        tracing::debug!(reason, "the manager cannot be reached; dialling again");
                        self.redial();
                    }
                    Err(DialError::Never(reason)) => return LinkEvent::Never(reason),
                },
                Phase::Linked(linked) => match linked.next().await {
                    Ok(event) => return event,
                    Err(error) => {
                        tracing::info!(%error, peer = linked.peer, "the link to the manager ended; dialling again");
                        self.redial();
                        return LinkEvent::Input(Input::Disconnected);
                    }
                },
            }
        }
    }

    pub(super) fn can_write(&self) -> bool {
        matches!(&self.phase, Phase::Linked(linked) if linked.writer.is_some())
    }

    /// Begins to send a frame; [`Connection::next`] carries it on. To be called only when the link can take one.
    pub(super) fn write(&mut self, messages: &[FromWorker]) {
        if messages.is_empty() {
            return;
        }
        match (&mut self.phase, encode(messages)) {
            (Phase::Linked(linked), Ok(frame)) => linked.write(frame),
            (_, Ok(_)) => {}
            (_, Err(error)) => tracing::error!(%error, "a frame could not be made and is left out"),
        }
    }

    /// Ends the link, and dials again.
    pub(super) fn give_up(&mut self, reason: &str) {
        tracing::info!(reason, "giving up the link to the manager; dialling again");
        self.redial();
    }

    /// Sees what is being sent off, and sends a last frame if there is one and the link still takes it.
    pub(super) async fn farewell(&mut self, message: Option<FromWorker>) {
        let Phase::Linked(linked) = &mut self.phase else { return };
        if let Some(writing) = linked.writing.take() {
            linked.writer = Some(writing.await.0);
        }
        if let (Some(writer), Some(message)) = (&mut linked.writer, message)
            && let Ok(frame) = encode(&[message])
        {
            let _ = writer.write(frame).await;
        }
    }

    fn redial(&mut self) {
        let lasted = matches!(&self.phase, Phase::Linked(linked) if linked.since.elapsed() >= GOOD_LINK);
        if lasted {
            self.waits = waits(self.seed);
        }
        self.phase = Phase::Dialling(dial_after(Arc::clone(&self.dial), self.waits.next().unwrap_or(REDIAL_DELAYS.1)));
    }
}

impl Linked {
    fn new(transport: Transport) -> Self {
        Self {
            reader: transport.reader,
            most: MAX_FIRST_FRAME,
            received: Messages::none(),
            writer: Some(transport.writer),
            writing: None,
            since: Instant::now(),
            peer: transport.peer,
        }
    }

    async fn next(&mut self) -> Result<LinkEvent, FrameError> {
        if !self.received.is_empty() {
            return Ok(LinkEvent::Input(Input::Received(self.received.some(BATCH_BYTES)?)));
        }
        let writing = async {
            match &mut self.writing {
                Some(writing) => writing.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            frame = self.reader.read(self.most) => {
                self.most = MAX_FRAME;
                self.received = Messages::of(frame?)?;
                Ok(LinkEvent::Input(Input::Received(self.received.some(BATCH_BYTES)?)))
            }
            (writer, result) = writing => {
                self.writing = None;
                result?;
                self.writer = Some(writer);
                Ok(LinkEvent::Written)
            }
        }
    }

    fn write(&mut self, frame: Bytes) {
        let Some(mut writer) = self.writer.take() else { return };
        let mut writing: Writing = Box::pin(async move {
            let result = writer.write(frame).await;
            (writer, result)
        });
        // Nearly always the link takes it at once, and then no further round is needed.
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match Pin::new(&mut writing).poll(&mut context) {
            std::task::Poll::Ready((writer, Ok(()))) => self.writer = Some(writer),
            std::task::Poll::Ready((_, Err(error))) => {
                self.writing = Some(Box::pin(async move { (Box::new(Broken) as Box<dyn FrameWriter>, Err(error)) }));
            }
            std::task::Poll::Pending => self.writing = Some(writing),
        }
    }
}

/// Stands in for a writer that failed, until the link is given up in the same round.
#[derive(Debug)]
struct Broken;

#[async_trait::async_trait]
impl FrameWriter for Broken {
    async fn write(&mut self, _: Bytes) -> Result<(), FrameError> {
        Err(FrameError::Io(std::io::ErrorKind::BrokenPipe.into()))
    }
}

fn waits(seed: u64) -> ExponentialBackoff {
    let doubling = ExponentialBuilder::default()
        .with_min_delay(REDIAL_DELAYS.0)
        .with_max_delay(REDIAL_DELAYS.1)
        .without_max_times();
    doubling.with_jitter().with_jitter_seed(seed).build()
}

fn dial_after(dial: Arc<dyn Dialer>, wait: Duration) -> Dialling {
    let at = Instant::now() + wait;
    Box::pin(async move {
        if !wait.is_zero() {
            sleep_until(at).await;
        }
        match tokio::time::timeout(DIAL_TIMEOUT, dial.dial()).await {
            Ok(result) => result,
            Err(_) => Err(DialError::Later(format!("the manager did not answer within {DIAL_TIMEOUT:?}"))),
        }
    })
}
