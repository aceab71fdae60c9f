//! The trait of durable storage, and what its methods take and give.

use std::{ops::Range, sync::Arc};

use async_trait::async_trait;

use crate::domain::{
    ActivityId, Age, Attempt, AttemptNo, Epoch, Event, Execution, ExecutionId, ExecutionStatus, Millis, Payload,
    RevisionNo, ScalingDecision, StoreId, Timestamp, WorkerId,
};

use super::{
    batch::{Batch, Snapshot},
    error::StoreError,
    lease::{Acquisition, Holder},
    note::Note,
    output::OutputStore,
};

/// How many events are kept at least; older ones may go.
pub const KEPT_EVENTS: u64 = 100_000;
/// How many scaling decisions are kept at least.
pub const KEPT_DECISIONS: u64 = 1000;
/// How many revisions of an activity that no execution names are kept after others took their place.
pub const KEPT_REVISIONS: usize = 10;
/// How many minutes of statistics are kept: a day.
pub const KEPT_MINUTES: usize = 24 * 60;

/// Durable storage of one POD: its rows, and as an [`OutputStore`] what was printed.
///
/// An application has little to do with it: it opens one, gives it to [`PodBuilder::store`](crate::PodBuilder::store), and asks
/// the [`Pod`](crate::Pod). A clone of the handle may be kept, to look at what was committed:
///
/// ```
/// # use pod_core::{Pod, domain::{ExecutionStatus, NewActivity, NewExecution}, testing::in_process::InProcess};
/// use pod_core::store::{ExecutionQuery, MemoryStore, Store};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = MemoryStore::new();
/// # let backend = InProcess::new(|_| async { 0 });
/// let pod = Pod::builder().store(store.clone()).backend(backend).start().await?;
/// # pod.put_activity(NewActivity::script("hello", "…")).await?;
/// # let run = pod.start(NewExecution::new("hello")).await?;
/// # pod.wait(run).await?;
/// pod.shutdown().await;
/// let finished = ExecutionQuery { status: Some(ExecutionStatus::Finished), ..ExecutionQuery::default() };
/// assert_eq!(store.count_executions(finished).await?, 1);
/// # Ok(())
/// # }
/// ```
///
/// # Wrappers
///
/// A store that wraps another one forwards every method of both traits, also those that have a default;
/// `#[deny(clippy::missing_trait_methods)]` on its `impl`s sees to that. [`Store::engine_handle`] is the exception: forwarded as it is, it would hand the inner store
/// to the engine, and nothing that the engine does would pass through the wrapper. Wrap what it gives once more:
///
/// ```ignore
/// fn engine_handle(&self) -> Option<Arc<dyn Store>> {
///     let inner = self.inner.engine_handle()?;
///     Some(Arc::new(Self { inner, commits: self.commits.clone() }))
/// }
/// ```
///
/// `testing::store_suite::passes_through` finds out whether what the engine does passes through.
///
/// # Calls
///
/// `commit` is called by one task at a time; everything else concurrently. No method is cancelled half-way by the
/// engine; a dropped future of a reading method has no effect.
#[async_trait]
pub trait Store: OutputStore {
    /// The identity of this store, made once with it.
    fn id(&self) -> StoreId;

    /// A handle of this store for the engine alone, whose reads do not wait for those of everyone else: where the store
    /// can tell them apart. Nobody's slow search is to hold up the planner. The engine never calls the store that it was
    /// given then: see [wrappers](Store#wrappers).
    fn engine_handle(&self) -> Option<Arc<dyn Store>> {
        None
    }

    /// Acquires the lease for a manager, unless another one holds it: raises the epoch, so that every commit of an earlier
    /// holder is `Fenced`. It lasts for `ttl`, by a clock of the store's own. A holder that asks again while its lease lasts
    /// is that manager come back, and acquires it anew; so does anyone once it has expired or was released.
    async fn acquire(&self, holder: &Holder, ttl: Millis) -> Result<Acquisition, StoreError>;

    /// Lets the lease of an epoch last for `ttl` from now on; also one that has expired, as long as nobody acquired it.
    /// `Fenced` where somebody did, or it was released. Called while a commit may be under way.
    async fn renew(&self, epoch: Epoch, ttl: Millis) -> Result<(), StoreError>;

    /// Gives the lease of an epoch back, so that anyone acquires it at once. Nothing where it is another's by now.
    async fn release(&self, epoch: Epoch) -> Result<(), StoreError>;

    /// What the engine holds in memory: everything but ended executions and the waiting queue.
    async fn load(&self) -> Result<Snapshot, StoreError>;

    /// Writes a batch in one transaction, durable when it returns. Attempts that end take their output along:
    /// what was appended for them is durable too, before the transaction.
    ///
    /// A batch whose `seq` was already committed under this epoch is not applied again and succeeds: so a commit whose
    /// outcome is unknown is simply sent again.
    async fn commit(&self, batch: Arc<Batch>) -> Result<(), StoreError>;

    /// The engine has ended and writes no more: a moment to tidy up. The store stays usable.
    async fn quiesce(&self) {}

    /// Whether there is room for new executions and their output; asked about once a second. A store that is full may
    /// tidy up to make some.
    async fn has_room(&self) -> bool;

    /// The next waiting executions of a revision in the order `(not_before, id)`, after `after`, not later than `due`.
    async fn peek_queue(
        &self,
        activity: ActivityId,
        revision: RevisionNo,
        after: QueueCursor,
        due: Age,
        limit: usize,
    ) -> Result<QueuePage, StoreError>;

