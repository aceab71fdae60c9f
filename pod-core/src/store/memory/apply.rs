//! What each change means, and which changes contradict what is there.

use std::sync::Arc;

use super::{
    super::{
        batch::{Batch, Change, ExecutionUpdate},
        error::StoreError,
        interface::{IdempotencyRecord, KEPT_DECISIONS, KEPT_EVENTS, KEPT_MINUTES, QueueCursor},
        note::KEPT_NOTES,
        output::InstallLog,
    },
    state::State,
};
use crate::domain::{
    Activity, ActivityId, Attempt, AttemptKey, AttemptOutcome, Execution, ExecutionId, ExecutionStatus, Policy,
    PolicyId, RevisionNo, Timestamp, WorkerId,
};

/// What a batch discards beside the tables, once it is final.
#[derive(Debug, Default)]
pub(super) struct Discarded {
    pub(super) output: Vec<AttemptKey>,
    pub(super) install_logs: Vec<DiscardedLogs>,
}

/// Which installation logs go.
#[derive(Debug)]
pub(super) enum DiscardedLogs {
    Activity(ActivityId),
    Revision(ActivityId, RevisionNo),
    Worker(WorkerId),
}

impl DiscardedLogs {
    pub(super) fn holds(&self, log: &InstallLog) -> bool {
        match self {
            Self::Activity(activity) => log.activity == *activity,
            Self::Revision(activity, revision) => (log.activity, log.revision) == (*activity, *revision),
            Self::Worker(worker) => log.worker == *worker,
        }
    }
}

fn conflict(sentence: String) -> StoreError {
    StoreError::Conflict(sentence.into())
}

impl State {
    /// Applies a batch to the tables, provisionally: the caller settles or rolls back.
    pub(super) fn apply(&mut self, batch: &Batch) -> Result<Discarded, StoreError> {
        let mut discarded = Discarded::default();
        for change in &batch.changes {
            self.apply_change(change, &mut discarded)?;
        }
        for tally in &batch.activity_counters {
            if self.activities.contains(&tally.activity) {
                self.tallies.put(tally.activity, tally.clone());
            }
        }
        for tally in &batch.revision_counters {
            let key = (tally.activity, tally.revision);
            if self.revisions.contains(&key) {
                self.revision_tallies.put(key, *tally);
            }
        }
        for event in &batch.events {
            let last = self.events.iter().next_back().map_or(0, |(seq, _)| *seq);
            if event.seq <= last {
                return Err(conflict(format!("event {} comes after event {last}", event.seq)));
            }
            self.events.put(event.seq, event.clone());
        }
        let last = self.events.iter().next_back().map_or(0, |(seq, _)| *seq);
        while let Some(seq) = self.events.iter().next().map(|(seq, _)| *seq).filter(|seq| seq + KEPT_EVENTS <= last) {
            self.events.remove(&seq);
        }
        Ok(discarded)
    }

