//! Workers that say hello, fall silent, are created, destroyed, listed and let go.

use std::{collections::BTreeSet, sync::Arc};

use super::super::{
    decision::{Decision, Effect},
    state::{OpenAttempt, State},
    worker::WorkerState,
};
use crate::{
    api::{LaunchFailure, PodError, Reply},
    domain::{
        ActivityId, AttemptKey, AttemptOutcome, EventDetail, EventKind, InstallationStatus, Isolation, MAX_SLOTS,
        Millis, RevisionNo, SessionId, Transitions, Worker, WorkerId, WorkerReason, WorkerStatus,
    },
    link::{Hello, Rejection, StartCommand, Welcome, agreed_version},
    observe::Measure,
    provisioner::{Machine, MachineState, ProvisionError},
    store::Change,
};

/// After so many failures, destroying a worker is tried less often.
const MANY_FAILURES: u32 = 3;

impl State {
    /// Changes a worker's status along its table, and writes it.
    pub(in crate::plan) fn set_status(
        &mut self,
        id: WorkerId,
        status: WorkerStatus,
        reason: Option<WorkerReason>,
        out: &mut Decision,
    ) {
        let (now, wall) = (self.now, self.wall());
        let Some(state) = self.workers.get_mut(&id) else { return };
        let before = state.worker.status;
        if before == status || !state.worker.status.move_to(status) {
            return;
        }
        if status == WorkerStatus::Ready && matches!(before, WorkerStatus::Launching | WorkerStatus::Pending) {
            // How far its making had come is no news any more.
            state.worker.reason = None;
        }
        if let Some(reason) = &reason {
            state.worker.reason = Some(reason.clone());
        }
        if status.is_terminal() {
            (state.worker.ended_at, state.worker.gone) = (Some(wall), Some(now));
            // Should it still be there, it dials again and is told to stop.
            if let Some(session) = state.session.take() {
                out.effects.push(Effect::Disconnect(session));
            }
        }
        out.change(Change::PutWorker(state.worker.clone()));
        let event = out.event(wall, EventKind::WorkerChanged);
        event.worker = Some(id);
        event.detail = Some(EventDetail::Worker { status, reason });
    }

    /// Notes that a frame arrived. False for a link that is not the worker's newest.
    pub(super) fn seen(&mut self, id: WorkerId, session: SessionId) -> bool {
        let (now, wall) = (self.now, self.wall());
        let Some(state) = self.workers.get_mut(&id).filter(|state| state.session == Some(session)) else {
            return false;
        };
        (state.worker.last_seen, state.heard) = (Some(wall), now);
        true
    }

    pub(super) fn hello(&mut self, hello: Hello, session: SessionId, anyone: bool, out: &mut Decision) {
        let id = match self.admit(&hello, anyone) {
            Ok(id) => id,
            Err(refusal) => return out.effects.push(Effect::Refuse(session, refusal)),
        };
        let (now, wall) = (self.now, self.wall());
        let state = self.workers.get_or_insert_with(id, || {
            let worker = Worker {
                id,
                status: WorkerStatus::Pending,
                slots: hello.slots,
                draining: false,
                created_at: wall,
                ready_at: None,
                last_seen: None,
                last_worked: None,
                ended_at: None,
                gone: None,
                reason: Some(WorkerReason::DialledIn),
                destroy_error: None,
                backend: None,
                host: None,
                self_registered: true,
                isolation: Isolation::Worker,
                incarnation: None,
            };
            WorkerState::new(worker, now)
        });
        if let Some(old) = state.session.replace(session) {
            out.effects.push(Effect::Disconnect(old));
        }
        let same_process = state.worker.incarnation == Some(hello.incarnation);
        state.heard = now;
        state.boot.get_or_insert(now.since(state.made));
        let worker = &mut state.worker;
        worker.incarnation = Some(hello.incarnation);
        worker.slots = hello.slots.clamp(1, MAX_SLOTS);
        worker.host = hello.host.as_deref().map(Arc::from);
        worker.last_seen = Some(wall);
        worker.ready_at.get_or_insert(wall);
        out.change(Change::PutWorker(worker.clone()));
        self.reconcile(id, session, &hello, same_process, out);
        self.settle(id, out);
        let (speaks, oldest) = (hello.newest_version(), self.config.oldest_version);
        if speaks < oldest {
            self.drain_for_good(id, WorkerReason::TooOld { speaks, oldest }, out);
        }
    }

