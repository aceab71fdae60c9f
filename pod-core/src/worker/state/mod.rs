//! What a worker does, as a pure state machine: no IO, no clock, no randomness, no task.
//!
//! Inputs go in through [`WorkerState::step`], which gives effects for the shell to perform. What is to be said to the
//! manager is *pulled* by [`WorkerState::collect`] whenever the link can take a frame: so many small messages share one
//! frame, and nothing piles up behind a slow link but what the spools keep.
//!
//! The simulator runs this with a modelled executor; [`super::run`] runs it with a real one.

mod attempts;
mod collect;
mod install_log;
mod installs;
mod leaving;
mod session;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use self::{attempts::Attempts, collect::Outgoing, installs::Installs, leaving::Leaving, session::Session};
use super::{Identity, SpoolDisk, WorkerExit};
use crate::{
    domain::{ActivityId, AttemptEnd, AttemptKey, RevisionNo, Timestamp},
    executor::{InstallError, InstallRequest, RunEvent, StartError, StartRequest, StopMode},
    link::{EndReport, FromWorker, ToWorker},
};

/// The time, as the shell reads it once for each round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For what people read. May jump.
    pub wall: Timestamp,
    /// For deadlines: since the worker began, never going back, and not counting the time a machine slept.
    pub uptime: Duration,
}

/// Something that happened to the worker.
#[derive(Debug)]
pub enum Input {
    /// A link to a manager is there; the hello is to be collected.
    Connected,
    /// The link ended.
    Disconnected,
    /// A frame arrived. An empty one shows that the manager is there.
    Received(Vec<ToWorker>),
    /// An execution did something.
    Run(AttemptKey, RunEvent),
    /// An execution could not be started.
    StartFailed(AttemptKey, StartError),
    /// The executor lost an execution: it will tell nothing more of it.
    Vanished(AttemptKey),
    /// An installation under way printed something.
    InstallOutput(ActivityId, RevisionNo, Bytes),
    /// An installation under way ended.
    InstallEnded(ActivityId, RevisionNo, Result<(), InstallError>),
    /// An installation under way was aborted, as [`Effect::AbortInstall`] asked, and nothing of it runs.
    InstallAborted(ActivityId, RevisionNo),
    /// A removal is done; a failed one counts, since what is left of it is not taken for an installation.
    Removed(ActivityId, RevisionNo),
    /// It is to leave; what runs may end for so long, and is killed right now if that is asked for.
    Leave {
        /// For how long what runs may go on.
        within: Duration,
        /// KILL, and no waiting.
        at_once: bool,
    },
    /// The moment of [`WorkerState::next_deadline`] has come.
    Tick,
}

/// Something that the shell has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Start an execution. Its events follow as [`Input::Run`], or [`Input::StartFailed`] does.
    Start(StartRequest),
    /// Stop an execution, also one that is still being started. Its end follows.
    Stop(AttemptKey, StopMode),
    /// Ask for an execution back that may not have begun; its end follows, or it goes on.
    Recall(AttemptKey),
    /// Install a revision; [`Input::InstallEnded`] follows. Never more than [`INSTALLATIONS_AT_A_TIME`], and none of them
    /// twice.
    ///
    /// [`INSTALLATIONS_AT_A_TIME`]: crate::executor::INSTALLATIONS_AT_A_TIME
    Install(InstallRequest),
    /// End an installation under way; [`Input::InstallAborted`] or [`Input::InstallEnded`] follows.
    AbortInstall(ActivityId, RevisionNo),
    /// Remove an installation; [`Input::Removed`] follows.
    Remove(ActivityId, RevisionNo),
    /// Give the link up and dial again; no [`Input::Disconnected`] need follow.
    Disconnect(String),
    /// Kill whatever runs, and exit. Nothing is asked after this.
    Exit(WorkerExit),
}

/// A worker.
#[derive(Debug)]
pub struct WorkerState {
    slots: u32,
    /// How many more the executor takes while all slots are busy.
    ahead: u32,
    session: Session,
    attempts: Attempts,
    installs: Installs,
    outgoing: Outgoing,
    disk: Arc<dyn SpoolDisk>,
    leaving: Option<Leaving>,
    exited: bool,
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
            Input::Vanished(key) => self.finish(key, AttemptEnd::Lost, now.wall, now, effects),
            Input::InstallOutput(activity, revision, bytes) => self.installs.printed((activity, revision), &bytes),
            Input::InstallEnded(activity, revision, result) => {
                self.installs.ended((activity, revision), result, &mut self.outgoing, effects);
            }
            Input::InstallAborted(activity, revision) => self.installs.aborted((activity, revision), effects),
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

    fn tick(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.outgoing.release_due(now, &mut self.attempts);
        self.attempts.kill_overdue(now, effects);
        let idle = self.is_idle();
        if let Some(effect) = self.session.tick(idle, now) {
            if matches!(effect, Effect::Disconnect(_)) {
                self.disconnected(now);
            }
            effects.push(effect);
        }
    }

    fn receive(&mut self, message: ToWorker, now: Now, effects: &mut Vec<Effect>) {
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
            ToWorker::Remove { activity, revision } => self.remove(activity, revision, effects),
            ToWorker::Start(order) => self.start(*order, effects),
            ToWorker::Stop { key, grace } => self.stop(key, grace, now, effects),
            ToWorker::Recall { key } => self.recall(key, effects),
            ToWorker::OutputAck { key, stdout, stderr, order } => {
                self.output_acknowledged(key, [stdout, stderr, order]);
            }
            ToWorker::EndAck { key } => self.forget(key, effects),
            // It leaves, and its manager has nothing more for it.
            ToWorker::Shutdown { .. } if self.leaving.is_some() => effects.push(Effect::Exit(WorkerExit::Cancelled)),
            ToWorker::Shutdown { reason } => effects.push(Effect::Exit(WorkerExit::Shutdown(reason))),
        }
    }

    fn remove(&mut self, activity: ActivityId, revision: RevisionNo, effects: &mut Vec<Effect>) {
        let in_use = self.attempts.uses(activity, revision);
        self.installs.remove((activity, revision), in_use, effects);
    }

    /// What is said of an attempt that is not held here.
    fn unknown(&mut self, key: AttemptKey, now: Now) {
        self.outgoing.say(FromWorker::Ended(Box::new(EndReport {
            key,
            started_at: None,
            ended_at: now.wall,
            end: AttemptEnd::Lost,
            stdout: Bytes::new(),
            stdout_from: 0,
            stderr: Bytes::new(),
            stderr_from: 0,
            order: Bytes::new(),
            order_from: 0,
        })));
    }
}

#[cfg(test)]
mod tests;
