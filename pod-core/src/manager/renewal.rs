//! Where the renewal of the lease stands; `lease` renews it.

use crate::domain::{Age, Millis};

/// The renewal of the lease.
#[derive(Clone, Copy, Debug)]
pub(super) struct Renewal {
    /// When the next one is due; nothing while one is under way.
    pub(super) due: Option<Age>,
    /// Another manager took over.
    pub(super) fenced: bool,
    /// It was told that the store does not renew it.
    pub(super) told: bool,
}

impl Renewal {
    /// Of a lease that was acquired at that age.
    pub(super) fn of_acquired(at: Age, ttl: Millis) -> Self {
        Self { due: Some(at + Millis(ttl.0 / 3)), fenced: false, told: false }
    }
}