    /// Who said hello, or why not.
    fn admit(&mut self, hello: &Hello, anyone: bool) -> Result<WorkerId, Rejection> {
        let stop = |sentence: String| Err(Rejection::Permanent(sentence));
        if hello.store.is_some_and(|store| store != self.config.store) {
            return stop(format!("this worker belongs to another store than {}", self.config.store));
        }
        if hello.epoch.is_some_and(|epoch| epoch > self.config.epoch) {
            return stop("this worker has served a newer state of the store; it was restored from a copy".to_owned());
        }
        if let Some(id) = hello.worker.filter(|id| !self.is_of_this_history(*id)) {
            return stop(format!("worker {id} is of before the store was restored from a copy"));
        }
        match hello.worker.map(|id| (id, self.workers.get(&id))) {
            Some((id, Some(known))) if known.worker.status.is_terminal() => stop(format!("worker {id} was given up")),
            // A token that many workers share does not prove which one this is; that it is the process which was let in
            // under this number before does, as nobody else knows its incarnation.
            Some((id, Some(known)))
                if anyone && !(known.worker.self_registered && known.worker.incarnation == Some(hello.incarnation)) =>
            {
                stop(format!("another worker is worker {id}"))
            }
            Some((id, Some(_))) => Ok(id),
            Some((id, None)) => stop(format!("worker {id} is not known")),
            None if anyone => {
                self.ids.worker += 1;
                Ok(WorkerId(self.ids.worker))
            }
            None => stop("this worker was not created by the manager".to_owned()),
        }
    }

    /// Brings both sides together: what the worker holds against what it should.
    fn reconcile(&mut self, id: WorkerId, session: SessionId, hello: &Hello, same: bool, out: &mut Decision) {
        let reported: BTreeSet<AttemptKey> = hello.attempts.iter().map(|report| report.key).collect();
        let mine = self.workers[&id].attempts.clone();
        let installed =
            |key: &(ActivityId, RevisionNo)| hello.installed.contains(key) || hello.installing.contains(key);
        let known = self.workers[&id].installations.clone();
        let remove = hello.installed.iter().chain(&hello.installing).filter(|key| !known.contains_key(key)).copied();
        let limits = &self.config.limits;
        out.effects.push(Effect::Welcome(Box::new(Welcome {
            store: self.config.store,
            epoch: self.config.epoch,
            worker: id,
            session,
            heartbeat: limits.heartbeat_interval,
            orphan_timeout: limits.orphan_timeout,
            output_cap: limits.output_cap,
            discard: reported.difference(&mine).copied().collect(),
            remove: remove.collect(),
            version: agreed_version(hello.newest_version()),
        })));
        for report in &hello.attempts {
            if let (true, Some(at)) = (mine.contains(&report.key), report.started_at) {
                self.attempt_started(id, report.key, at, out);
            }
        }
        let grace = self.config.limits.grace_period;
        for key in &mine {
            // It may have been asked back over the link that is gone.
            self.held.entry(key.execution).and_modify(|held| held.recalled = false);
            let Some(held) = self.held.get(&key.execution) else { continue };
            let cancelled = held.execution.cancel_requested;
            if reported.contains(key) {
                if cancelled {
                    out.effects.push(Effect::Stop(id, *key, grace));
                }
            } else if same && held.attempt.started_at.is_none() {
                // The order was lost on the way: this very process would hold it otherwise.
                out.effects.push(Effect::Start(id, self.order(held)));
                if cancelled {
                    out.effects.push(Effect::Stop(id, *key, grace));
                }
            } else {
                self.give_up_attempt(*key, AttemptOutcome::Lost, out);
            }
        }
        for (key, mut installation) in known {
            let there = hello.installed.contains(&key);
            match installation.status {
                InstallationStatus::Installing if there => {
                    self.install_ended(id, key.0, key.1, crate::link::InstallOutcome::Installed, out);
                }
                InstallationStatus::Installing if !installed(&key) => {
                    out.effects.push(Effect::Install(id, key.0, key.1));
                }
                InstallationStatus::Installed if !there => {
                    installation.status.move_to(InstallationStatus::Pending);
                    out.change(Change::PutInstallation(installation.clone()));
                    if let Some(state) = self.workers.get_mut(&id) {
                        state.installations.insert(key, installation);
                    }
                }
                InstallationStatus::Removing => out.effects.push(Effect::Remove(id, key.0, key.1)),
                _ => {}
            }
        }
    }

    /// Gives a connected worker the status that follows from what it does.
    pub(in crate::plan) fn settle(&mut self, id: WorkerId, out: &mut Decision) {
        let Some(state) = self.workers.get(&id) else { return };
        if state.session.is_none() || state.worker.status.is_terminal() {
            return;
        }
        let status = match (state.worker.draining, state.attempts.is_empty()) {
            (true, _) => WorkerStatus::Draining,
            (false, false) => WorkerStatus::Working,
            (false, true) => WorkerStatus::Ready,
        };
        let first_hello = matches!(state.worker.status, WorkerStatus::Launching | WorkerStatus::Pending);
        if first_hello {
            // Not when it was made: one that is made and ends at once is as good as refused.
            self.due.refused_launches = 0;
            self.launch_refusal = None;
        }
        if first_hello && status != WorkerStatus::Ready {
            self.set_status(id, WorkerStatus::Ready, None, out);
        }
        let flip = |status| matches!(status, WorkerStatus::Ready | WorkerStatus::Working);
        if let Some(state) = self.workers.get_mut(&id).filter(|state| flip(state.worker.status) && flip(status)) {
            // Follows from the attempts, which are committed: a row and an event per run would cost more than the run.
            state.worker.status.move_to(status);
            return;
        }
        self.set_status(id, status, None, out);
    }

