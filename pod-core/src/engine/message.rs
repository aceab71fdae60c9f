//! What reaches the task of the engine.

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::{
    api::{PodError, Reply, Request},
    domain::{SessionId, WorkerId},
    link::{FromWorker, Hello, ToWorker},
    plan::{Input, StoredContext},
    provisioner::Admission,
};

/// How many messages wait for the task at most.
pub(crate) const INBOX: usize = 4096;

/// How a request is answered.
pub(super) type Answer = oneshot::Sender<Result<Reply, PodError>>;

/// One message.
#[derive(Debug)]
pub(crate) enum Message {
    /// A user asks for something.
    Request {
        /// What.
        request: Request,
        /// What the caller has already worked out of it.
        found: Box<StoredContext>,
        /// Whom to answer.
        reply: Answer,
    },
    /// A link asks to be let in.
    Hello {
        /// Its first message.
        hello: Box<Hello>,
        /// Who may come in over it.
        admission: Admission,
        /// Where to reach it.
        link: LinkHandle,
    },
    /// A worker said something: one frame, without its output.
    Said {
        /// Who.
        worker: WorkerId,
        /// On which link.
        session: SessionId,
        /// What, in order.
        messages: Vec<FromWorker>,
    },
    /// The creation of a worker that was given up is over.
    CreationAbandoned(WorkerId),
    /// Anything else that happened.
    Happened(Input),
}

/// How the engine reaches a link.
#[derive(Debug)]
pub(crate) struct LinkHandle {
    /// What is sent to the worker. Bounded: a link that cannot keep up is given up.
    pub(super) outbox: mpsc::Sender<ToWorker>,
    /// Tells the link who its worker is, once.
    pub(super) admitted: Option<oneshot::Sender<Admitted>>,
    /// Ends the link.
    pub(super) cancel: CancellationToken,
}

/// Who a link serves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Admitted {
    /// The worker.
    pub(super) worker: WorkerId,
    /// The link's number.
    pub(super) session: SessionId,
}
