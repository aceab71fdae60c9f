//! What must hold after every step, each with its sentence.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{
    domain::{Age, AttemptKey, AttemptOutcome, ExecutionId, ExecutionStatus, Millis, OnLost, RevisionNo, WorkerStatus},
    plan::State,
    store::{Batch, Change},
};

/// A broken invariant.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{sentence} (seed {seed})\n{history}")]
pub struct Violation {
    /// What does not hold.
    pub sentence: String,
    /// The seed that shows it.
    pub seed: u64,
    /// The last things that happened.
    pub history: String,
}

/// What was seen so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Checker {
    acknowledged: BTreeSet<ExecutionId>,
    concluded: BTreeSet<ExecutionId>,
    deleted: BTreeSet<ExecutionId>,
    /// When the manager's clock was set, and how far it is ahead since.
    clock: Vec<(i64, i64)>,
    open: HashMap<ExecutionId, AttemptKey>,
    /// What each execution was bound to when it was submitted.
    bound: HashMap<ExecutionId, RevisionNo>,
    committed: BTreeSet<AttemptKey>,
    pub(super) started: BTreeMap<ExecutionId, u32>,
    /// Attempts that were ended and at whose output nobody has looked.
    just_ended: Vec<(AttemptKey, AttemptOutcome)>,
    /// When each execution concluded.
    ended: HashMap<ExecutionId, i64>,
    /// When an execution that failed is to be tried again, with what had not been counted by then.
    retries: HashMap<ExecutionId, (i64, i64)>,
}

/// For how long what has ended is kept.
pub(super) const RETENTION: Millis = Millis::from_secs(90);
/// The first delay of what failed; it doubles.
pub(super) const RETRY_BACKOFF: Millis = Millis(500);

/// A manager that gets no processor may be so long about a round.
const LONGEST_ROUND: i64 = 65_000;

impl Checker {
    /// A batch is about to be committed.
    pub(super) fn batch(&mut self, batch: &Batch, now: i64) -> Result<(), String> {
        for change in &batch.changes {
            self.times(change, batch, now)?;
            match change {
                Change::InsertExecution(execution) => {
                    if !self.acknowledged.insert(execution.id) {
                        return Err(format!("the id {} was used twice", execution.id));
                    }
                    self.bound.insert(execution.id, execution.revision);
                    self.status(execution.id, execution.status)?;
                }
                Change::UpdateExecution(update) => self.status(update.id, update.status)?,
                Change::OpenAttempt(attempt) => {
                    if let Some(other) = self.open.insert(attempt.key.execution, attempt.key) {
                        return Err(format!("{} was opened while {other} is open", attempt.key));
                    }
                    if self.bound.get(&attempt.key.execution) != Some(&attempt.revision) {
                        return Err(format!(
                            "{} runs revision {}, to which it is not bound",
                            attempt.key, attempt.revision
                        ));
                    }
                    self.committed.insert(attempt.key);
                }
                Change::EndAttempt { key, .. } if self.open.remove(&key.execution) != Some(*key) => {
                    return Err(format!("{key} ended without being open"));
                }
                Change::EndAttempt { key, end, .. } => self.just_ended.push((*key, end.clone())),
                _ => {}
            }
        }
        Ok(())
    }

    /// The attempts that were ended since the last call.
    pub(super) fn take_ended(&mut self) -> Vec<(AttemptKey, AttemptOutcome)> {
        std::mem::take(&mut self.just_ended)
    }

    /// Somebody is told of an execution: it is durable by then.
    pub(super) fn told_of(&self, id: ExecutionId) -> Result<(), String> {
        if self.acknowledged.contains(&id) {
            return Ok(());
        }
        Err(format!("execution {id} was acknowledged, and is not in the store"))
    }

    /// Whether the retention deleted an execution.
    pub(super) fn is_deleted(&self, id: ExecutionId) -> bool {
        self.deleted.contains(&id)
    }

    /// Whether an execution that the store has is yet to end.
    pub(super) fn is_unfinished(&self, id: ExecutionId) -> bool {
        self.acknowledged.contains(&id) && !self.concluded.contains(&id)
    }

    /// The store is put back as it was then: what was acknowledged since is forgotten by the operator's own act, and
    /// nothing else. What the clock told stays true.
    pub(super) fn restored(&mut self, then: &Self) {
        let clock = std::mem::take(&mut self.clock);
        *self = Self { clock, just_ended: Vec::new(), ..then.clone() };
    }

    /// Somebody sets the manager's clock.
    pub(super) fn clock_set(&mut self, now: i64, ahead: i64) {
        self.clock.push((now, ahead));
    }

    /// Whether the manager's clock told that moment since a round which is decided now can have begun.
    fn clock_told(&self, moment: i64, now: i64) -> bool {
        let ends = self.clock.iter().skip(1).map(|(from, _)| *from).chain([now]);
        let mut told = self.clock.iter().zip(ends).map(|((from, ahead), to)| (*from, to, *ahead));
        told.any(|(from, to, ahead)| (from.max(now - LONGEST_ROUND)..=to).contains(&(moment - ahead)))
    }

