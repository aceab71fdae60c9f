//! What a machine has that outlives its worker process: what is installed, and room for spools.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    domain::{ActivityId, RevisionNo},
    store::MemoryStore,
    worker::SpoolMemory,
};

#[derive(Clone, Debug)]
pub(super) struct Disk {
    pub(super) installed: BTreeSet<(ActivityId, RevisionNo)>,
    /// Spools are gone with the process that made them.
    pub(super) spool: Arc<SpoolMemory>,
    /// Not all output need find room.
    pub(super) is_small: bool,
}

/// More than all programs together print.
const PLENTY: usize = 1 << 40;

impl Disk {
    /// An empty disk, with room for so many bytes of spools, or for any number.
    /// One beside a store writes long output there itself.
    pub(super) fn new(room: Option<usize>, beside: Option<MemoryStore>) -> Self {
        let spool = SpoolMemory::new(room.unwrap_or(PLENTY));
        let spool = Arc::new(match beside {
            Some(store) => spool.beside(store),
            None => spool,
        });
        Self { installed: BTreeSet::new(), spool, is_small: room.is_some() }
    }
}
