//! What is written: rows as the planner wants them, in one transaction.

use std::{ops::Range, sync::Arc};

use super::note::Note;
use crate::domain::{
    Activity, ActivityId, Age, Attempt, AttemptKey, AttemptNo, AttemptOutcome, Boot, Epoch, Event, Execution,
    ExecutionId, ExecutionStatus, Installation, MinuteBucket, Now, Outcome, Payload, Policy, PolicyId, Revision,
    RevisionNo, ScalingDecision, Timestamp, Worker, WorkerId,
};

/// Everything that one round of the engine writes.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Batch {
    /// Counts the batches of an epoch from 1: a repeated one is recognised.
    pub seq: u64,
    /// The epoch of the writer; an older one than the store's is `Fenced`.
    pub epoch: Epoch,
    /// When it was made.
    pub at: Timestamp,
    /// How old POD was then.
    pub age: Age,
    /// The start of the machine that its age is counted from, where that is known.
    pub boot: Option<Boot>,
    /// The rows, in order.
    pub changes: Vec<Change>,
    /// What happened, in order; their `seq` goes on from the last batch.
    pub events: Vec<Event>,
    /// The highest ids handed out so far. Never goes down.
    pub id_sequences: IdSequences,
    /// The tallies of the activities that changed, replacing earlier ones.
    pub activity_counters: Vec<ActivityCounters>,
    /// The tallies of the revisions that changed, replacing earlier ones.
    pub revision_counters: Vec<RevisionCounters>,
}

/// What the clocks said when a store was written to last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockMark {
    /// The system's clock, and how old POD was.
    pub now: Now,
    /// The start of the machine that the age was counted from, where that was known.
    pub boot: Option<Boot>,
}

/// The highest id of each kind that was ever handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct IdSequences {
    /// Of activities.
    pub activity: u64,
    /// Of executions.
    pub execution: u64,
    /// Of workers. A store that notices that it was restored from a copy raises it into a [history](WorkerId::history) that
    /// it never had: all workers of earlier ones are given up.
    pub worker: u64,
    /// Of policies.
    pub policy: u64,
    /// Of events.
    pub event: u64,
    /// Of sessions.
    pub session: u64,
    /// Of executions that were submitted before the system's clock was set back: up to this one, a later id may have an
    /// earlier moment. Behind it, moments are in the order of ids.
    pub disordered: u64,
}

impl IdSequences {
    /// Raises every member to that of another, where that is higher.
    pub fn raise_to(&mut self, other: Self) {
        self.activity = self.activity.max(other.activity);
        self.execution = self.execution.max(other.execution);
        self.worker = self.worker.max(other.worker);
        self.policy = self.policy.max(other.policy);
        self.event = self.event.max(other.event);
        self.session = self.session.max(other.session);
        self.disordered = self.disordered.max(other.disordered);
    }
}

/// How many executions of an activity have each status, and how long its last runs took.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ActivityCounters {
    /// The activity.
    pub activity: ActivityId,
    /// Executions by status, in the order of [`ExecutionStatus::ALL`].
    pub executions: [u64; 6],
    /// How long the last runs took, oldest first, in milliseconds; at most 50.
    pub recent_durations: Vec<u32>,
}

/// How many executions name a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevisionCounters {
    /// The activity.
    pub activity: ActivityId,
    /// The revision.
    pub revision: RevisionNo,
    /// Those that wait.
    pub waiting: u64,
    /// All of them, as long as they are kept.
    pub kept: u64,
}

