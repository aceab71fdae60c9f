//! The tables of the in-memory store, and the queries that take more than a look-up.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use super::{
    super::{
        batch::{ActivityCounters, ActivityRecord, ClockMark, IdSequences, RevisionCounters, Snapshot},
        interface::{ExecutionQuery, ExpiredExecution, IdempotencyRecord, QueueCursor, QueuePage, SortOrder},
        output::InstallLog,
    },
    lease::LeaseRow,
    output::{InstallOutput, Output},
    table::Table,
};
use crate::domain::{
    Activity, ActivityId, Age, Attempt, AttemptKey, AttemptNo, Event, Execution, ExecutionId, Installation, Millis,
    MinuteBucket, Outcome, Payload, Policy, PolicyId, Revision, RevisionNo, ScalingDecision, Worker, WorkerId,
};

/// What was committed last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LastCommit {
    pub(super) seq: u64,
    pub(super) high_water: IdSequences,
    pub(super) clock: Option<ClockMark>,
}

/// Everything. What a batch changes is in tables; output is not part of a batch until its attempt ends.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) lease: LeaseRow,
    pub(super) last: LastCommit,
    /// Where it was set, the time by which leases expire.
    pub(super) time: Option<Millis>,
    /// How often it was restored from a copy.
    pub(super) restorations: u64,
    pub(super) activities: Table<ActivityId, Activity>,
    /// The name of every activity that ever was.
    pub(super) activity_names: Table<ActivityId, Arc<str>>,
    pub(super) revisions: Table<(ActivityId, RevisionNo), Revision>,
    pub(super) payloads: Table<(ActivityId, RevisionNo), Payload>,
    pub(super) installations: Table<(WorkerId, ActivityId, RevisionNo), Installation>,
    pub(super) tallies: Table<ActivityId, ActivityCounters>,
    pub(super) revision_tallies: Table<(ActivityId, RevisionNo), RevisionCounters>,
    pub(super) executions: Table<ExecutionId, Arc<Execution>>,
    /// The queue: an index of the waiting executions.
    pub(super) waiting: Table<(ActivityId, RevisionNo, QueueCursor), ()>,
    /// An index of the ended executions, by when they ended.
    pub(super) ended: Table<(Age, ExecutionId), ()>,
    pub(super) attempts: Table<AttemptKey, Attempt>,
    /// The open attempt of each running execution: there is room for one.
    pub(super) open: Table<ExecutionId, AttemptNo>,
    pub(super) idempotency: Table<Arc<str>, IdempotencyRecord>,
    /// The keys by where the executions that they stand for end.
    pub(super) idempotency_ends: Table<(u64, Arc<str>), ()>,
    /// The keys that have notes, in the order of their first ones.
    pub(super) notes: Table<u64, Arc<str>>,
    pub(super) workers: Table<WorkerId, Worker>,
    pub(super) policies: Table<PolicyId, Policy>,
    /// One row: the active policy.
    pub(super) active_policy: Table<(), PolicyId>,
    pub(super) events: Table<u64, Event>,
    pub(super) decisions: Table<u64, ScalingDecision>,
    pub(super) minutes: Table<i64, MinuteBucket>,
    pub(super) output: BTreeMap<AttemptKey, Output>,
    pub(super) install_logs: BTreeMap<InstallLog, InstallOutput>,
}

/// Whether the input or the reason of an execution holds a text of small letters.
fn holds(execution: &Execution, text: &str) -> bool {
    let mentions = |held: &str| held.to_ascii_lowercase().contains(text);
    text.is_empty()
        || execution.input.as_deref().is_some_and(mentions)
        || execution.outcome.as_ref().and_then(Outcome::reason).is_some_and(|reason| mentions(&reason))
}

macro_rules! each_table {
    ($state:ident, $action:ident) => {
        $state.activities.$action();
        $state.activity_names.$action();
        $state.revisions.$action();
        $state.payloads.$action();
        $state.installations.$action();
        $state.tallies.$action();
        $state.revision_tallies.$action();
        $state.executions.$action();
        $state.waiting.$action();
        $state.ended.$action();
        $state.attempts.$action();
        $state.open.$action();
        $state.idempotency.$action();
        $state.idempotency_ends.$action();
        $state.notes.$action();
        $state.workers.$action();
        $state.policies.$action();
        $state.active_policy.$action();
        $state.events.$action();
        $state.decisions.$action();
        $state.minutes.$action();
    };
}

impl State {
    pub(super) fn settle(&mut self) {
        each_table!(self, settle);
    }

