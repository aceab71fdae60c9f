//! Requests about executions: submit, terminate, repeat, hand out; and the end of their retention.

use std::sync::Arc;

use crate::{
    domain::{
        ActivityId, ActivityName, ActivityStatus, Ending, EventKind, Execution, ExecutionId, ExecutionStatus, Millis,
        NewExecution, validate_input,
    },
    engine::{Hurry, Reply},
    plan::{Decision, Effect, State, step::Found},
    pod::{PodError, Submitted},
    store::{Change, Claimed, ExpiredExecution, StoreError},
};

type Answer = Result<Reply, PodError>;

impl State {
    /// The activity of that name, if it takes executions.
    pub(super) fn open_activity(&self, name: &str) -> Result<ActivityId, PodError> {
        ActivityName::new(name)?;
        let id = self.activity_named(name).ok_or_else(|| PodError::NoSuchActivity(name.to_owned()))?;
        let closed = match self.activities[&id].activity.status {
            ActivityStatus::Verifying | ActivityStatus::Approved => return Ok(id),
            ActivityStatus::Rejected => "rejected",
            ActivityStatus::Uninstalling => "uninstalling",
        };
        Err(PodError::NotOpen { name: name.to_owned(), status: closed })
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
        found: Found,
        out: &mut Decision,
    ) -> Result<Box<Submitted>, PodError> {
        if let Some(repeated) = self.repeated(new.idempotency_key.as_deref(), &found) {
            return repeated;
        }
        let activity = self.open_activity(&new.activity)?;
        self.refuse_when_full()?;
        if let Some(input) = &new.input {
            validate_input(input, self.config.limits.max_input)?;
        }
        let execution = self.enqueue(activity, new.input.map(Arc::from), None, out);
        self.remember(new.idempotency_key, &found, execution.id, out);
        Ok(Box::new(self.submitted(&execution)))
    }

    /// The answer to a request that was carried out before under this key.
    fn repeated(&self, key: Option<&str>, found: &Found) -> Option<Result<Box<Submitted>, PodError>> {
        let (key, (record, first)) = (key?, found.idempotency.as_ref()?);
        Some(match first {
            Some(execution) if record.request_hash == found.request_hash => {
                Ok(Box::new(Submitted { repeated: true, ..self.submitted(execution) }))
            }
            _ => Err(PodError::IdempotencyConflict(key.to_owned())),
        })
    }

    fn remember(&self, key: Option<String>, found: &Found, id: ExecutionId, out: &mut Decision) {
        if let Some(key) = key {
            let executions = id.0..id.0 + 1;
            out.change(Change::PutIdempotency { key: key.into(), request_hash: found.request_hash, executions });
        }
    }

    pub(super) fn submit_many(
        &mut self,
        activity: &str,
        inputs: Vec<Option<String>>,
        key: Option<String>,
        found: Found,
        out: &mut Decision,
    ) -> Answer {
        if let (Some(key), Some((record, _))) = (&key, found.idempotency) {
            if record.request_hash == found.request_hash {
                return Ok(Reply::SubmittedMany(record.executions));
            }
            return Err(PodError::IdempotencyConflict(key.clone()));
        }
        let activity = self.open_activity(activity)?;
        self.refuse_when_full()?;
        for (number, input) in inputs.iter().enumerate() {
            if let Some(Err(error)) = input.as_deref().map(|input| validate_input(input, self.config.limits.max_input))
            {
                return Err(PodError::Invalid(format!("inputs[{number}]: {error}")));
            }
        }
        let first = self.ids.execution + 1;
        for input in inputs {
            self.enqueue(activity, input.map(Arc::from), None, out);
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
        activity: ActivityId,
        input: Option<Arc<str>>,
        retry_of: Option<ExecutionId>,
        out: &mut Decision,
    ) -> Execution {
        self.ids.execution += 1;
        let execution =
            Execution { retry_of, ..Execution::waiting(ExecutionId(self.ids.execution), activity, input, self.now) };
        out.insert(&execution);
        let event = out.event(self.now, EventKind::ExecutionSubmitted);
        (event.activity, event.execution) = (Some(activity), Some(execution.id));
        self.recount(activity, None, Some(ExecutionStatus::Waiting), out);
        self.queue(execution.clone());
        execution
    }

    /// Puts an execution into its queue.
    pub(super) fn queue(&mut self, execution: Execution) {
        let room = self.window();
        if let Some(activity) = self.activities.get_mut(&execution.activity) {
            activity.queue.insert(execution, room);
        }
    }

    fn submitted(&self, execution: &Execution) -> Submitted {
        Submitted {
            id: execution.id,
            execution: execution.clone(),
            launching_worker: false,
            predicted: None,
            repeated: false,
        }
    }

    pub(super) fn terminate(
        &mut self,
        id: ExecutionId,
        hurry: Hurry,
        found: Option<Execution>,
        out: &mut Decision,
    ) -> Answer {
        if let Some(held) = self.held.get_mut(&id) {
            held.execution.cancel_requested = true;
            out.update(&held.execution);
            let grace = if hurry == Hurry::Now { Millis(0) } else { self.config.limits.grace };
            out.effects.push(Effect::Stop(held.attempt.worker, held.attempt.key, grace));
            return Ok(Reply::Execution(Box::new(held.execution.clone())));
        }
        let stored = found.ok_or(PodError::NoSuchExecution(id))?;
        if stored.status.is_terminal() {
            return Err(PodError::AlreadyEnded(id));
        }
        let execution = match self.activities.get_mut(&stored.activity) {
            Some(activity) => activity.queue.remove(stored),
            None => stored,
        };
        let ended = self.conclude(execution, ExecutionStatus::Waiting, Ending::Terminated, out);
        Ok(Reply::Execution(Box::new(ended)))
    }

    /// Ends an execution that was taken out of the queue or whose attempt was closed.
    pub(in crate::plan) fn conclude(
        &mut self,
        mut execution: Execution,
        from: ExecutionStatus,
        ending: Ending,
        out: &mut Decision,
    ) -> Execution {
        execution.status = ending.status();
        execution.finished_at.get_or_insert(self.now);
        self.recount(execution.activity, Some(from), Some(execution.status), out);
        let event = out.event(self.now, EventKind::ExecutionEnded);
        (event.activity, event.execution) = (Some(execution.activity), Some(execution.id));
        event.message = Some(match &ending {
            Ending::GaveUp(reason) => reason.clone(),
            _ => execution.status.as_str().into(),
        });
        execution.ending = Some(ending);
        out.update(&execution);
        execution
    }

    pub(super) fn retry(
        &mut self,
        id: ExecutionId,
        key: Option<String>,
        mut found: Found,
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
        if !self.activities.contains_key(&old.activity) {
            return Err(PodError::NoSuchActivity(name.to_string()));
        }
        let activity = self.open_activity(&name)?;
        self.refuse_when_full()?;
        let execution = self.enqueue(activity, old.input, Some(id), out);
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

    pub(super) fn claimed(&mut self, activity: ActivityId, claimed: Claimed) {
        if let Some(activity) = self.activities.get_mut(&activity) {
            activity.queue.refill(claimed);
        }
    }

    pub(super) fn expired(&mut self, expired: &[ExpiredExecution], out: &mut Decision) {
        for execution in expired {
            self.recount(execution.activity, Some(execution.status), None, out);
        }
        if !expired.is_empty() {
            out.change(Change::DeleteExecutions(expired.iter().map(|execution| execution.id).collect()));
            // There may be more behind a full page.
            self.due.expire_at = self.now;
        }
    }
}
