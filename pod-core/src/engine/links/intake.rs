//! Takes what a worker says: output into the store, the rest to the engine.
//!
//! A store that is away holds the link up. One that is full does not: what an attempt prints on is left out, together
//! with its end, and everything else goes on, so that the ends of others still arrive. The worker keeps what was not
//! acknowledged; when there is room again the link ends, and its next hello brings all of that.

use std::{collections::HashSet, mem::take, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    super::{message::Message, shared::Shared},
    acks::Acks,
};
use crate::{
    domain::{AttemptEnd, AttemptKey, ExecutionId, Stream},
    engine::message::Admitted,
    link::{EndReport, FromWorker, Messages, ToWorker, bounded},
    store::{InstallLog, StoreError},
};

/// Why a link ended, for the log.
pub(super) type Farewell = String;

/// A worker that only prints is reported as alive so often.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);
/// The pauses while the store takes nothing: doubled from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// A store that was full is asked again so often whether it has room.
const LOOK_FOR_ROOM: Duration = Duration::from_secs(1);

/// So many messages are handed to the engine at once at most.
const NEWS: usize = 512;

/// The receiving side of one link.
#[derive(Debug)]
pub(super) struct Intake {
    shared: Arc<Shared>,
    inbox: mpsc::Sender<Message>,
    admitted: Admitted,
    acks: Arc<Acks>,
    outbox: mpsc::Sender<ToWorker>,
    cancel: CancellationToken,
    last_said: Instant,
    /// What printed and was not told yet: once a frame, and not for each piece.
    printed: Vec<ExecutionId>,
    left_out: Option<LeftOut>,
}

/// What a full store did not take.
#[derive(Debug)]
struct LeftOut {
    /// The first of it, to ask again with.
    first: Piece,
    /// The attempts that are to be sent again.
    attempts: HashSet<AttemptKey>,
    ask_at: Instant,
}

/// Something for the store.
#[derive(Clone, Debug)]
enum Piece {
    Order { key: AttemptKey, offset: u64, bytes: Bytes },
    Output { key: AttemptKey, stream: Stream, offset: u64, bytes: Bytes },
    Tail { key: AttemptKey, stream: Stream, offset: u64, bytes: Bytes },
    InstallLog { log: InstallLog, restart: bool, bytes: Bytes },
}

impl Intake {
    pub(super) fn new(
        shared: Arc<Shared>,
        inbox: mpsc::Sender<Message>,
        admitted: Admitted,
        acks: Arc<Acks>,
        outbox: mpsc::Sender<ToWorker>,
        cancel: CancellationToken,
    ) -> Self {
        let (last_said, printed) = (Instant::now(), Vec::new());
        Self { shared, inbox, admitted, acks, outbox, cancel, last_said, printed, left_out: None }
    }

    /// Waits until there is room again for what was left out; that is the end of the link. Cancellation safe.
    pub(super) async fn room_again(&mut self) -> Farewell {
        loop {
            let Some(LeftOut { first, ask_at, .. }) = &self.left_out else { return std::future::pending().await };
            let first = first.clone();
            sleep_until(*ask_at).await;
            if let Some(left_out) = &mut self.left_out {
                left_out.ask_at = Instant::now() + LOOK_FOR_ROOM;
            }
            if !matches!(self.store(first).await, Err(StoreError::Full(_) | StoreError::Unavailable(_))) {
                return "there is room again for output, and what was left out is to be sent again".to_owned();
            }
        }
    }

