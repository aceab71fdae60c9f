//! Copies of the store, and what was true when they were made.

use std::collections::{BTreeMap, BTreeSet};

use super::{invariants::Checker, random::Random};
use crate::{
    domain::{AttemptKey, ExecutionId},
    store::MemoryCopy,
};

/// A copy, and what was true when it was made.
#[derive(Debug)]
pub(super) struct Backup {
    pub(super) store: MemoryCopy,
    pub(super) checker: Checker,
    pub(super) known: BTreeMap<AttemptKey, u32>,
    pub(super) keys: BTreeMap<String, ExecutionId>,
    pub(super) servers: BTreeSet<ExecutionId>,
}

/// The copy that there is, and what follows from its having been put back.
#[derive(Debug)]
pub(super) struct Restorations {
    pub(super) random: Random,
    pub(super) backup: Option<Backup>,
    /// The first manager since the last one.
    pub(super) first_manager: u64,
    /// Executions that end only when somebody ends them.
    pub(super) servers: BTreeSet<ExecutionId>,
}

impl Restorations {
    pub(super) fn of(seed: u64) -> Self {
        Self { random: Random::of(seed, 12), backup: None, first_manager: 0, servers: BTreeSet::new() }
    }
}
