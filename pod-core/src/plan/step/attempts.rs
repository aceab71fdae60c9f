//! What workers report of attempts, and what follows from an end.

use super::super::{
    decision::{Decision, Effect},
    state::{OpenAttempt, State},
};
use crate::{
    domain::{
        ActivitySettings, Age, Attempt, AttemptKey, AttemptOutcome, EventDetail, EventKind, Execution, ExecutionStatus,
        GiveUp, Millis, OnLost, Outcome, Requeue, Timestamp, Transitions, WorkerId,
    },
    link::EndReport,
    observe::Measure,
    store::Change,
};

/// A failed execution is tried again after at most so long.
const MAX_BACKOFF: Millis = Millis::from_secs(300);
/// How many durations are remembered of an activity.
const RECENT: usize = 50;

/// How long an execution had waited when its first attempt began to run.
fn first_wait(execution: &Execution, began: Age) -> Option<Millis> {
    (execution.attempt.0 == 1).then(|| began.since(execution.not_before))
}

/// A moment that a worker told, between two of the manager's. Where the clock was set back in between, the later one.
fn within(earliest: Timestamp, told: Timestamp, latest: Timestamp) -> Timestamp {
    told.max(earliest).min(latest)
}

impl State {
    /// The attempt, if that worker has it open.
    fn holds(&self, worker: WorkerId, key: AttemptKey) -> bool {
        self.held.get(&key.execution).is_some_and(|held| held.attempt.key == key && held.attempt.worker == worker)
    }

    pub(super) fn attempt_started(&mut self, worker: WorkerId, key: AttemptKey, at: Timestamp, out: &mut Decision) {
        if !self.holds(worker, key) {
            out.effects.push(Effect::Stop(worker, key, Millis(0)));
            return;
        }
        let Some(held) = self.held.get_mut(&key.execution) else { return };
        if held.attempt.started_at.is_some() {
            return;
        }
        // The worker's clock may differ from this one, by which is decided.
        let clock = self.clock.now;
        let at = within(held.attempt.assigned_at, at, clock.wall);
        held.attempt.started_at = Some(at);
        held.execution.started_at = Some(at);
        let began = clock.age_at(at).max(held.given);
        held.began = Some(began);
        let (wait, activity) = (first_wait(&held.execution, began), held.execution.activity);
        out.update(&held.execution);
        out.change(Change::StartAttempt { key, started_at: at });
        let event = out.event(clock.wall, EventKind::ExecutionStarted);
        event.of(&held.execution);
        (event.attempt, event.worker) = (Some(key.attempt), Some(worker));
        if let Some(wait) = wait {
            self.count_wait(wait);
            out.measures.push(Measure::Waited(activity, wait));
        }
    }

    pub(super) fn attempt_recalled(&mut self, worker: WorkerId, key: AttemptKey, out: &mut Decision) {
        if !self.holds(worker, key) {
            return;
        }
        let Some(held) = self.close(key, AttemptOutcome::Recalled, self.wall(), out) else { return };
        let mut execution = held.execution;
        // It never ran there: its number is free again.
        execution.attempt.0 -= 1;
        execution.worker = None;
        if execution.cancel_requested {
            self.conclude(execution, ExecutionStatus::Running, Outcome::Terminated, out);
        } else {
            let not_before = execution.not_before;
            self.requeue(execution, not_before, None, out);
        }
    }

    pub(super) fn attempt_ended(&mut self, worker: WorkerId, report: EndReport, out: &mut Decision) {
        // Also for an end that is not wanted: the worker is to forget it.
        out.effects.push(Effect::AckEnd(worker, report.key));
        if !self.holds(worker, report.key) {
            return;
        }
        // The duration is the worker's to tell. When it was is told by this clock, by which results are kept and deleted.
        let duration = report.started_at.map(|started| report.ended_at.since(started));
        let (mut ended_at, mut wait) = (report.ended_at, None);
        let clock = self.clock();
        if let Some(held) = self.held.get_mut(&report.key.execution) {
            ended_at = within(held.attempt.assigned_at, ended_at, clock.wall);
            if let Some(duration) = duration {
                let started_at = within(held.attempt.assigned_at, ended_at - duration, ended_at);
                let began = (clock.age - duration).max(held.given);
                wait = first_wait(&held.execution, began).filter(|_| held.attempt.started_at.is_none());
                held.attempt.started_at = Some(started_at);
                held.execution.started_at = Some(started_at);
            }
        }
        let Some(held) = self.close(report.key, report.end.clone(), ended_at, out) else { return };
        let activity = held.execution.activity;
        if let Some(wait) = wait {
            self.count_wait(wait);
            out.measures.push(Measure::Waited(activity, wait));
        }
        out.measures.extend(duration.map(|duration| Measure::Ran(activity, duration)));
        if let Some(duration) = duration
            && matches!(report.end, AttemptOutcome::Exited(_))
        {
            self.remember_duration(&held.execution, duration);
        }
        self.follow_up(held.execution, held.attempt, report.end, ended_at, out);
    }

    /// Gives up an attempt whose worker is gone: lost, or left.
    pub(in crate::plan) fn give_up_attempt(&mut self, key: AttemptKey, end: AttemptOutcome, out: &mut Decision) {
        let at = self.wall();
        if let Some(held) = self.close(key, end.clone(), at, out) {
            self.follow_up(held.execution, held.attempt, end, at, out);
        }
    }

