//! What the planner holds in memory: activities, workers, open attempts, and the heads of the queues.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use crate::{
    domain::{
        Activity, ActivityId, ActivityName, Age, Attempt, AttemptKey, Epoch, Execution, ExecutionId, ExecutionStatus,
        Installation, Millis, Now, Policy, PolicyId, Revision, RevisionNo, SessionId, StoreId, Timestamp, Transitions,
        Worker, WorkerId,
    },
    observe::Measure,
    plan::{Clock, Decision, Effect, RevisionState, statistics::Statistics, step::retry_after},
    pod::Limits,
    provisioner::Capabilities,
    scheduler::Scheduler,
    store::{ActivityTally, Batch, HighWater, QueueKey, Snapshot},
};

/// What does not change while the engine runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// The store.
    pub store: StoreId,
    /// The lease.
    pub epoch: Epoch,
    /// Times, counts and sizes.
    pub limits: Limits,
    /// How long a worker may take from `create` to hello.
    pub launch_timeout: Millis,
    /// Which kinds of workers there can be.
    pub capabilities: Capabilities,
    /// Places and sizes.
    pub scheduler: Arc<dyn Scheduler>,
    /// How much of each queue is held in memory.
    pub window: Window,
}

/// How many waiting executions of an activity are held in memory: what the fleet can start soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// So many, however small the fleet is.
    pub least: usize,
    /// So many per slot of a larger one.
    pub per_slot: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self { least: 512, per_slot: 8 }
    }
}

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
    pub(crate) scale_at: Age,
    pub(crate) recall_at: Age,
    /// After a refused launch, none is tried before.
    pub(crate) launch_at: Age,
    pub(crate) refused_launches: u32,
}

/// Why the last launch failed, until one succeeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchRefusal {
    /// The sentence.
    pub reason: Arc<str>,
    /// It will be the same as long as nobody changes something.
    pub lasting: bool,
    /// When a launch is tried again, if one is needed then.
    pub retry_at: Timestamp,
}

/// An activity with its revisions and their queues.
#[derive(Clone, Debug)]
pub struct ActivityState {
    /// The activity, its derived members kept up to date.
    pub activity: Activity,
    /// Those that serve, have work, or are on a worker.
    pub(crate) revisions: BTreeMap<RevisionNo, RevisionState>,
    /// The others that are kept: nothing of them waits or runs, and they are on no worker.
    pub(crate) dormant: BTreeMap<RevisionNo, RevisionState>,
    pub(crate) tally: ActivityTally,
    /// Its executions that run.
    pub(crate) running: u32,
    /// How much it was given, for fairness: grows by one per assignment, and is never taken for less than the state's
    /// `level`, so that who comes back after a pause has no claim for the time before.
    pub(crate) served: u64,
    /// Revisions that are being fetched.
    pub(crate) fetching: BTreeSet<RevisionNo>,
}

/// A queue that is to be read further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refill {
    /// The activity.
    pub activity: ActivityId,
    /// The revision whose queue it is.
    pub revision: RevisionNo,
    /// Behind this place.
    pub after: QueueKey,
    /// At most so many.
    pub limit: usize,
}

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
    /// The provisioner was asked to destroy it, and is asked again then.
    pub(crate) destroy_again_at: Option<Age>,
    pub(crate) failed_destroys: u32,
    /// This manager has asked the provisioner to create it.
    pub(crate) asked_for: bool,
    /// A person asked for its end: the fleet does not take it back.
    pub(crate) asked_to_go: bool,
}

/// An execution with its open attempt.
#[derive(Clone, Debug)]
pub struct Held {
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
    pub(crate) ids: HighWater,
    pub(crate) activities: BTreeMap<ActivityId, ActivityState>,
    pub(crate) by_name: HashMap<ActivityName, ActivityId>,
    pub(crate) names: Arc<BTreeMap<ActivityId, Arc<str>>>,
    pub(crate) workers: BTreeMap<WorkerId, WorkerState>,
    pub(crate) held: HashMap<ExecutionId, Held>,
    pub(crate) policies: BTreeMap<PolicyId, Policy>,
    pub(crate) active_policy: PolicyId,
    pub(crate) due: Deadlines,
    pub(crate) launch_refusal: Option<LaunchRefusal>,
    /// Workers that exist without being known, as of the last list.
    pub(crate) strays: BTreeSet<WorkerId>,
    /// Attempts that the store has open in workers that it does not know.
    pub(crate) orphans: Vec<AttemptKey>,
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
    pub(crate) level: u64,
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
            ids: snapshot.high_water,
            activities: BTreeMap::new(),
            by_name: HashMap::new(),
            names: Arc::new(snapshot.activity_names.into_iter().collect()),
            workers: BTreeMap::new(),
            held: HashMap::new(),
            policies,
            active_policy: snapshot.active_policy,
            due: Deadlines { last_step: now, list_at: now + Millis::from_secs(60), ..Deadlines::default() },
            launch_refusal: None,
            strays: BTreeSet::new(),
            orphans: Vec::new(),
            dirty: BTreeSet::new(),
            statistics: Statistics::load(snapshot.minutes),
            full: false,
            queues: 0,
            closing: false,
            level: 0,
        };
        for record in snapshot.activities {
            let id = record.activity.id;
            let tallies: HashMap<_, _> =
                record.revision_tallies.into_iter().map(|tally| (tally.revision, tally)).collect();
            let stored = |revision: Revision| {
                (revision.no, RevisionState::stored(revision.clone(), tallies.get(&revision.no), now))
            };
            state.by_name.insert(record.activity.name.clone(), id);
            let mut activity = ActivityState {
                activity: record.activity,
                revisions: record.revisions.into_iter().map(stored).collect(),
                dormant: BTreeMap::new(),
                tally: ActivityTally { activity: id, ..record.tally },
                running: 0,
                served: 0,
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
            state.held.insert(execution.id, Held { execution, attempt, given: now, began, recalled: false });
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
        let revisions = self.activities.values().flat_map(|activity| activity.revisions.values());
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

    /// Whether a worker that this store created is connected.
    #[must_use]
    pub fn hears_created_workers(&self) -> bool {
        self.workers.values().any(|state| state.session.is_some() && !state.worker.external)
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
        let tallied = std::mem::take(&mut out.tallied);
        batch.tallies = tallied.iter().filter_map(|id| Some(self.activities.get(id)?.tally.clone())).collect();
        let revisions = std::mem::take(&mut out.tallied_revisions);
        let tally = |(id, no): &(ActivityId, RevisionNo)| Some(self.activities.get(id)?.revision(*no)?.tally());
        batch.revision_tallies = revisions.iter().filter_map(tally).collect();
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
        out.tallied_revisions.insert((activity, revision));
        if let Some(from) = from {
            let count = &mut state.tally.executions[from as usize];
            *count = count.saturating_sub(1);
        }
        if let Some(to) = to {
            state.tally.executions[to as usize] += 1;
        }
        out.tallied.insert(activity);
    }
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

    /// Asks the provisioner to destroy it, unless it is not ours.
    pub(crate) fn destroy(&mut self, now: Age, out: &mut Decision) {
        self.destroy_again_at = Some(now + Millis::from_secs(10));
        out.effects.push(Effect::Destroy(self.worker.id));
    }
}
