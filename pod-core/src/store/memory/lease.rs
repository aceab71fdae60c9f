//! The lease of the in-memory store.

use super::super::{
    error::StoreError,
    lease::{Acquisition, HeldLease, Holder, Lease},
};
use crate::domain::{Epoch, Millis};

/// The epoch, and who holds it.
#[derive(Clone, Debug, Default)]
pub(super) struct LeaseRow {
    pub(super) epoch: Epoch,
    /// None once it was released.
    holder: Option<Holder>,
    expires: Millis,
}

impl LeaseRow {
    pub(super) fn acquire(&mut self, holder: &Holder, ttl: Millis, now: Millis) -> Acquisition {
        let expires_in = Millis(self.expires.0.saturating_sub(now.0));
        if let Some(other) = self.holder.as_ref().filter(|other| other.name != holder.name && expires_in > Millis(0)) {
            return Acquisition::HeldBy(HeldLease { holder: other.clone(), expires_in });
        }
        *self = Self { epoch: Epoch(self.epoch.0 + 1), holder: Some(holder.clone()), expires: after(now, ttl) };
        Acquisition::Acquired(Lease { epoch: self.epoch, expires_in: ttl })
    }

    pub(super) fn renew(&mut self, epoch: Epoch, ttl: Millis, now: Millis) -> Result<(), StoreError> {
        if epoch != self.epoch || self.holder.is_none() {
            return Err(StoreError::Fenced);
        }
        self.expires = after(now, ttl);
        Ok(())
    }

    pub(super) fn release(&mut self, epoch: Epoch) {
        if epoch == self.epoch {
            self.holder = None;
        }
    }
}

const fn after(now: Millis, ttl: Millis) -> Millis {
    Millis(now.0.saturating_add(ttl.0))
}
