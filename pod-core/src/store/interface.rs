//! The trait of durable storage, and what its methods take and give.

use std::{fmt::Debug, ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;

use crate::domain::{
    ActivityId, Age, Attempt, AttemptKey, AttemptNo, Epoch, Event, Execution, ExecutionId, ExecutionStatus, OutputFile,
    OutputSummary, Payload, RevisionNo, ScalingDecision, StoreId, Stream, Timestamp, WorkerId,
};

use super::{
    batch::{Batch, Snapshot},
    note::Note,
};

/// Output up to this many bytes per stream waits for the end of its attempt and is committed with it.
pub const INLINE_OUTPUT: usize = 16 << 10;
/// How much of the log of an installation is kept.
pub const INSTALL_LOG_LIMIT: usize = 1 << 20;
/// How many events are kept at least; older ones may go.
pub const KEPT_EVENTS: u64 = 100_000;
/// How many scaling decisions are kept at least.
pub const KEPT_DECISIONS: u64 = 1000;
/// How many revisions of an activity that no execution names are kept after others took their place.
pub const KEPT_REVISIONS: usize = 10;
/// How many minutes of statistics are kept: a day.
pub const KEPT_MINUTES: usize = 24 * 60;

/// Durable storage of one POD.
///
/// An application has little to do with it: it opens one, gives it to [`Builder::store`](crate::Builder::store), and asks
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
/// # let run = pod.start(NewExecution::of("hello")).await?;
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
/// A store that wraps another one forwards every method, also those that have a default; `#[deny(clippy::missing_trait_methods)]`
/// on its `impl` sees to that. [`Store::for_engine`] is the exception: forwarded as it is, it would hand the inner store
/// to the engine, and nothing that the engine does would pass through the wrapper. Wrap what it gives once more:
///
/// ```ignore
/// fn for_engine(&self) -> Option<Arc<dyn Store>> {
///     let inner = self.inner.for_engine()?;
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
pub trait Store: Debug + Send + Sync + 'static {
    /// The identity of this store, made once with it.
    fn id(&self) -> StoreId;

    /// A handle of this store for the engine alone, whose reads do not wait for those of everyone else: where the store
    /// can tell them apart. Nobody's slow search is to hold up the planner. The engine never calls the store that it was
    /// given then: see [wrappers](Store#wrappers).
    fn for_engine(&self) -> Option<Arc<dyn Store>> {
        None
    }

    /// Takes the lease of the manager: raises the epoch, so that every commit of an earlier holder is `Fenced`.
    async fn acquire(&self, now: Timestamp) -> Result<Lease, StoreError>;

    /// What the engine holds in memory: everything but ended executions and the waiting queue.
    async fn load(&self) -> Result<Snapshot, StoreError>;

    /// Writes a batch in one transaction, durable when it returns. Attempts that end take their output along:
    /// what was appended for them is durable too, before the transaction.
    ///
    /// A batch whose `seq` was already committed under this epoch is not applied again and succeeds: so a commit whose
    /// outcome is unknown is simply sent again.
    async fn commit(&self, batch: Arc<Batch>) -> Result<(), StoreError>;

    /// The engine has ended and writes no more: a moment to tidy up. The store stays usable.
    async fn rest(&self) {}

    /// Whether there is room for new executions and their output; asked about once a second. A store that is full may
    /// tidy up to make some.
    async fn has_room(&self) -> bool;

    /// The next waiting executions of a revision in the order `(not_before, id)`, after `after`, not later than `due`.
    async fn claim(
        &self,
        activity: ActivityId,
        revision: RevisionNo,
        after: QueueKey,
        due: Age,
        limit: usize,
    ) -> Result<Claimed, StoreError>;

    /// One execution.
    async fn execution(&self, id: ExecutionId) -> Result<Option<Execution>, StoreError>;

    /// The attempts of an execution, oldest first.
    async fn attempts(&self, id: ExecutionId) -> Result<Vec<Attempt>, StoreError>;

    /// A page of executions. What is filtered by worker or text is looked for among all between `after` and `before`:
    /// who asks sets bounds that are not too far apart.
    async fn executions(&self, query: ExecutionQuery) -> Result<Vec<Execution>, StoreError>;

    /// How many executions there are that a query asks for; its limit is not looked at.
    async fn count_executions(&self, query: ExecutionQuery) -> Result<u64, StoreError>;

    /// Up to which execution ids need not be in the order of time: the last committed [`HighWater::disordered`](super::HighWater::disordered).
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
    async fn expired(&self, before: Age, limit: usize) -> Result<Vec<ExpiredExecution>, StoreError>;

    /// Takes output of an open attempt. `offset` may lie before what is there (sent again: nothing changes, or the same
    /// bytes are written again), not after it (`StoreError::Gap`). Readable at once, durable after `sync_output` or
    /// with the end of the attempt.
    async fn append_output(&self, key: AttemptKey, stream: Stream, offset: u64, bytes: Bytes)
    -> Result<(), StoreError>;

    /// The file that holds a stream of an open attempt from its first byte on, made where there was none, for a worker on
    /// this machine to write itself. Nothing where output is not kept so, or the attempt is not open.
    async fn output_file(&self, key: AttemptKey, stream: Stream) -> Result<Option<OutputFile>, StoreError> {
        let _ = (key, stream);
        Ok(None)
    }

    /// Takes output of an open attempt that a worker wrote into its [`Self::output_file`]: as [`Self::append_output`] of
    /// bytes that are there already. `StoreError::Gap` where they are not.
    async fn wrote_output(&self, key: AttemptKey, stream: Stream, from: u64, to: u64) -> Result<(), StoreError> {
        let _ = (key, stream, to);
        Err(StoreError::Gap { expected: 0, offset: from })
    }

    /// Takes the tail of a stream that the cap cut: what lies between what is there and `offset` is its gap.
    /// A later tail of the same stream replaces an earlier one.
    async fn append_tail(&self, key: AttemptKey, stream: Stream, offset: u64, bytes: Bytes) -> Result<(), StoreError>;

    /// Takes a piece of the log of the order in which the output of an open attempt came: [`crate::domain::Run`]s, which
    /// the store need not understand. By offset and as durable as output.
    async fn append_order(&self, key: AttemptKey, offset: u64, bytes: Bytes) -> Result<(), StoreError>;

    /// Reads the log of the order from `offset`, at most `limit` bytes; nothing of an attempt that has none.
    async fn read_order(&self, key: AttemptKey, offset: u64, limit: usize) -> Result<Bytes, StoreError>;

    /// Makes output durable that is worth it, and says up to where it is. What is small and waits for the end of its
    /// attempt is not made durable before: the worker keeps it.
    async fn sync_output(&self, key: AttemptKey) -> Result<DurableOffsets, StoreError>;

    /// Reads from `offset`: as much as there is contiguously, at most `limit` bytes. Where `offset` lies in the gap,
    /// reading goes on after it (`OutputSlice::offset` tells).
    async fn read_output(
        &self,
        key: AttemptKey,
        stream: Stream,
        offset: u64,
        limit: usize,
    ) -> Result<OutputSlice, StoreError>;

    /// How much output an attempt has, by now.
    async fn output_summary(&self, key: AttemptKey) -> Result<OutputSummary, StoreError>;

    /// Takes a piece of the output of an installation; `restart` discards what an earlier try left.
    /// Bounded (1 MiB, the head is dropped); need not be durable at once.
    async fn append_install_log(&self, log: InstallLog, bytes: Bytes, restart: bool) -> Result<(), StoreError>;

    /// The output of an installation as far as it is kept.
    async fn install_log(&self, log: InstallLog) -> Result<Bytes, StoreError>;
}

