//! The revisions of an activity, each with the executions that were submitted with it.
//!
//! An execution runs the revision that it was bound to when it was submitted, so each revision has a queue of its own.
//! Those with nothing to do that are on no worker are dormant: they cost nothing per round, however many there are.

use super::queue::Queue;
use crate::{
    domain::{Age, Millis, Revision, RevisionStatus},
    store::RevisionCounters,
};

/// How long a revision stays on workers after its last execution, for the next one that wants it.
pub(super) const LINGER: Millis = Millis::from_secs(600);
/// How long one that was registered for runs waits for the first of them.
const FIRST_USE: Millis = Millis::from_secs(3600);

/// A revision with what was submitted with it.
#[derive(Clone, Debug)]
pub struct RevisionState {
    /// The revision.
    pub revision: Revision,
    /// Its executions that wait.
    pub queue: Queue,
    /// Its executions that run.
    pub(crate) running: u32,
    /// Its executions that the store keeps, the ended ones included.
    pub(crate) kept: u64,
    /// When it was registered, or a manager first knew of it.
    pub(crate) since: Age,
    /// It is not removed before, though nothing of it is unfinished.
    pub(crate) hold_until: Age,
}

impl RevisionState {
    /// One that was just registered.
    pub(crate) fn new(revision: Revision, now: Age) -> Self {
        let hold_until = if revision.purpose.is_for_runs() { now + FIRST_USE } else { now };
        Self { revision, queue: Queue::stored(0), running: 0, kept: 0, since: now, hold_until }
    }

    /// One that a store held.
    pub(crate) fn stored(revision: Revision, tally: Option<&RevisionCounters>, now: Age) -> Self {
        let (waiting, kept) = tally.map_or((0, 0), |tally| (tally.waiting, tally.kept));
        Self { queue: Queue::stored(waiting), kept, hold_until: now + LINGER, ..Self::new(revision, now) }
    }

    /// Somebody is about to submit executions of it.
    pub(crate) fn expect_use(&mut self, now: Age) {
        self.hold_until = self.hold_until.max(now + FIRST_USE);
    }

    /// Whether an execution of it waits or runs.
    pub(crate) fn has_work(&self) -> bool {
        self.queue.waiting() > 0 || self.running > 0
    }

    pub(crate) fn tally(&self) -> RevisionCounters {
        let Revision { activity, no, .. } = self.revision;
        RevisionCounters { activity, revision: no, waiting: self.queue.waiting(), kept: self.kept }
    }

    /// Whether it may be given to workers.
    pub(crate) fn is_approved(&self) -> bool {
        self.revision.status == RevisionStatus::Approved
    }
}