    /// One execution.
    async fn execution(&self, id: ExecutionId) -> Result<Option<Execution>, StoreError>;

    /// The attempts of an execution, oldest first.
    async fn attempts(&self, id: ExecutionId) -> Result<Vec<Attempt>, StoreError>;

    /// A page of executions. What is filtered by worker or text is looked for among all between `after` and `before`:
    /// who asks sets bounds that are not too far apart.
    async fn executions(&self, query: ExecutionQuery) -> Result<Vec<Execution>, StoreError>;

    /// How many executions there are that a query asks for; its limit is not looked at.
    async fn count_executions(&self, query: ExecutionQuery) -> Result<u64, StoreError>;

    /// Up to which execution ids need not be in the order of time: the last committed [`IdSequences::disordered`](super::IdSequences::disordered).
    async fn disordered(&self) -> Result<ExecutionId, StoreError>;

    /// What an idempotency key was used for: the hash of the request, and the executions it made or what else it did.
    async fn idempotency(&self, key: &str) -> Result<Option<IdempotencyRecord>, StoreError>;

    /// The pinned bytes of a revision.
    async fn payload(&self, activity: ActivityId, revision: RevisionNo) -> Result<Option<Payload>, StoreError>;

    /// Events after a sequence number, oldest first. Old ones may be gone: the first may be later than `after + 1`.
    async fn events(&self, after: u64, limit: usize) -> Result<Vec<Event>, StoreError>;

    /// Events before a sequence number, newest first.
    async fn events_before(&self, before: u64, limit: usize) -> Result<Vec<Event>, StoreError>;

    /// The last scaling decisions, newest first.
    async fn decisions(&self, limit: usize) -> Result<Vec<ScalingDecision>, StoreError>;

    /// Executions that ended before POD was so old, the first ones first: for the retention to delete.
    async fn list_expired(&self, before: Age, limit: usize) -> Result<Vec<ExpiredExecution>, StoreError>;
}

/// A place in the queue of a revision. Everything at or before the engine's cursor is in its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueCursor {
    /// Not before POD is so old.
    pub not_before: Age,
    /// Then by age.
    pub id: ExecutionId,
}

impl QueueCursor {
    /// Before every execution.
    pub const START: Self = Self { not_before: Age(i64::MIN), id: ExecutionId(0) };
}

/// What [`Store::peek_queue`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueuePage {
    /// The executions, in queue order.
    pub executions: Vec<Execution>,
    /// The first one behind them, due or not: where to go on, and when.
    pub next: Option<Age>,
}

/// Which executions to list. By default the newest [`ExecutionQuery::PAGE`] of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionQuery {
    /// Of this activity only.
    pub activity: Option<ActivityId>,
    /// With this status only.
    pub status: Option<ExecutionStatus>,
    /// Only those that have ended, or only those that have not.
    pub ended: Option<bool>,
    /// With a smaller id than this one: the cursor.
    pub before: Option<ExecutionId>,
    /// With a larger id than this one.
    pub after: Option<ExecutionId>,
    /// Submitted at this moment or later, by the clock as it was then.
    pub submitted_from: Option<Timestamp>,
    /// Submitted before this moment.
    pub submitted_until: Option<Timestamp>,
    /// Whose latest attempt this worker has or had.
    pub worker: Option<WorkerId>,
    /// Whose input, or reason of giving up, holds this text; ASCII letters match in either case.
    pub containing: Option<String>,
    /// Which end a page begins at.
    pub order: SortOrder,
    /// Leave out those whose result the action API has handed out.
    pub not_retrieved: bool,
    /// At most so many; [`ExecutionQuery::PAGE`] unless set.
    pub limit: usize,
}

impl Default for ExecutionQuery {
    fn default() -> Self {
        Self {
            activity: None,
            status: None,
            ended: None,
            before: None,
            after: None,
            submitted_from: None,
            submitted_until: None,
            worker: None,
            containing: None,
            order: SortOrder::default(),
            not_retrieved: false,
            limit: Self::PAGE,
        }
    }
}

impl ExecutionQuery {
    /// How many executions a query gives that does not say it.
    pub const PAGE: usize = 100;

    /// The statuses that are asked for.
    #[must_use]
    pub fn statuses(&self) -> Vec<ExecutionStatus> {
        let wanted = |status: &ExecutionStatus| {
            self.status.is_none_or(|only| *status == only)
                && self.ended.is_none_or(|ended| status.is_terminal() == ended)
        };
        ExecutionStatus::ALL.into_iter().filter(wanted).collect()
    }
}

/// Which end a page begins at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortOrder {
    /// The newest first.
    #[default]
    Descending,
    /// The oldest first.
    Ascending,
}

/// What an idempotency key stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// A hash of the request that used it.
    pub request_hash: [u8; 32],
    /// The executions that the request made: one, or a contiguous range for a batch. Remembered as long as any of them
    /// is there.
    pub executions: Range<u64>,
    /// What else it did, where it made none.
    pub note: Option<Note>,
}

/// An execution that the retention may delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpiredExecution {
    /// The execution.
    pub id: ExecutionId,
    /// Its activity.
    pub activity: ActivityId,
    /// The revision that it ran.
    pub revision: RevisionNo,
    /// Its status.
    pub status: ExecutionStatus,
    /// How many attempts it had.
    pub attempts: AttemptNo,
}
