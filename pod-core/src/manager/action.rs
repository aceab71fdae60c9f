//! What the manager wants done.

use std::{collections::BTreeMap, sync::Arc};

use super::notice::Notice;
use crate::{
    api::{PodError, Reply},
    domain::{ActivityId, Age, AttemptKey, Epoch, ExecutionId, Isolation, RevisionNo, SessionId, WorkerId},
    link::{Rejection, ToWorker},
    observe::Measure,
    plan::{Refill, ReplyId},
    store::Batch,
};

/// Something to do. [`Action::Read`], [`Action::Commit`] and [`Action::Load`] are questions: their answer is the next input
/// but for [`Input::Close`](super::Input::Close), [`Input::NotSent`](super::Input::NotSent), [`Input::Renewed`](super::Input::Renewed)
/// and [`Input::Tick`](super::Input::Tick). Nothing else is waited for.
#[derive(Debug)]
pub enum Action {
    /// Read from the store; [`Input::Read`](super::Input::Read) answers.
    Read(Query),
    /// Commit a batch, or commit the same one again; [`Input::Committed`](super::Input::Committed) answers.
    Commit(Arc<Batch>),
    /// Take the lease anew, since batches are counted from 1 again, and load; [`Input::Loaded`](super::Input::Loaded) answers.
    Load,
    /// Let a committed round show.
    Publish(Box<Published>),
    /// What is known of open attempts, of executions and of events is new as a whole.
    Reloaded,
    /// Answer a caller, who may have gone away.
    Reply(ReplyId, Result<Reply, PodError>),
    /// Let a link in: it serves this worker.
    Admit(SessionId, WorkerId),
    /// Do not let a link in; it is told why, and ends.
    Refuse(SessionId, Rejection),
    /// Send to a link without waiting; [`Input::NotSent`](super::Input::NotSent) where it does not take it.
    Send(SessionId, ToWorker),
    /// End a link.
    Disconnect(SessionId),
    /// Ask the provisioner for a worker; [`plan::Input::Created`](crate::plan::Input::Created) comes of it.
    Create(WorkerId, Isolation),
    /// Give the creation of a worker up; [`Input::CreationAbandoned`](super::Input::CreationAbandoned) follows when nothing of it goes on.
    /// It need not where it is over already, and its end was told.
    AbandonCreation(WorkerId),
    /// Ask the provisioner to destroy a worker; [`plan::Input::Destroyed`](crate::plan::Input::Destroyed) comes of it.
    Destroy(WorkerId),
    /// Ask the provisioner which workers there are; [`plan::Input::Listed`](crate::plan::Input::Listed) may come of it.
    List,
    /// Fetch the script of a revision; [`plan::Input::Fetched`](crate::plan::Input::Fetched) comes of it.
    Fetch(ActivityId, RevisionNo, Arc<str>),
    /// Callers are to know why the store takes nothing, or that it does again.
    Trouble(Option<Arc<str>>),
    /// For the log.
    Note(Notice),
    /// Let the workers leave that end with this process; [`Input::WorkersLeft`](super::Input::WorkersLeft) follows.
    Leave,
    /// Accept no more news; [`Input::TookAll`](super::Input::TookAll) follows when all that was accepted is handed in.
    TakeNoMore,
    /// Renew the lease of this epoch, beside everything else; [`Input::Renewed`](super::Input::Renewed) comes of it.
    Renew(Epoch),
    /// Give the lease of this epoch back; nothing is done if that fails.
    Release(Epoch),
    /// It is over, for this reason.
    End(PodError),
}

/// What to read from the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// What a request names.
    Rows {
        /// The execution.
        execution: Option<ExecutionId>,
        /// The idempotency key.
        key: Option<String>,
    },
    /// More of a queue.
    Queue(Refill),
    /// Executions that ended before POD was so old.
    Expired {
        /// So old.
        before: Age,
        /// At most so many.
        limit: usize,
    },
    /// Whether there is room for more.
    Room,
}

/// What a committed round lets others know.
#[derive(Debug, Default)]
pub struct Published {
    /// What there is to count.
    pub measures: Vec<Measure>,
    /// The names of the activities that it is about.
    pub names: Arc<BTreeMap<ActivityId, Arc<str>>>,
    /// Attempts that are no longer open. They count before those that became open: a number that was taken back is used
    /// again, perhaps in the same round.
    pub closed: Vec<AttemptKey>,
    /// Attempts that became open, and of whom.
    pub opened: Vec<(AttemptKey, WorkerId)>,
    /// Executions whose state changed.
    pub touched: Vec<ExecutionId>,
    /// The number of the newest event.
    pub newest_event: u64,
}
