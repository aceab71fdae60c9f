//! Placement: which waiting execution goes to which worker, and which worker installs what it lacks.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    activity::ActivityState,
    decision::{Decision, Effect},
    revision::RevisionState,
    state::{OpenAttempt, State},
    worker::WorkerState,
};
use crate::{
    domain::{
        ActivityId, ActivityStatus, Attempt, AttemptKey, AttemptNo, ExecutionStatus, GiveUp, InstallationStatus,
        Millis, OutputSummary, RevisionNo, RevisionStatus, Transitions, WorkerId,
    },
    plan::advice,
    scheduler::{ActivityQueue, Assignment, PlacementView, WorkerCapacity},
    store::Change,
};

/// Runs shorter than this are prefetched: a slot must not idle while a commit is under way.
const SHORT_RUN: Millis = Millis(50);
/// How much work is prefetched per slot, in time and in number.
const PREFETCH_TIME: u64 = 50;
const MAX_PREFETCH: u64 = 64;
/// How much one worker holds beyond its slots at most. All of it may have to be sent at once after a lost link, so it
/// must find room among the orders that wait for a link.
pub(crate) const MAX_AHEAD: u32 = 1024;

impl State {
    /// Gives waiting executions to workers.
    pub(super) fn place(&mut self, out: &mut Decision) {
        let short = |activity: &ActivityState| activity.expected().filter(|run| *run < SHORT_RUN);
        let serving = || {
            let awake = self.activities.awake().map(|(_, activity)| activity);
            awake.filter(|activity| activity.activity.status != ActivityStatus::Uninstalling)
        };
        let due = |state: &&RevisionState| state.is_approved() && state.queue.first_due(self.now).is_some();
        let has_due = |activity: &&ActivityState| activity.revisions.values().any(|state| due(&state));
        if !serving().any(|activity| has_due(&activity)) {
            return;
        }
        // A run of 2 ms is prefetched 25 deep, one of 0 ms as deep as allowed.
        let depth = serving().filter(has_due).filter_map(short);
        let depth = depth.map(|run| (PREFETCH_TIME / run.0.max(1)).min(MAX_PREFETCH)).min().unwrap_or(0);
        let rooms: Vec<WorkerCapacity> = self
            .workers
            .values()
            .filter(|worker| worker.takes_work())
            .map(|worker| {
                let extra = (worker.attempts.len() as u64).saturating_sub(u64::from(worker.worker.slots));
                let prefetch = (u64::from(worker.worker.slots) * depth).min(u64::from(MAX_AHEAD)).saturating_sub(extra);
                WorkerCapacity {
                    worker: worker.worker.id,
                    slots: worker.idle_slots(),
                    prefetch: u32::try_from(prefetch).unwrap_or(u32::MAX),
                }
            })
            .filter(|room| room.slots > 0 || room.prefetch > 0)
            .collect();
        if rooms.is_empty() {
            return;
        }
        let capacity: usize = rooms.iter().map(|room| (room.slots + room.prefetch) as usize).sum();
        // From the workers with room to what is installed on them, which is little, and not for each activity over all.
        let mut installed: BTreeMap<(ActivityId, RevisionNo), (&ActivityState, &RevisionState, BTreeSet<WorkerId>)> =
            serving()
                .flat_map(|activity| activity.revisions.values().filter(due).map(move |state| (activity, state)))
                .map(|(activity, state)| {
                    ((state.revision.activity, state.revision.no), (activity, state, BTreeSet::new()))
                })
                .collect();
        for worker in rooms.iter().map(|room| &self.workers[&room.worker]) {
            let there = worker.installations.iter();
            for (key, _) in there.filter(|(_, one)| one.status == InstallationStatus::Installed) {
                if let Some((_, state, installed_on)) = installed.get_mut(key)
                    && worker.worker.isolation == self.isolation(&state.revision.settings)
                {
                    installed_on.insert(worker.worker.id);
                }
            }
        }
        let queues: Vec<ActivityQueue<'_>> = installed
            .values()
            .map(|(activity, state, installed_on)| {
                let limit = state.revision.settings.max_concurrency.unwrap_or(u32::MAX);
                ActivityQueue {
                    activity: state.revision.activity,
                    revision: state.revision.no,
                    ready: u32::try_from(state.queue.due(self.now, capacity)).unwrap_or(u32::MAX),
                    concurrency_left: limit.saturating_sub(activity.running),
                    oldest: state.queue.next_due().unwrap_or(self.now),
                    virtual_time: activity.virtual_time.max(self.virtual_time),
                    prefetch: short(activity).is_some(),
                    installed_on,
                }
            })
            .collect();
        if queues.is_empty() {
            return;
        }
        let served = queues.iter().filter(|queue| queue.concurrency_left > 0 && !queue.installed_on.is_empty());
        let level = served.map(|queue| queue.virtual_time).min().unwrap_or(self.virtual_time);
        let view = PlacementView { queues: &queues, capacities: &rooms };
        let said = self.config.scheduler.place(&view, self.now);
        let assignments = advice::assignments(&view, said, &mut out.slips);
        self.virtual_time = level;
        for assignment in assignments {
            self.assign(assignment, out);
        }
    }