    /// What the worker needs to know to run an attempt.
    pub(in crate::plan) fn order(&self, held: &OpenAttempt) -> StartCommand {
        let activity = self.activities.get(&held.execution.activity);
        let revision = activity.and_then(|activity| activity.revision(held.attempt.revision));
        let settings = revision.map(|state| state.revision.settings.clone()).unwrap_or_default();
        StartCommand {
            key: held.attempt.key,
            activity: held.execution.activity,
            activity_name: self.names.get(&held.execution.activity).cloned().unwrap_or_else(|| "".into()),
            revision: held.attempt.revision,
            input: held.execution.input.clone(),
            env: Arc::new(settings.env),
            timeout: settings.timeout,
            grace: self.config.limits.grace_period,
            workdir: settings.workdir,
            network: settings.network,
        }
    }

    pub(super) fn link_lost(&mut self, id: WorkerId, session: SessionId) {
        if let Some(state) = self.workers.get_mut(&id).filter(|state| state.session == Some(session)) {
            state.session = None;
        }
    }

    /// A worker that was asked to end where it runs: it is given nothing more, and goes when what it runs has ended.
    pub(super) fn leaves(&mut self, id: WorkerId, why: Arc<str>, out: &mut Decision) {
        self.drain(id, WorkerReason::Leaves { why }, out);
        if let Some(state) = self.workers.get_mut(&id) {
            state.asked_to_go = true;
        }
    }

    /// A worker that ends in an orderly way and runs nothing any more: what it still has open is no loss.
    pub(super) fn has_left(&mut self, id: WorkerId, why: Arc<str>, out: &mut Decision) {
        self.leaves(id, why.clone(), out);
        let open = self.workers.get(&id).map(|state| state.attempts.clone()).unwrap_or_default();
        for key in open {
            self.give_up_attempt(key, AttemptOutcome::WorkerLeft, out);
        }
        self.gone(id, why, out);
    }

    /// A worker that is known to be dead: nothing of it runs, so its work is given out at once.
    pub(super) fn gone(&mut self, id: WorkerId, how: Arc<str>, out: &mut Decision) {
        let Some(state) = self.workers.get(&id).filter(|state| !state.worker.status.is_terminal()) else { return };
        if !state.worker.self_registered
            && matches!(state.worker.status, WorkerStatus::Launching | WorkerStatus::Pending)
        {
            self.refused_launch(&ProvisionError::new(&*how), out);
        }
        self.give_up(id, WorkerReason::Died { how }, out);
    }

    /// Gives a worker up: it was silent for too long, or is dead. Its attempts are released once it is destroyed.
    pub(in crate::plan) fn lost(&mut self, id: WorkerId, reason: WorkerReason, out: &mut Decision) {
        use WorkerStatus::{Draining, Failed, Launching, Lost, Pending, Terminated};
        let Some(state) = self.workers.get(&id) else { return };
        let status = match state.worker.status {
            Launching | Pending => Failed,
            Draining if state.attempts.is_empty() => Terminated,
            // Its end is known, and why.
            gone if gone.is_terminal() => return,
            _ => Lost,
        };
        self.set_status(id, status, Some(reason), out);
    }

    /// Nothing of this worker runs any more: its attempts are lost, its installations gone.
    pub(in crate::plan) fn release(&mut self, id: WorkerId, out: &mut Decision) {
        let Some(state) = self.workers.get_mut(&id) else { return };
        let (attempts, installations) = (state.attempts.clone(), std::mem::take(&mut state.installations));
        for (activity, revision) in installations.into_keys() {
            out.change(Change::DeleteInstallation { worker: id, activity, revision });
        }
        for key in attempts {
            self.give_up_attempt(key, AttemptOutcome::Lost, out);
        }
    }

    pub(super) fn created(&mut self, id: WorkerId, result: Result<(), ProvisionError>, out: &mut Decision) {
        let Some(state) = self.workers.get(&id) else { return };
        match (result, state.worker.status) {
            (Ok(()), WorkerStatus::Launching) => self.set_status(id, WorkerStatus::Pending, None, out),
            (Ok(()), status) if status.is_terminal() => {
                if let Some(state) = self.workers.get_mut(&id) {
                    state.destroy(self.now, out);
                }
            }
            (Err(error), WorkerStatus::Launching) => {
                self.refused_launch(&error, out);
                self.give_up(id, WorkerReason::LaunchFailed { error: error.message.into() }, out);
            }
            // It was asked for twice, around a restart of the manager, and has said hello meanwhile.
            _ => {}
        }
    }

