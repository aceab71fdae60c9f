//! Executions and the reasons for their state.

use pod_core::{
    Explanation,
    domain::{Execution, ExecutionStatus, Now, Outcome, RevisionNo},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    super::{moment::Moment, openapi::enums::ExecutionStatusWord},
    reason::ReasonObject,
};

/// One run of an activity.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Execution, examples(json!({
    "id": 17, "activity": "thumbs", "activityId": 1, "revision": 1, "status": "finished", "exitCode": 0,
    "input": "cat.png", "submittedAt": "2026-11-24T14:05:00Z", "startedAt": "2026-11-24T14:05:00.2Z",
    "finishedAt": "2026-11-24T14:05:03.7Z", "attempt": 1, "worker": 1, "failures": 0, "losses": 0
})))]
pub(crate) struct ExecutionObject {
    pub(in crate::api) id: u64,
    /// The name of its activity.
    activity: String,
    activity_id: u64,
    /// The revision of the activity that it is bound to, through every attempt. Absent where that was never known.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u32>,
    /// `waiting`, `running`, `finished`, `failed`, `terminated` or `timedOut`.
    #[schema(value_type = ExecutionStatusWord)]
    status: &'static str,
    /// Present when main.sh ran to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    /// The number of the signal that ended main.sh, where POD did not send it.
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<i32>,
    /// Why POD could not run it, gave it up or ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The kind of the reason, for programs: `outOfMemory`, `timedOut`, `terminated`, `gaveUp`, or `workerLeft` where its
    /// worker left in an orderly way while it ran, and the activity says that it must not run again.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason_code: Option<ReasonCode>,
    /// With `gaveUp`, why, for programs: `startFailed`, `notRunAgain` (its worker was lost, and the activity says that it
    /// must not run again), `lostTooOften`, `activityDeleted`, `activityRejected`, `notInstalled`, or `other` where an
    /// earlier version gave it up. There may be new ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason_detail: Option<&'static str>,
    /// The argument of main.sh. Lists leave out inputs of more than 4 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<String>,
    submitted_at: Moment,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<Moment>,
    /// While it waits for a moment to come: that moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<Moment>,
    /// 1 for the first attempt, 0 before it.
    attempt: u32,
    /// The worker of its latest attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<u64>,
    /// Attempts that failed by themselves.
    failures: u32,
    /// Attempts that were lost with their worker.
    losses: u32,
    /// Someone asked to terminate it, and it has not ended yet.
    #[serde(skip_serializing_if = "is_false")]
    cancel_requested: bool,
    /// The execution that this one repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_of: Option<u64>,
    /// How long until it is expected to finish; told where it was submitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::api) predicted_millis: Option<u64>,
}

/// The kind of a reason, for programs.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ReasonCode {
    /// The memory of its worker was used up.
    OutOfMemory,
    /// Its time limit passed.
    TimedOut,
    /// Someone asked for its end.
    Terminated,
    /// It could not be run.
    GaveUp,
    /// Its worker left while it ran.
    WorkerLeft,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// The signal with which the system ends programs when memory is used up.
const SIGKILL: i32 = 9;

/// Inputs up to this length are shown in lists.
const MAX_LISTED_INPUT_LEN: usize = 4 << 10;

impl ExecutionObject {
    /// `now` is the current time, by which the due time is computed.
    pub(in crate::api) fn of(execution: &Execution, activity_name: &str, now: Now) -> Self {
        let (exit_code, signal, reason) = match &execution.outcome {
            Some(Outcome::Exited(code)) => (Some(*code), None, None),
            Some(Outcome::Signalled(signal)) => (None, Some(*signal), None),
            Some(Outcome::OutOfMemory) => {
                (None, Some(SIGKILL), Some("it ran out of memory: the memory of its worker was used up".to_owned()))
            }
            Some(Outcome::TimedOut) => (None, None, Some("the time limit passed".to_owned())),
            Some(Outcome::Terminated) => (None, None, Some("someone asked to terminate it".to_owned())),
            Some(Outcome::Aborted(why)) => (None, None, Some(why.to_string())),
            Some(left @ Outcome::WorkerLeft { .. }) => {
                (None, None, left.reason().map(|reason| format!("workerLeft: {reason}")))
            }
            None => (None, None, None),
        };
        let reason_code = execution.outcome.as_ref().and_then(|ending| match ending {
            Outcome::Exited(_) | Outcome::Signalled(_) => None,
            Outcome::OutOfMemory => Some(ReasonCode::OutOfMemory),
            Outcome::TimedOut => Some(ReasonCode::TimedOut),
            Outcome::Terminated => Some(ReasonCode::Terminated),
            Outcome::Aborted(_) => Some(ReasonCode::GaveUp),
            Outcome::WorkerLeft { .. } => Some(ReasonCode::WorkerLeft),
        });
        let reason_detail = match &execution.outcome {
            Some(Outcome::Aborted(why)) => Some(why.code()),
            _ => None,
        };
        let delayed = execution.status == ExecutionStatus::Waiting && execution.not_before > now.age;
        Self {
            id: execution.id.0,
            activity: activity_name.to_owned(),
            activity_id: execution.activity.0,
            revision: (execution.revision != RevisionNo(0)).then_some(execution.revision.0),
            status: execution.public_status().as_str(),
            exit_code,
            signal,
            reason,
            reason_code,
            reason_detail,
            input: execution.input.as_deref().map(str::to_owned),
            submitted_at: execution.submitted_at.into(),
            started_at: execution.started_at.map(Moment::from),
            finished_at: execution.finished_at.map(Moment::from),
            not_before: delayed.then(|| now.moment_of(execution.not_before).into()),
            attempt: execution.attempt.0,
            worker: execution.worker.map(|worker| worker.0),
            failures: execution.failures,
            losses: execution.lost_attempts,
            cancel_requested: execution.cancel_requested && !execution.status.is_terminal(),
            retry_of: execution.retry_of.map(|id| id.0),
            predicted_millis: None,
        }
    }

    pub(in crate::api) fn listed(execution: &Execution, activity_name: &str, now: Now) -> Self {
        let mut listed = Self::of(execution, activity_name, now);
        listed.input = listed.input.filter(|input| input.len() <= MAX_LISTED_INPUT_LEN);
        listed
    }
}

/// Why an execution is where it is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Explanation)]
pub(crate) struct ExplanationObject {
    execution: ExecutionObject,
    /// The state of the execution and its reasons as sentences, the most important first.
    sentences: Vec<String>,
    /// The same, each with a word for programs.
    reasons: Vec<ReasonObject>,
    /// How many executions of its activity are before it in the queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    ahead: Option<u64>,
    /// How long until it is expected to finish.
    #[serde(skip_serializing_if = "Option::is_none")]
    predicted_millis: Option<u64>,
}

impl ExplanationObject {
    pub(in crate::api) fn of(explanation: Explanation, now: Now) -> Self {
        Self {
            execution: ExecutionObject::of(&explanation.execution, &explanation.activity_name, now),
            sentences: explanation.reasons.iter().map(ToString::to_string).collect(),
            reasons: explanation.reasons.iter().map(ReasonObject::from).collect(),
            ahead: explanation.queue_position,
            predicted_millis: explanation.eta.map(|millis| millis.0),
        }
    }
}
