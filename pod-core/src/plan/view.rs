//! What the state looks like from outside: requests that change nothing.

use crate::{
    domain::{
        ActivityName, ActivityStatus, Ending, Execution, ExecutionStatus, InstallationStatus, Millis, WorkerStatus,
    },
    engine::{Reply, Request},
    plan::{ActivityState, State, WorkerState, step::Found},
    pod::{ActivityView, Explanation, FleetCount, Overview, PodError, WorkerView},
};

impl State {
    /// Answers a request that changes nothing.
    pub(super) fn view(&self, request: Request, found: Found) -> Result<Reply, PodError> {
        match request {
            Request::Activity { name } => {
                ActivityName::new(&name)?;
                let id = self.activity_named(&name).ok_or(PodError::NoSuchActivity(name))?;
                Ok(Reply::Activity(Box::new(self.activity_view(&self.activities[&id]))))
            }
            Request::Activities => {
                let mut views: Vec<_> = self.activities.values().map(|activity| self.activity_view(activity)).collect();
                views.sort_by(|a, b| a.activity.name.cmp(&b.activity.name));
                Ok(Reply::Activities(views))
            }
            Request::ActivityNames => Ok(Reply::ActivityNames(self.names.clone())),
            Request::Workers => {
                Ok(Reply::Workers(self.workers.values().rev().map(|worker| self.worker_view(worker)).collect()))
            }
            Request::Overview => Ok(Reply::Overview(Box::new(self.overview()))),
            Request::Policies => Ok(Reply::Policies(self.policies.values().cloned().collect(), self.active_policy)),
            Request::Explain(id) => {
                let execution = match (self.held.get(&id), found.execution) {
                    (Some(held), _) => held.execution.clone(),
                    (None, Some(stored)) => stored,
                    (None, None) => return Err(PodError::NoSuchExecution(id)),
                };
                Ok(Reply::Explanation(Box::new(self.explain(execution))))
            }
            other => unreachable!("{other:?} changes something"),
        }
    }

    pub(super) fn activity_view(&self, activity: &ActivityState) -> ActivityView {
        let id = activity.activity.id;
        let of_worker = |worker: &WorkerState| {
            worker.installations.values().filter(|other| other.activity == id).cloned().collect::<Vec<_>>()
        };
        ActivityView {
            activity: activity.activity.clone(),
            installations: self.workers.values().flat_map(of_worker).collect(),
            counts: activity.tally.executions,
            expected_duration: activity.expected(),
            recent_durations: activity.tally.recent_durations.iter().map(|ms| Millis(u64::from(*ms))).collect(),
        }
    }

    pub(super) fn worker_view(&self, state: &WorkerState) -> WorkerView {
        WorkerView {
            worker: state.worker.clone(),
            attempts: state.attempts.iter().copied().collect(),
            installations: state.installations.values().cloned().collect(),
        }
    }

    fn fleet_count(&self) -> FleetCount {
        let mut count = FleetCount::default();
        for state in self.workers.values() {
            let of_status = match state.worker.status {
                WorkerStatus::Launching => &mut count.launching,
                WorkerStatus::Pending => &mut count.pending,
                WorkerStatus::Ready => &mut count.ready,
                WorkerStatus::Working => &mut count.working,
                WorkerStatus::Unreachable => &mut count.unreachable,
                WorkerStatus::Draining => &mut count.draining,
                WorkerStatus::Lost | WorkerStatus::Failed => &mut count.failed,
                WorkerStatus::Terminated => &mut count.terminated,
            };
            *of_status += 1;
            if state.session.is_some() {
                count.slots += state.worker.slots;
                count.busy_slots += state.worker.slots.min(u32::try_from(state.attempts.len()).unwrap_or(u32::MAX));
            }
        }
        count
    }

    fn overview(&self) -> Overview {
        let mut counts = [0; 6];
        for activity in self.activities.values() {
            for (sum, count) in counts.iter_mut().zip(activity.tally.executions) {
                *sum += count;
            }
        }
        let oldest = self.activities.values().filter_map(|activity| activity.queue.first_due(self.now));
        let troubled = |activity: &&ActivityState| activity.activity.error.is_some();
        let rules = self.rules();
        Overview {
            counts,
            oldest_waiting: oldest.map(|execution| execution.submitted_at).min(),
            fleet: self.fleet_count(),
            wanted: (rules.min_workers, rules.max_workers),
            policy: self.active_policy,
            troubled: self.activities.values().filter(troubled).map(|activity| activity.activity.id).collect(),
            trouble: self.trouble.clone(),
        }
    }

