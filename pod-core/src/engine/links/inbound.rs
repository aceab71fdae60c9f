//! Takes what a worker says: output into the store, the rest to the engine.
//!
//! A store that is away holds the link up. One that is full does not: what an attempt prints on is left out, together
//! with its end, and everything else goes on, so that the ends of others still arrive. The worker keeps what was not
//! acknowledged; when there is room again the link ends, and its next hello brings all of that.

use std::{mem::take, sync::Arc, time::Duration};

use backon::{BackoffBuilder, ExponentialBuilder};
use bytes::Bytes;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    super::{message::Message, payloads::Offered, shared::Shared},
    acks::Acks,
    parts::{DeferredOutput, Part, Piece, Stored, has_room, parts},
};
use crate::{
    domain::{ActivityId, AttemptKey, ExecutionId, RevisionNo, Stream},
    engine::message::Admitted,
    link::{FromWorker, Messages, ToWorker},
    store::StoreError,
};

/// Why a link ended, for the log.
pub(super) type CloseReason = String;

/// A worker that only prints is reported as alive so often.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);
/// The pauses while the store takes nothing: they double from the first to the last.
const RETRY_DELAYS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// A store that was full is asked again so often whether it has room.
const LOOK_FOR_ROOM: Duration = Duration::from_secs(1);

/// So many messages are handed to the engine at once at most.
const NEWS: usize = 512;

/// Where the pieces go that a worker pulls.
#[derive(Debug)]
pub(super) struct Pulls {
    /// What it may ask for.
    pub(super) offered: Arc<Offered>,
    /// Their frames.
    pub(super) pieces: mpsc::Sender<Bytes>,
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) admitted: Admitted,
    /// Whether the worker is on this machine.
    pub(super) is_here: bool,
}

/// The receiving side of one link.
#[derive(Debug)]
pub(super) struct Inbound {
    shared: Arc<Shared>,
    inbox: mpsc::Sender<Message>,
    peer: Peer,
    acks: Arc<Acks>,
    outbox: mpsc::Sender<ToWorker>,
    pulls: Pulls,
    cancel: CancellationToken,
    last_said: Instant,
    /// What printed and was not told yet: once a frame, and not for each piece.
    printed: Vec<ExecutionId>,
    /// What a full store did not take.
    left_out: DeferredOutput,
    /// When to ask again whether it has room, once something was left out.
    ask_at: Option<Instant>,
}

impl Inbound {
    pub(super) fn new(
        shared: Arc<Shared>,
        inbox: mpsc::Sender<Message>,
        peer: Peer,
        acks: Arc<Acks>,
        outbox: mpsc::Sender<ToWorker>,
        pulls: Pulls,
        cancel: CancellationToken,
    ) -> Self {
        let now = Instant::now();
        let (printed, left_out) = (Vec::new(), DeferredOutput::default());
        Self { shared, inbox, peer, acks, outbox, pulls, cancel, last_said: now, printed, left_out, ask_at: None }
    }

    /// Waits until there is room again for what was left out; that is the end of the link. Cancellation safe.
    pub(super) async fn room_again(&mut self) -> CloseReason {
        loop {
            let (Some(first), Some(ask_at)) = (self.left_out.first().cloned(), self.ask_at) else {
                return std::future::pending().await;
            };
            sleep_until(ask_at).await;
            self.ask_at = Some(Instant::now() + LOOK_FOR_ROOM);
            if has_room(&self.store(first).await) {
                return "there is room again for output, and what was left out is to be sent again".to_owned();
            }
        }
    }

    /// Takes one frame. Waits for the engine and the store, never for another link; an error ends the link.
    pub(super) async fn take(&mut self, messages: Messages<FromWorker>) -> Result<(), CloseReason> {
        let mut news = Vec::new();
        for message in messages {
            let message = message.map_err(|error| error.to_string())?;
            for part in parts(self.peer.admitted.worker, message)? {
                match part {
                    Part::Heartbeat => self.answer(),
                    Part::Piece(piece) => self.take_piece(piece).await?,
                    Part::Want { activity, revision, offset } => self.give((activity, revision), offset).await?,
                    Part::AskOutputFile(key, stream) => self.tell_file(key, stream).await,
                    Part::Ended(report) => {
                        if !self.left_out.holds(report.key) {
                            self.acks.ended(report.key);
                        }
                        news.extend(self.left_out.news_of(report));
                    }
                    Part::News(message) => news.push(message),
                }
            }
            if news.len() == NEWS {
                self.say(take(&mut news)).await?;
            }
        }
        self.tell();
        if news.is_empty() && self.last_said.elapsed() < SIGN_OF_LIFE {
            return Ok(());
        }
        if news.is_empty() {
            news.push(FromWorker::Heartbeat);
        }
        self.say(news).await
    }

    /// Shows the worker that its manager is there. A full outbox shows it too.
    fn answer(&self) {
        let _ = self.outbox.try_send(ToWorker::Heartbeat);
    }

