//! Why an execution is where it is, in sentences that are true at the moment they are said.

use std::collections::BTreeMap;

use crate::{
    domain::{
        ActivityId, ActivityStatus, Ending, Execution, ExecutionStatus, Installation, InstallationStatus, Isolation,
        RevisionNo, RevisionStatus, WorkerId, WorkerStatus,
    },
    plan::{ActivityState, RevisionState, State, WorkerState},
    pod::{Explanation, gone},
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
        let mut said = match &execution.ending {
            Some(ending) => vec![ended(ending)],
            None if execution.status == ExecutionStatus::Running => self.why_running(&execution),
            None => self.why_waiting(&execution, activity, ahead),
        };
        if execution.cancel_requested && execution.ending.is_none() {
            said.push("Its termination was asked for; it ends as soon as its processes are gone.".to_owned());
        }
        if let Some(activity) = activity
            && execution.revision != RevisionNo(0)
            && execution.revision != activity.activity.revision
        {
            let (runs, current) = (execution.revision, activity.activity.revision);
            said.push(format!("It is bound to revision {runs} of its activity; revision {current} is current."));
        }
        let name = self.names.get(&execution.activity).cloned().unwrap_or_else(|| "?".into());
        let taken = || self.activity_named(&name).is_some();
        let activity_gone = activity.is_none().then(|| gone(execution.activity, &name, taken()));
        let told = activity_gone.iter().filter(|_| execution.ending.is_some());
        said.extend(told.map(|gone| format!("{gone}.")));
        if execution.failures > 0 {
            said.push(format!("It has failed {}.", times(execution.failures)));
        }
        if execution.losses > 0 {
            said.push(format!("It has lost its worker {}.", times(execution.losses)));
        }
        Explanation {
            activity_name: name,
            activity_gone,
            sentences: said,
            ahead,
            predicted: self.predict(&execution),
            execution,
        }
    }

    fn why_running(&self, execution: &Execution) -> Vec<String> {
        let Some(id) = execution.worker else { return vec!["It is running.".to_owned()] };
        let worker = self.workers.get(&id);
        let crowded = worker.is_some_and(|state| state.attempts.len() > state.worker.slots as usize);
        let mut said = vec![match execution.started_at {
            Some(at) => {
                let began = self.held.get(&execution.id).and_then(|held| held.began).unwrap_or(self.now);
                format!("It has been running on worker {id} for {}, since {at}.", self.now.since(began))
            }
            None if crowded => {
                format!("It was given to worker {id} ahead of time and starts there as soon as a slot is free.")
            }
            None => format!("It was given to worker {id}, which has not reported its start yet."),
        }];
        if let Some(state) = worker.filter(|state| state.worker.status == WorkerStatus::Unreachable) {
            let silent = self.now.since(state.heard);
            let limit = self.config.limits.lost_after;
            said.push(format!("Nothing was heard of worker {id} for {silent}; after {limit} it is given up."));
        }
        said
    }

    fn why_waiting(&self, execution: &Execution, activity: Option<&ActivityState>, ahead: Option<u64>) -> Vec<String> {
        let mut said = Vec::new();
        let gone = || vec!["Its activity is gone; it is about to be ended.".to_owned()];
        let Some(activity) = activity else { return gone() };
        let Some(state) = activity.revision(execution.revision) else { return gone() };
        match state.revision.status {
            _ if activity.activity.status == ActivityStatus::Uninstalling => {
                said.push("Its activity is being removed; it is about to be ended for that.".to_owned());
            }
            // Nothing else keeps it before that moment.
            RevisionStatus::Approved if execution.not_before > self.now => said.push(self.tried_again(execution)),
            RevisionStatus::Approved => {
                self.what_is_missing(activity, state, &mut said);
                match ahead {
                    None | Some(0) => {}
                    Some(1) => said.push("1 execution of its activity is before it.".to_owned()),
                    Some(ahead) => said.push(format!("{ahead} executions of its activity are before it.")),
                }
                if said.is_empty() {
                    said.push("It is about to be given to a worker.".to_owned());
                }
            }
            RevisionStatus::Verifying => self.what_verifies(state, &mut said),
            RevisionStatus::Rejected | RevisionStatus::Uninstalling => {
                said.push("Its activity was rejected; it is about to be ended for that.".to_owned());
            }
        }
        said
    }

    fn tried_again(&self, execution: &Execution) -> String {
        let (at, wait) = (self.clock().moment_of(execution.not_before), execution.not_before.since(self.now));
        match execution.failures {
            0 => format!("It is given to a worker at {at} at the earliest, in {wait}."),
            failures => format!("It is tried again at {at}, in {wait}, after failure {failures}."),
        }
    }

    /// What an execution of an approved activity lacks.
    fn what_is_missing(&self, activity: &ActivityState, state: &RevisionState, said: &mut Vec<String>) {
        let limit = state.revision.settings.max_concurrency;
        if let Some(limit) = limit.filter(|limit| activity.running >= *limit) {
            said.push(match limit {
                1 => "Its activity allows 1 execution at a time, and one is running.".to_owned(),
                limit => format!("Its activity allows {limit} executions at a time, and as many are running."),
            });
        }
        let isolation = self.isolation(&state.revision.settings);
        let fitting = || self.workers.values().filter(|state| state.worker.isolation == isolation);
        let takes_work = || fitting().filter(|state| state.takes_work());
        if takes_work().next().is_none() {
            return said.push(self.no_worker(isolation));
        }
        let free = || takes_work().filter(|state| state.attempts.len() < state.worker.slots as usize);
        if free().next().is_none() {
            let slots: u64 = takes_work().map(|state| u64::from(state.worker.slots)).sum();
            return said.push(match slots {
                1 => "The only slot of the workers is busy.".to_owned(),
                slots => format!("All {slots} slots of the workers are busy."),
            });
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
            said.push("Its activity is not installed yet on a worker with an idle slot.".to_owned());
        }
    }

    /// Why revisions of an activity are still being verified.
    pub(super) fn why_verifying(&self, activity: &ActivityState) -> BTreeMap<RevisionNo, Vec<String>> {
        let verifying = |state: &&RevisionState| state.revision.status == RevisionStatus::Verifying;
        let why = |state: &RevisionState| {
            let mut said = Vec::new();
            self.what_verifies(state, &mut said);
            (state.revision.no, said)
        };
        activity.revisions.values().filter(verifying).map(why).collect()
    }

    fn what_verifies(&self, RevisionState { revision, .. }: &RevisionState, said: &mut Vec<String>) {
        let isolation = self.isolation(&revision.settings);
        if revision.sha256.is_none() {
            return said.push("Its activity is still being verified: its script is being fetched.".to_owned());
        }
        said.push("Its activity is still being verified: it is installed on one worker first.".to_owned());
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
    fn installed_before(&self, isolation: Isolation) -> Vec<String> {
        let fitting = self.workers.values().filter(|state| state.worker.isolation == isolation && state.takes_work());
        let named = |installation: &Installation| {
            let name = self.names.get(&installation.activity)?;
            let (worker, since) = (installation.worker, self.wall().since(installation.changed_at));
            Some(format!("Worker {worker} installs {name} before it, for {since} so far."))
        };
        fitting.flat_map(WorkerState::installing).filter_map(named).collect()
    }

    fn installations_of(&self, key: (ActivityId, RevisionNo), said: &mut Vec<String>) {
        let found = self.workers.values().filter_map(|state| state.installations.get(&key));
        said.extend(found.filter_map(|installation| self.installation(installation)));
    }

    fn installation(&self, installation: &Installation) -> Option<String> {
        let worker: WorkerId = installation.worker;
        match installation.status {
            InstallationStatus::Installing => Some(format!("Its activity is being installed on worker {worker}.")),
            InstallationStatus::Failed => {
                let error = installation.error.as_deref().unwrap_or("no reason was told").trim_end_matches('.');
                let retry = self
                    .workers
                    .get(&worker)
                    .and_then(|state| state.retries.get(&(installation.activity, installation.revision)).copied());
                let again = match retry {
                    Some(at) if at > self.now => format!("; tried again in {}", at.since(self.now)),
                    _ => String::new(),
                };
                let tries = times(installation.tries);
                Some(format!("Installing its activity failed {tries} on worker {worker}: {error}{again}."))
            }
            _ => None,
        }
    }

    /// Why there is no worker that an activity could run on.
    fn no_worker(&self, isolation: Isolation) -> String {
        use WorkerStatus::{Launching, Pending, Unreachable};
        if !self.can_be_made(isolation) {
            return match isolation {
                Isolation::Execution => {
                    "Its activity wants a container for each execution, and workers of this manager's backend \
                    run executions beside each other; register it without that, or run the manager with --backend \
                    docker."
                }
                Isolation::Worker => {
                    "Its activity wants executions beside each other in one container, and workers of this manager's \
                    backend run each in a container of its own; register it without that, or give workers in \
                    containers an address to dial (--docker-manager)."
                }
            }
            .to_owned();
        }
        let count = |wanted: &[WorkerStatus]| {
            let fitting = self.workers.values().filter(|state| state.worker.isolation == isolation);
            fitting.filter(|state| wanted.contains(&state.worker.status) && !state.worker.draining).count()
        };
        // Where there are others, it is said what is meant.
        let others = self.workers.values().any(|state| state.worker.isolation != isolation && state.takes_work());
        let worker = match isolation {
            _ if !others => "worker",
            Isolation::Worker => "worker that runs executions beside each other",
            Isolation::Execution => "worker that runs each execution in a container of its own",
        };
        match (count(&[Launching, Pending]), count(&[Unreachable])) {
            (1, _) => return format!("No {worker} is there yet; 1 is being launched{}.", self.launching(isolation)),
            (count @ 2.., _) => {
                return format!("No {worker} is there yet; {count} are being launched{}.", self.launching(isolation));
            }
            (0, 1) => return format!("The only {worker} cannot be reached."),
            (0, count @ 2..) if !others => return format!("None of the {count} workers can be reached."),
            (0, count @ 2..) => return format!("No {worker} can be reached; there are {count}."),
            (0, 0) => {}
        }
        if self.rules().max_workers == 0 {
            return format!("No {worker} is there, and the active policy allows none.");
        }
        if self.due.launch_at > self.now {
            let wait = self.due.launch_at.since(self.now);
            let why = self.launch_refusal.as_ref().map(|refusal| format!(": {}", refusal.reason)).unwrap_or_default();
            return format!("No {worker} is there: launching one failed, and it is tried again in {wait}{why}.");
        }
        if others && self.is_full_of_others(isolation) {
            let most = self.rules().max_workers;
            return format!(
                "No {worker} is there, and the active policy allows no more than {most}; one of the others makes room."
            );
        }
        format!("No {worker} is there; one is about to be launched.")
    }

    /// How far the launches of a kind have come, as far as is known.
    fn launching(&self, isolation: Isolation) -> String {
        let launching = self.workers.values().filter(|state| state.worker.isolation == isolation);
        let mut launching = launching.filter(|state| state.worker.status == WorkerStatus::Launching);
        match (launching.find_map(|state| state.progress.as_deref()), &self.launch_refusal) {
            (Some(progress), _) => format!(": {progress}"),
            (None, Some(refusal)) => format!(", after one could not be: {}", refusal.reason),
            (None, None) => String::new(),
        }
    }
}

fn ended(ending: &Ending) -> String {
    match ending {
        Ending::Exited(0) => "It ran to its end with exit code 0.".to_owned(),
        Ending::Exited(code) => format!("It ended because main.sh exited with code {code}."),
        Ending::Signalled(signal) => {
            format!("It ended because main.sh was ended by signal {signal}, which POD did not send.")
        }
        Ending::OutOfMemory => {
            "It ran out of memory: the system killed it because the memory of its worker was used up.".to_owned()
        }
        Ending::Terminated => "It was terminated because someone asked for it.".to_owned(),
        Ending::TimedOut => "It was ended because its time limit passed.".to_owned(),
        Ending::GaveUp(reason) | Ending::WorkerLeft(reason) => {
            format!("It was given up: {}.", reason.trim_end_matches('.'))
        }
    }
}

fn times(count: u32) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}
