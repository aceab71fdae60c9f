//! The state of a worker, and what each input leads to.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{
    attempts::Attempts,
    effect::Effect,
    input::{Input, Now},
    installs::Installs,
    leaving::Leaving,
    outgoing::Outgoing,
    session::Session,
};
use crate::{
    domain::{ActivityId, AttemptKey, AttemptOutcome, RevisionNo},
    executor::InstallRequest,
    link::{EndReport, FromWorker, ToWorker},
    worker::{
        identity::{Identity, WorkerExit},
        spool::disk::SpoolDisk,
    },
};

/// A worker.
#[derive(Debug)]
pub struct WorkerState {
    pub(super) slots: u32,
    /// How many more the executor takes while all slots are busy.
    pub(super) ahead: u32,
    pub(super) session: Session,
    pub(super) attempts: Attempts,
    pub(super) installs: Installs,
    pub(super) outgoing: Outgoing,
    pub(super) disk: Arc<dyn SpoolDisk>,
    pub(super) leaving: Option<Leaving>,
    pub(super) exited: bool,
}

impl WorkerState {
    /// A worker that holds nothing but what is installed.
    #[must_use]
    pub fn new(
        identity: Identity,
        slots: u32,
        ahead: u32,
        installed: Vec<(ActivityId, RevisionNo)>,
        disk: Arc<dyn SpoolDisk>,
        now: Now,
    ) -> Self {
        Self {
            slots,
            ahead,
            session: Session::new(identity, now),
            attempts: Attempts::default(),
            installs: Installs::new(installed),
            outgoing: Outgoing::default(),
            disk,
            leaving: None,
            exited: false,
        }
    }

    /// Takes an input, and adds what is to be done to `effects`.
    pub fn step(&mut self, input: Input, now: Now, effects: &mut Vec<Effect>) {
        if self.exited {
            return;
        }
        match input {
            Input::Connected => self.connected(now),
            Input::Disconnected => self.disconnected(now),
            Input::Received(messages) => {
                self.session.heard(now);
                for message in messages {
                    self.receive(message, now, effects);
                }
            }
            Input::Run(key, event) => self.run_event(key, event, now, effects),
            Input::StartFailed(key, error) => self.start_failed(key, error, now, effects),
            Input::Vanished(key) => self.finish(key, AttemptOutcome::Lost, now.wall, now, effects),
            Input::InstallOutput(activity, revision, bytes) => self.installs.printed((activity, revision), &bytes),
            Input::InstallEnded(activity, revision, result) => {
                self.installs.ended((activity, revision), result, &mut self.outgoing, effects);
            }
            Input::InstallAborted(activity, revision) => {
                self.installs.aborted((activity, revision), &mut self.outgoing, effects);
            }
            Input::Removed(activity, revision) => {
                self.installs.removed((activity, revision), &mut self.outgoing, effects);
            }
            Input::Leave { within, at_once } => self.leave(within, at_once, now, effects),
            Input::Tick => self.tick(now, effects),
        }
        self.go_on_leaving(now, effects);
        if effects.iter().any(|effect| matches!(effect, Effect::Exit(_))) {
            self.exited = true;
        }
    }

    /// When [`Input::Tick`] is due, if nothing happens before. After a tick it lies in the future.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        if self.exited {
            return None;
        }
        let (link, leaving) = (self.session.next_deadline(self.is_idle()), self.next_of_leaving());
        [link, self.outgoing.next_due(), self.attempts.next_kill(), leaving].into_iter().flatten().min()
    }

    /// How many executions run, or are being started.
    #[must_use]
    pub fn running(&self) -> u32 {
        self.attempts.live()
    }

    /// Whether it runs nothing and has nothing to deliver.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.attempts.is_empty() && self.installs.is_idle()
    }

    /// Whether a manager has welcomed it on the present link.
    #[must_use]
    pub fn is_welcome(&self) -> bool {
        self.session.is_up()
    }

    pub(super) fn tick(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.outgoing.release_due(now, &mut self.attempts.held);
        self.attempts.kill_overdue(now, effects);
        let idle = self.is_idle();
        if let Some(effect) = self.session.tick(idle, now) {
            if matches!(effect, Effect::Disconnect(_)) {
                self.disconnected(now);
            }
            effects.push(effect);
        }
    }

    pub(super) fn receive(&mut self, message: ToWorker, now: Now, effects: &mut Vec<Effect>) {
        match message {
            ToWorker::Welcome(welcome) => self.welcomed(welcome, now, effects),
            ToWorker::Refused(refusal) => self.refused(refusal, now, effects),
            // What a link says before its welcome, or after it was given up, binds nobody.
            _ if !self.session.is_up() => {}
            ToWorker::Heartbeat => self.session.heard_heartbeat(),
            ToWorker::Install { activity, revision, payload, env, timeout } => {
                let request = InstallRequest { activity, revision, payload, env, timeout };
                self.installs.install(request, &mut self.outgoing, effects);
            }
            ToWorker::Offer(offer) => self.installs.offered(*offer, &mut self.outgoing, effects),
            ToWorker::Piece { activity, revision, offset, total, bytes } => {
                let piece = (offset, total, &bytes);
                self.installs.piece((activity, revision), piece, &mut self.outgoing, effects);
            }
            ToWorker::Remove { activity, revision } => self.remove(activity, revision, effects),
            ToWorker::Start(order) => self.start(*order, effects),
            ToWorker::Stop { key, grace } => self.stop(key, grace, now, effects),
            ToWorker::Recall { key } => self.recall(key, effects),
            ToWorker::OutputAck { key, stdout, stderr, order } => {
                self.output_acknowledged(key, [stdout, stderr, order]);
            }
            ToWorker::OutputFile { key, stream, file } => self.write_to(key, stream, &file, effects),
            ToWorker::EndAck { key } => self.forget(key, effects),
            // It leaves, and its manager has nothing more for it.
            ToWorker::Shutdown { .. } if self.leaving.is_some() => effects.push(Effect::Exit(WorkerExit::Cancelled)),
            ToWorker::Shutdown { reason } => effects.push(Effect::Exit(WorkerExit::Shutdown(reason))),
        }
    }

    pub(super) fn remove(&mut self, activity: ActivityId, revision: RevisionNo, effects: &mut Vec<Effect>) {
        let in_use = self.attempts.uses(activity, revision);
        self.installs.remove((activity, revision), in_use, effects);
    }

    /// What is said of an attempt that is not held here.
    pub(super) fn unknown(&mut self, key: AttemptKey, now: Now) {
        self.outgoing.say(FromWorker::Ended(Box::new(EndReport {
            key,
            started_at: None,
            ended_at: now.wall,
            end: AttemptOutcome::Lost,
            stdout: Bytes::new(),
            stdout_from: 0,
            stderr: Bytes::new(),
            stderr_from: 0,
            order: Bytes::new(),
            order_from: 0,
        })));
    }
}