    fn apply_change(&mut self, change: &Change, discarded: &mut Discarded) -> Result<(), StoreError> {
        match change {
            Change::PutActivity(activity) => return self.put_activity(activity),
            Change::DeleteActivity(id) => {
                self.activities.remove(id);
                self.tallies.remove(id);
                self.revisions.remove_where(|(activity, _)| activity == id);
                self.revision_tallies.remove_where(|(activity, _)| activity == id);
                self.payloads.remove_where(|(activity, _)| activity == id);
                self.installations.remove_where(|(_, activity, _)| activity == id);
                discarded.install_logs.push(DiscardedLogs::Activity(*id));
            }
            Change::PutRevision(revision) => self.revisions.put((revision.activity, revision.no), revision.clone()),
            Change::PutPayload { activity, revision, payload } => {
                self.payloads.put((*activity, *revision), payload.clone());
            }
            Change::DeleteRevision { activity, revision } => {
                self.revisions.remove(&(*activity, *revision));
                self.revision_tallies.remove(&(*activity, *revision));
                self.payloads.remove(&(*activity, *revision));
                discarded.install_logs.push(DiscardedLogs::Revision(*activity, *revision));
            }
            Change::PutInstallation(row) => {
                self.installations.put((row.worker, row.activity, row.revision), row.clone());
            }
            Change::DeleteInstallation { worker, activity, revision } => {
                self.installations.remove(&(*worker, *activity, *revision));
            }
            Change::InsertExecution(execution) => return self.insert_execution(execution),
            Change::UpdateExecution(update) => return self.update_execution(update),
            Change::Retrieve(id) => return self.retrieve(*id),
            Change::DeleteExecutions(ids) => {
                return ids.iter().try_for_each(|id| self.delete_execution(*id, discarded));
            }
            Change::OpenAttempt(attempt) => return self.open_attempt(attempt),
            Change::StartAttempt { key, started_at } => {
                let mut attempt = self.open_row(*key)?;
                attempt.started_at = Some(*started_at);
                self.attempts.put(*key, attempt);
            }
            Change::EndAttempt { key, started_at, ended_at, end } => {
                return self.end_attempt(*key, *started_at, *ended_at, end, discarded);
            }
            Change::PutIdempotency { key, request_hash, executions } => {
                if self.idempotency.contains(key) {
                    return Err(conflict(format!("the idempotency key {key:?} was used already")));
                }
                let (request_hash, executions) = (*request_hash, executions.clone());
                let record = IdempotencyRecord { request_hash, executions: executions.clone(), note: None };
                self.idempotency.put(key.clone(), record);
                self.idempotency_ends.put((executions.end, key.clone()), ());
            }
            Change::PutNote { key, request_hash, note } => {
                if self.idempotency.get(key).is_none_or(|record| record.note.is_none()) {
                    if self.idempotency.contains(key) {
                        return Err(conflict(format!("the idempotency key {key:?} was used already")));
                    }
                    let next = self.notes.iter().next_back().map_or(1, |(no, _)| no + 1);
                    self.notes.put(next, key.clone());
                    self.forget_notes(next.saturating_sub(KEPT_NOTES));
                }
                let (request_hash, note) = (*request_hash, Some(note.clone()));
                self.idempotency.put(key.clone(), IdempotencyRecord { request_hash, executions: 0..0, note });
            }
            Change::PutWorker(worker) => self.workers.put(worker.id, worker.clone()),
            Change::DeleteWorker(id) => {
                self.workers.remove(id);
                self.installations.remove_where(|(worker, _, _)| worker == id);
                discarded.install_logs.push(DiscardedLogs::Worker(*id));
            }
            Change::PutPolicy(policy) => return self.put_policy(policy),
            Change::DeletePolicy(id) => {
                self.policies.remove(id);
                if self.active_policy.get(&()) == Some(id) {
                    self.active_policy.remove(&());
                }
            }
            Change::ActivatePolicy(id) => {
                if *id != PolicyId(0) && !self.policies.contains(id) {
                    return Err(conflict(format!("policy {id} does not exist")));
                }
                self.active_policy.put((), *id);
            }
            Change::PutMinute(minute) => {
                self.minutes.put(minute.minute, minute.clone());
                let newest = self.minutes.iter().next_back().map_or(minute.minute, |(newest, _)| *newest);
                self.minutes.remove_where(|minute| minute + KEPT_MINUTES as i64 <= newest);
            }
            Change::RecordDecision(decision) => {
                let next = self.decisions.iter().next_back().map_or(1, |(no, _)| no + 1);
                self.decisions.put(next, decision.clone());
                self.decisions.remove_where(|no| no + KEPT_DECISIONS <= next);
            }
        }
        Ok(())
    }

    fn put_activity(&mut self, activity: &Activity) -> Result<(), StoreError> {
        if let Some((id, _)) = self.activities.iter().find(|(id, row)| **id != activity.id && row.name == activity.name)
        {
            return Err(conflict(format!("the name {} belongs to activity {id}", activity.name)));
        }
        self.activity_names.put(activity.id, activity.name.as_str().into());
        self.activities.put(activity.id, activity.clone());
        Ok(())
    }

    fn put_policy(&mut self, policy: &Policy) -> Result<(), StoreError> {
        if self.policies.iter().any(|(id, row)| *id == policy.id || row.name == policy.name) {
            return Err(conflict(format!("policy {} or its id {} exists already", policy.name, policy.id)));
        }
        self.policies.put(policy.id, policy.clone());
        Ok(())
    }

    fn insert_execution(&mut self, execution: &Arc<Execution>) -> Result<(), StoreError> {
        if self.executions.contains(&execution.id) {
            return Err(conflict(format!("execution {} exists already", execution.id)));
        }
        self.index(execution);
        self.executions.put(execution.id, Arc::clone(execution));
        Ok(())
    }

