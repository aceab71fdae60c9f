//! What is not wanted any more: revisions that others took the place of, activities that are rejected or deleted.

use super::{
    decision::{Decision, Effect},
    state::State,
};
use crate::{
    domain::{
        ActivityId, ActivityStatus, EventKind, ExecutionStatus, GiveUp, InstallationStatus, Outcome, RevisionNo,
        RevisionStatus, Transitions, WorkerId,
    },
    store::Change,
};

/// How many executions of a revision that cannot run them end in one round.
const DRAINED_PER_ROUND: usize = 512;

impl State {
    /// Ends queues that cannot be served, and removes what is not wanted any more.
    pub(super) fn retire(&mut self, out: &mut Decision) {
        self.queues = 0;
        for id in self.activities.awake_keys() {
            let Some(activity) = self.activities.get(&id) else { continue };
            let leaving = activity.activity.status == ActivityStatus::Uninstalling;
            let waiting = || activity.revisions.values().filter(|state| state.queue.waiting() > 0);
            let queues = waiting().count();
            let unserved: Vec<(RevisionNo, GiveUp)> = waiting()
                .filter(|state| leaving || state.revision.status == RevisionStatus::Rejected)
                .map(|state| match &state.revision.error {
                    _ if leaving => (state.revision.no, GiveUp::ActivityDeleted),
                    error => {
                        let error = error.clone().unwrap_or_else(|| "no reason was told".into());
                        (state.revision.no, GiveUp::ActivityRejected { error })
                    }
                })
                .collect();
            self.queues += queues;
            for (no, reason) in unserved {
                self.end_queue((id, no), &reason, out);
            }
            self.retire_revisions(id, out);
        }
    }

    pub(super) fn end_queue(&mut self, (id, no): (ActivityId, RevisionNo), reason: &GiveUp, out: &mut Decision) {
        for _ in 0..DRAINED_PER_ROUND {
            let revision = self.activities.get_mut(&id).and_then(|activity| activity.revisions.get_mut(&no));
            let Some(execution) = revision.and_then(|state| state.queue.pop()) else { return };
            self.conclude(execution, ExecutionStatus::Waiting, Outcome::Aborted(reason.clone()), out);
        }
    }

    fn retire_revisions(&mut self, id: ActivityId, out: &mut Decision) {
        let activity = &self.activities[&id];
        let leaving = activity.activity.status == ActivityStatus::Uninstalling;
        let idle = activity.revisions.iter().filter(|(_, state)| state.running == 0);
        let done = |no, state: &super::RevisionState| {
            !activity.serves(no) && state.queue.waiting() == 0 && state.hold_until <= self.now
        };
        let old: Vec<RevisionNo> = idle.filter(|(no, state)| leaving || done(**no, state)).map(|(no, _)| *no).collect();
        let mut rested = false;
        for no in old {
            if self.uninstall(id, no, out)
                && !leaving
                && let Some(activity) = self.activities.get_mut(&id)
            {
                activity.lay_to_rest(no);
                rested = true;
            }
        }
        if rested {
            self.forget_revisions(id, out);
        }
        let activity = &self.activities[&id];
        let empty = activity.waiting() == 0 && activity.running == 0;
        let installed = || self.workers.values().any(|worker| worker.installations.keys().any(|key| key.0 == id));
        if leaving && empty && !installed() {
            self.by_name.remove(&activity.activity.name);
            self.activities.remove(&id);
            out.change(Change::DeleteActivity(id));
            out.event(self.wall(), EventKind::ActivityDeleted).activity = Some(id);
        }
    }

    /// Forgets the dormant revisions of an activity that nobody can ask for any more.
    pub(super) fn forget_revisions(&mut self, id: ActivityId, out: &mut Decision) {
        let Some(activity) = self.activities.get_mut(&id) else { return };
        for revision in activity.forget() {
            out.change(Change::DeleteRevision { activity: id, revision });
        }
    }

    /// After a start, what has nothing to do and is nowhere rests at once.
    pub(super) fn rest_at_load(&mut self) {
        let installed: std::collections::BTreeSet<(ActivityId, RevisionNo)> =
            self.workers.values().flat_map(|worker| worker.installations.keys().copied()).collect();
        for activity in self.activities.values_mut() {
            let id = activity.activity.id;
            let resting: Vec<RevisionNo> = (activity.revisions.iter())
                .filter(|(no, state)| !activity.serves(**no) && !state.has_work() && !installed.contains(&(id, **no)))
                .filter(|(_, state)| state.revision.status != RevisionStatus::Verifying)
                .map(|(no, _)| *no)
                .collect();
            resting.into_iter().for_each(|no| activity.lay_to_rest(no));
        }
    }

    /// Ends the scripts that still run of a revision that was rejected.
    pub(in crate::plan) fn end_installations(&mut self, (id, no): (ActivityId, RevisionNo), out: &mut Decision) {
        let now = self.wall();
        for worker in self.workers_with((id, no)) {
            let Some(state) = self.workers.get_mut(&worker) else { continue };
            let Some(installation) = state.installations.get_mut(&(id, no)) else { continue };
            if installation.status == InstallationStatus::Installing {
                installation.status.move_to(InstallationStatus::Removing);
                installation.changed_at = now;
                out.change(Change::PutInstallation(installation.clone()));
                out.effects.push(Effect::Remove(worker, id, no));
            }
        }
    }

    /// The workers on which a revision is, or is to be.
    fn workers_with(&self, key: (ActivityId, RevisionNo)) -> Vec<WorkerId> {
        let with = self.workers.iter().filter(|(_, state)| state.installations.contains_key(&key));
        with.map(|(worker, _)| *worker).collect()
    }

    /// Asks for the removal of a revision everywhere; true once it is nowhere.
    fn uninstall(&mut self, id: ActivityId, no: RevisionNo, out: &mut Decision) -> bool {
        let (mut gone, now) = (true, self.wall());
        for worker in self.workers_with((id, no)) {
            let Some(state) = self.workers.get_mut(&worker) else { continue };
            let Some(installation) = state.installations.get_mut(&(id, no)) else { continue };
            let never_there = matches!(installation.status, InstallationStatus::Failed | InstallationStatus::Pending);
            if never_there || state.worker.status.is_terminal() {
                state.installations.remove(&(id, no));
                out.change(Change::DeleteInstallation { worker, activity: id, revision: no });
                continue;
            }
            gone = false;
            if installation.status != InstallationStatus::Removing {
                installation.status.move_to(InstallationStatus::Removing);
                installation.changed_at = now;
                out.change(Change::PutInstallation(installation.clone()));
                out.effects.push(Effect::Remove(worker, id, no));
            }
        }
        gone
    }
}