    /// Closes an open attempt; what becomes of its execution is the caller's.
    fn close(
        &mut self,
        key: AttemptKey,
        end: AttemptOutcome,
        ended_at: Timestamp,
        out: &mut Decision,
    ) -> Option<OpenAttempt> {
        let held = self.held.remove(&key.execution)?;
        let started_at = held.attempt.started_at;
        out.change(Change::EndAttempt { key, started_at, ended_at, end });
        out.closed.push(key);
        if let Some(activity) = self.activities.get_mut(&held.execution.activity) {
            activity.running = activity.running.saturating_sub(1);
            if let Some(revision) = activity.revisions.get_mut(&held.execution.revision) {
                revision.running = revision.running.saturating_sub(1);
            }
        }
        let wall = self.wall();
        self.dirty.insert(held.attempt.worker);
        if let Some(worker) = self.workers.get_mut(&held.attempt.worker) {
            worker.attempts.remove(&key);
            if worker.attempts.is_empty() {
                worker.idle_since = self.now;
                worker.worker.last_worked = Some(wall);
            }
        }
        Some(held)
    }

    fn follow_up(
        &mut self,
        mut execution: Execution,
        attempt: Attempt,
        end: AttemptOutcome,
        at: Timestamp,
        out: &mut Decision,
    ) {
        let settings = self.settings_of(&execution, &attempt);
        let cancelled = execution.cancel_requested;
        let ending = match end {
            AttemptOutcome::Exited(0) => Outcome::Exited(0),
            AttemptOutcome::Terminated if cancelled => Outcome::Terminated,
            AttemptOutcome::TimedOut => Outcome::TimedOut,
            AttemptOutcome::Exited(_)
            | AttemptOutcome::Signalled(_)
            | AttemptOutcome::OutOfMemory
            | AttemptOutcome::StartFailed(_) => {
                execution.failures += 1;
                if !cancelled && execution.failures <= settings.retries {
                    out.measures.push(Measure::Retried(execution.activity));
                    let wait = self.backoff(execution.failures);
                    let why = Requeue::Failed { attempt: attempt.key.attempt, wait };
                    let not_before = self.now + wait;
                    return self.requeue(execution, not_before, Some(why), out);
                }
                match end {
                    AttemptOutcome::Exited(code) => Outcome::Exited(code),
                    AttemptOutcome::Signalled(signal) => Outcome::Signalled(signal),
                    AttemptOutcome::OutOfMemory => Outcome::OutOfMemory,
                    AttemptOutcome::StartFailed(error) => Outcome::Aborted(GiveUp::StartFailed { error }),
                    _ => unreachable!("matched above"),
                }
            }
            AttemptOutcome::WorkerLeft => {
                let started = attempt.started_at.is_some();
                let (worker, attempt) = (attempt.worker, attempt.key.attempt);
                if cancelled {
                    Outcome::Terminated
                } else if settings.on_lost == OnLost::Fail && started {
                    Outcome::WorkerLeft { worker, attempt }
                } else {
                    let not_before = execution.not_before;
                    let why = Requeue::WorkerLeft { worker, attempt };
                    return self.requeue(execution, not_before, Some(why), out);
                }
            }
            // Ended by a worker that nobody asked to: it is as good as lost.
            AttemptOutcome::Terminated | AttemptOutcome::Lost | AttemptOutcome::Recalled => {
                execution.lost_attempts += 1;
                out.measures.push(Measure::Lost(execution.activity));
                let (worker, attempt) = (attempt.worker, attempt.key.attempt);
                if cancelled {
                    Outcome::Terminated
                } else if settings.on_lost == OnLost::Fail {
                    Outcome::Aborted(GiveUp::NotRunAgain { worker, attempt })
                } else if execution.lost_attempts >= self.config.limits.max_lost_attempts {
                    Outcome::Aborted(GiveUp::LostTooOften { worker, attempt, losses: execution.lost_attempts })
                } else {
                    let not_before = execution.not_before;
                    let why = Requeue::WorkerLost { worker, attempt };
                    return self.requeue(execution, not_before, Some(why), out);
                }
            }
        };
        execution.finished_at = Some(at);
        self.conclude(execution, ExecutionStatus::Running, ending, out);
    }

    fn requeue(&mut self, mut execution: Execution, not_before: Age, why: Option<Requeue>, out: &mut Decision) {
        execution.status.move_to(ExecutionStatus::Waiting);
        execution.not_before = not_before;
        execution.started_at = None;
        out.update(&execution);
        self.recount(&execution, Some(ExecutionStatus::Running), Some(ExecutionStatus::Waiting), out);
        out.measures.push(Measure::Requeued(execution.activity));
        let event = out.event(self.wall(), EventKind::ExecutionRequeued);
        event.of(&execution);
        event.detail = why.map(|why| EventDetail::Requeued { why });
        self.queue(execution);
    }

    fn settings_of(&self, execution: &Execution, attempt: &Attempt) -> ActivitySettings {
        let activity = self.activities.get(&execution.activity);
        let revision = activity.and_then(|activity| activity.revision(attempt.revision));
        revision.map(|state| state.revision.settings.clone()).unwrap_or_default()
    }

    fn backoff(&self, failures: u32) -> Millis {
        let doubled = self.config.limits.retry_backoff.0.saturating_mul(1 << failures.saturating_sub(1).min(20));
        Millis(doubled.min(MAX_BACKOFF.0.max(self.config.limits.retry_backoff.0)))
    }

    fn remember_duration(&mut self, execution: &Execution, duration: Millis) {
        if let Some(activity) = self.activities.get_mut(&execution.activity) {
            let recent = &mut activity.tally.recent_durations;
            if recent.len() >= RECENT {
                recent.remove(0);
            }
            recent.push(u32::try_from(duration.0).unwrap_or(u32::MAX));
        }
    }
}
