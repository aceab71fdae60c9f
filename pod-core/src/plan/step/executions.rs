//! Requests about executions: submit, terminate, repeat, hand out; and the end of their retention.

use std::{collections::BTreeSet, sync::Arc};

use super::super::{
    decision::{Decision, Effect},
    state::State,
};
use crate::{
    api::{PodError, Reply, Submitted, TerminationMode},
    domain::{
        ActivityId, ActivityName, ActivityStatus, EventDetail, EventKind, Execution, ExecutionId, ExecutionStatus,
        Millis, NewExecution, Now, Outcome, RetryRevision, RevisionChoice, RevisionNo, RevisionStatus, Transitions,
        validate_input,
    },
    plan::step::StoredContext,
    store::{Change, ExpiredExecution, QueuePage, StoreError},
};

type Answer = Result<Reply, PodError>;

impl State {
    /// The revision that executions of that name are to run, if it takes them.
    pub(super) fn open_revision(
        &self,
        name: &str,
        choice: RevisionChoice,
    ) -> Result<(ActivityId, RevisionNo), PodError> {
        ActivityName::new(name)?;
        let id = self.activity_named(name).ok_or_else(|| PodError::NoSuchActivity(name.to_owned()))?;
        let activity = &self.activities[&id];
        let closed = |status| Err(PodError::NotOpen { name: name.to_owned(), status });
        let revision = match (activity.activity.status, choice) {
            (ActivityStatus::Uninstalling, _) => return closed("uninstalling"),
            (ActivityStatus::Rejected, RevisionChoice::Current) => return closed("rejected"),
            (_, RevisionChoice::Current) => activity.activity.revision,
            (_, RevisionChoice::No(revision)) => revision,
        };
        match activity.revision(revision).map(|state| state.revision.status) {
            Some(RevisionStatus::Verifying | RevisionStatus::Approved) => Ok((id, revision)),
            Some(RevisionStatus::Rejected | RevisionStatus::Uninstalling) => {
                Err(PodError::RevisionRejected { name: name.to_owned(), revision })
            }
            None => Err(PodError::NoSuchRevision { name: name.to_owned(), revision }),
        }
    }

    fn refuse_when_full(&self) -> Result<(), PodError> {
        if self.full {
            return Err(PodError::Store(StoreError::Full(crate::plan::state::NO_SPACE.into())));
        }
        Ok(())
    }

    pub(super) fn submit(
        &mut self,
        new: NewExecution,
        found: StoredContext,
        out: &mut Decision,
    ) -> Result<Box<Submitted>, PodError> {
        if let Some(repeated) = self.repeated(new.idempotency_key.as_deref(), &found) {
            return repeated;
        }
        let revision = self.open_revision(&new.activity, new.revision)?;
        self.refuse_when_full()?;
        if let Some(input) = &new.input {
            validate_input(input, self.config.limits.max_input)?;
        }
        let execution = self.enqueue(revision, new.input.map(Arc::from), None, out);
        self.remember(new.idempotency_key, &found, execution.id, out);
        Ok(Box::new(self.submitted(&execution)))
    }

    /// The answer to a request that was carried out before under this key.
    fn repeated(&self, key: Option<&str>, found: &StoredContext) -> Option<Result<Box<Submitted>, PodError>> {
        let (key, (record, first)) = (key?, found.idempotency.as_ref()?);
        Some(match first {
            Some(execution) if record.request_hash == found.request_hash => {
                Ok(Box::new(Submitted { deduplicated: true, ..self.submitted(execution) }))
            }
            _ => Err(PodError::IdempotencyConflict(key.to_owned())),
        })
    }

    fn remember(&self, key: Option<String>, found: &StoredContext, id: ExecutionId, out: &mut Decision) {
        if let Some(key) = key {
            let executions = id.0..id.0 + 1;
            out.change(Change::PutIdempotency { key: key.into(), request_hash: found.request_hash, executions });
        }
    }

