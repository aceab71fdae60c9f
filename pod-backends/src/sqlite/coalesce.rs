//! What a batch comes to: its changes merged, so that each row is written once, and checked against the open attempts.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use pod_core::{
    domain::{Attempt, AttemptKey, AttemptNo, AttemptOutcome, Execution, ExecutionId, Timestamp, WorkerId},
    store::{Batch, Change, ExecutionUpdate, IdempotencyRecord, StoreError},
};

use super::error::conflict;

/// The rows to write, by kind; each in the order of its keys, as the tables like it.
#[derive(Debug, Default)]
pub(super) struct Plan<'a> {
    pub(super) executions: BTreeMap<ExecutionId, ExecutionWrite>,
    pub(super) attempts: BTreeMap<AttemptKey, AttemptWrite>,
    /// Executions that must be there already.
    pub(super) expected: Vec<ExecutionId>,
    pub(super) deleted: Vec<ExecutionId>,
    pub(super) idempotency: Vec<(Arc<str>, IdempotencyRecord)>,
    /// Everything that is written seldom, in order.
    pub(super) rest: Vec<&'a Change>,
    /// Attempts that are open afterwards, or no longer.
    pub(super) opened: HashMap<ExecutionId, Option<AttemptNo>>,
    /// Attempts whose output goes.
    pub(super) recalled: Vec<AttemptKey>,
    gone: HashSet<ExecutionId>,
}

#[derive(Debug)]
pub(super) enum ExecutionWrite {
    Insert(Arc<Execution>),
    Update(ExecutionUpdate),
    UpdateAndRetrieve(ExecutionUpdate),
    Retrieve,
}

#[derive(Debug)]
pub(super) enum AttemptWrite {
    Insert(Attempt),
    Start(Timestamp),
    End(AttemptEnding),
    Delete,
    /// Recalled, and its number used again.
    Replace(Attempt),
}

#[derive(Debug)]
pub(super) struct AttemptEnding {
    pub(super) started_at: Option<Timestamp>,
    pub(super) ended_at: Timestamp,
    pub(super) end: AttemptOutcome,
}

impl<'a> Plan<'a> {
    /// Merges the changes of a batch. `open` tells the open attempt of an execution before it.
    pub(super) fn of(batch: &'a Batch, open: impl Fn(ExecutionId) -> Option<AttemptNo>) -> Result<Self, StoreError> {
        let mut plan = Self::default();
        let last_put: HashMap<WorkerId, usize> = batch
            .changes
            .iter()
            .enumerate()
            .filter_map(|(at, change)| match change {
                Change::PutWorker(worker) => Some((worker.id, at)),
                _ => None,
            })
            .collect();
        for (at, change) in batch.changes.iter().enumerate() {
            match change {
                Change::InsertExecution(execution) => plan.insert(execution)?,
                Change::UpdateExecution(update) => plan.update(update)?,
                Change::Retrieve(id) => plan.retrieve(*id)?,
                Change::DeleteExecutions(ids) => ids.iter().try_for_each(|id| plan.delete(*id, &open))?,
                Change::OpenAttempt(attempt) => plan.open_attempt(attempt, &open)?,
                Change::StartAttempt { key, started_at } => plan.start_attempt(*key, *started_at, &open)?,
                Change::EndAttempt { key, started_at, ended_at, end } => {
                    let ending = AttemptEnding { started_at: *started_at, ended_at: *ended_at, end: end.clone() };
                    plan.end_attempt(*key, ending, &open)?;
                }
                Change::PutIdempotency { key, request_hash, executions } => plan.idempotency.push((
                    key.clone(),
                    IdempotencyRecord { request_hash: *request_hash, executions: executions.clone(), note: None },
                )),
                // A worker is put once, with what it is at last.
                Change::PutWorker(worker) if last_put.get(&worker.id) != Some(&at) => {}
                _ => plan.rest.push(change),
            }
        }
        Ok(plan)
    }

    fn insert(&mut self, execution: &Arc<Execution>) -> Result<(), StoreError> {
        let id = execution.id;
        if self.gone.contains(&id) || self.executions.contains_key(&id) {
            return Err(conflict(format!("execution {id} exists already")));
        }
        self.executions.insert(id, ExecutionWrite::Insert(Arc::clone(execution)));
        Ok(())
    }

    fn update(&mut self, update: &ExecutionUpdate) -> Result<(), StoreError> {
        let id = update.id;
        let ended = || conflict(format!("execution {id} does not exist or has ended"));
        if self.gone.contains(&id) {
            return Err(ended());
        }
        match self.executions.get_mut(&id) {
            None => {
                self.executions.insert(id, ExecutionWrite::Update(update.clone()));
            }
            Some(ExecutionWrite::Insert(row)) if !row.status.is_terminal() => update.clone().apply(Arc::make_mut(row)),
            Some(ExecutionWrite::Update(earlier)) if !earlier.status.is_terminal() => *earlier = update.clone(),
            Some(_) => return Err(ended()),
        }
        Ok(())
    }

