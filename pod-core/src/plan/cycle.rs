//! What follows from the state as it is: who is lost, what is installed, given out, taken back, launched and let go.

use super::{
    activity::ActivityState,
    autoscale::INTERVAL_OF_REPORTS,
    decision::{Decision, Effect},
    state::State,
    worker::WorkerState,
};
use crate::{
    api::Reply,
    domain::{
        ActivityId, Age, AttemptKey, AttemptOutcome, ExecutionStatus, Installation, InstallationStatus, Millis, Now,
        RevisionNo, RevisionStatus, ScriptSource, Transitions, WorkerId, WorkerReason, WorkerStatus,
    },
    observe::Measure,
    provisioner::ProvisionError,
    store::Change,
};

/// Prefetched work that has not started after so long is taken back, in case another worker is free.
const RECALL_AFTER: Millis = Millis(1000);
/// The work of a worker does not wait for longer than this for the provisioner to destroy it: the fence refuses what the
/// worker may still report.
const RELEASE_AFTER: Millis = Millis::from_secs(30);
/// How often all workers are looked at, for what follows from time alone.
const WATCH_INTERVAL: Millis = Millis(100);
/// How long a gone worker is still shown.
const FORGET_AFTER: Millis = Millis::from_secs(24 * 3600);

impl State {
    /// Decides what follows.
    pub fn plan(&mut self, now: impl Into<Now>, out: &mut Decision) {
        self.advance(now.into(), out);
        for key in std::mem::take(&mut self.orphans) {
            self.give_up_attempt(key, AttemptOutcome::Lost, out);
        }
        self.give_up_earlier_histories(out);
        self.watch_workers(out);
        self.fetch(out);
        self.retire(out);
        if !self.closing {
            self.install(out);
            self.place(out);
            self.size(out);
        }
        self.periodic(out);
        for id in std::mem::take(&mut self.dirty) {
            self.settle(id, out);
        }
        self.activities.rest(ActivityState::is_done);
        self.keep_statistics(out);
        self.answer_submits(out);
    }

    /// When time alone gives the planner something to do, at the latest.
    #[must_use]
    pub fn next_wakeup(&self) -> Age {
        let size = self.due.sized_at.filter(|_| self.due.size_owed);
        let size = size.map_or(Age::MAX, |at| at + INTERVAL_OF_REPORTS);
        let queues = self.activities.awake().flat_map(|(_, activity)| activity.revisions.values());
        let queues = queues.filter_map(|state| state.queue.next_due());
        queues.filter(|due| *due > self.now).min().unwrap_or(Age::MAX).min(self.now + Millis(500)).min(size)
    }

    /// The workers that a restored store knows were told more than it does, unless nobody has worked since the copy was made;
    /// that cannot be seen.
    fn give_up_earlier_histories(&mut self, out: &mut Decision) {
        if !std::mem::take(&mut self.just_loaded) {
            return;
        }
        let earlier =
            |state: &&WorkerState| !state.worker.status.is_terminal() && !self.is_of_this_history(state.worker.id);
        let earlier: Vec<WorkerId> = self.workers.values().filter(earlier).map(|state| state.worker.id).collect();
        for id in earlier {
            self.give_up(id, WorkerReason::Restored, out);
        }
    }

    /// Whether a worker is not of before a restoration.
    pub(super) const fn is_of_this_history(&self, id: WorkerId) -> bool {
        id.history() == WorkerId(self.ids.worker).history()
    }

    /// Silence, launches that hang, destructions that must be asked for again.
    fn watch_workers(&mut self, out: &mut Decision) {
        use WorkerStatus::{Draining, Failed, Launching, Lost, Pending, Ready, Terminated, Unreachable, Working};
        let (now, limits) = (self.now, self.config.limits.clone());
        if self.due.watch_at <= now {
            self.due.watch_at = now + WATCH_INTERVAL;
            self.workers.wake_all();
        }
        for id in self.workers.awake_keys() {
            let Some(state) = self.workers.get(&id) else { continue };
            let silent = now.since(state.heard);
            match state.worker.status {
                // Written down before, by this manager or one that ended before it could ask.
                Launching if !state.asked_for => self.ask_for(id, out),
                // One that is being destroyed is silent by right.
                Ready | Working | Draining if silent >= limits.unreachable_after && !state.is_being_destroyed(now) => {
                    self.set_status(id, Unreachable, Some(WorkerReason::Silent { since: silent }), out);
                }
                Unreachable if silent >= limits.worker_timeout => {
                    self.give_up(id, WorkerReason::Silent { since: silent }, out);
                }
                Unreachable if state.session.is_some() && silent < limits.unreachable_after => self.settle(id, out),
                Launching | Pending if now.since(state.made) >= self.config.launch_timeout => {
                    let (within, progress) = (self.config.launch_timeout, state.progress.clone());
                    let reason = WorkerReason::NeverDialledIn { within, progress };
                    self.refused_launch(&ProvisionError::new(reason.to_string()), out);
                    self.give_up(id, reason, out);
                }
                Launching | Pending if state.worker.draining => {
                    self.give_up(id, WorkerReason::NotNeeded, out);
                }
                Draining if state.attempts.is_empty() && state.session.is_some() => self.let_go(id, out),
                Lost | Failed | Terminated => {
                    let forgotten = state.worker.gone.is_some_and(|at| now.since(at) >= FORGET_AFTER);
                    let unfinished = !state.attempts.is_empty() || !state.installations.is_empty();
                    let fails = state.destroy_again_at.is_some();
                    if state.destroying.is_some_and(|since| now.since(since) >= RELEASE_AFTER) && unfinished {
                        self.release(id, out);
                    } else if (fails || unfinished) && !state.is_being_destroyed(now) {
                        self.destroy_again(id, out);
                    } else if forgotten && !unfinished {
                        self.workers.remove(&id);
                        out.change(Change::DeleteWorker(id));
                    }
                }
                _ => {}
            }
        }
        self.workers.rest(|_| true);
    }

