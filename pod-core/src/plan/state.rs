//! What the planner holds in memory: activities, workers, open attempts, and the heads of the queues.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use super::{
    activity::ActivityState, clock::Clock, config::Config, decision::Decision, installation_backoff::retry_after,
    revision::RevisionState, table::Table, worker::WorkerState,
};
use crate::{
    api::LaunchFailure,
    domain::{
        ActivityId, ActivityName, Age, Attempt, AttemptKey, Execution, ExecutionId, ExecutionStatus, Millis, Now,
        Policy, PolicyId, Revision, RevisionNo, SessionId, Transitions, Worker, WorkerId,
    },
    observe::Measure,
    plan::statistics::Statistics,
    store::{ActivityCounters, Batch, IdSequences, QueueCursor, Snapshot},
};

/// So many queues have the whole window each; more of them share what these would have.
const SHARED_BY: usize = 16;
/// However many share it, each has so much.
const LEAST_WINDOW: usize = 32;

/// Why submits are refused while the store is full.
pub(in crate::plan) const NO_SPACE: &str =
    "no space is left for new executions; free some on the manager's disk and submit again";

/// When periodic things are next due.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deadlines {
    pub(crate) last_step: Age,
    pub(crate) list_at: Age,
    pub(crate) expire_at: Age,
    /// When the size of the fleet was looked at last; nothing where it is to be looked at in any case.
    pub(crate) sized_at: Option<Age>,
    /// Executions began or ended since, and it was too early to look at it again.
    pub(crate) size_owed: bool,
    /// All workers are looked at, whether anything happened to them or not.
    pub(crate) watch_at: Age,
    pub(crate) recall_at: Age,
    /// After a refused launch, none is tried before.
    pub(crate) launch_at: Age,
    pub(crate) refused_launches: u32,
}

/// A queue that is to be read further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refill {
    /// The activity.
    pub activity: ActivityId,
    /// The revision whose queue it is.
    pub revision: RevisionNo,
    /// Behind this place.
    pub after: QueueCursor,
    /// At most so many.
    pub limit: usize,
}

/// An execution with its open attempt.
#[derive(Clone, Debug)]
pub struct OpenAttempt {
    /// The execution.
    pub execution: Execution,
    /// Its attempt.
    pub attempt: Attempt,
    /// When it was given to the worker.
    pub(crate) given: Age,
    /// When it began to run.
    pub(crate) began: Option<Age>,
    /// It was asked back at this moment.
    pub(crate) recalled: bool,
}

/// Everything that the planner knows.
#[derive(Clone, Debug)]
pub struct State {
    pub(crate) config: Config,
    /// How old POD is, as of the last step: by this everything is decided.
    pub(crate) now: Age,
    pub(crate) clock: Clock,
    pub(crate) seq: u64,
    pub(crate) ids: IdSequences,
    pub(crate) activities: Table<ActivityId, ActivityState>,
    pub(crate) by_name: HashMap<ActivityName, ActivityId>,
    pub(crate) names: Arc<BTreeMap<ActivityId, Arc<str>>>,
    pub(crate) workers: Table<WorkerId, WorkerState>,
    pub(crate) held: HashMap<ExecutionId, OpenAttempt>,
    pub(crate) policies: BTreeMap<PolicyId, Policy>,
    pub(crate) active_policy: PolicyId,
    pub(crate) due: Deadlines,
    pub(crate) launch_refusal: Option<LaunchFailure>,
    /// Workers that exist without being known, as of the last list.
    pub(crate) strays: BTreeSet<WorkerId>,
    /// Attempts that the store has open in workers that it does not know.
    pub(crate) orphans: Vec<AttemptKey>,
    /// Nothing was planned since it was loaded.
    pub(crate) just_loaded: bool,
    /// Workers whose load changed in this round.
    pub(crate) dirty: BTreeSet<WorkerId>,
    pub(crate) statistics: Statistics,
    /// The store is full: submits are refused.
    pub(crate) full: bool,
    /// How many revisions have executions that wait, as of the last round.
    pub(crate) queues: usize,
    /// The engine ends: nothing is given out, launched or let go any more.
    pub(crate) closing: bool,
    /// How much any activity with work that can be given out was served at least: the virtual time of start-time fair
    /// queueing (Goyal, Vin and Cheng, SIGCOMM 1996). It never goes back.
    pub(crate) virtual_time: u64,
}

