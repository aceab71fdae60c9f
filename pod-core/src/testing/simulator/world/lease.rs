//! Who holds the store: the manager, which renews its lease, and now and then another one, which takes an expired one.

use super::{SimEvent, Step, World, now_or_never};
use crate::{
    domain::{Epoch, Millis},
    manager::Input,
    store::{Acquisition, Holder, Store, StoreError},
};

/// The name of the manager; it is the same after each restart.
pub(super) const MANAGER: &str = "manager";
const RIVAL: &str = "rival";
/// Short, so that a manager that is paused loses it.
pub(super) const LEASE_TTL: Millis = Millis(4000);

impl World {
    pub(super) fn acquire(&self, name: &str) -> Result<Acquisition, StoreError> {
        self.store.set_time(Millis(self.now.unsigned_abs()));
        now_or_never(self.store.acquire(&Holder::new(name), LEASE_TTL))
    }

    /// The manager renews its lease. The answer comes beside whatever else it waits for.
    pub(super) fn renew(&mut self, epoch: Epoch) {
        let Some(number) = self.process.as_ref().map(|process| process.number) else { return };
        self.store.set_time(Millis(self.now.unsigned_abs()));
        let outcome = if self.is_store_away() {
            Err(StoreError::Unavailable("nobody answers".into()))
        } else {
            now_or_never(self.store.renew(epoch, LEASE_TTL))
        };
        let delay = self.luck.store.between(1, 40).cast_signed();
        self.at(delay, SimEvent::Renewed(number, epoch, outcome));
    }

    pub(super) fn renewed(&mut self, number: u64, epoch: Epoch, outcome: Result<(), StoreError>) -> Step {
        let now = self.clock();
        match self.process.as_mut().filter(|process| process.number == number) {
            // It gets no processor, and finds the answer when it goes on.
            Some(process) if self.now < process.paused_until => {
                let at = process.paused_until - self.now;
                self.at(at, SimEvent::Renewed(number, epoch, outcome));
            }
            Some(process) => {
                process.manager.handle(Input::Renewed(epoch, outcome), now);
                return self.run_manager();
            }
            None => {}
        }
        Ok(())
    }

    /// A holder that ends gives its lease back, if the store is there to hear it.
    pub(super) fn release(&mut self, epoch: Epoch) {
        if !self.is_store_away() {
            let _ = now_or_never(self.store.release(epoch));
        }
    }

    /// Somebody acquires the lease that has it by right: under the name of the manager, or after it has expired.
    pub(super) fn take_over(&mut self, name: &str) -> Step {
        match self.acquire(name).map_err(|error| error.to_string())? {
            Acquisition::Acquired(lease) => {
                self.note(&("another one takes the lease", name, lease.epoch));
                self.report.fenced += 1;
                self.report.expired += u64::from(name == RIVAL);
                let holds = self.faults.between(0, 2 * LEASE_TTL.0).cast_signed();
                if self.faults.per_mille(500) {
                    self.at(holds, SimEvent::RivalEnds(self.ledger.history, lease.epoch));
                }
            }
            Acquisition::HeldBy(held) => {
                let again = held.expires_in.0.cast_signed();
                self.at(again, SimEvent::Rival);
            }
        }
        Ok(())
    }

    /// A rival waits for as long as the manager does nothing: it gives up when the lease was renewed.
    pub(super) fn rival_looks(&mut self) -> Step {
        let is_paused = self.process.as_ref().is_none_or(|process| self.now < process.paused_until);
        if self.quiet() || !is_paused || self.is_store_away() { Ok(()) } else { self.take_over(RIVAL) }
    }
}
