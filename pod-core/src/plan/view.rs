//! What the state looks like from outside: requests that change nothing.

use std::collections::BTreeSet;

use super::{
    activity::ActivityState,
    decision::Decision,
    state::{OpenAttempt, State},
    worker::WorkerState,
};
use crate::{
    api::{ActivityView, FleetCount, LaunchFailure, Overview, PodError, Reply, Request, WorkerView},
    domain::{
        ActivityId, ActivityName, InstallationStatus, Millis, Now, Revision, RevisionNo, Rules, WaitHistogram,
        WorkerStatus,
    },
    plan::step::StoredContext,
};

mod explain;
#[cfg(test)]
mod tests;

impl State {
    /// Answers a request that changes nothing, as the state is at that moment.
    pub fn look(
        &mut self,
        request: Request,
        found: StoredContext,
        now: impl Into<Now>,
        out: &mut Decision,
    ) -> Result<Reply, PodError> {
        self.advance(now.into(), out);
        self.view(request, found)
    }

    /// Answers a request that changes nothing.
    pub(super) fn view(&self, request: Request, found: StoredContext) -> Result<Reply, PodError> {
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
            Request::PreviewPolicy { rules } => {
                let rules = Rules::complete(rules)?;
                let rules = Rules::parse(rules.iter().map(|(rule, value)| (rule.as_str(), value.as_str())))?;
                Ok(Reply::Preview(Box::new(self.preview(rules))))
            }
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
        let revisions = (id, RevisionNo(0))..=(id, RevisionNo(u32::MAX));
        let of_worker = |worker: &WorkerState| {
            worker
                .installations
                .range(revisions.clone())
                .map(|(_, installation)| installation.clone())
                .collect::<Vec<_>>()
        };
        let verifying = self.why_verifying(activity);
        ActivityView {
            activity: activity.activity.clone(),
            installations: self.workers.values().flat_map(of_worker).collect(),
            counts: as_told(activity.tally.executions, self.ahead(|held| held.execution.activity == id)),
            expected_duration: activity.expected(),
            pending_reasons: verifying.get(&activity.activity.latest).cloned().unwrap_or_default(),
            verifying,
            revisions: shown_revisions(activity),
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

    /// How many executions were given to a worker and have not begun to run there.
    fn ahead(&self, which: impl Fn(&OpenAttempt) -> bool) -> u64 {
        self.held.values().filter(|held| held.attempt.started_at.is_none() && which(held)).count() as u64
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
        let counts = as_told(counts, self.ahead(|_| true));
        let revisions = self.activities.values().flat_map(|activity| activity.revisions.values());
        let oldest = revisions.filter_map(|state| state.queue.first_due(self.now));
        let rules = self.rules();
        let minute = self.minute();
        let mut ended_in_a_day = [0; 4];
        for tally in self.statistics.since(minute - (24 * 60 - 1)) {
            for (sum, count) in ended_in_a_day.iter_mut().zip(tally.ended) {
                *sum += count;
            }
        }
        let mut waits = WaitHistogram::default();
        self.statistics.since(minute - 59).for_each(|tally| waits.merge(&tally.waits));
        Overview {
            counts,
            oldest_waiting: oldest.map(|execution| self.clock().moment_of(execution.not_before)).min(),
            fleet: self.fleet_count(),
            desired: (rules.min_workers, rules.max_workers),
            policy: self.active_policy,
            failing_activities: self.troubled().into_iter().collect(),
            degraded_reason: self.full.then(|| crate::plan::state::NO_SPACE.into()),
            minutes: self.statistics.since(minute - 59).map(|tally| self.dated(tally)).collect(),
            ended_last_24h: ended_in_a_day,
            waits,
            launch_failure: self
                .launch_refusal
                .clone()
                .map(|refusal| LaunchFailure { retry_at: self.clock().moment_of(self.due.launch_at), ..refusal }),
            clock: self.clock_change(),
        }
    }

    /// Activities whose newest revision was rejected, or whose serving one failed to install somewhere.
    fn troubled(&self) -> BTreeSet<ActivityId> {
        let rejected = self.activities.values().filter(|activity| activity.activity.error.is_some());
        let failed = self.workers.values().flat_map(|worker| worker.installations.values()).filter(|installation| {
            let serves = |activity: &ActivityState| activity.activity.revision == installation.revision;
            installation.status == InstallationStatus::Failed
                && self.activities.get(&installation.activity).is_some_and(serves)
        });
        let failed = failed.map(|installation| installation.activity);
        rejected.map(|activity| activity.activity.id).chain(failed).collect()
    }
}

/// How many revisions of an activity are listed; the newest, and those that serve.
const SHOWN_REVISIONS: usize = 200;

fn shown_revisions(activity: &ActivityState) -> Vec<Revision> {
    let all = activity.all_revisions();
    let hidden = all.len().saturating_sub(SHOWN_REVISIONS);
    let shown = |(at, revision): &(usize, &Revision)| *at >= hidden || activity.serves(revision.no);
    all.into_iter().enumerate().filter(shown).map(|(_, revision)| revision.clone()).collect()
}

/// The counts with those among the running that users are told to wait, see [`crate::domain::Execution::public_status`].
fn as_told(mut counts: [u64; 6], ahead: u64) -> [u64; 6] {
    use crate::domain::ExecutionStatus::{Running, Waiting};
    counts[Running as usize] = counts[Running as usize].saturating_sub(ahead);
    counts[Waiting as usize] += ahead;
    counts
}