    /// How far a worker's making has come: shown as its reason until it says hello.
    pub(super) fn launch_progress(&mut self, id: WorkerId, note: &str, out: &mut Decision) {
        let launching = |state: &&mut WorkerState| state.worker.status == WorkerStatus::Launching;
        let Some(state) = self.workers.get_mut(&id).filter(launching) else { return };
        state.progress = Some(note.into());
        state.worker.reason = Some(WorkerReason::Launching { progress: note.into() });
        out.change(Change::PutWorker(state.worker.clone()));
    }

    /// A worker was refused, or ended before it said hello. The next launch waits: 0 s, 10 s, 1 min, 5 min, 15 min.
    /// Those that were launched together and fail together count once.
    pub(in crate::plan) fn refused_launch(&mut self, error: &ProvisionError, out: &mut Decision) {
        out.measures.push(Measure::LaunchRefused);
        if self.now >= self.due.launch_at {
            self.postpone_launches();
        }
        let reason = error.message.trim_end_matches('.').into();
        self.launch_refusal = Some(LaunchFailure {
            reason,
            kind: error.kind,
            lasting: error.permanent,
            retry_at: self.clock().moment_of(self.due.launch_at),
        });
    }

    fn postpone_launches(&mut self) {
        let waits = [0, 10, 60, 300, 900];
        let wait = waits[(self.due.refused_launches as usize).min(waits.len() - 1)];
        self.due.refused_launches += 1;
        self.due.launch_at = self.now + Millis::from_secs(wait);
    }

    pub(super) fn destroyed(&mut self, id: WorkerId, result: Result<(), String>, out: &mut Decision) {
        let Some(state) = self.workers.get_mut(&id) else { return };
        state.destroying = None;
        state.worker.destroy_error = result.as_ref().err().map(|error| error.as_str().into());
        if result.is_err() {
            state.failed_destroys += 1;
            let wait = if state.failed_destroys < MANY_FAILURES { 10 } else { 60 };
            state.destroy_again_at = Some(self.now + Millis::from_secs(wait));
            // Its work must not wait for ever on a provisioner that fails; the fence refuses what it may still report.
            if state.failed_destroys == MANY_FAILURES {
                self.release(id, out);
            }
            return;
        }
        state.destroy_again_at = None;
        if !state.worker.status.is_terminal() {
            self.set_status(id, WorkerStatus::Terminated, None, out);
        }
        self.release(id, out);
    }

    pub(super) fn listed(&mut self, listed: &[Machine], out: &mut Decision) {
        let unknown = |id: &WorkerId| self.workers.get(id).is_none_or(|state| state.worker.status.is_terminal());
        // What ends by itself is not destroyed on top of that.
        let stays = |machine: &&Machine| machine.state != MachineState::Stopping;
        let strays: BTreeSet<WorkerId> =
            listed.iter().filter(stays).map(|machine| machine.worker).filter(unknown).collect();
        // Only what was there twice: a list may be older than what was just done.
        for id in strays.intersection(&self.strays) {
            match self.workers.get_mut(id) {
                Some(state) => state.destroy(self.now, out),
                None => out.effects.push(Effect::Destroy(*id)),
            }
        }
        self.strays = strays;
    }

    pub(super) fn drain_worker(&mut self, id: WorkerId, out: &mut Decision) -> Result<Reply, PodError> {
        let state = self.workers.get(&id).ok_or(PodError::NoSuchWorker(id))?;
        if state.worker.status.is_terminal() {
            return Err(PodError::WorkerGone(id));
        }
        self.drain_for_good(id, WorkerReason::AskedToDrain, out);
        Ok(Reply::Worker(Box::new(self.worker_view(&self.workers[&id]))))
    }

    /// Drains a worker for good: the fleet does not take it back.
    fn drain_for_good(&mut self, id: WorkerId, reason: WorkerReason, out: &mut Decision) {
        self.drain(id, reason, out);
        if let Some(state) = self.workers.get_mut(&id) {
            state.asked_to_go = true;
        }
    }

    /// Cordons a worker: no new work from this very batch on.
    pub(in crate::plan) fn drain(&mut self, id: WorkerId, reason: WorkerReason, out: &mut Decision) {
        let Some(state) = self.workers.get_mut(&id).filter(|state| !state.worker.draining) else { return };
        state.worker.draining = true;
        state.worker.reason = Some(reason);
        out.change(Change::PutWorker(state.worker.clone()));
        self.settle(id, out);
    }
}
