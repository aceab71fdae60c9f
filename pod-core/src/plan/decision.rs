//! What the planner decided: rows to write, events to publish, requests to answer, effects to perform.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::advice::Slips;
use crate::{
    api::{PodError, Reply, Submitted},
    domain::{
        ActivityId, Age, AttemptKey, ClockChange, Epoch, Event, EventKind, Execution, ExecutionId, Isolation, Millis,
        Now, RevisionNo, SessionId, Timestamp, WorkerId,
    },
    link::{Rejection, StartCommand, Welcome},
    observe::Measure,
    store::{Batch, Change, ExecutionUpdate, IdSequences},
};

/// Which caller to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyId(pub u64);

/// Something to do once the batch is committed. Every effect may be performed twice without harm.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Welcome a link.
    Welcome(Box<Welcome>),
    /// Refuse the hello of a session; it ends.
    Refuse(SessionId, Rejection),
    /// Run an execution.
    Start(WorkerId, StartCommand),
    /// End an attempt.
    Stop(WorkerId, AttemptKey, Millis),
    /// Take back an attempt that has not started.
    Recall(WorkerId, AttemptKey),
    /// The end of an attempt is durable, or not wanted.
    AckEnd(WorkerId, AttemptKey),
    /// Install a revision.
    Install(WorkerId, ActivityId, RevisionNo),
    /// Remove an installation.
    Remove(WorkerId, ActivityId, RevisionNo),
    /// Tell a worker to end.
    Shutdown(WorkerId, String),
    /// Give up the link of a worker, whose session it no longer is.
    Disconnect(SessionId),
    /// Create a worker of that kind.
    Create(WorkerId, Isolation),
    /// Destroy a worker.
    Destroy(WorkerId),
    /// List the workers that exist.
    List,
    /// Fetch a script.
    Fetch(ActivityId, RevisionNo, Arc<str>),
    /// Look for executions whose retention time is over.
    Expire(Age),
}

/// How the row of an execution is to be written.
#[derive(Clone, Debug)]
enum Row {
    Insert(Execution),
    Update(Box<ExecutionUpdate>),
}

/// What one round decided.
#[derive(Debug, Default)]
pub struct Decision {
    executions: BTreeMap<ExecutionId, Row>,
    changes: Vec<Change>,
    pub(super) events: Vec<Event>,
    /// To be performed after the commit, in order.
    pub effects: Vec<Effect>,
    /// To be answered after the commit.
    pub replies: Vec<(ReplyId, Result<Reply, PodError>)>,
    /// Attempts that became open, and of whom.
    pub opened: Vec<(AttemptKey, WorkerId)>,
    /// Attempts that are no longer open.
    pub closed: Vec<AttemptKey>,
    /// Executions whose state changed.
    pub touched: Vec<ExecutionId>,
    /// Activities whose counters changed.
    pub(super) counted: BTreeSet<ActivityId>,
    /// Revisions whose counters changed.
    pub(super) counted_revisions: BTreeSet<(ActivityId, RevisionNo)>,
    /// What the scheduler said that cannot be done, and was left out.
    pub slips: Slips,
    /// How the system's clock was set since the last round.
    pub clock_changes: Vec<ClockChange>,
    /// It follows from something else than reports of executions that begin and end.
    pub(super) has_more_than_reports: bool,
    /// A batch is to be written though nothing has changed.
    pub touch: bool,
    /// How many workers were launched.
    pub launched: u32,
    /// What there is to count, in order.
    pub measures: Vec<Measure>,
    /// Submits that are to be told whether the fleet grew.
    pub(super) submits: Vec<(ReplyId, Box<Submitted>)>,
}

impl Decision {
    /// Writes a new execution.
    pub(super) fn insert(&mut self, execution: &Execution) {
        self.touched.push(execution.id);
        self.executions.insert(execution.id, Row::Insert(execution.clone()));
    }

    /// Writes what became of an execution; several changes of a round become one row.
    pub(super) fn update(&mut self, execution: &Execution) {
        self.touched.push(execution.id);
        match self.executions.get_mut(&execution.id) {
            Some(Row::Insert(row)) => row.clone_from(execution),
            Some(Row::Update(row)) => **row = ExecutionUpdate::from(execution),
            None => {
                self.executions.insert(execution.id, Row::Update(Box::new(ExecutionUpdate::from(execution))));
            }
        }
    }

    /// Writes any other row.
    pub(super) fn change(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Whether an execution has changes that are not committed yet.
    #[must_use]
    pub fn holds(&self, id: ExecutionId) -> bool {
        let changes = |change: &Change| match change {
            Change::Retrieve(other) => *other == id,
            Change::DeleteExecutions(ids) => ids.contains(&id),
            _ => false,
        };
        self.executions.contains_key(&id) || self.changes.iter().any(changes)
    }

    /// Whether an idempotency key was used in this round.
    #[must_use]
    pub fn holds_key(&self, wanted: &str) -> bool {
        self.changes.iter().any(|change| {
            matches!(change, Change::PutIdempotency { key, .. } | Change::PutNote { key, .. } if **key == *wanted)
        })
    }

    /// Whether there is anything to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.executions.is_empty()
            && self.changes.is_empty()
            && self.events.is_empty()
            && self.counted.is_empty()
            && !self.touch
    }

    /// Notes what happened; numbered by the caller.
    pub(super) fn event(&mut self, at: Timestamp, kind: EventKind) -> &mut Event {
        self.events.push(Event {
            seq: 0,
            at,
            kind,
            activity: None,
            revision: None,
            execution: None,
            attempt: None,
            worker: None,
            detail: None,
        });
        let last = self.events.len() - 1;
        &mut self.events[last]
    }

    /// The batch to commit. Rows of executions come first, so that attempts find them.
    pub(super) fn take_batch(&mut self, seq: u64, epoch: Epoch, now: Now, high_water: IdSequences) -> Batch {
        let mut changes = Vec::with_capacity(self.executions.len() + self.changes.len());
        for (_, row) in std::mem::take(&mut self.executions) {
            changes.push(match row {
                Row::Insert(execution) => Change::InsertExecution(Arc::new(execution)),
                Row::Update(update) => Change::UpdateExecution(*update),
            });
        }
        changes.append(&mut self.changes);
        let events = std::mem::take(&mut self.events);
        Batch {
            seq,
            epoch,
            at: now.wall,
            age: now.age,
            boot: None,
            changes,
            events,
            id_sequences: high_water,
            activity_counters: Vec::new(),
            revision_counters: Vec::new(),
        }
    }
}
