//! What of a worker's messages goes into the store, and what to the planner: the part of taking them that needs no IO and
//! no clock. The simulator does the same with it.

use std::{collections::HashSet, mem::take};

use bytes::Bytes;

use crate::{
    domain::{ActivityId, AttemptKey, AttemptOutcome, RevisionNo, Stream, WorkerId},
    link::{EndReport, FromWorker, bounded},
    store::{InstallLog, Store, StoreError},
};

/// Something for the store.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Interleaving {
        key: AttemptKey,
        offset: u64,
        bytes: Bytes,
    },
    Output {
        key: AttemptKey,
        stream: Stream,
        offset: u64,
        bytes: Bytes,
    },
    Tail {
        key: AttemptKey,
        stream: Stream,
        offset: u64,
        bytes: Bytes,
    },
    /// Output that the worker wrote into the store's file.
    Wrote {
        key: AttemptKey,
        stream: Stream,
        from: u64,
        to: u64,
    },
    InstallLog {
        log: InstallLog,
        restart: bool,
        bytes: Bytes,
    },
}

impl Piece {
    /// The attempt that it is of; an installation has none.
    pub(crate) const fn attempt(&self) -> Option<AttemptKey> {
        match self {
            Self::Interleaving { key, .. }
            | Self::Output { key, .. }
            | Self::Tail { key, .. }
            | Self::Wrote { key, .. } => Some(*key),
            Self::InstallLog { .. } => None,
        }
    }

    /// The attempt and the number of bytes of what its worker wants to hear of once it is durable: no bytes of what it
    /// does not keep for that. A tail is durable with the end of its attempt.
    pub(crate) const fn acknowledged(&self) -> Option<(AttemptKey, usize)> {
        match self {
            Self::Interleaving { key, bytes, .. } | Self::Output { key, bytes, .. } => Some((*key, bytes.len())),
            Self::Wrote { key, .. } => Some((*key, 0)),
            Self::Tail { .. } | Self::InstallLog { .. } => None,
        }
    }

    /// Gives it to the store.
    pub(crate) async fn store(self, store: &dyn Store) -> Result<(), StoreError> {
        match self {
            Self::Interleaving { key, offset, bytes } => store.append_interleaving(key, offset, bytes).await,
            Self::Output { key, stream, offset, bytes } => store.append_output(key, stream, offset, bytes).await,
            Self::Tail { key, stream, offset, bytes } => store.append_tail(key, stream, offset, bytes).await,
            Self::Wrote { key, stream, from, to } => store.wrote_output(key, stream, from, to).await,
            Self::InstallLog { log, restart, bytes } => store.append_install_log(log, bytes, restart).await,
        }
    }
}

/// A part of what a message says.
#[derive(Debug)]
pub(crate) enum Part {
    /// It asks whether its manager is there.
    Heartbeat,
    /// Something for the store.
    Piece(Piece),
    /// Where may the worker write this stream itself?
    AskOutputFile(AttemptKey, Stream),
    /// An attempt has ended. All pieces of it went before, and the report is without bytes.
    Ended(Box<EndReport>),
    /// It asks for a piece of a payload.
    Want { activity: ActivityId, revision: RevisionNo, offset: u64 },
    /// Anything else is for the planner.
    News(FromWorker),
}

/// Takes a message of that worker apart, in the order in which its parts are to be taken; an error ends the link.
pub(crate) fn parts(worker: WorkerId, message: FromWorker) -> Result<impl Iterator<Item = Part>, String> {
    let one = |part| [Some(part), None, None, None];
    let parts = match message {
        FromWorker::Hello(_) => return Err("it said hello twice".to_owned()),
        FromWorker::Heartbeat => one(Part::Heartbeat),
        FromWorker::Interleaving { key, offset, bytes } => one(Part::Piece(Piece::Interleaving { key, offset, bytes })),
        FromWorker::Output { key, stream, offset, bytes } => {
            one(Part::Piece(Piece::Output { key, stream, offset, bytes }))
        }
        FromWorker::Tail { key, stream, offset, bytes } => one(Part::Piece(Piece::Tail { key, stream, offset, bytes })),
        FromWorker::Wrote { key, stream, from, to } => one(Part::Piece(Piece::Wrote { key, stream, from, to })),
        FromWorker::AskOutputFile { key, stream } => one(Part::AskOutputFile(key, stream)),
        FromWorker::InstallOutput { activity, revision, restart, bytes } => {
            let log = InstallLog { worker, activity, revision };
            one(Part::Piece(Piece::InstallLog { log, restart, bytes }))
        }
        FromWorker::Ended(report) => parts_of_end(report),
        FromWorker::Want { activity, revision, offset } => one(Part::Want { activity, revision, offset }),
        other => one(Part::News(other)),
    };
    Ok(parts.into_iter().flatten())
}