    pub(super) fn submit_many(
        &mut self,
        (activity, choice): (&str, RevisionChoice),
        inputs: Vec<Option<String>>,
        key: Option<String>,
        found: StoredContext,
        out: &mut Decision,
    ) -> Answer {
        if let (Some(key), Some((record, _))) = (&key, found.idempotency) {
            if record.request_hash == found.request_hash {
                return Ok(Reply::SubmittedMany(record.executions));
            }
            return Err(PodError::IdempotencyConflict(key.clone()));
        }
        let revision = self.open_revision(activity, choice)?;
        self.refuse_when_full()?;
        for (number, input) in inputs.iter().enumerate() {
            if let Some(Err(error)) = input.as_deref().map(|input| validate_input(input, self.config.limits.max_input))
            {
                return Err(PodError::Invalid(format!("inputs[{number}]: {error}")));
            }
        }
        let first = self.ids.execution + 1;
        for input in inputs {
            self.enqueue(revision, input.map(Arc::from), None, out);
        }
        let executions = first..self.ids.execution + 1;
        if let Some(key) = key {
            let executions = executions.clone();
            out.change(Change::PutIdempotency { key: key.into(), request_hash: found.request_hash, executions });
        }
        Ok(Reply::SubmittedMany(executions))
    }

    fn enqueue(
        &mut self,
        (activity, revision): (ActivityId, RevisionNo),
        input: Option<Arc<str>>,
        retry_of: Option<ExecutionId>,
        out: &mut Decision,
    ) -> Execution {
        self.ids.execution += 1;
        let id = ExecutionId(self.ids.execution);
        let now = Now { wall: self.submitted_at(id), age: self.now };
        let execution = Execution { retry_of, ..Execution::waiting(id, activity, revision, input, now) };
        out.insert(&execution);
        out.event(self.wall(), EventKind::ExecutionSubmitted).of(&execution);
        self.recount(&execution, None, Some(ExecutionStatus::Waiting), out);
        self.queue(execution.clone());
        execution
    }

    /// Puts an execution into its queue.
    pub(super) fn queue(&mut self, execution: Execution) {
        let room = self.window();
        if let Some(activity) = self.activities.get_mut(&execution.activity) {
            let revision = execution.revision;
            if let Some(state) = activity.wake(revision) {
                state.queue.insert(execution, room);
            }
        }
    }

    fn submitted(&self, execution: &Execution) -> Submitted {
        Submitted {
            id: execution.id,
            execution: execution.clone(),
            launching_worker: false,
            eta: None,
            deduplicated: false,
        }
    }

    pub(super) fn terminate(
        &mut self,
        id: ExecutionId,
        hurry: TerminationMode,
        found: Option<Execution>,
        out: &mut Decision,
    ) -> Answer {
        if let Some(held) = self.held.get_mut(&id) {
            held.execution.cancel_requested = true;
            out.update(&held.execution);
            let grace = if hurry == TerminationMode::Now { Millis(0) } else { self.config.limits.grace_period };
            out.effects.push(Effect::Stop(held.attempt.worker, held.attempt.key, grace));
            return Ok(Reply::Execution(Box::new(held.execution.clone())));
        }
        let stored = found.ok_or(PodError::NoSuchExecution(id))?;
        if stored.status.is_terminal() {
            return Err(PodError::AlreadyEnded(id));
        }
        let revision = self.activities.get_mut(&stored.activity);
        let execution = match revision.and_then(|activity| activity.revisions.get_mut(&stored.revision)) {
            Some(state) => state.queue.remove(stored),
            None => stored,
        };
        let ended = self.conclude(execution, ExecutionStatus::Waiting, Outcome::Terminated, out);
        Ok(Reply::Execution(Box::new(ended)))
    }

    /// Ends an execution that was taken out of the queue or whose attempt was closed.
    pub(in crate::plan) fn conclude(
        &mut self,
        mut execution: Execution,
        from: ExecutionStatus,
        ending: Outcome,
        out: &mut Decision,
    ) -> Execution {
        execution.status.move_to(ending.status());
        execution.finished_at.get_or_insert(self.wall());
        execution.ended = Some(self.now);
        self.recount(&execution, Some(from), Some(execution.status), out);
        let event = out.event(self.wall(), EventKind::ExecutionEnded);
        event.of(&execution);
        let told = (ending != Outcome::Exited(0)).then(|| ending.clone());
        event.detail = Some(EventDetail::Ended { status: execution.status, ending: told });
        execution.outcome = Some(ending);
        out.update(&execution);
        self.done_with(execution.activity, execution.revision, out);
        execution
    }

