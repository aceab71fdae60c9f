//! A worker as the planner holds it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::decision::{Decision, Effect};
use crate::{
    domain::{ActivityId, Age, AttemptKey, Installation, InstallationStatus, Millis, RevisionNo, SessionId, Worker},
    executor::INSTALLATIONS_AT_A_TIME,
};

/// A worker with what it holds.
#[derive(Clone, Debug)]
pub struct WorkerState {
    /// The worker.
    pub worker: Worker,
    pub(crate) session: Option<SessionId>,
    /// How far its making has come.
    pub(crate) progress: Option<Arc<str>>,
    pub(crate) attempts: BTreeSet<AttemptKey>,
    pub(crate) installations: BTreeMap<(ActivityId, RevisionNo), Installation>,
    /// When it was wanted, or a manager first knew of it.
    pub(crate) made: Age,
    /// How long it took from there to its first hello.
    pub(crate) boot: Option<Millis>,
    /// When a frame of it last arrived.
    pub(crate) heard: Age,
    /// When it became idle.
    pub(crate) idle_since: Age,
    /// When installations that failed are tried again.
    pub(crate) retries: BTreeMap<(ActivityId, RevisionNo), Age>,
    /// Since when the provisioner destroys it: it was asked, and has not answered.
    pub(crate) destroying: Option<Age>,
    /// It could not be destroyed, and the provisioner is asked again then.
    pub(crate) destroy_again_at: Option<Age>,
    pub(crate) failed_destroys: u32,
    /// This manager has asked the provisioner to create it.
    pub(crate) asked_for: bool,
    /// A person asked for its end: the fleet does not take it back.
    pub(crate) asked_to_go: bool,
}

impl WorkerState {
    pub(crate) fn new(worker: Worker, now: Age) -> Self {
        Self {
            worker,
            session: None,
            progress: None,
            attempts: BTreeSet::new(),
            installations: BTreeMap::new(),
            made: now,
            boot: None,
            heard: now,
            idle_since: now,
            retries: BTreeMap::new(),
            destroying: None,
            destroy_again_at: None,
            failed_destroys: 0,
            asked_for: false,
            asked_to_go: false,
        }
    }

    /// Whether it may be given work.
    pub(crate) fn takes_work(&self) -> bool {
        use crate::domain::WorkerStatus::{Ready, Working};
        self.session.is_some() && !self.worker.draining && matches!(self.worker.status, Ready | Working)
    }

    /// Asks the provisioner to destroy it, unless it does so already.
    pub(crate) fn destroy(&mut self, now: Age, out: &mut Decision) {
        if self.destroying.is_none() {
            (self.destroying, self.destroy_again_at) = (Some(now), None);
            out.effects.push(Effect::Destroy(self.worker.id));
        }
    }

    /// Whether the provisioner has been asked to destroy it, and need not be asked again yet.
    pub(super) fn is_being_destroyed(&self, now: Age) -> bool {
        self.destroying.is_some() || self.destroy_again_at.is_some_and(|at| at > now)
    }

    pub(super) fn idle_slots(&self) -> u32 {
        self.worker.slots.saturating_sub(u32::try_from(self.attempts.len()).unwrap_or(u32::MAX))
    }

    pub(super) fn has(&self, activity: ActivityId, revision: RevisionNo, status: InstallationStatus) -> bool {
        self.installations.get(&(activity, revision)).is_some_and(|installation| installation.status == status)
    }

    /// What is being installed on it.
    pub(super) fn installing(&self) -> impl Iterator<Item = &Installation> {
        self.installations.values().filter(|installation| installation.status == InstallationStatus::Installing)
    }

    /// Whether it can begin another installation.
    pub(super) fn can_install(&self) -> bool {
        self.installing().count() < INSTALLATIONS_AT_A_TIME
    }
}