    /// Gives a piece of a payload that was offered. Nothing of one that is gone: its worker is told to remove it.
    async fn give(&self, key: (ActivityId, RevisionNo), offset: u64) -> Result<(), CloseReason> {
        if !self.pulls.offered.contains(key) {
            return Ok(());
        }
        let frame = self.shared.payloads.frame(&*self.shared.store, key, offset).await;
        let Some(frame) = frame.map_err(|error| format!("a payload could not be read: {error}"))? else {
            return Ok(());
        };
        self.pulls.pieces.try_send(frame).map_err(|_| "it asks for more pieces than it takes".to_owned())
    }

    /// Tells a worker of this machine where it may write a stream itself. One that is not told sends on.
    async fn tell_file(&self, key: AttemptKey, stream: Stream) {
        if !self.peer.is_here || !self.shared.is_open(key, self.peer.admitted.worker) {
            return;
        }
        match self.shared.store.output_file(key, stream).await {
            Ok(Some(file)) => drop(self.outbox.try_send(ToWorker::OutputFile { key, stream, file })),
            Ok(None) => {}
            Err(error) => tracing::warn!(attempt = %key, "its worker cannot write output by itself: {error}"),
        }
    }

    /// Keeps a piece, unless it is of an attempt that was superseded (the engine tells the worker to stop it), or of which
    /// something is missing. What is to be acknowledged is, once it is durable.
    async fn take_piece(&mut self, piece: Piece) -> Result<(), CloseReason> {
        let is_wanted = |key| self.shared.is_open(key, self.peer.admitted.worker) && !self.left_out.holds(key);
        if !piece.attempt().is_none_or(is_wanted) {
            return Ok(());
        }
        if matches!(piece, Piece::Wrote { .. }) && !self.peer.is_here {
            return Err("it says that it writes into files of another machine".to_owned());
        }
        let acknowledged = piece.acknowledged();
        self.keep(piece).await?;
        if let Some((key, len)) = acknowledged.filter(|(key, _)| !self.left_out.holds(*key)) {
            self.acks.took(key, len);
        }
        Ok(())
    }

    /// A full store did not take a piece.
    fn was_left_out(&mut self, key: Option<AttemptKey>, why: &StoreError) {
        let Some(key) = key else {
            // It is for people only, and its installation tells by itself how it ended.
            return tracing::warn!(worker = %self.peer.admitted.worker, "the log of an installation has a hole: {why}");
        };
        tracing::warn!(attempt = %key, "output waits in its worker until there is room: {why}");
        self.ask_at.get_or_insert_with(|| Instant::now() + LOOK_FOR_ROOM);
    }

    /// Gives a piece to the store, again and again while that is away: meanwhile this link is not read, and the worker
    /// spools. A full store is not waited for.
    async fn keep(&mut self, mut piece: Piece) -> Result<(), CloseReason> {
        let pauses = ExponentialBuilder::default().with_min_delay(RETRY_DELAYS.0).with_max_delay(RETRY_DELAYS.1);
        let (key, mut pauses) = (piece.attempt(), pauses.without_max_times().build());
        loop {
            let stored = self.store(piece.clone()).await;
            let error;
            (piece, error) = match self.left_out.stored(piece, stored) {
                Stored::Kept => break,
                Stored::Superseded => return Ok(()),
                Stored::LeftOut(piece, why) => {
                    self.was_left_out(piece.attempt(), &why);
                    return Ok(());
                }
                Stored::Again(piece, error) => (piece, error),
                Stored::Failed(why) => return Err(why),
            };
            self.tell();
            tracing::warn!(worker = %self.peer.admitted.worker, "output is not taken at the moment: {error}");
            tokio::select! {
                () = self.cancel.cancelled() => return Err("the manager gave it up".to_owned()),
                () = sleep(pauses.next().unwrap_or(RETRY_DELAYS.1)) => {}
            }
            // It is this side that does not listen: the worker is not to be taken for silent.
            if self.last_said.elapsed() >= SIGN_OF_LIFE {
                self.say(vec![FromWorker::Heartbeat]).await?;
                self.answer();
            }
        }
        if let Some(AttemptKey { execution, .. }) = key
            && self.printed.last() != Some(&execution)
        {
            self.printed.push(execution);
        }
        Ok(())
    }

    /// Tells those who follow that there is more output.
    fn tell(&mut self) {
        self.printed.drain(..).for_each(|execution| self.shared.topics.printed(execution));
    }

    async fn store(&self, piece: Piece) -> Result<(), StoreError> {
        let printed = match &piece {
            Piece::Output { bytes, .. } => Some(bytes.len()),
            Piece::Wrote { from, to, .. } => usize::try_from(to.saturating_sub(*from)).ok(),
            _ => None,
        };
        let stored = piece.store(&*self.shared.store).await;
        if let (Ok(()), Some(count)) = (&stored, printed) {
            self.shared.observer.output(count);
        }
        stored
    }

    async fn say(&mut self, messages: Vec<FromWorker>) -> Result<(), CloseReason> {
        self.last_said = Instant::now();
        let Admitted { worker, session } = self.peer.admitted;
        let said = self.inbox.send(Message::Said { worker, session, messages }).await;
        said.map_err(|_| "the manager has ended".to_owned())
    }
}