impl State {
    /// The state that a store holds.
    #[must_use]
    pub fn load(config: Config, snapshot: Snapshot, now: impl Into<Now>) -> Self {
        let clock: Now = now.into();
        let now = clock.age;
        let mut policies: BTreeMap<_, _> = snapshot.policies.into_iter().map(|policy| (policy.id, policy)).collect();
        policies.insert(PolicyId(0), Policy::built_in());
        let mut state = Self {
            config,
            now,
            clock: Clock::going_on(snapshot.clock, snapshot.newest_submitted, clock),
            seq: 0,
            ids: snapshot.id_sequences,
            activities: Table::default(),
            by_name: HashMap::new(),
            names: Arc::new(snapshot.activity_names.into_iter().collect()),
            workers: Table::default(),
            held: HashMap::new(),
            policies,
            active_policy: snapshot.active_policy,
            due: Deadlines { last_step: now, list_at: now + Millis::from_secs(60), ..Deadlines::default() },
            launch_refusal: None,
            strays: BTreeSet::new(),
            orphans: Vec::new(),
            just_loaded: true,
            dirty: BTreeSet::new(),
            statistics: Statistics::load(snapshot.minutes),
            full: false,
            queues: 0,
            closing: false,
            virtual_time: 0,
        };
        for record in snapshot.activities {
            let id = record.activity.id;
            let tallies: HashMap<_, _> =
                record.revision_counters.into_iter().map(|tally| (tally.revision, tally)).collect();
            let stored = |revision: Revision| {
                (revision.no, RevisionState::stored(revision.clone(), tallies.get(&revision.no), now))
            };
            state.by_name.insert(record.activity.name.clone(), id);
            let mut activity = ActivityState {
                activity: record.activity,
                revisions: record.revisions.into_iter().map(stored).collect(),
                dormant: BTreeMap::new(),
                tally: ActivityCounters { activity: id, ..record.counters },
                running: 0,
                virtual_time: 0,
                fetching: BTreeSet::new(),
            };
            activity.derive();
            state.activities.insert(id, activity);
        }
        for mut worker in snapshot.workers {
            // Its deadlines start anew: it was the manager that was away.
            worker.last_seen = worker.last_seen.map(|_| clock.wall);
            if worker.status.is_terminal() {
                worker.gone.get_or_insert(now);
            }
            let mut state_of = WorkerState::new(worker, now);
            let Worker { ready_at, created_at, .. } = state_of.worker;
            state_of.boot = ready_at.map(|ready| ready.since(created_at).min(state.config.launch_timeout));
            // Who asked is not kept: to let it go is safe either way.
            state_of.asked_to_go = state_of.worker.draining;
            state.workers.insert(state_of.worker.id, state_of);
        }
        for installation in snapshot.installations {
            if let Some(worker) = state.workers.get_mut(&installation.worker) {
                let key = (installation.activity, installation.revision);
                if let Some(at) = installation.retry_at {
                    // Not after its delay, whatever the clock says.
                    worker.retries.insert(key, now + at.since(clock.wall).min(retry_after(installation.tries)));
                }
                worker.installations.insert(key, installation);
            }
        }
        for (execution, attempt) in snapshot.running {
            match state.workers.get_mut(&attempt.worker) {
                Some(worker) => _ = worker.attempts.insert(attempt.key),
                None => state.orphans.push(attempt.key),
            }
            if let Some(activity) = state.activities.get_mut(&execution.activity) {
                activity.running += 1;
                if let Some(revision) = activity.revisions.get_mut(&execution.revision) {
                    revision.running += 1;
                }
            }
            let began = attempt.started_at.map(|at| clock.age_at(at));
            state.held.insert(execution.id, OpenAttempt { execution, attempt, given: now, began, recalled: false });
        }
        state.rest_at_load();
        for worker in state.workers.values_mut() {
            use crate::domain::WorkerStatus::{Ready, Working};
            if matches!(worker.worker.status, Ready | Working) {
                worker.worker.status.move_to(if worker.attempts.is_empty() { Ready } else { Working });
            }
        }
        state
    }

    /// The open attempts and their workers.
    pub fn open_attempts(&self) -> impl Iterator<Item = (AttemptKey, WorkerId)> {
        self.held.values().map(|held| (held.attempt.key, held.attempt.worker))
    }

    /// A number for a new link.
    pub fn next_session(&mut self) -> SessionId {
        self.ids.session += 1;
        SessionId(self.ids.session)
    }

    /// A revision of an activity that exists.
    #[must_use]
    pub fn revision(&self, activity: ActivityId, no: RevisionNo) -> Option<&Revision> {
        self.activities.get(&activity)?.revision(no).map(|state| &state.revision)
    }

    /// The number of the newest event.
    #[must_use]
    pub fn newest_event(&self) -> u64 {
        self.ids.event
    }

