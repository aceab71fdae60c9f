//! A worker process: the real state machine, in a shell that does in virtual time what `worker::run` does.

use std::time::Duration;

use super::{
    backoff::Backoff, defect::Defect, disk::Disk, executor::ModelExecutor, installer::Installer, outside::Wish,
};
use crate::{
    domain::Timestamp,
    link::{FromWorker, ToWorker},
    testing::simulator::{
        ledger::{Ledger, Place},
        luck::Luck,
        network::LinkId,
        options::Mutant,
    },
    worker::{
        Identity, ShutdownNotice, WorkerExit,
        state::{Effect, Input, Now, WorkerState},
    },
};

/// How many inputs are taken in one round.
const EVENTS: usize = 256;

/// What a worker process is begun with.
#[derive(Clone, Debug)]
pub(super) struct Birth {
    pub(super) identity: Identity,
    pub(super) place: Place,
    pub(super) slots: u32,
    pub(super) ahead: u32,
    pub(super) mutant: Option<Mutant>,
}

#[derive(Debug)]
pub(super) struct Process {
    state: WorkerState,
    pub(super) executor: ModelExecutor,
    pub(super) installer: Installer,
    departure: ShutdownNotice,
    connection: Connection,
    backoff: Backoff,
    /// When it began, moved on by the time its machine slept.
    began: i64,
    /// What the network and its owner brought and it has not looked at.
    inbox: Vec<Input>,
    /// A round is due because the link takes more.
    woken: bool,
    /// It gets no processor until then.
    stopped_until: i64,
    defect: Defect,
    effects: Vec<Effect>,
}

#[derive(Clone, Copy, Debug)]
enum Connection {
    /// Dials at that moment.
    Down {
        dial_at: i64,
    },
    Linked {
        link: LinkId,
        since: i64,
        writing: bool,
    },
}

impl Process {
    pub(super) fn new(birth: Birth, disk: &Disk, now: i64, wall_ahead: i64) -> Self {
        let Birth { identity, place, slots, ahead, mutant } = birth;
        let moment = Now { wall: Timestamp(now + wall_ahead), uptime: Duration::ZERO };
        let departure = identity.shutdown_notice;
        let installed = disk.installed.iter().copied().collect();
        Self {
            state: WorkerState::new(identity, slots, ahead, installed, disk.spool.clone(), moment),
            executor: ModelExecutor::new(place, slots, ahead),
            installer: Installer::default(),
            departure,
            connection: Connection::Down { dial_at: now },
            backoff: Backoff::new(),
            began: now,
            inbox: Vec::new(),
            woken: false,
            stopped_until: 0,
            defect: Defect::new(mutant),
            effects: Vec::new(),
        }
    }

    fn now(&self, now: i64) -> Now {
        let uptime = Duration::from_millis((now - self.began).max(0).unsigned_abs());
        Now { wall: Timestamp(now + self.executor.wall_ahead), uptime }
    }

    /// When its next round is due.
    pub(super) fn next(&self) -> Option<i64> {
        let dial = match self.connection {
            Connection::Down { dial_at } => Some(dial_at),
            Connection::Linked { .. } => None,
        };
        let tick = self.state.next_deadline().map(|uptime| {
            // Not before it: a tick settles its deadline.
            self.began + i64::try_from(uptime.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX)
        });
        let inbox = (self.woken || !self.inbox.is_empty()).then_some(self.stopped_until);
        let all = [dial, tick, inbox, self.executor.next(), self.installer.next()];
        all.into_iter().flatten().min().map(|at| at.max(self.stopped_until))
    }

    /// It gets no processor until then; what it runs goes on.
    pub(super) fn stop_until(&mut self, until: i64) {
        self.stopped_until = self.stopped_until.max(until);
    }

    /// Its whole machine sleeps for so long, which nothing in it notices.
    pub(super) fn sleep(&mut self, now: i64, time: i64) {
        self.stop_until(now + time);
        self.began += time;
        self.executor.postpone(time);
        self.installer.postpone(time);
    }

    /// Its owner asks it to leave.
    pub(super) fn leave(&mut self, within: Duration, at_once: bool) {
        self.inbox.push(Input::Leave { within, at_once });
    }

    /// Its dialling succeeded.
    pub(super) fn connected(&mut self, link: LinkId, now: i64) {
        self.connection = Connection::Linked { link, since: now, writing: false };
        self.defect.connected();
        self.inbox.push(Input::Connected);
    }

    /// Its dialling failed.
    pub(super) fn not_connected(&mut self, now: i64, luck: &mut Luck) {
        self.connection = Connection::Down { dial_at: now + self.backoff.next(None, luck) };
    }

    fn is_on(&self, wanted: LinkId) -> bool {
        matches!(self.connection, Connection::Linked { link, .. } if link == wanted)
    }

    /// A frame arrives.
    pub(super) fn hear(&mut self, link: LinkId, mut frame: Vec<ToWorker>) {
        if self.is_on(link) {
            self.defect.heard(&mut frame, &self.executor);
            self.inbox.push(Input::Received(frame));
        }
    }

