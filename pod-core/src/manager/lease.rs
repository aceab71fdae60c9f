//! The lease is renewed in time, beside everything else: no commit waits for it, and it waits for none.

use super::{action::Action, machine::Manager, notice::Notice, renewal::Renewal};
use crate::{
    api::PodError,
    domain::{Epoch, Millis},
    store::StoreError,
};

impl Manager {
    /// Renews the lease when that is due. Before all other actions: what takes long is to find it renewed.
    pub(super) fn renew_when_due(&mut self) {
        if !self.phase.has_ended() && self.renewal.due.is_some_and(|due| due <= self.now.age) {
            self.renewal.due = None;
            self.actions.push_front(Action::Renew(self.config.plan.epoch));
        }
    }

    /// The store has renewed the lease, or not. One that is away is asked again: only a lease that another manager holds
    /// is given up. A commit under way is told so itself.
    pub(super) fn renewed(&mut self, epoch: Epoch, outcome: Result<(), StoreError>) {
        if epoch != self.config.plan.epoch || self.phase.has_ended() {
            return;
        }
        let ttl = self.config.plan.limits.lease_ttl;
        match outcome {
            Ok(()) => self.renewal = Renewal::of_acquired(self.now.age, ttl),
            Err(StoreError::Fenced) => self.renewal.fenced = true,
            Err(error) => {
                self.renewal.due = Some(self.now.age + Millis(ttl.0 / 10));
                if !std::mem::replace(&mut self.renewal.told, true) {
                    self.note(Notice::LeaseNotRenewed(error));
                }
            }
        }
    }

    /// Ends where another manager took over, as a commit that is fenced does.
    pub(super) fn end_when_fenced(&mut self) {
        if self.renewal.fenced && self.waiting.is_none() && !self.phase.has_ended() {
            self.end(PodError::Store(StoreError::Fenced));
        }
    }

    /// The next thing to do, if it is to renew the lease: that is not kept waiting by an answer that is waited for.
    pub fn poll_renewal(&mut self) -> Option<Epoch> {
        let renewal = self.actions.pop_front_if(|action| matches!(action, Action::Renew(_)));
        renewal.and_then(|action| if let Action::Renew(epoch) = action { Some(epoch) } else { None })
    }
}