    /// Gives the first waiting execution of a revision to a worker.
    fn assign(&mut self, Assignment { activity: id, revision, worker }: Assignment, out: &mut Decision) {
        let wall = self.wall();
        let Some(activity) = self.activities.get_mut(&id) else { return };
        let Some(state) = activity.revisions.get_mut(&revision) else { return };
        let Some(mut execution) = state.queue.pop() else { return };
        state.running += 1;
        activity.running += 1;
        activity.virtual_time = activity.virtual_time.max(self.virtual_time) + 1;
        execution.status.move_to(ExecutionStatus::Running);
        execution.attempt = AttemptNo(execution.attempt.0 + 1);
        execution.worker = Some(worker);
        let key = AttemptKey { execution: execution.id, attempt: execution.attempt };
        let attempt = Attempt {
            key,
            revision,
            worker,
            assigned_at: wall,
            started_at: None,
            ended_at: None,
            end: None,
            output: OutputSummary::default(),
        };
        out.update(&execution);
        out.change(Change::OpenAttempt(attempt.clone()));
        out.opened.push((key, worker));
        self.recount(&execution, Some(ExecutionStatus::Waiting), Some(ExecutionStatus::Running), out);
        if let Some(state) = self.workers.get_mut(&worker) {
            state.attempts.insert(key);
            state.worker.last_worked = Some(wall);
        }
        self.dirty.insert(worker);
        let held = OpenAttempt { execution, attempt, given: self.now, began: None, recalled: false };
        out.effects.push(Effect::Start(worker, self.order(&held)));
        self.held.insert(key.execution, held);
    }

    /// Has verified what is to be verified, and installed what waits for a worker that lacks it.
    pub(super) fn install(&mut self, out: &mut Decision) {
        for (id, no) in self.to_install() {
            let now = self.now;
            let revision = &self.activities[&id].revisions[&no].revision;
            let verifying = revision.status == RevisionStatus::Verifying;
            let isolation = self.isolation(&revision.settings);
            let has = |worker: &WorkerState| {
                worker.worker.isolation == isolation && worker.has(id, no, InstallationStatus::Installed)
            };
            let nowhere = !self.workers.values().any(has);
            let under_way = self.workers.values().any(|worker| worker.has(id, no, InstallationStatus::Installing));
            if verifying && under_way {
                continue;
            }
            let may = |worker: &&WorkerState| {
                let due = || worker.retries.get(&(id, no)).is_some_and(|at| *at <= now);
                worker.takes_work()
                    && worker.worker.isolation == isolation
                    && worker.can_install()
                    // Where it is nowhere, it is not to wait for a slot: those of prefetched activities are never idle.
                    && (verifying || nowhere || worker.idle_slots() > 0)
                    && worker.installations.get(&(id, no)).is_none_or(|installation| match installation.status {
                        InstallationStatus::Pending => true,
                        InstallationStatus::Failed => due(),
                        _ => false,
                    })
            };
            // As many as the queue can use; the one with the most room first.
            let queue = &self.activities[&id].revisions[&no].queue;
            let wanted = if verifying { 1 } else { queue.due(now, 1024) };
            let mut workers: Vec<&WorkerState> = self.workers.values().filter(may).collect();
            workers.sort_by_key(|worker| (std::cmp::Reverse(worker.idle_slots()), worker.worker.id));
            let mut slots = 0;
            let mut chosen = Vec::new();
            for worker in workers {
                if slots >= wanted {
                    break;
                }
                slots += if verifying { 1 } else { worker.idle_slots() as usize };
                chosen.push(worker.worker.id);
            }
            for worker in chosen {
                self.begin_install(worker, id, no, out);
            }
        }
        self.give_up_uninstallable(out);
    }