    fn retrieve(&mut self, id: ExecutionId) -> Result<(), StoreError> {
        let refused = || conflict(format!("execution {id} has not ended, or its result was handed out already"));
        if self.gone.contains(&id) {
            return Err(refused());
        }
        match self.executions.get_mut(&id) {
            None => {
                self.executions.insert(id, ExecutionWrite::Retrieve);
            }
            Some(ExecutionWrite::Insert(row)) if row.status.is_terminal() && !row.retrieved => {
                Arc::make_mut(row).retrieved = true;
            }
            Some(write @ ExecutionWrite::Update(_)) => {
                let ExecutionWrite::Update(update) = &*write else { return Err(refused()) };
                if !update.status.is_terminal() {
                    return Err(refused());
                }
                *write = ExecutionWrite::UpdateAndRetrieve(update.clone());
            }
            Some(_) => return Err(refused()),
        }
        Ok(())
    }

    fn delete(&mut self, id: ExecutionId, open: impl Fn(ExecutionId) -> Option<AttemptNo>) -> Result<(), StoreError> {
        if self.open_attempt_of(id, open).is_some() {
            return Err(conflict(format!("execution {id} has not ended and cannot be deleted")));
        }
        if self.gone.insert(id) {
            self.deleted.push(id);
        }
        Ok(())
    }

    fn open_attempt_of(&self, id: ExecutionId, open: impl Fn(ExecutionId) -> Option<AttemptNo>) -> Option<AttemptNo> {
        self.opened.get(&id).copied().unwrap_or_else(|| open(id))
    }

    fn open_attempt(
        &mut self,
        attempt: &Attempt,
        open: impl Fn(ExecutionId) -> Option<AttemptNo>,
    ) -> Result<(), StoreError> {
        let key = attempt.key;
        if let Some(no) = self.open_attempt_of(key.execution, open) {
            return Err(conflict(format!("attempt {}.{no} is open", key.execution)));
        }
        if self.gone.contains(&key.execution) {
            return Err(conflict(format!("execution {} does not exist", key.execution)));
        }
        let write = match self.attempts.get(&key) {
            None if attempt.end.is_none() => AttemptWrite::Insert(attempt.clone()),
            Some(AttemptWrite::Delete) if attempt.end.is_none() => AttemptWrite::Replace(attempt.clone()),
            _ => return Err(conflict(format!("attempt {key} has ended already"))),
        };
        if !self.executions.contains_key(&key.execution) {
            self.expected.push(key.execution);
        }
        self.attempts.insert(key, write);
        self.opened.insert(key.execution, Some(key.attempt));
        Ok(())
    }

    fn check_open(&self, key: AttemptKey, open: impl Fn(ExecutionId) -> Option<AttemptNo>) -> Result<(), StoreError> {
        if self.open_attempt_of(key.execution, open) == Some(key.attempt) {
            return Ok(());
        }
        Err(conflict(format!("attempt {key} is not open")))
    }

    fn start_attempt(
        &mut self,
        key: AttemptKey,
        started_at: Timestamp,
        open: impl Fn(ExecutionId) -> Option<AttemptNo>,
    ) -> Result<(), StoreError> {
        self.check_open(key, open)?;
        match self.attempts.get_mut(&key) {
            Some(AttemptWrite::Insert(row) | AttemptWrite::Replace(row)) => row.started_at = Some(started_at),
            _ => {
                self.attempts.insert(key, AttemptWrite::Start(started_at));
            }
        }
        Ok(())
    }

    fn end_attempt(
        &mut self,
        key: AttemptKey,
        mut ending: AttemptEnding,
        open: impl Fn(ExecutionId) -> Option<AttemptNo>,
    ) -> Result<(), StoreError> {
        self.check_open(key, open)?;
        self.opened.insert(key.execution, None);
        let earlier = self.attempts.remove(&key);
        if ending.end == AttemptOutcome::Recalled {
            self.recalled.push(key);
            if !matches!(earlier, Some(AttemptWrite::Insert(_))) {
                self.attempts.insert(key, AttemptWrite::Delete);
            }
            return Ok(());
        }
        let end_row = |mut row: Attempt, ending: AttemptEnding| {
            row.started_at = ending.started_at.or(row.started_at);
            row.ended_at = Some(ending.ended_at);
            row.end = Some(ending.end);
            row
        };
        let write = match earlier {
            Some(AttemptWrite::Insert(row)) => AttemptWrite::Insert(end_row(row, ending)),
            Some(AttemptWrite::Replace(row)) => AttemptWrite::Replace(end_row(row, ending)),
            Some(AttemptWrite::Start(started_at)) => {
                ending.started_at = ending.started_at.or(Some(started_at));
                AttemptWrite::End(ending)
            }
            _ => AttemptWrite::End(ending),
        };
        self.attempts.insert(key, write);
        Ok(())
    }

    /// The attempts that end with this batch and may have printed something.
    pub(super) fn ending(&self) -> impl Iterator<Item = AttemptKey> {
        self.attempts.iter().filter(|(_, write)| matches!(write, AttemptWrite::End(_))).map(|(key, _)| *key)
    }
}
