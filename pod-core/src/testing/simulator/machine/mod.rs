//! A machine: a disk, and at most one worker process on it.
//!
//! | file | what it holds |
//! |---|---|
//! | `process` | the real `WorkerState`, and a model of the shell around it |
//! | `executor`, `program` | a model of an executor, and of what programs do |
//! | `installer` | a model of installation scripts |
//! | `disk` | what outlives a worker process |
//! | `backoff` | when to dial again |
//! | `calendar` | what is going to happen, in order |
//! | `defect` | workers that are broken on purpose |
//! | `outside` | what a machine wants from the world around it |

mod backoff;
mod calendar;
mod defect;
mod disk;
mod executor;
mod installer;
mod outside;
mod process;
mod program;

use std::time::Duration;

use self::{
    disk::Disk,
    process::{Birth, Process},
};
pub(super) use self::{outside::Wish, program::SERVE};
use super::{
    ledger::{Ledger, Place},
    luck::Luck,
    network::LinkId,
    options::Mutant,
};
use crate::{
    domain::WorkerId,
    link::ToWorker,
    store::{MemoryStore, Store as _},
    worker::{Identity, ShutdownNotice},
};

const HOUR: u64 = 3_600_000;

/// A machine of the fleet.
#[derive(Debug)]
pub(super) struct Machine {
    birth: Birth,
    disk: Disk,
    process: Option<Process>,
    /// How far its clock is ahead of the truth.
    wall_ahead: i64,
    /// Its release of POD speaks the version before.
    pub(super) is_of_the_version_before: bool,
    /// Its network reaches nobody until then.
    pub(super) unreachable_until: i64,
}

impl Machine {
    /// A machine that is off.
    pub(super) fn new(
        worker: WorkerId,
        history: u32,
        store: &MemoryStore,
        mutant: Option<Mutant>,
        luck: &mut Luck,
    ) -> Self {
        let random = &mut luck.machines;
        let mut identity = Identity::new(0);
        (identity.store, identity.worker) = (Some(store.id()), Some(worker));
        if random.per_mille(300) {
            identity.shutdown_notice = ShutdownNotice::Temporary;
        }
        let room = match random.between(0, 6) {
            0 => Some(0),
            1 => Some(200 << 10),
            _ => None,
        };
        let wall_ahead = if random.per_mille(500) { 0 } else { random.between(0, 8 * HOUR).cast_signed() };
        let ahead = u32::try_from(random.between(0, 5)).unwrap_or(0);
        let place = Place { worker, incarnation: 0, history };
        let is_of_the_version_before = random.per_mille(250);
        Self {
            birth: Birth { identity, place, slots: 2, ahead: ahead.saturating_sub(1), mutant },
            disk: Disk::new(room, is_beside_store(worker).then(|| store.clone())),
            process: None,
            wall_ahead: wall_ahead - if random.per_mille(500) { (4 * HOUR).cast_signed() } else { 0 },
            is_of_the_version_before,
            unreachable_until: 0,
        }
    }

    /// A worker process begins.
    pub(super) fn boot(&mut self, incarnation: u64, now: i64) {
        self.birth.identity.incarnation = incarnation;
        self.birth.place.incarnation = incarnation;
        let mut process = Process::new(self.birth.clone(), &self.disk, now, self.wall_ahead);
        process.executor.wall_ahead = self.wall_ahead;
        self.process = Some(process);
    }

    /// The process is killed with all that it runs. Gives the link that it had.
    pub(super) fn kill(&mut self, ledger: &mut Ledger) -> Option<LinkId> {
        self.process.take()?.die(ledger)
    }

    /// The process has ended by itself.
    pub(super) fn exited(&mut self) {
        self.process = None;
    }

    /// Everything on its disk is gone.
    pub(super) fn lose_disk(&mut self) {
        self.disk.installed.clear();
    }

    /// Somebody sets its clock.
    pub(super) fn set_clock(&mut self, ahead: i64) {
        self.wall_ahead = ahead;
        if let Some(process) = &mut self.process {
            process.executor.wall_ahead = ahead;
        }
    }

    /// Of which history of the store it is.
    pub(super) const fn history(&self) -> u32 {
        self.birth.place.history
    }

    pub(super) fn has_process(&self) -> bool {
        self.process.is_some()
    }

    /// Whether its worker comes back when it is asked to leave.
    pub(super) fn returns(&self) -> bool {
        self.birth.identity.shutdown_notice == ShutdownNotice::Temporary
    }

    /// When it has something to do.
    pub(super) fn next(&self) -> Option<i64> {
        self.process.as_ref().and_then(Process::next)
    }

    /// Does what is due.
    pub(super) fn pass(
        &mut self,
        now: i64,
        luck: &mut Luck,
        ledger: &mut Ledger,
        wishes: &mut Vec<Wish>,
    ) -> Result<(), String> {
        match &mut self.process {
            Some(process) => process.round(now, &mut self.disk, (luck, ledger), wishes),
            None => Ok(()),
        }
    }

    pub(super) fn stop_until(&mut self, until: i64) {
        if let Some(process) = &mut self.process {
            process.stop_until(until);
        }
    }

    pub(super) fn sleep(&mut self, now: i64, time: i64) {
        if let Some(process) = &mut self.process {
            process.sleep(now, time);
        }
    }

    pub(super) fn leave(&mut self, within: Duration, at_once: bool) {
        if let Some(process) = &mut self.process {
            process.leave(within, at_once);
        }
    }

    /// How its dialling went.
    pub(super) fn dialled(&mut self, link: Option<LinkId>, now: i64, luck: &mut Luck) {
        match (&mut self.process, link) {
            (Some(process), Some(link)) => process.connected(link, now),
            (Some(process), None) => process.not_connected(now, luck),
            (None, _) => {}
        }
    }

    pub(super) fn hear(&mut self, link: LinkId, frame: Vec<ToWorker>) {
        if let Some(process) = &mut self.process {
            process.hear(link, frame);
        }
    }

    pub(super) fn written(&mut self, link: LinkId) {
        if let Some(process) = &mut self.process {
            process.written(link);
        }
    }

    pub(super) fn link_ended(&mut self, link: LinkId, now: i64, luck: &mut Luck) {
        if let Some(process) = &mut self.process {
            process.link_ended(link, now, luck);
        }
    }

    /// Whether nothing runs on it, and its worker holds nothing.
    pub(super) fn is_idle(&self) -> bool {
        self.process.as_ref().is_none_or(Process::is_idle)
    }

    /// What it does, for people.
    pub(super) fn holds(&self) -> String {
        self.process.as_ref().map_or_else(|| "nothing".to_owned(), Process::holds)
    }
}

/// Whether a worker is on the machine of its manager: every other one is.
pub(super) const fn is_beside_store(worker: WorkerId) -> bool {
    worker.0.is_multiple_of(2)
}