    /// Asks the provisioner for a worker whose row is in this batch or an earlier one.
    pub(super) fn ask_for(&mut self, id: WorkerId, out: &mut Decision) {
        if let Some(state) = self.workers.get_mut(&id) {
            state.asked_for = true;
            out.measures.push(Measure::Launched);
            out.effects.push(Effect::Create(id, state.worker.isolation));
        }
    }

    /// Ends a worker from outside; its work is given out when it is destroyed.
    pub(super) fn give_up(&mut self, id: WorkerId, reason: WorkerReason, out: &mut Decision) {
        self.lost(id, reason, out);
        self.destroy_again(id, out);
    }

    /// Asks for the end of a worker that is over, and has its work given out once it is not there any more.
    fn destroy_again(&mut self, id: WorkerId, out: &mut Decision) {
        let now = self.now;
        match self.workers.get_mut(&id) {
            Some(state) if state.worker.self_registered => self.release(id, out),
            Some(state) => state.destroy(now, out),
            None => {}
        }
    }

    /// A drained worker has nothing left to do.
    fn let_go(&mut self, id: WorkerId, out: &mut Decision) {
        let now = self.now;
        let Some(state) = self.workers.get_mut(&id) else { return };
        if state.is_being_destroyed(now) {
            return;
        }
        let reason = state.worker.reason.as_ref().map_or_else(|| "it was let go".to_owned(), WorkerReason::to_string);
        out.effects.push(Effect::Shutdown(id, reason));
        if state.worker.self_registered {
            // Its link ends with its process: ended from here, it might not carry the order.
            state.session = None;
            self.set_status(id, WorkerStatus::Terminated, None, out);
            return self.release(id, out);
        }
        state.destroy(now, out);
    }

    /// Scripts that are to be fetched.
    fn fetch(&mut self, out: &mut Decision) {
        for id in self.activities.awake_keys() {
            let Some(activity) = self.activities.get_mut(&id) else { continue };
            for (no, state) in &activity.revisions {
                let revision = &state.revision;
                let ScriptSource::Url(url) = &revision.source else { continue };
                let wanted = revision.status == RevisionStatus::Verifying && revision.sha256.is_none();
                if wanted && activity.fetching.insert(*no) {
                    out.effects.push(Effect::Fetch(id, *no, url.clone()));
                }
            }
        }
    }

    /// Begins to install a revision on a worker.
    pub(super) fn begin_install(&mut self, worker: WorkerId, id: ActivityId, no: RevisionNo, out: &mut Decision) {
        let now = self.wall();
        let Some(state) = self.workers.get_mut(&worker) else { return };
        let installation = state.installations.entry((id, no)).or_insert_with(|| Installation {
            worker,
            activity: id,
            revision: no,
            status: InstallationStatus::Pending,
            error: None,
            changed_at: now,
            tries: 0,
            retry_at: None,
        });
        installation.status.move_to(InstallationStatus::Installing);
        (installation.error, installation.changed_at, installation.retry_at) = (None, now, None);
        out.change(Change::PutInstallation(installation.clone()));
        out.effects.push(Effect::Install(worker, id, no));
    }

    /// Takes back what waits in a worker for longer than short runs would make it.
    fn recall(&mut self, out: &mut Decision) {
        let now = self.now;
        let mut late: Vec<AttemptKey> = Vec::new();
        for held in self.held.values_mut() {
            let waits = held.attempt.started_at.is_none() && now.since(held.given) >= RECALL_AFTER;
            let crowded = self
                .workers
                .get(&held.attempt.worker)
                .is_some_and(|worker| worker.attempts.len() > worker.worker.slots as usize);
            if waits && crowded && !held.recalled {
                held.recalled = true;
                late.push(held.attempt.key);
            }
        }
        late.sort_unstable();
        for key in late {
            if let Some(held) = self.held.get(&key.execution) {
                out.effects.push(Effect::Recall(held.attempt.worker, key));
            }
        }
    }

    fn periodic(&mut self, out: &mut Decision) {
        let now = self.now;
        if self.due.recall_at <= now {
            self.due.recall_at = now + Millis(250);
            self.recall(out);
        }
        if self.due.list_at <= now {
            self.due.list_at = now + Millis::from_secs(60);
            out.effects.push(Effect::List);
        }
        if self.due.expire_at <= now {
            self.due.expire_at = now + Millis::from_secs(60);
            out.effects.push(Effect::Expire(now - self.config.limits.retention));
        }
    }

    /// Submits are answered with what this round made of them.
    fn answer_submits(&mut self, out: &mut Decision) {
        let launched = out.launched > 0;
        for (reply, mut submitted) in std::mem::take(&mut out.submits) {
            if !submitted.deduplicated {
                if let Some(held) = self.held.get(&submitted.id) {
                    submitted.execution = held.execution.clone();
                }
                submitted.launching_worker = launched && submitted.execution.status == ExecutionStatus::Waiting;
                submitted.eta = self.predict(&submitted.execution);
            }
            out.replies.push((reply, Ok(Reply::Submitted(submitted))));
        }
    }
}