    /// The link took what was written last, so it is asked to take more.
    pub(super) fn written(&mut self, wanted: LinkId) {
        if let Connection::Linked { link, writing, .. } = &mut self.connection
            && *link == wanted
        {
            (*writing, self.woken) = (false, true);
        }
    }

    /// The link ended.
    pub(super) fn link_ended(&mut self, link: LinkId, now: i64, luck: &mut Luck) {
        if self.is_on(link) {
            self.redial(now, luck);
            self.inbox.push(Input::Disconnected);
        }
    }

    fn redial(&mut self, now: i64, luck: &mut Luck) {
        let lasted = match self.connection {
            Connection::Linked { since, .. } => Some(now - since),
            Connection::Down { .. } => None,
        };
        self.connection = Connection::Down { dial_at: now + self.backoff.next(lasted, luck) };
    }

    /// One round.
    pub(super) fn round(
        &mut self,
        now: i64,
        disk: &mut Disk,
        (luck, ledger): (&mut Luck, &mut Ledger),
        wishes: &mut Vec<Wish>,
    ) -> Result<(), String> {
        if now < self.stopped_until {
            return Ok(());
        }
        if matches!(self.connection, Connection::Down { dial_at } if dial_at <= now) {
            // Whoever hears of it says at once how it went.
            self.connection = Connection::Down { dial_at: i64::MAX };
            wishes.push(Wish::Dial);
        }
        self.woken = false;
        let mut inputs = std::mem::take(&mut self.inbox);
        self.executor.pass(now, disk, ledger, &mut inputs)?;
        self.installer.pass(now, disk, &mut inputs);
        if inputs.len() > EVENTS {
            self.inbox = inputs.split_off(EVENTS);
        }
        let moment = self.now(now);
        if self.state.next_deadline().is_some_and(|due| due <= moment.uptime) {
            inputs.push(Input::Tick);
        }
        let mut effects = std::mem::take(&mut self.effects);
        for input in inputs {
            self.state.step(input, moment, &mut effects);
        }
        let exit = self.perform(&mut effects, now, disk, luck, wishes)?;
        self.effects = effects;
        if let Some(exit) = exit {
            self.exit(exit, ledger, wishes);
            return Ok(());
        }
        self.write(moment, wishes);
        if self.state.has_left(moment) {
            self.exit(WorkerExit::Cancelled, ledger, wishes);
        }
        Ok(())
    }

    fn write(&mut self, moment: Now, wishes: &mut Vec<Wish>) {
        if let Connection::Linked { link, writing, .. } = &mut self.connection
            && !*writing
        {
            let mut frame = self.state.collect(moment);
            self.defect.said(&mut frame);
            if !frame.is_empty() {
                *writing = true;
                wishes.push(Wish::Write(*link, frame));
            }
        }
    }

    fn perform(
        &mut self,
        effects: &mut Vec<Effect>,
        now: i64,
        disk: &mut Disk,
        luck: &mut Luck,
        wishes: &mut Vec<Wish>,
    ) -> Result<Option<WorkerExit>, String> {
        for effect in effects.drain(..) {
            match effect {
                Effect::Start(request) => self.executor.start(request, now, luck)?,
                Effect::Stop(key, mode) => self.executor.stop(key, mode, now, luck),
                Effect::Recall(key) => self.executor.recall(key, now, luck),
                // This executor gives bytes.
                Effect::WriteTo(..) => {}
                Effect::Install(request) => self.installer.install(&request, now, luck)?,
                Effect::AbortInstall(activity, revision) => self.installer.abort((activity, revision), now, luck),
                Effect::Remove(activity, revision) => self.installer.remove((activity, revision), disk, now, luck),
                Effect::Disconnect(_) => {
                    if let Connection::Linked { link, .. } = self.connection {
                        wishes.push(Wish::HangUp(link));
                    }
                    self.redial(now, luck);
                }
                Effect::Exit(exit) => return Ok(Some(exit)),
            }
        }
        Ok(None)
    }

    /// Ends with everything that it runs, and says goodbye where that is due.
    fn exit(&mut self, exit: WorkerExit, ledger: &mut Ledger, wishes: &mut Vec<Wish>) {
        self.executor.die(ledger);
        if let Connection::Linked { link, writing, .. } = self.connection {
            let says_goodbye =
                exit == WorkerExit::Cancelled && self.state.is_welcome() && self.departure == ShutdownNotice::Permanent;
            if says_goodbye && !writing {
                wishes.push(Wish::Write(link, vec![FromWorker::Goodbye { reason: exit.to_string() }]));
            }
            wishes.push(Wish::HangUp(link));
        }
        wishes.push(Wish::Exited(exit));
    }

    /// Killed: nothing is said. Gives the link that it had.
    pub(super) fn die(&mut self, ledger: &mut Ledger) -> Option<LinkId> {
        self.executor.die(ledger);
        match self.connection {
            Connection::Linked { link, .. } => Some(link),
            Connection::Down { .. } => None,
        }
    }

    /// Whether nothing runs or is held here, and nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.executor.count() == 0 && self.installer.is_idle() && self.state.is_idle()
    }

    /// In words, what is not idle.
    pub(super) fn holds(&self) -> String {
        format!("{} programs, {} live attempts: {:?}", self.executor.count(), self.state.running(), self.state)
    }
}