/// A place in the queue of a revision. Everything at or before the engine's cursor is in its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueKey {
    /// Not before POD is so old.
    pub not_before: Age,
    /// Then by age.
    pub id: ExecutionId,
}

impl QueueKey {
    /// Before every execution.
    pub const START: Self = Self { not_before: Age(i64::MIN), id: ExecutionId(0) };
}

/// What `claim` found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claimed {
    /// The executions, in queue order.
    pub executions: Vec<Execution>,
    /// The first one behind them, due or not: where to go on, and when.
    pub next: Option<Age>,
}

/// Who holds the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The epoch; every commit names it.
    pub epoch: Epoch,
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
    pub order: Order,
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
            order: Order::default(),
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
pub enum Order {
    /// The newest first.
    #[default]
    NewestFirst,
    /// The oldest first.
    OldestFirst,
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

/// Up to where output is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct DurableOffsets {
    /// Of stdout.
    pub stdout: u64,
    /// Of stderr.
    pub stderr: u64,
    /// Of the log of their order; 0 when the attempt has ended, with which all of it is durable.
    pub order: u64,
}

/// A piece of output.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct OutputSlice {
    /// The offset of the first byte; later than asked for where that lay in the gap.
    pub offset: u64,
    /// The bytes; empty at the end of what there is.
    pub bytes: Bytes,
}

/// The log of one installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstallLog {
    /// The worker.
    pub worker: WorkerId,
    /// The activity.
    pub activity: ActivityId,
    /// The revision.
    pub revision: RevisionNo,
}

/// What can go wrong with a store. Each kind has one reaction of the engine.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It cannot be reached or answers with an error that may pass: the same batch is tried again, nothing is performed.
    #[error("the store is unavailable: {0}")]
    Unavailable(Arc<str>),
    /// No space: new submits and output are refused first; ends and deletions still commit from a reserve.
    #[error("the store is full: {0}")]
    Full(Arc<str>),
    /// The batch contradicts what is there: the engine loads its state anew.
    #[error("the store refused a contradiction: {0}")]
    Conflict(Arc<str>),
    /// Another manager took over: the engine drops its state.
    #[error("another manager took over this store")]
    Fenced,
    /// Output was sent that does not join what is there.
    #[error("output at offset {offset} leaves a hole after {expected}")]
    Gap {
        /// Where it should go on.
        expected: u64,
        /// Where it would have gone on.
        offset: u64,
    },
    /// It is not a store of this version, or not one at all: a sentence for the person who named it.
    #[error("{0}")]
    Unusable(Arc<str>),
}

impl StoreError {
    /// It cannot be reached, or answers with an error that may pass.
    pub fn unavailable(why: impl Into<Arc<str>>) -> Self {
        Self::Unavailable(why.into())
    }

    /// There is no space.
    pub fn full(why: impl Into<Arc<str>>) -> Self {
        Self::Full(why.into())
    }

    /// A batch contradicts what is there.
    pub fn conflict(why: impl Into<Arc<str>>) -> Self {
        Self::Conflict(why.into())
    }

    /// It is not a store of this version, or not one at all: with a sentence for the person who named it.
    pub fn unusable(sentence: impl Into<Arc<str>>) -> Self {
        Self::Unusable(sentence.into())
    }

    /// Output was sent for an attempt that has ended or never was.
    #[must_use]
    pub fn not_open(key: AttemptKey) -> Self {
        Self::Conflict(format!("attempt {key} is not open and takes no output").into())
    }
}