    fn update_execution(&mut self, update: &ExecutionUpdate) -> Result<(), StoreError> {
        let id = update.id;
        let Some(row) = self.executions.get(&id).filter(|row| !row.status.is_terminal()).cloned() else {
            return Err(conflict(format!("execution {id} does not exist or has ended")));
        };
        if row.status == ExecutionStatus::Waiting {
            self.waiting.remove(&(row.activity, row.revision, QueueCursor { not_before: row.not_before, id }));
        }
        let mut row = Arc::unwrap_or_clone(row);
        update.clone().apply(&mut row);
        self.index(&row);
        self.executions.put(id, Arc::new(row));
        Ok(())
    }

    fn index(&mut self, row: &Execution) {
        if row.status == ExecutionStatus::Waiting {
            let key = QueueCursor { not_before: row.not_before, id: row.id };
            self.waiting.put((row.activity, row.revision, key), ());
        }
        if let Some(ended) = row.ended.filter(|_| row.status.is_terminal()) {
            self.ended.put((ended, row.id), ());
        }
    }

    fn retrieve(&mut self, id: ExecutionId) -> Result<(), StoreError> {
        let Some(row) = self.executions.get(&id).filter(|row| row.status.is_terminal() && !row.retrieved) else {
            return Err(conflict(format!("execution {id} has not ended, or its result was handed out already")));
        };
        let mut row = Execution::clone(row);
        row.retrieved = true;
        self.executions.put(id, Arc::new(row));
        Ok(())
    }

    fn delete_execution(&mut self, id: ExecutionId, discarded: &mut Discarded) -> Result<(), StoreError> {
        let Some(row) = self.executions.get(&id).cloned() else { return Ok(()) };
        if !row.status.is_terminal() || self.open.contains(&id) {
            return Err(conflict(format!("execution {id} has not ended and cannot be deleted")));
        }
        if let Some(ended) = row.ended {
            self.ended.remove(&(ended, id));
        }
        let attempts: Vec<AttemptKey> = self.attempts_of(id).collect();
        for key in attempts {
            self.attempts.remove(&key);
            discarded.output.push(key);
        }
        self.executions.remove(&id);
        // No execution belongs to two keys: the one that it may belong to is the first that ends above it.
        let above = self.idempotency_ends.range((id.0 + 1, Arc::from(""))..).next();
        if let Some((end, key)) = above.map(|((end, key), ())| (*end, key.clone()))
            && let Some(record) = self.idempotency.get(&key)
        {
            let all = ExecutionId(record.executions.start)..ExecutionId(end);
            if self.executions.range(all).next().is_none() {
                self.idempotency.remove(&key);
                self.idempotency_ends.remove(&(end, key));
            }
        }
        Ok(())
    }

    /// Forgets the notes up to this number.
    fn forget_notes(&mut self, last: u64) {
        let doomed: Vec<(u64, Arc<str>)> = self.notes.range(..=last).map(|(no, key)| (*no, key.clone())).collect();
        for (no, key) in doomed {
            self.notes.remove(&no);
            self.idempotency.remove(&key);
        }
    }

    fn open_attempt(&mut self, attempt: &Attempt) -> Result<(), StoreError> {
        let key = attempt.key;
        if !self.executions.contains(&key.execution) {
            return Err(conflict(format!("execution {} does not exist", key.execution)));
        }
        if let Some(open) = self.open.get(&key.execution) {
            return Err(conflict(format!("attempt {}.{open} is open", key.execution)));
        }
        if self.attempts.contains(&key) || attempt.end.is_some() {
            return Err(conflict(format!("attempt {key} has ended already")));
        }
        self.open.put(key.execution, key.attempt);
        self.attempts.put(key, attempt.clone());
        Ok(())
    }

    fn open_row(&self, key: AttemptKey) -> Result<Attempt, StoreError> {
        let row = self.attempts.get(&key).filter(|_| self.is_open(key));
        row.cloned().ok_or_else(|| conflict(format!("attempt {key} is not open")))
    }

    fn end_attempt(
        &mut self,
        key: AttemptKey,
        started_at: Option<Timestamp>,
        ended_at: Timestamp,
        end: &AttemptOutcome,
        discarded: &mut Discarded,
    ) -> Result<(), StoreError> {
        let mut attempt = self.open_row(key)?;
        self.open.remove(&key.execution);
        if *end == AttemptOutcome::Recalled {
            self.attempts.remove(&key);
            discarded.output.push(key);
            return Ok(());
        }
        attempt.started_at = started_at.or(attempt.started_at);
        attempt.ended_at = Some(ended_at);
        attempt.end = Some(end.clone());
        self.attempts.put(key, attempt);
        Ok(())
    }
}