    pub(super) fn roll_back(&mut self) {
        each_table!(self, roll_back);
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let activities = self.activities.iter().map(|(id, activity)| ActivityRecord {
            activity: activity.clone(),
            revisions: self
                .revisions
                .range((*id, RevisionNo(0))..=(*id, RevisionNo(u32::MAX)))
                .map(|(_, revision)| revision.clone())
                .collect(),
            revision_counters: self
                .revisions
                .range((*id, RevisionNo(0))..=(*id, RevisionNo(u32::MAX)))
                .map(|((activity, revision), _)| {
                    let none = RevisionCounters { activity: *activity, revision: *revision, waiting: 0, kept: 0 };
                    self.revision_tallies.get(&(*activity, *revision)).copied().unwrap_or(none)
                })
                .collect(),
            counters: self
                .tallies
                .get(id)
                .cloned()
                .unwrap_or_else(|| ActivityCounters { activity: *id, ..ActivityCounters::default() }),
        });
        let running = self.open.iter().filter_map(|(execution, attempt)| {
            let key = AttemptKey { execution: *execution, attempt: *attempt };
            Some((Execution::clone(self.executions.get(execution)?), self.attempt(key)?))
        });
        Snapshot {
            id_sequences: self.last.high_water,
            activities: activities.collect(),
            activity_names: self.activity_names.iter().map(|(id, name)| (*id, name.clone())).collect(),
            installations: self.installations.iter().map(|(_, row)| row.clone()).collect(),
            workers: self.workers.iter().map(|(_, row)| row.clone()).collect(),
            running: running.collect(),
            policies: self.policies.iter().map(|(_, row)| row.clone()).collect(),
            active_policy: self.active_policy.get(&()).copied().unwrap_or_default(),
            clock: self.last.clock,
            newest_submitted: self.executions.iter().next_back().map(|(_, row)| row.submitted_at),
            minutes: self.minutes.iter().map(|(_, minute)| minute.clone()).collect(),
        }
    }

    pub(super) fn claim(
        &self,
        (activity, revision): (ActivityId, RevisionNo),
        after: QueueCursor,
        due: Age,
        limit: usize,
    ) -> QueuePage {
        let last = QueueCursor { not_before: Age::MAX, id: ExecutionId(u64::MAX) };
        let key = |at| (activity, revision, at);
        let mut queue = self.waiting.range((Bound::Excluded(key(after)), Bound::Included(key(last))));
        let mut claimed = QueuePage::default();
        for ((_, _, key), ()) in queue.by_ref() {
            if key.not_before > due || claimed.executions.len() == limit {
                claimed.next = Some(key.not_before);
                break;
            }
            claimed.executions.extend(self.executions.get(&key.id).map(|row| Execution::clone(row)));
        }
        claimed
    }

    pub(super) fn page(&self, query: &ExecutionQuery) -> Vec<Execution> {
        self.matching(query).take(query.limit).map(|execution| Execution::clone(execution)).collect()
    }

    pub(super) fn matching<'a>(
        &'a self,
        query: &'a ExecutionQuery,
    ) -> Box<dyn Iterator<Item = &'a Arc<Execution>> + 'a> {
        let bound = |end: Option<ExecutionId>| end.map_or(Bound::Unbounded, Bound::Excluded);
        if query.after.zip(query.before).is_some_and(|(after, before)| after >= before) {
            return Box::new(std::iter::empty());
        }
        let between = self.executions.range((bound(query.after), bound(query.before)));
        let ordered: Box<dyn Iterator<Item = _>> = match query.order {
            SortOrder::Descending => Box::new(between.rev()),
            SortOrder::Ascending => Box::new(between),
        };
        let wanted = query.containing.as_ref().map(|text| text.to_ascii_lowercase());
        let statuses = query.statuses();
        let matches = move |execution: &&'a Arc<Execution>| {
            query.worker.is_none_or(|worker| execution.worker == Some(worker))
                && wanted.as_ref().is_none_or(|text| holds(execution, text))
                && query.activity.is_none_or(|activity| execution.activity == activity)
                && statuses.contains(&execution.status)
                && query.submitted_from.is_none_or(|from| execution.submitted_at >= from)
                && query.submitted_until.is_none_or(|until| execution.submitted_at < until)
                && !(query.not_retrieved && execution.retrieved)
        };
        Box::new(ordered.map(|(_, execution)| execution).filter(matches))
    }

    /// An attempt with what it printed by now.
    pub(super) fn attempt(&self, key: AttemptKey) -> Option<Attempt> {
        let mut attempt = self.attempts.get(&key)?.clone();
        attempt.output = self.output.get(&key).map(Output::summary).unwrap_or_default();
        Some(attempt)
    }

    pub(super) fn attempts_of(&self, execution: ExecutionId) -> impl Iterator<Item = AttemptKey> {
        let key = move |attempt| AttemptKey { execution, attempt };
        self.attempts.range(key(AttemptNo(0))..=key(AttemptNo(u32::MAX))).map(|(key, _)| *key)
    }

    pub(super) fn is_open(&self, key: AttemptKey) -> bool {
        self.open.get(&key.execution) == Some(&key.attempt)
    }

    pub(super) fn expired(&self, before: Age, limit: usize) -> Vec<ExpiredExecution> {
        self.ended
            .range(..(before, ExecutionId(0)))
            .take(limit)
            .filter_map(|((_, id), ())| self.executions.get(id))
            .map(|execution| ExpiredExecution {
                id: execution.id,
                activity: execution.activity,
                revision: execution.revision,
                status: execution.status,
                attempts: execution.attempt,
            })
            .collect()
    }
}
