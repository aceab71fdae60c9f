//! Rows as the cases want them.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    domain::{
        Activity, ActivityId, ActivityName, ActivitySettings, ActivityStatus, Age, Attempt, AttemptNo, AttemptOutcome,
        Event, EventDetail, EventKind, Execution, ExecutionId, ExecutionStatus, Installation, InstallationStatus,
        Isolation, Millis, OnLost, Outcome, OutputSummary, Policy, PolicyId, Revision, RevisionNo, RevisionPurpose,
        RevisionStatus, ScriptSource, Timestamp, Worker, WorkerId, WorkerReason, WorkerStatus,
    },
    store::{Change, ExecutionUpdate},
};

pub(super) use crate::testing::output_store_suite::cases::key;

pub(super) fn waiting(id: u64, activity: u64) -> Execution {
    Execution {
        not_before: Age(0),
        ..Execution::waiting(
            ExecutionId(id),
            ActivityId(activity),
            RevisionNo(1),
            Some(format!("input of {id}").into()),
            Timestamp(10),
        )
    }
}

pub(super) fn insert(execution: Execution) -> Change {
    Change::InsertExecution(Arc::new(execution))
}

pub(super) fn update(execution: &Execution) -> Change {
    Change::UpdateExecution(ExecutionUpdate::from(execution))
}

/// The execution, running its attempt of that number.
pub(super) fn running(mut execution: Execution, attempt: u32) -> Execution {
    execution.status = ExecutionStatus::Running;
    execution.attempt = AttemptNo(attempt);
    execution.worker = Some(WorkerId(7));
    execution.started_at = Some(Timestamp(20));
    execution
}

/// The execution, ended at that moment.
pub(super) fn ended(mut execution: Execution, ending: Outcome, at: i64) -> Execution {
    execution.status = ending.status();
    execution.outcome = Some(ending);
    execution.finished_at = Some(Timestamp(at));
    execution.ended = Some(Age(at));
    execution
}

pub(super) fn finished(id: u64, activity: u64) -> Execution {
    ended(running(waiting(id, activity), 1), Outcome::Exited(0), 100)
}

pub(super) fn attempt(execution: u64, no: u32) -> Attempt {
    Attempt {
        key: key(execution, no),
        revision: RevisionNo(3),
        worker: WorkerId(7),
        assigned_at: Timestamp(15),
        started_at: None,
        ended_at: None,
        end: None,
        output: OutputSummary::default(),
    }
}

pub(super) fn open(execution: u64, no: u32) -> Change {
    Change::OpenAttempt(attempt(execution, no))
}

pub(super) fn end(execution: u64, no: u32, end: AttemptOutcome) -> Change {
    Change::EndAttempt { key: key(execution, no), started_at: Some(Timestamp(20)), ended_at: Timestamp(100), end }
}

/// An execution that runs its first attempt.
pub(super) fn one_running(id: u64) -> Vec<Change> {
    vec![insert(running(waiting(id, 1), 1)), open(id, 1)]
}

/// Ends the first attempt of an execution, and it with it.
pub(super) fn conclude(id: u64) -> Vec<Change> {
    vec![end(id, 1, AttemptOutcome::Exited(0)), update(&finished(id, 1))]
}

pub(super) fn event(seq: u64) -> Event {
    Event {
        seq,
        at: Timestamp(5),
        kind: EventKind::ExecutionSubmitted,
        activity: Some(ActivityId(1)),
        revision: Some(RevisionNo(2)),
        execution: Some(ExecutionId(seq)),
        attempt: None,
        worker: None,
        detail: Some(EventDetail::InstallationFailed { error: format!("event {seq}").into() }),
    }
}

pub(super) fn activity(id: u64, name: &str) -> Activity {
    Activity {
        id: ActivityId(id),
        name: ActivityName::new(name).expect("a valid name"),
        created_at: Timestamp(1),
        status: ActivityStatus::Approved,
        revision: RevisionNo(1),
        latest: RevisionNo(1),
        source: ScriptSource::Inline,
        settings: ActivitySettings::default(),
        error: None,
        sha256: None,
    }
}

pub(super) fn revision(activity: u64, no: u32) -> Revision {
    Revision {
        activity: ActivityId(activity),
        no: RevisionNo(no),
        created_at: Timestamp(2),
        source: ScriptSource::Url("http://localhost/install".into()),
        settings: ActivitySettings {
            timeout: Some(Millis(5000)),
            retries: 2,
            on_lost: OnLost::Fail,
            env: BTreeMap::from([("LANG".to_owned(), "de".to_owned())]),
            max_concurrency: Some(3),
            isolation: Some(Isolation::Execution),
            workdir: crate::domain::Workdir::Copy,
            network: crate::domain::Network::None,
        },
        status: RevisionStatus::Rejected,
        error: Some("it would not".into()),
        sha256: Some("abc".into()),
        purpose: RevisionPurpose::Detached,
    }
}

pub(super) fn installation(worker: u64, activity: u64, revision: u32) -> Installation {
    Installation {
        worker: WorkerId(worker),
        activity: ActivityId(activity),
        revision: RevisionNo(revision),
        status: InstallationStatus::Failed,
        error: Some("no room".into()),
        changed_at: Timestamp(3),
        tries: 2,
        retry_at: Some(Timestamp(4)),
    }
}

pub(super) fn worker(id: u64) -> Worker {
    Worker {
        id: WorkerId(id),
        status: WorkerStatus::Working,
        slots: 2,
        draining: true,
        created_at: Timestamp(1),
        ready_at: Some(Timestamp(2)),
        last_seen: None,
        last_worked: Some(Timestamp(3)),
        ended_at: None,
        gone: Some(Age(9)),
        reason: Some(WorkerReason::NeverDialledIn { within: Millis(5), progress: Some("booting".into()) }),
        destroy_error: Some("it hangs".into()),
        backend: Some("local".into()),
        host: Some("here".into()),
        self_registered: true,
        isolation: Isolation::Execution,
        incarnation: Some(u64::MAX),
    }
}

pub(super) fn policy(id: u64, name: &str) -> Policy {
    Policy {
        id: PolicyId(id),
        name: ActivityName::new(name).expect("a valid name"),
        rules: BTreeMap::from([("fixedWorkers".to_owned(), "3".to_owned())]),
    }
}