    /// What becomes of a revision when an execution of it has concluded.
    fn done_with(&mut self, id: ActivityId, no: RevisionNo, out: &mut Decision) {
        let now = self.now;
        let Some(activity) = self.activities.get_mut(&id) else { return };
        let Some(state) = activity.revisions.get(&no).filter(|state| !state.has_work()) else { return };
        match state.revision.status {
            // It was registered for those who ran it, and they all left: nobody waits for its installation.
            RevisionStatus::Verifying if state.revision.purpose.is_for_runs() => {
                let reason =
                    "its installation was withdrawn, as nobody waited for it any more; run it again to install it";
                self.reject(id, no, reason.into(), out);
            }
            RevisionStatus::Approved => activity.linger(no, now),
            _ => {}
        }
    }

    pub(super) fn retry(
        &mut self,
        id: ExecutionId,
        revision: RetryRevision,
        key: Option<String>,
        mut found: StoredContext,
        out: &mut Decision,
    ) -> Result<Box<Submitted>, PodError> {
        if let Some(repeated) = self.repeated(key.as_deref(), &found) {
            return repeated;
        }
        if self.held.contains_key(&id) {
            return Err(PodError::NotEnded(id));
        }
        let old = found.execution.take().ok_or(PodError::NoSuchExecution(id))?;
        if !old.status.is_terminal() {
            return Err(PodError::NotEnded(id));
        }
        let name = self.names.get(&old.activity).cloned().unwrap_or_else(|| "?".into());
        // Its name may meanwhile belong to another activity, which is not what was asked for.
        let Some(activity) = self.activities.get(&old.activity) else {
            return Err(PodError::ActivityGone {
                id: old.activity,
                taken: self.activity_named(&name).is_some(),
                name: name.to_string(),
            });
        };
        let choice = match revision {
            RetryRevision::Same if activity.revision(old.revision).is_none() => return Err(PodError::RevisionGone(id)),
            RetryRevision::Same => RevisionChoice::No(old.revision),
            RetryRevision::Latest => RevisionChoice::Current,
        };
        let revision = self.open_revision(&name, choice)?;
        self.refuse_when_full()?;
        let execution = self.enqueue(revision, old.input, Some(id), out);
        self.remember(key, &found, execution.id, out);
        Ok(Box::new(self.submitted(&execution)))
    }

    pub(super) fn retrieve(&mut self, id: ExecutionId, found: Option<Execution>, out: &mut Decision) -> Answer {
        if self.held.contains_key(&id) {
            return Err(PodError::NotEnded(id));
        }
        let mut execution = found.ok_or(PodError::NoSuchExecution(id))?;
        if !execution.status.is_terminal() {
            return Err(PodError::NotEnded(id));
        }
        if execution.retrieved {
            return Err(PodError::AlreadyRetrieved(id));
        }
        execution.retrieved = true;
        out.change(Change::Retrieve(id));
        Ok(Reply::Execution(Box::new(execution)))
    }

    pub(super) fn claimed(&mut self, activity: ActivityId, revision: RevisionNo, claimed: QueuePage) {
        let activity = self.activities.get_mut(&activity);
        if let Some(state) = activity.and_then(|activity| activity.revisions.get_mut(&revision)) {
            state.queue.refill(claimed);
        }
    }

    pub(super) fn expired(&mut self, expired: &[ExpiredExecution], out: &mut Decision) {
        for ExpiredExecution { activity, revision, status, .. } in expired {
            self.recount_as((*activity, *revision), Some(*status), None, out);
        }
        let activities: BTreeSet<ActivityId> = expired.iter().map(|execution| execution.activity).collect();
        activities.into_iter().for_each(|id| self.forget_revisions(id, out));
        if !expired.is_empty() {
            out.change(Change::DeleteExecutions(expired.iter().map(|execution| execution.id).collect()));
            // There may be more behind a full page.
            self.due.expire_at = self.now;
        }
    }
}