/// One row to be written.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Inserts or replaces the row of an activity (only `id`, `name`, `created_at` and `status` are its own;
    /// the rest is derived from its revisions and need not be stored).
    PutActivity(Activity),
    /// Deletes an activity with its revisions, payloads, installations and their logs. Its executions and its name stay.
    DeleteActivity(ActivityId),
    /// Inserts or replaces a revision.
    PutRevision(Revision),
    /// Stores the pinned bytes of a revision.
    PutPayload {
        /// The activity.
        activity: ActivityId,
        /// The revision.
        revision: RevisionNo,
        /// The bytes.
        payload: Payload,
    },
    /// Deletes a revision with its payload.
    DeleteRevision {
        /// The activity.
        activity: ActivityId,
        /// The revision.
        revision: RevisionNo,
    },
    /// Inserts or replaces an installation.
    PutInstallation(Installation),
    /// Deletes an installation.
    DeleteInstallation {
        /// The worker.
        worker: WorkerId,
        /// The activity.
        activity: ActivityId,
        /// The revision.
        revision: RevisionNo,
    },
    /// Inserts a new execution.
    InsertExecution(Arc<Execution>),
    /// Changes an execution that exists and has not ended; its `input` does not change.
    UpdateExecution(ExecutionUpdate),
    /// Marks an ended execution as handed out by the action API. `Conflict` if it was already.
    Retrieve(ExecutionId),
    /// Deletes ended executions with their attempts and output.
    DeleteExecutions(Vec<ExecutionId>),
    /// Inserts an open attempt. `Conflict` when the execution has an open one.
    OpenAttempt(Attempt),
    /// An attempt began to run.
    StartAttempt {
        /// The attempt.
        key: AttemptKey,
        /// When `main.sh` was started.
        started_at: Timestamp,
    },
    /// Ends an open attempt, and makes its output durable. `Conflict` when it is not open.
    EndAttempt {
        /// The attempt.
        key: AttemptKey,
        /// When `main.sh` was started, if it was.
        started_at: Option<Timestamp>,
        /// When it ended.
        ended_at: Timestamp,
        /// How it ended. `Recalled` deletes the row: the number is used again.
        end: AttemptOutcome,
    },
    /// Remembers what an idempotency key was used for.
    PutIdempotency {
        /// The key.
        key: Arc<str>,
        /// A hash of the request.
        request_hash: [u8; 32],
        /// The executions that it made.
        executions: Range<u64>,
    },
    /// Remembers what a request did that made no executions, or what became of it since.
    PutNote {
        /// The idempotency key.
        key: Arc<str>,
        /// A hash of the request.
        request_hash: [u8; 32],
        /// What it did.
        note: Note,
    },
    /// Inserts or replaces a worker.
    PutWorker(Worker),
    /// Forgets a worker that has been gone for long.
    DeleteWorker(WorkerId),
    /// Inserts a policy.
    PutPolicy(Policy),
    /// Deletes a policy.
    DeletePolicy(PolicyId),
    /// Makes a policy the active one.
    ActivatePolicy(PolicyId),
    /// Remembers a decision about the fleet.
    RecordDecision(ScalingDecision),
    /// Inserts or replaces what was counted in a minute; those that are too old go.
    PutMinute(MinuteBucket),
}

/// The members of an execution that change while it lives. The store writes all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionUpdate {
    /// Which execution.
    pub id: ExecutionId,
    /// Where it stands now.
    pub status: ExecutionStatus,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Its place in the queue.
    pub not_before: Age,
    /// When its latest attempt began to run.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How old POD was when it ended.
    pub ended: Option<Age>,
    /// The number of its latest attempt.
    pub attempt: AttemptNo,
    /// The worker of its latest attempt.
    pub worker: Option<WorkerId>,
    /// Attempts that failed by themselves.
    pub failures: u32,
    /// Attempts that were lost.
    pub lost_attempts: u32,
    /// Whether someone asked to terminate it.
    pub cancel_requested: bool,
}

impl From<&Execution> for ExecutionUpdate {
    fn from(execution: &Execution) -> Self {
        Self {
            id: execution.id,
            status: execution.status,
            outcome: execution.outcome.clone(),
            not_before: execution.not_before,
            started_at: execution.started_at,
            finished_at: execution.finished_at,
            ended: execution.ended,
            attempt: execution.attempt,
            worker: execution.worker,
            failures: execution.failures,
            lost_attempts: execution.lost_attempts,
            cancel_requested: execution.cancel_requested,
        }
    }
}

impl ExecutionUpdate {
    /// Writes the members into an execution.
    pub fn apply(self, execution: &mut Execution) {
        execution.status = self.status;
        execution.outcome = self.outcome;
        execution.not_before = self.not_before;
        execution.started_at = self.started_at;
        execution.finished_at = self.finished_at;
        execution.ended = self.ended;
        execution.attempt = self.attempt;
        execution.worker = self.worker;
        execution.failures = self.failures;
        execution.lost_attempts = self.lost_attempts;
        execution.cancel_requested = self.cancel_requested;
    }
}

/// An activity with its revisions and what was counted of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ActivityRecord {
    /// The activity; the members derived from revisions are not meaningful here.
    pub activity: Activity,
    /// Its revisions, oldest first.
    pub revisions: Vec<Revision>,
    /// What was counted of each of them, in the same order.
    pub revision_counters: Vec<RevisionCounters>,
    /// What was counted.
    pub counters: ActivityCounters,
}

/// What the engine loads when it starts.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Snapshot {
    /// The highest ids handed out.
    pub id_sequences: IdSequences,
    /// Every activity.
    pub activities: Vec<ActivityRecord>,
    /// The name of every activity that ever was, the deleted ones included: executions of them are still shown.
    pub activity_names: Vec<(ActivityId, Arc<str>)>,
    /// Every installation.
    pub installations: Vec<Installation>,
    /// Every worker, the gone ones included until they are forgotten.
    pub workers: Vec<Worker>,
    /// Every open attempt with its execution.
    pub running: Vec<(Execution, Attempt)>,
    /// Every policy that a user made.
    pub policies: Vec<Policy>,
    /// The active policy; 0 is the built-in one.
    pub active_policy: PolicyId,
    /// What happened in the last minutes, oldest first.
    pub minutes: Vec<MinuteBucket>,
    /// What the clocks said when it was written to last.
    pub clock: Option<ClockMark>,
    /// The moment that the newest execution bears.
    pub newest_submitted: Option<Timestamp>,
}