    /// Revisions to verify, and those with work that waits.
    fn to_install(&self) -> Vec<(ActivityId, RevisionNo)> {
        let mut wanted = Vec::new();
        for (id, activity) in self.activities.awake() {
            if activity.activity.status == ActivityStatus::Uninstalling {
                continue;
            }
            for (no, state) in &activity.revisions {
                let verify = state.revision.status == RevisionStatus::Verifying && state.revision.sha256.is_some();
                if verify || (state.is_approved() && state.queue.first_due(self.now).is_some()) {
                    wanted.push((*id, *no));
                }
            }
        }
        wanted
    }

    /// An approved revision that failed on every worker there is, again and again, ends its queue with the reason.
    fn give_up_uninstallable(&mut self, out: &mut Decision) {
        const TRIES: u32 = 5;
        let mut hopeless = Vec::new();
        for state in self.activities.awake().flat_map(|(_, activity)| activity.revisions.values()) {
            if !state.is_approved() || state.queue.waiting() == 0 {
                continue;
            }
            let key = (state.revision.activity, state.revision.no);
            let isolation = self.isolation(&state.revision.settings);
            let fitting = self.workers.values().filter(|worker| worker.worker.isolation == isolation);
            let mut workers = fitting.filter(|worker| worker.takes_work()).peekable();
            let failed = |worker: &WorkerState| {
                worker.installations.get(&key).is_some_and(|installation| {
                    installation.status == InstallationStatus::Failed && installation.tries >= TRIES
                })
            };
            if workers.peek().is_some() && workers.all(failed) {
                let error = self.workers.values().find_map(|worker| worker.installations.get(&key)?.error.clone());
                hopeless.push((key, error.unwrap_or_default()));
            }
        }
        for (revision, error) in hopeless {
            self.end_queue(revision, &GiveUp::NotInstalled { error }, out);
        }
    }

    /// How long until an execution is expected to finish.
    pub(super) fn predict(&self, execution: &crate::domain::Execution) -> Option<Millis> {
        let activity = self.activities.get(&execution.activity)?;
        let expected = activity.expected()?;
        if execution.status.is_terminal() {
            return None;
        }
        if let Some(began) = self.held.get(&execution.id).and_then(|held| held.began) {
            return Some(Millis(expected.0.saturating_sub(self.now.since(began).0)));
        }
        let revision = activity.revision(execution.revision)?;
        let isolation = self.isolation(&revision.revision.settings);
        let fitting = self.workers.values().filter(|worker| worker.worker.isolation == isolation);
        let slots: u64 = fitting.filter(|worker| worker.takes_work()).map(|w| u64::from(w.worker.slots)).sum();
        let ahead = match execution.status {
            ExecutionStatus::Waiting => {
                revision.queue.position(execution.id).map_or(revision.queue.waiting(), |(ahead, _)| ahead + 1)
            }
            _ => 0,
        };
        Some(Millis(expected.0 * (1 + ahead / slots.max(1))))
    }
}