    /// What a change says about time, by the time that there really is.
    fn times(&mut self, change: &Change, batch: &Batch, now: i64) -> Result<(), String> {
        match change {
            Change::InsertExecution(execution) if !self.clock_told(execution.submitted_at.0, now) => {
                let (told, is) = (execution.submitted_at, batch.at);
                return Err(format!("execution {} is dated {told}, and the clock says {is}", execution.id));
            }
            Change::UpdateExecution(update) if update.status.is_terminal() => {
                self.retries.remove(&update.id);
                // A round may be decided long after what it is made of.
                let since = update.ended.map_or(0, |ended| batch.age.0 - ended.0);
                self.ended.insert(update.id, now - since);
            }
            Change::UpdateExecution(update) if update.status == ExecutionStatus::Waiting => {
                let delay = update.not_before.since(batch.age);
                let doubled = RETRY_BACKOFF.0 << update.failures.saturating_sub(1).min(20);
                if delay > Millis(if update.failures == 0 { 0 } else { doubled }) {
                    return Err(format!("execution {} waits for {delay} after failure {}", update.id, update.failures));
                }
                self.retries.insert(update.id, (now + delay.0.cast_signed(), now - batch.age.0));
            }
            Change::OpenAttempt(attempt) => {
                let id = attempt.key.execution;
                if let Some((due, _)) = self.retries.remove(&id).filter(|(due, _)| now < *due) {
                    return Err(format!("execution {id} was tried again {} ms before its time", due - now));
                }
            }
            Change::DeleteExecutions(ids) => {
                self.deleted.extend(ids);
                let early =
                    |id: &&ExecutionId| self.ended.get(id).is_some_and(|ended| now < ended + RETENTION.0.cast_signed());
                if let Some(id) = ids.iter().find(early) {
                    return Err(format!("execution {id} was deleted before it was kept for its time"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Nothing is held back beyond its delay. What was not counted since is.
    pub(super) fn delays(&self, state: &State, age: Age, now: i64, uncounted: i64) -> Result<(), String> {
        let queues = state.activities.values().flat_map(|activity| activity.revisions.values());
        for first in queues.filter_map(|revision| revision.queue.first()) {
            let Some((due, not_counted)) = self.retries.get(&first.id) else { continue };
            if now >= due + (uncounted - not_counted) && first.not_before > age {
                let late = first.not_before.since(age);
                return Err(format!("execution {} is due and held back for another {late}", first.id));
            }
        }
        Ok(())
    }

    fn status(&mut self, id: ExecutionId, status: ExecutionStatus) -> Result<(), String> {
        if self.concluded.contains(&id) {
            return Err(format!("execution {id} changed after it had concluded"));
        }
        if status.is_terminal() {
            self.concluded.insert(id);
        }
        Ok(())
    }

    /// An attempt is about to be sent to a worker.
    pub(super) fn start(&self, key: AttemptKey) -> Result<(), String> {
        if self.committed.contains(&key) { Ok(()) } else { Err(format!("{key} was sent before it was committed")) }
    }

    /// A program of that revision runs.
    pub(super) fn runs(&self, key: AttemptKey, revision: RevisionNo) -> Result<(), String> {
        match self.bound.get(&key.execution) {
            Some(bound) if *bound == revision => Ok(()),
            bound => Err(format!("{key} runs revision {revision}, and is bound to {bound:?}")),
        }
    }

    /// A program was started on a worker.
    pub(super) fn program(&mut self, id: ExecutionId, on_lost: OnLost, only_manager_fails: bool) -> Result<(), String> {
        let times = self.started.entry(id).or_default();
        *times += 1;
        if *times > 1 && (on_lost == OnLost::Fail || only_manager_fails) {
            return Err(format!("execution {id} ran {times} times, which must not happen here"));
        }
        Ok(())
    }

    /// The state after a round.
    pub(super) fn state(&self, state: &State, max_workers: u32) -> Result<(), String> {
        let mut fleet = 0;
        for worker in state.workers.values() {
            let there = !worker.worker.status.is_terminal();
            fleet += u32::from(there && !worker.worker.draining);
            let limit = worker.worker.slots as usize * 65;
            if worker.attempts.len() > limit {
                return Err(format!("worker {} holds {} attempts", worker.worker.id, worker.attempts.len()));
            }
            if worker.worker.status == WorkerStatus::Ready && !worker.attempts.is_empty() {
                return Err(format!("worker {} is called idle while it runs something", worker.worker.id));
            }
            for key in &worker.attempts {
                if state.held.get(&key.execution).is_none_or(|held| held.attempt.key != *key) {
                    return Err(format!("worker {} holds {key}, which is not open", worker.worker.id));
                }
            }
        }
        if fleet > max_workers {
            return Err(format!("{fleet} workers are there and at most {max_workers} are allowed"));
        }
        for (id, activity) in state.activities.iter() {
            let running = state.held.values().filter(|held| held.execution.activity == *id).count() as u64;
            let tally = activity.tally.executions;
            if tally[ExecutionStatus::Running as usize] != running || u64::from(activity.running) != running {
                return Err(format!("activity {id} counts {tally:?} and {running} of it run"));
            }
            if tally[ExecutionStatus::Waiting as usize] != activity.waiting() {
                return Err(format!("activity {id} counts {tally:?} and its queues {}", activity.waiting()));
            }
            let running_of_revisions: u32 = activity.revisions.values().map(|state| state.running).sum();
            if running_of_revisions != activity.running {
                return Err(format!(
                    "activity {id} runs {} and its revisions {running_of_revisions}",
                    activity.running
                ));
            }
            if let Some(no) = activity.dormant.iter().find_map(|(no, state)| state.has_work().then_some(no)) {
                return Err(format!("revision {no} of activity {id} rests and has work"));
            }
        }
        Ok(())
    }

    /// How many were acknowledged, and how many concluded.
    pub(super) fn progress(&self) -> (u64, u64) {
        (self.acknowledged.len() as u64, self.concluded.len() as u64)
    }

    /// Those that were acknowledged and have not concluded.
    pub(super) fn unfinished(&self) -> Vec<ExecutionId> {
        self.acknowledged.difference(&self.concluded).copied().collect()
    }
}
