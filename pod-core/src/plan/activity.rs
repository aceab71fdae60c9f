//! An activity as the planner holds it, with its revisions.

use std::collections::{BTreeMap, BTreeSet};

use super::revision::{LINGER, RevisionState};
use crate::{
    domain::{Activity, ActivityStatus, Age, Millis, Revision, RevisionNo, RevisionStatus},
    store::{ActivityCounters, KEPT_REVISIONS},
};

/// How many revisions of an activity linger at most; those that were used last.
const LINGERING: usize = 8;

/// An activity with its revisions and their queues.
#[derive(Clone, Debug)]
pub struct ActivityState {
    /// The activity, its derived members kept up to date.
    pub activity: Activity,
    /// Those that serve, have work, or are on a worker.
    pub(crate) revisions: BTreeMap<RevisionNo, RevisionState>,
    /// The others that are kept: nothing of them waits or runs, and they are on no worker.
    pub(crate) dormant: BTreeMap<RevisionNo, RevisionState>,
    pub(crate) tally: ActivityCounters,
    /// Its executions that run.
    pub(crate) running: u32,
    /// How much it was given, for fairness: grows by one per assignment, and is never taken for less than the state's
    /// `virtual_time`, so that who comes back after a pause is owed nothing for the time before.
    pub(crate) virtual_time: u64,
    /// Revisions that are being fetched.
    pub(crate) fetching: BTreeSet<RevisionNo>,
}

impl ActivityState {
    /// A revision, whatever it does.
    pub(crate) fn revision(&self, no: RevisionNo) -> Option<&RevisionState> {
        self.revisions.get(&no).or_else(|| self.dormant.get(&no))
    }

    pub(crate) fn revision_mut(&mut self, no: RevisionNo) -> Option<&mut RevisionState> {
        self.revisions.get_mut(&no).or_else(|| self.dormant.get_mut(&no))
    }

    /// All of them, oldest first.
    pub(crate) fn all_revisions(&self) -> Vec<&Revision> {
        let mut all: Vec<_> =
            self.dormant.values().chain(self.revisions.values()).map(|state| &state.revision).collect();
        all.sort_unstable_by_key(|revision| revision.no);
        all
    }

    /// A revision that is about to be used.
    pub(crate) fn wake(&mut self, no: RevisionNo) -> Option<&mut RevisionState> {
        if let Some(state) = self.dormant.remove(&no) {
            self.revisions.insert(no, state);
        }
        self.revisions.get_mut(&no)
    }

    /// The number of the next revision. The newest one is never forgotten, so no number is used twice.
    pub(crate) fn next_revision(&self) -> RevisionNo {
        let newest = [&self.revisions, &self.dormant].into_iter().filter_map(|all| all.keys().next_back()).max();
        RevisionNo(newest.map_or(1, |newest| newest.0 + 1))
    }

    /// How many executions of all revisions wait.
    pub(crate) fn waiting(&self) -> u64 {
        self.revisions.values().map(|state| state.queue.waiting()).sum()
    }

    /// Whether that revision stays whether or not anything of it runs.
    pub(crate) fn serves(&self, no: RevisionNo) -> bool {
        no == self.activity.revision || no == self.activity.latest
    }

    /// The last execution of a revision is done: it lingers, among a few others.
    pub(crate) fn linger(&mut self, no: RevisionNo, now: Age) {
        if let Some(state) = self.revisions.get_mut(&no) {
            state.hold_until = now + LINGER;
        }
        let mut lingering: Vec<(Age, RevisionNo)> = (self.revisions.iter())
            .filter(|(no, state)| !self.serves(**no) && !state.has_work() && state.is_approved())
            .filter(|(_, state)| state.hold_until > now)
            .map(|(no, state)| (state.hold_until, *no))
            .collect();
        lingering.sort_unstable();
        let too_many = lingering.len().saturating_sub(LINGERING);
        for (_, no) in lingering.into_iter().take(too_many) {
            if let Some(state) = self.revisions.get_mut(&no) {
                state.hold_until = now;
            }
        }
    }

    /// A revision that is on no worker and has nothing to do costs nothing more until it is asked for.
    pub(crate) fn lay_to_rest(&mut self, no: RevisionNo) {
        if let Some(state) = self.revisions.remove(&no) {
            self.dormant.insert(no, state);
        }
    }

    /// Forgets the dormant revisions that nobody can ask for, and tells which: what no kept execution names, but for the
    /// last ones that once were current or could not be, which people look at.
    pub(crate) fn forget(&mut self) -> Vec<RevisionNo> {
        let newest = RevisionNo(self.next_revision().0 - 1);
        let unnamed = |(no, state): (&RevisionNo, &RevisionState)| (state.kept == 0 && *no != newest).then_some(*no);
        let (mut gone, mut shown) = (Vec::new(), Vec::new());
        for no in self.dormant.iter().filter_map(unnamed) {
            let Revision { status, purpose, .. } = self.dormant[&no].revision;
            // Another one came before it was tried; or it was for certain executions, and they are gone.
            let untried = matches!(status, RevisionStatus::Verifying | RevisionStatus::Uninstalling);
            if untried || !purpose.may_be_current() { gone.push(no) } else { shown.push(no) }
        }
        let too_many = shown.len().saturating_sub(KEPT_REVISIONS);
        gone.extend(shown.into_iter().take(too_many));
        gone.iter().for_each(|no| drop(self.dormant.remove(no)));
        gone
    }

    /// How long a run takes on average; known after two.
    pub(super) fn expected(&self) -> Option<Millis> {
        let recent = &self.tally.recent_durations;
        let sum: u64 = recent.iter().map(|duration| u64::from(*duration)).sum();
        (recent.len() >= 2).then(|| Millis(sum / recent.len() as u64))
    }

    /// As [`ActivityView::version`](crate::ActivityView::version).
    pub(super) fn version(&self) -> String {
        let Activity { id, latest, .. } = &self.activity;
        self.revision(*latest).map_or_else(|| format!("{id}.{latest}"), |newest| newest.revision.version())
    }

    /// Whether a round need not look at it: nothing of it waits, is verified, or is to go.
    pub(super) fn is_done(&self) -> bool {
        let is_done = |(no, state): (&RevisionNo, &RevisionState)| {
            state.queue.waiting() == 0 && state.revision.status != RevisionStatus::Verifying && self.serves(*no)
        };
        self.activity.status != ActivityStatus::Uninstalling && self.revisions.iter().all(is_done)
    }

    /// Brings the members that follow from the revisions up to date.
    pub(in crate::plan) fn derive(&mut self) {
        let mut candidates =
            self.revisions.values().rev().map(|state| &state.revision).filter(|one| one.purpose.may_be_current());
        let Some(newest) = candidates.clone().next() else { return };
        let approved = candidates.find(|revision| revision.status == RevisionStatus::Approved);
        let serving = approved.unwrap_or(newest);
        let activity = &mut self.activity;
        if activity.status != ActivityStatus::Uninstalling {
            activity.status = match serving.status {
                RevisionStatus::Approved => ActivityStatus::Approved,
                RevisionStatus::Verifying => ActivityStatus::Verifying,
                RevisionStatus::Rejected | RevisionStatus::Uninstalling => ActivityStatus::Rejected,
            };
        }
        activity.revision = serving.no;
        activity.latest = newest.no;
        activity.source = serving.source.clone();
        activity.settings = serving.settings.clone();
        activity.sha256 = serving.sha256.clone();
        activity.error = newest.error.clone();
    }
}
