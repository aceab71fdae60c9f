//! Finds out why an execution is where it is.

use std::{collections::BTreeMap, sync::Arc};

use super::super::{activity::ActivityState, revision::RevisionState, state::State, worker::WorkerState};
use crate::{
    api::{Explanation, NoWorker, StatusReason, gone},
    domain::{
        ActivityId, ActivityStatus, Execution, ExecutionStatus, Installation, InstallationStatus, Isolation,
        RevisionNo, RevisionStatus, WorkerId, WorkerStatus,
    },
};

impl State {
    /// Says why an execution is where it is.
    pub(super) fn explain(&self, execution: Execution) -> Explanation {
        let activity = self.activities.get(&execution.activity);
        let ahead = match execution.status {
            ExecutionStatus::Waiting => activity
                .and_then(|activity| activity.revision(execution.revision))
                .and_then(|state| state.queue.position(execution.id)),
            _ => None,
        };
        let ahead = ahead.map(|(ahead, _)| ahead);
        let mut said = match &execution.outcome {
            Some(ending) => vec![StatusReason::Ended(ending.clone())],
            None if execution.status == ExecutionStatus::Running => self.why_running(&execution),
            None => self.why_waiting(&execution, activity, ahead),
        };
        if execution.cancel_requested && execution.outcome.is_none() {
            said.push(StatusReason::TerminationAsked);
        }
        if let Some(activity) = activity
            && execution.revision != RevisionNo(0)
            && execution.revision != activity.activity.revision
        {
            said.push(StatusReason::OtherRevision { bound: execution.revision, current: activity.activity.revision });
        }
        let name = self.names.get(&execution.activity).cloned().unwrap_or_else(|| "?".into());
        let taken = self.activity_named(&name).is_some();
        let activity_gone = activity.is_none().then(|| gone(execution.activity, &name, taken));
        if activity_gone.is_some() && execution.outcome.is_some() {
            said.push(StatusReason::ActivityGone { id: execution.activity, name: name.clone(), taken });
        }
        if execution.failures > 0 {
            said.push(StatusReason::Failures { count: execution.failures });
        }
        if execution.lost_attempts > 0 {
            said.push(StatusReason::Losses { count: execution.lost_attempts });
        }
        Explanation {
            activity_name: name,
            activity_gone,
            reasons: said,
            queue_position: ahead,
            eta: self.predict(&execution),
            execution,
        }
    }

    fn why_running(&self, execution: &Execution) -> Vec<StatusReason> {
        let Some(id) = execution.worker else { return vec![StatusReason::Running { on: None }] };
        let worker = self.workers.get(&id);
        let crowded = worker.is_some_and(|state| state.attempts.len() > state.worker.slots as usize);
        let mut said = vec![match execution.started_at {
            Some(at) => {
                let began = self.held.get(&execution.id).and_then(|held| held.began).unwrap_or(self.now);
                StatusReason::Running { on: Some((id, self.now.since(began), at)) }
            }
            None if crowded => StatusReason::GivenAhead { worker: id },
            None => StatusReason::Given { worker: id },
        }];
        if let Some(state) = worker.filter(|state| state.worker.status == WorkerStatus::Unreachable) {
            let (silent, limit) = (self.now.since(state.heard), self.config.limits.worker_timeout);
            said.push(StatusReason::WorkerSilent { worker: id, silent, limit });
        }
        said
    }

    fn why_waiting(
        &self,
        execution: &Execution,
        activity: Option<&ActivityState>,
        ahead: Option<u64>,
    ) -> Vec<StatusReason> {
        let mut said = Vec::new();
        let Some(activity) = activity else { return vec![StatusReason::NothingToRun] };
        let Some(state) = activity.revision(execution.revision) else { return vec![StatusReason::NothingToRun] };
        match state.revision.status {
            _ if activity.activity.status == ActivityStatus::Uninstalling => said.push(StatusReason::ActivityLeaves),
            // Nothing else keeps it before that moment.
            RevisionStatus::Approved if execution.not_before > self.now => said.push(self.tried_again(execution)),
            RevisionStatus::Approved => {
                self.what_is_missing(activity, state, &mut said);
                said.extend(ahead.filter(|ahead| *ahead > 0).map(|ahead| StatusReason::Queued { ahead }));
                if said.is_empty() {
                    said.push(StatusReason::AboutToStart);
                }
            }
            RevisionStatus::Verifying => self.what_verifies(state, &mut said),
            RevisionStatus::Rejected | RevisionStatus::Uninstalling => said.push(StatusReason::ActivityRejected),
        }
        said
    }

    fn tried_again(&self, execution: &Execution) -> StatusReason {
        let (at, wait) = (self.clock().moment_of(execution.not_before), execution.not_before.since(self.now));
        StatusReason::NotBefore { at, wait, failures: execution.failures }
    }

