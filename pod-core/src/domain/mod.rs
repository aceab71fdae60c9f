//! The words of POD: what an activity, an execution, an attempt, a worker and a policy are.
//!
//! Plain data. Nothing here does IO, reads a clock or knows who stores it.

mod activity;
mod clock_change;
mod event;
mod event_detail;
mod execution;
mod give_up;
mod ids;
mod interleaving;
mod output;
mod policy;
mod reason;
mod statistics;
mod time;
mod transitions;
mod word;
mod worker;

pub use activity::{
    Activity, ActivityName, ActivitySettings, ActivitySource, ActivityStatus, Installation, InstallationStatus,
    InvalidName, Isolation, Network, NewActivity, OnLost, Payload, Revision, RevisionChoice, RevisionPurpose,
    RevisionStatus, ScriptSource, UnknownWorkdir, Workdir,
};
pub use clock_change::ClockChange;
pub use event::{Event, EventKind, ScalingDecision};
pub use event_detail::{EventDetail, PolicyChange};
pub use execution::{
    Attempt, AttemptOutcome, AttemptStatus, Execution, ExecutionStatus, InvalidInput, NewExecution, Outcome,
    RetryRevision, validate_input,
};
pub use give_up::{GiveUp, Requeue};
pub use ids::{
    ActivityId, AttemptKey, AttemptNo, Epoch, ExecutionId, InvalidAttemptKey, PolicyId, RevisionNo, SessionId, StoreId,
    WorkerId,
};
pub use interleaving::OutputSegment;
pub use output::{Gap, OutputFile, OutputSummary, Stream, StreamSummary};
pub use policy::{InvalidRule, Policy, Rules};
pub use reason::{Need, ScaleReason, WorkerReason};
pub use statistics::{MinuteBucket, WaitHistogram};
pub use time::{Age, Boot, Millis, Now, Timestamp};
pub use transitions::{InvalidTransition, Transitions};
pub use word::UnknownWord;
pub use worker::{MAX_SLOTS, Worker, WorkerStatus};
