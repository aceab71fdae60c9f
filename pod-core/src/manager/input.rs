//! What happens to the manager.

use crate::{
    api::Request,
    domain::{Boot, Epoch, Execution, SessionId, WorkerId},
    link::FromWorker,
    plan::{self, ReplyId, StoredContext},
    store::{ExpiredExecution, IdempotencyRecord, QueuePage, Snapshot, StoreError},
};

/// Something that happened. What is marked with *news* is handed in only while [`Manager::takes_news`] says so.
///
/// [`Manager::takes_news`]: super::Manager::takes_news
#[derive(Debug)]
pub enum Input {
    /// News: a user asks for something.
    Request(Box<Asked>),
    /// News: a worker said something, in this order. Without its output.
    Said {
        /// Who.
        worker: WorkerId,
        /// On which link.
        session: SessionId,
        /// What.
        messages: Vec<FromWorker>,
    },
    /// News: anything else that happened. A hello has its session from [`Manager::next_session`](super::Manager::next_session).
    Happened(plan::Input),
    /// News: the creation of a worker that was given up is over.
    CreationAbandoned(WorkerId),
    /// There is no more news at the moment.
    Drained,
    /// The moment of [`Manager::next_deadline`](super::Manager::next_deadline) has come.
    Tick,
    /// A link did not take a message: it is full, or has ended.
    NotSent(SessionId),
    /// The answer to [`Action::Read`](super::Action::Read).
    Read(Answer),
    /// The answer to [`Action::Commit`](super::Action::Commit).
    Committed(Result<(), StoreError>),
    /// The answer to [`Action::Load`](super::Action::Load).
    Loaded(Result<Box<Loaded>, StoreError>),
    /// The store has renewed the lease of this epoch, or not. It may be handed in at any time.
    Renewed(Epoch, Result<(), StoreError>),
    /// The manager is to end.
    Close,
    /// The answer to [`Action::Leave`](super::Action::Leave): the workers that end with this process have left.
    WorkersLeft,
    /// The answer to [`Action::TakeNoMore`](super::Action::TakeNoMore): all that was accepted was handed in.
    TookAll,
}

/// A request, and whom to answer.
#[derive(Debug)]
pub struct Asked {
    /// What is asked for.
    pub request: Request,
    /// Whom to answer.
    pub reply: ReplyId,
    /// What the caller has already worked out of it.
    pub found: Box<StoredContext>,
}

/// What a [`Query`](super::Query) found.
#[derive(Debug)]
pub enum Answer {
    /// To `Rows`.
    Rows(Result<Box<Rows>, StoreError>),
    /// To `Queue`.
    Queue(Result<QueuePage, StoreError>),
    /// To `Expired`.
    Expired(Result<Vec<ExpiredExecution>, StoreError>),
    /// To `WorkerCapacity`: whether there is some.
    Room(bool),
}

/// What a request names, as the store has it.
#[derive(Debug, Default)]
pub struct Rows {
    /// The execution.
    pub execution: Option<Execution>,
    /// What the idempotency key was used for, and that first execution.
    pub idempotency: Option<(IdempotencyRecord, Option<Execution>)>,
}

/// What a store holds, under a lease that was just taken.
#[derive(Debug)]
pub struct Loaded {
    /// The lease.
    pub epoch: Epoch,
    /// The rows.
    pub snapshot: Snapshot,
    /// The start of the machine that ages are counted from.
    pub boot: Option<Boot>,
}