/// The output that comes with an end, and the report without it.
fn parts_of_end(mut report: Box<EndReport>) -> [Option<Part>; 4] {
    let key = report.key;
    if let AttemptOutcome::StartFailed(reason) = &mut report.end
        && reason.len() > bounded::TEXT
    {
        // For people, as other texts are that workers send.
        *reason = reason[..reason.floor_char_boundary(bounded::TEXT)].into();
    }
    let (order, stdout, stderr) = (take(&mut report.order), take(&mut report.stdout), take(&mut report.stderr));
    let output = |stream, offset, bytes: Bytes| {
        (!bytes.is_empty()).then_some(Part::Piece(Piece::Output { key, stream, offset, bytes }))
    };
    let offset = report.order_from;
    [
        // It goes first: who follows shows output by it.
        (!order.is_empty()).then_some(Part::Piece(Piece::Interleaving { key, offset, bytes: order })),
        output(Stream::Stdout, report.stdout_from, stdout),
        output(Stream::Stderr, report.stderr_from, stderr),
        Some(Part::Ended(report)),
    ]
}

/// What became of a piece.
#[derive(Debug)]
pub(crate) enum Stored {
    /// The store has it.
    Kept,
    /// Its attempt has ended meanwhile: nobody wants it.
    Superseded,
    /// The store is full: it is to be sent again when there is room, and so is all that follows of its attempt.
    LeftOut(Piece, StoreError),
    /// The store is away: the same piece is to be given to it again, and nothing taken before.
    Again(Piece, StoreError),
    /// The link ends.
    Failed(String),
}

/// Which attempts a link may say more of: not those of which a full store did not take something.
#[derive(Debug, Default)]
pub(crate) struct DeferredOutput {
    /// The first of what was left out, to ask again with.
    first: Option<Piece>,
    /// The attempts that are to be sent again.
    attempts: HashSet<AttemptKey>,
}

impl DeferredOutput {
    /// Whether something of that attempt is missing, so that nothing that follows can be taken, its end included.
    pub(crate) fn holds(&self, key: AttemptKey) -> bool {
        self.attempts.contains(&key)
    }

    /// What the planner hears of an end: nothing while something of it is missing, except that it ran. Should its worker
    /// be gone before there is room, what must not run twice is not taken for something that never began.
    pub(crate) fn news_of(&self, report: Box<EndReport>) -> Option<FromWorker> {
        if !self.holds(report.key) {
            return Some(FromWorker::Ended(report));
        }
        report.started_at.map(|at| FromWorker::Running { key: report.key, at })
    }

    /// What to ask the store with whether there is room again; nothing where nothing was left out.
    pub(crate) const fn first(&self) -> Option<&Piece> {
        self.first.as_ref()
    }

    /// Takes what the store said of a piece.
    pub(crate) fn stored(&mut self, piece: Piece, result: Result<(), StoreError>) -> Stored {
        match result {
            Ok(()) => Stored::Kept,
            Err(StoreError::Conflict(_)) => Stored::Superseded,
            Err(error @ StoreError::Full(_)) => {
                if let Some(key) = piece.attempt() {
                    self.first.get_or_insert_with(|| piece.clone());
                    self.attempts.insert(key);
                }
                Stored::LeftOut(piece, error)
            }
            Err(error @ StoreError::Unavailable(_)) => Stored::Again(piece, error),
            Err(error) => Stored::Failed(format!("what it sent could not be kept: {error}")),
        }
    }
}

/// Whether a store that says this of what was left out has room again.
pub(crate) const fn has_room(said: &Result<(), StoreError>) -> bool {
    !matches!(said, Err(StoreError::Full(_) | StoreError::Unavailable(_)))
}