    /// Takes one frame. Waits for the engine and the store, never for another link; an error ends the link.
    pub(super) async fn take(&mut self, messages: Messages<FromWorker>) -> Result<(), Farewell> {
        let mut news = Vec::new();
        for message in messages {
            match message.map_err(|error| error.to_string())? {
                FromWorker::Hello(_) => return Err("it said hello twice".to_owned()),
                FromWorker::Heartbeat => self.answer(),
                FromWorker::Order { key, offset, bytes } => {
                    self.take_piece(key, bytes.len(), Piece::Order { key, offset, bytes }).await?;
                }
                FromWorker::Output { key, stream, offset, bytes } => {
                    self.take_piece(key, bytes.len(), Piece::Output { key, stream, offset, bytes }).await?;
                }
                FromWorker::Tail { key, stream, offset, bytes } if self.takes(key) => {
                    self.keep(Piece::Tail { key, stream, offset, bytes }).await?;
                }
                FromWorker::Tail { .. } => {}
                FromWorker::InstallOutput { activity, revision, restart, bytes } => {
                    let log = InstallLog { worker: self.admitted.worker, activity, revision };
                    self.keep(Piece::InstallLog { log, restart, bytes }).await?;
                }
                FromWorker::Ended(report) => news.extend(self.end(report).await?.map(FromWorker::Ended)),
                other => news.push(other),
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

    /// Keeps the output that comes with an end, and gives the report without it; nothing while output of that attempt
    /// is left out.
    async fn end(&mut self, mut report: Box<EndReport>) -> Result<Option<Box<EndReport>>, Farewell> {
        let key = report.key;
        if let AttemptEnd::StartFailed(reason) = &mut report.end
            && reason.len() > bounded::TEXT
        {
            // For people, as other texts are that workers send.
            *reason = reason[..reason.floor_char_boundary(bounded::TEXT)].into();
        }
        let piece = |stream, offset, bytes| Piece::Output { key, stream, offset, bytes };
        let (order, stdout, stderr) = (take(&mut report.order), take(&mut report.stdout), take(&mut report.stderr));
        let pieces = [
            // It goes first: who follows shows output by it.
            (order.len(), Piece::Order { key, offset: report.order_from, bytes: order }),
            (stdout.len(), piece(Stream::Stdout, report.stdout_from, stdout)),
            (stderr.len(), piece(Stream::Stderr, report.stderr_from, stderr)),
        ];
        for (len, piece) in pieces {
            if len > 0 {
                self.take_piece(key, len, piece).await?;
            }
        }
        if self.is_left_out(key) {
            return Ok(None);
        }
        self.acks.ended(key);
        Ok(Some(report))
    }

    /// Keeps a piece that is acknowledged later, once it is durable.
    async fn take_piece(&mut self, key: AttemptKey, len: usize, piece: Piece) -> Result<(), Farewell> {
        if !self.takes(key) {
            return Ok(());
        }
        self.keep(piece).await?;
        if !self.is_left_out(key) {
            self.acks.took(key, len);
        }
        Ok(())
    }

    /// Not of an attempt that was superseded (the engine tells the worker to stop it), or of which something is
    /// missing.
    fn takes(&self, key: AttemptKey) -> bool {
        self.shared.is_open(key, self.admitted.worker) && !self.is_left_out(key)
    }

    fn is_left_out(&self, key: AttemptKey) -> bool {
        self.left_out.as_ref().is_some_and(|left_out| left_out.attempts.contains(&key))
    }

    /// A full store did not take a piece.
    fn leave_out(&mut self, piece: Piece, why: &str) {
        let (Piece::Order { key, .. } | Piece::Output { key, .. } | Piece::Tail { key, .. }) = piece else {
            // It is for people only, and its installation tells by itself how it ended.
            return tracing::warn!(worker = %self.admitted.worker, "the log of an installation has a hole: {why}");
        };
        tracing::warn!(attempt = %key, "output waits in its worker until there is room: {why}");
        let new = || LeftOut { first: piece, attempts: HashSet::new(), ask_at: Instant::now() + LOOK_FOR_ROOM };
        self.left_out.get_or_insert_with(new).attempts.insert(key);
    }

    /// Gives a piece to the store, again and again while that is away: meanwhile this link is not read, and the worker
    /// spools. A full store is not waited for.
    async fn keep(&mut self, piece: Piece) -> Result<(), Farewell> {
        let mut pause = PAUSES.0;
        loop {
            let error = match self.store(piece.clone()).await {
                Ok(()) => break,
                // Its attempt has ended meanwhile.
                Err(StoreError::Conflict(_)) => return Ok(()),
                Err(StoreError::Full(why)) => {
                    self.leave_out(piece, &why);
                    return Ok(());
                }
                Err(error @ StoreError::Unavailable(_)) => error,
                Err(error) => return Err(format!("what it sent could not be kept: {error}")),
            };
            self.tell();
            tracing::warn!(worker = %self.admitted.worker, "output is not taken at the moment: {error}");
            tokio::select! {
                () = self.cancel.cancelled() => return Err("the manager gave it up".to_owned()),
                () = sleep(pause) => {}
            }
            pause = (pause * 2).min(PAUSES.1);
            // It is this side that does not listen: the worker is not to be taken for silent.
            if self.last_said.elapsed() >= SIGN_OF_LIFE {
                self.say(vec![FromWorker::Heartbeat]).await?;
                self.answer();
            }
        }
        if let Piece::Order { key, .. } | Piece::Output { key, .. } | Piece::Tail { key, .. } = piece
            && self.printed.last() != Some(&key.execution)
        {
            self.printed.push(key.execution);
        }
        Ok(())
    }

    /// Tells those who follow that there is more output.
    fn tell(&mut self) {
        self.printed.drain(..).for_each(|execution| self.shared.topics.printed(execution));
    }

    async fn store(&self, piece: Piece) -> Result<(), StoreError> {
        let store = &self.shared.store;
        match piece {
            Piece::Order { key, offset, bytes } => store.append_order(key, offset, bytes).await,
            Piece::Output { key, stream, offset, bytes } => {
                let count = bytes.len();
                let stored = store.append_output(key, stream, offset, bytes).await;
                if stored.is_ok() {
                    self.shared.observer.output(count);
                }
                stored
            }
            Piece::Tail { key, stream, offset, bytes } => store.append_tail(key, stream, offset, bytes).await,
            Piece::InstallLog { log, restart, bytes } => store.append_install_log(log, bytes, restart).await,
        }
    }

    async fn say(&mut self, messages: Vec<FromWorker>) -> Result<(), Farewell> {
        self.last_said = Instant::now();
        let Admitted { worker, session } = self.admitted;
        let said = self.inbox.send(Message::Said { worker, session, messages }).await;
        said.map_err(|_| "the manager has ended".to_owned())
    }
}
