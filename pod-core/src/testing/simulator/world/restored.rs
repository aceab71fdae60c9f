//! An operator puts an older copy of the store into its place, while everything goes on: machines, what runs on them, and
//! what users believe.

use super::{
    super::{
        network::LinkId,
        options::{Fault, Mutant},
        restorations::Backup,
    },
    SimEvent, Step, World,
    load::ACTIVITIES,
};
use crate::domain::WorkerId;

impl World {
    /// When a copy is made, and when it is put back.
    pub(super) fn schedule_restoration(&mut self) {
        if !self.luck.has(Fault::Restore) {
            return;
        }
        let (until, random) = (self.options.faults_until.unsigned_abs(), &mut self.restorations.random);
        let copied = random.between(1, until);
        // Mostly soon, when workers still hold what they held then.
        let most = if random.per_mille(500) { 15_000 } else { until };
        let later = random.between(1, most);
        self.at(copied.cast_signed(), SimEvent::Copy);
        self.at((copied + later).cast_signed(), SimEvent::Restore);
    }

    pub(super) fn copy_store(&mut self) {
        self.note(&"the store is copied");
        self.restorations.backup = Some(Backup {
            store: self.store.copy(),
            checker: self.checker.clone(),
            known: self.ledger.known.clone(),
            keys: self.requests.keys.clone(),
            servers: self.restorations.servers.clone(),
        });
    }

    /// The manager is ended, and the next one begins on the copy.
    pub(super) fn restore_store(&mut self) -> Step {
        if self.quiet() {
            return Ok(());
        }
        // What has ended must be right before it is forgotten.
        self.check_output()?;
        let Some(backup) = self.restorations.backup.take() else { return Ok(()) };
        self.note(&"an older copy of the store is put into its place");
        self.report.restorations += 1;
        self.manager_is_gone();
        self.close_all();
        if self.options.mutant == Some(Mutant::OverlookRestorations) {
            self.store.restore_unnoticed(&backup.store);
        } else {
            self.store.restore(&backup.store);
        }
        self.checker.restored(&backup.checker);
        self.requests.keys.clone_from(&backup.keys);
        self.restorations.servers.clone_from(&backup.servers);
        self.ledger.known.clone_from(&backup.known);
        self.ledger.history += 1;
        self.restorations.first_manager = self.managers + 1;
        // A manager to come may have the epoch of one that was.
        (self.applied, self.decided) = (None, (None, 0));
        self.resume_users(&backup);
        let random = &mut self.restorations.random;
        let back = random.between(10, 20_000).cast_signed();
        // The same copy may be put back once more.
        let again = random.per_mille(400).then(|| random.between(100, 40_000).cast_signed());
        self.restorations.backup = Some(backup);
        self.at(back, SimEvent::ManagerBack);
        if let Some(again) = again {
            self.at(again, SimEvent::Restore);
        }
        Ok(())
    }

    /// Users see what became of what they wanted, and want it again.
    fn resume_users(&mut self, backup: &Backup) {
        for number in 0..ACTIVITIES {
            let when = self.restorations.random.between(100, 30_000).cast_signed();
            self.at(when, SimEvent::Client(number));
        }
        for id in &backup.servers {
            let when = self.restorations.random.between(1000, 40_000).cast_signed();
            self.at(when, SimEvent::EndServer(*id));
        }
    }

    /// Of which history a machine is that the manager of that number asked for.
    pub(super) const fn history_of(&self, manager: u64) -> u32 {
        if manager < self.restorations.first_manager { self.ledger.history - 1 } else { self.ledger.history }
    }

    /// Whether a machine is of before the last restoration.
    pub(super) fn is_outdated(&self, id: WorkerId) -> bool {
        self.machines.get(&id).is_some_and(|machine| machine.history() < self.ledger.history)
    }

    /// Whoever was told what the store does not know is not let in: it holds attempts and programs of other meanings.
    pub(super) fn is_of_this_history(&self, link: LinkId) -> Step {
        match self.network.worker(link).filter(|worker| self.is_outdated(*worker)) {
            Some(worker) => Err(format!("worker {worker} was let in, and is of before the store was restored")),
            None => Ok(()),
        }
    }
}