    /// What an execution of an approved activity lacks.
    fn what_is_missing(&self, activity: &ActivityState, state: &RevisionState, said: &mut Vec<StatusReason>) {
        let limit = state.revision.settings.max_concurrency;
        if let Some(limit) = limit.filter(|limit| activity.running >= *limit) {
            said.push(StatusReason::ConcurrencyLimit { limit });
        }
        let isolation = self.isolation(&state.revision.settings);
        let fitting = || self.workers.values().filter(|state| state.worker.isolation == isolation);
        let takes_work = || fitting().filter(|state| state.takes_work());
        if takes_work().next().is_none() {
            return said.push(self.no_worker(isolation));
        }
        let free = || takes_work().filter(|state| state.attempts.len() < state.worker.slots as usize);
        if free().next().is_none() {
            let slots = takes_work().map(|state| u64::from(state.worker.slots)).sum();
            return said.push(StatusReason::SlotsBusy { slots });
        }
        let key = (state.revision.activity, state.revision.no);
        let installed = |state: &WorkerState| {
            state.installations.get(&key).is_some_and(|found| found.status == InstallationStatus::Installed)
        };
        if free().any(installed) {
            return;
        }
        let before = said.len();
        self.installations_of(key, said);
        if said.len() == before {
            said.push(StatusReason::NotInstalled);
        }
    }

    /// Why revisions of an activity are still being verified.
    pub(super) fn why_verifying(&self, activity: &ActivityState) -> BTreeMap<RevisionNo, Vec<StatusReason>> {
        let verifying = |state: &&RevisionState| state.revision.status == RevisionStatus::Verifying;
        let why = |state: &RevisionState| {
            let mut said = Vec::new();
            self.what_verifies(state, &mut said);
            (state.revision.no, said)
        };
        activity.revisions.values().filter(verifying).map(why).collect()
    }

    fn what_verifies(&self, RevisionState { revision, .. }: &RevisionState, said: &mut Vec<StatusReason>) {
        let isolation = self.isolation(&revision.settings);
        if revision.sha256.is_none() {
            return said.push(StatusReason::Fetching);
        }
        said.push(StatusReason::Verifying);
        let mut fitting = self.workers.values().filter(|state| state.worker.isolation == isolation);
        if fitting.any(WorkerState::takes_work) {
            let before = said.len();
            self.installations_of((revision.activity, revision.no), said);
            if said.len() == before {
                said.extend(self.installed_before(isolation));
            }
        } else {
            said.push(self.no_worker(isolation));
        }
    }

    /// What the workers install first: they make only so many installations at a time.
    fn installed_before(&self, isolation: Isolation) -> Vec<StatusReason> {
        let fitting = self.workers.values().filter(|state| state.worker.isolation == isolation && state.takes_work());
        let named = |installation: &Installation| {
            let activity = self.names.get(&installation.activity)?.clone();
            let (worker, since) = (installation.worker, self.wall().since(installation.changed_at));
            Some(StatusReason::InstalledAfter { worker, activity, since })
        };
        fitting.flat_map(WorkerState::installing).filter_map(named).collect()
    }

    fn installations_of(&self, key: (ActivityId, RevisionNo), said: &mut Vec<StatusReason>) {
        let found = self.workers.values().filter_map(|state| state.installations.get(&key));
        said.extend(found.filter_map(|installation| self.installation(installation)));
    }

    fn installation(&self, installation: &Installation) -> Option<StatusReason> {
        let worker: WorkerId = installation.worker;
        match installation.status {
            InstallationStatus::Installing => Some(StatusReason::Installing { worker }),
            InstallationStatus::Failed => {
                let error = installation.error.clone().unwrap_or_else(|| "no reason was told".into());
                let key = (installation.activity, installation.revision);
                let retry = self.workers.get(&worker).and_then(|state| state.retries.get(&key).copied());
                let again = retry.filter(|at| *at > self.now).map(|at| at.since(self.now));
                Some(StatusReason::InstallFailed { worker, tries: installation.tries, error, again })
            }
            _ => None,
        }
    }

    /// Why there is no worker that an activity could run on.
    fn no_worker(&self, isolation: Isolation) -> StatusReason {
        use WorkerStatus::{Launching, Pending, Unreachable};
        if !self.can_be_made(isolation) {
            return StatusReason::WrongBackend { wanted: isolation };
        }
        let count = |wanted: &[WorkerStatus]| {
            let fitting = self.workers.values().filter(|state| state.worker.isolation == isolation);
            fitting.filter(|state| wanted.contains(&state.worker.status) && !state.worker.draining).count()
        };
        // Where there are others, it is said what is meant.
        let others = self.workers.values().any(|state| state.worker.isolation != isolation && state.takes_work());
        let refusal = || self.launch_refusal.as_ref().map(|refusal| refusal.reason.clone());
        let why = match (count(&[Launching, Pending]), count(&[Unreachable])) {
            (count @ 1.., _) => {
                NoWorker::Launching { count, progress: self.launch_progressed(isolation), refusal: refusal() }
            }
            (0, count @ 1..) => NoWorker::Unreachable { count },
            (0, 0) if self.rules().max_workers == 0 => NoWorker::NotAllowed,
            (0, 0) if self.due.launch_at > self.now => {
                NoWorker::LaunchRefused { again: self.due.launch_at.since(self.now), refusal: refusal() }
            }
            (0, 0) if others && self.is_full_of_others(isolation) => {
                NoWorker::OthersInTheWay { max: self.rules().max_workers }
            }
            (0, 0) => NoWorker::AboutToLaunch,
        };
        StatusReason::NoWorker { kind: others.then_some(isolation), why }
    }

    /// How far the launches of a kind have come, as far as is known.
    fn launch_progressed(&self, isolation: Isolation) -> Option<Arc<str>> {
        let launching = self.workers.values().filter(|state| state.worker.isolation == isolation);
        let mut launching = launching.filter(|state| state.worker.status == WorkerStatus::Launching);
        launching.find_map(|state| state.progress.clone())
    }
}