    /// Says why an execution is where it is.
    fn explain(&self, execution: Execution) -> Explanation {
        let activity = self.activities.get(&execution.activity);
        let position = activity.and_then(|activity| activity.queue.position(execution.id));
        let ahead = match execution.status {
            ExecutionStatus::Waiting => position.map(|(ahead, _)| ahead),
            _ => None,
        };
        Explanation {
            activity_name: self.names.get(&execution.activity).cloned().unwrap_or_else(|| "?".into()),
            sentences: self.sentences(&execution, activity, ahead),
            ahead,
            predicted: self.predict(&execution),
            execution,
        }
    }

    fn sentences(&self, execution: &Execution, activity: Option<&ActivityState>, ahead: Option<u64>) -> Vec<String> {
        let mut said = Vec::new();
        let worker = execution.worker.map_or_else(|| "a worker".to_owned(), |id| format!("worker {id}"));
        match (&execution.ending, execution.started_at) {
            (Some(Ending::Exited(0)), _) => said.push("It ran to its end with exit code 0.".to_owned()),
            (Some(Ending::Exited(code)), _) => said.push(format!("main.sh exited with code {code}.")),
            (Some(Ending::Signalled(signal)), _) => said.push(format!("main.sh was ended by signal {signal}.")),
            (Some(Ending::Terminated), _) => said.push("It was terminated because someone asked for it.".to_owned()),
            (Some(Ending::TimedOut), _) => said.push("It was ended because its time limit passed.".to_owned()),
            (Some(Ending::GaveUp(reason)), _) => said.push(format!("It was given up: {reason}.")),
            (None, Some(started)) => {
                said.push(format!("It has been running on {worker} for {}.", self.now.since(started)));
            }
            (None, None) if execution.status == ExecutionStatus::Running => {
                said.push(format!("It was given to {worker}, which is about to start it."));
            }
            (None, None) => self.why_waiting(execution, activity, ahead, &mut said),
        }
        if execution.cancel_requested && execution.ending.is_none() {
            said.push("Its termination was asked for; it ends as soon as its processes are gone.".to_owned());
        }
        let times = |count: u32| if count == 1 { "once".to_owned() } else { format!("{count} times") };
        if execution.failures > 0 {
            said.push(format!("It has failed {}.", times(execution.failures)));
        }
        if execution.losses > 0 {
            said.push(format!("Its worker was lost {}.", times(execution.losses)));
        }
        said
    }

    fn why_waiting(
        &self,
        execution: &Execution,
        activity: Option<&ActivityState>,
        ahead: Option<u64>,
        said: &mut Vec<String>,
    ) {
        let Some(activity) = activity else { return };
        let fleet = self.fleet_count();
        if execution.not_before > self.now {
            let wait = execution.not_before.since(self.now);
            said.push(format!("It waits {wait} before it is tried again."));
        }
        if activity.activity.status == ActivityStatus::Verifying {
            said.push("Its activity is still being verified: its script is installed on one worker first.".to_owned());
        }
        let limit = activity.activity.settings.max_concurrency;
        if limit.is_some_and(|limit| activity.running >= limit) {
            said.push(format!("All {} executions that its activity allows at a time are running.", activity.running));
        }
        if fleet.slots == 0 {
            let coming = fleet.launching + fleet.pending;
            said.push(match coming {
                0 => "No worker is connected, and the policy launches none at the moment.".to_owned(),
                coming => format!("No worker is connected yet; {coming} being launched."),
            });
        } else if fleet.busy_slots >= fleet.slots {
            said.push(format!("All {} slots of the workers are busy.", fleet.slots));
        }
        self.installation_troubles(activity, said);
        if let Some(ahead) = ahead.filter(|ahead| *ahead > 0) {
            said.push(format!("{ahead} executions of its activity are before it."));
        }
        if said.is_empty() {
            said.push("It is about to be given to a worker.".to_owned());
        }
    }

    fn installation_troubles(&self, activity: &ActivityState, said: &mut Vec<String>) {
        let key = (activity.activity.id, activity.activity.revision);
        let found = self.workers.values().filter_map(|worker| worker.installations.get(&key));
        let mut installed = false;
        let mut troubles = Vec::new();
        for installation in found {
            match (installation.status, &installation.error) {
                (InstallationStatus::Installed, _) => installed = true,
                (InstallationStatus::Installing, _) => {
                    troubles.push(format!("Its activity is being installed on worker {}.", installation.worker));
                }
                (InstallationStatus::Failed, Some(error)) => {
                    troubles.push(format!("Installing it failed on worker {}: {error}", installation.worker));
                }
                _ => {}
            }
        }
        if !installed {
            said.append(&mut troubles);
        }
    }

    /// What holds everything up, for the overview; none when all is well.
    pub fn set_trouble(&mut self, trouble: Option<std::sync::Arc<str>>) {
        self.trouble = trouble;
    }
}