    /// Which queues are to be read further: after the commit, with nothing uncommitted.
    #[must_use]
    pub fn refills(&self) -> Vec<Refill> {
        let room = self.window();
        let revisions = self.activities.awake().flat_map(|(_, activity)| activity.revisions.values());
        let wanting = |state: &RevisionState| {
            let (after, limit) = state.queue.wants(room)?;
            Some(Refill { activity: state.revision.activity, revision: state.revision.no, after, limit })
        };
        revisions.filter_map(wanting).collect()
    }

    /// The store is full, or has room again: submits are refused, or taken.
    pub fn set_full(&mut self, full: bool) {
        self.full = full;
    }

    /// The engine ends: nothing is given out, launched or let go from now on.
    pub fn give_nothing_out(&mut self) {
        self.closing = true;
    }

    /// The provisioner is destroying these workers: it was asked before this state was loaded.
    pub fn are_being_destroyed(&mut self, workers: impl IntoIterator<Item = WorkerId>) {
        for id in workers {
            if let Some(state) = self.workers.get_mut(&id) {
                state.destroying = Some(self.now);
            }
        }
    }

    /// Whether a worker that this store created is connected.
    #[must_use]
    pub fn hears_created_workers(&self) -> bool {
        self.workers.values().any(|state| state.session.is_some() && !state.worker.self_registered)
    }

    /// Whether submits are refused because the store is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Numbers the batch of a round. `None` when there is nothing to write.
    pub fn batch(&mut self, out: &mut Decision) -> Option<Batch> {
        out.touch |= self.is_to_be_written();
        if out.is_empty() {
            return None;
        }
        out.touch = false;
        self.was_written();
        for event in &mut out.events {
            self.ids.event += 1;
            event.seq = self.ids.event;
        }
        self.seq += 1;
        let mut batch = out.take_batch(self.seq, self.config.epoch, self.clock(), self.ids);
        let tallied = std::mem::take(&mut out.counted);
        batch.activity_counters =
            tallied.iter().filter_map(|id| Some(self.activities.get(id)?.tally.clone())).collect();
        let revisions = std::mem::take(&mut out.counted_revisions);
        let tally = |(id, no): &(ActivityId, RevisionNo)| Some(self.activities.get(id)?.revision(*no)?.tally());
        batch.revision_counters = revisions.iter().filter_map(tally).collect();
        Some(batch)
    }

    /// How many waiting executions of a revision are held in memory: fewer of each where many have some, as the fleet
    /// is no larger for it.
    pub(crate) fn window(&self) -> usize {
        let slots: usize = self.workers.values().map(|worker| worker.worker.slots as usize).sum();
        let all = (slots * self.config.window.per_slot).max(self.config.window.least);
        let least = LEAST_WINDOW.min(self.config.window.least);
        (all * SHARED_BY / self.queues.max(SHARED_BY)).max(least)
    }

    pub(crate) fn activity_named(&self, name: &str) -> Option<ActivityId> {
        let name = ActivityName::new(name).ok()?;
        self.by_name.get(&name).copied()
    }

    /// Moves an execution from one count to another.
    pub(crate) fn recount(
        &mut self,
        execution: &Execution,
        from: Option<ExecutionStatus>,
        to: Option<ExecutionStatus>,
        out: &mut Decision,
    ) {
        self.recount_as((execution.activity, execution.revision), from, to, out);
    }

    /// Moves one execution of a revision from one count to another. How many wait is counted by its queue.
    pub(crate) fn recount_as(
        &mut self,
        (activity, revision): (ActivityId, RevisionNo),
        from: Option<ExecutionStatus>,
        to: Option<ExecutionStatus>,
        out: &mut Decision,
    ) {
        self.count_step(from, to);
        match (from, to) {
            (None, Some(_)) => out.measures.push(Measure::Submitted(activity)),
            (Some(_), Some(to)) if to.is_terminal() => out.measures.push(Measure::Ended(activity, to)),
            _ => {}
        }
        let Some(state) = self.activities.get_mut(&activity) else { return };
        if let Some(revision) = state.revision_mut(revision) {
            revision.kept = (revision.kept + u64::from(from.is_none())).saturating_sub(u64::from(to.is_none()));
        }
        out.counted_revisions.insert((activity, revision));
        if let Some(from) = from {
            let count = &mut state.tally.executions[from as usize];
            *count = count.saturating_sub(1);
        }
        if let Some(to) = to {
            state.tally.executions[to as usize] += 1;
        }
        out.counted.insert(activity);
    }
}
