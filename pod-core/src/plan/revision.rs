//! The revisions of an activity, each with the executions that were submitted with it.
//!
//! An execution runs the revision that it was bound to when it was submitted, so each revision has a queue of its own.
//! Those with nothing to do that are on no worker are dormant: they cost nothing per round, however many there are.

use crate::{
    domain::{Age, Millis, Revision, RevisionNo, RevisionStatus},
    plan::{ActivityState, Queue},
    store::{KEPT_REVISIONS, RevisionTally},
};

/// How long a revision stays on workers after its last execution, for the next one that wants it.
const LINGER: Millis = Millis::from_secs(600);
/// How many revisions of an activity linger at most; those that were used last.
const LINGERING: usize = 8;
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
    pub(crate) fn stored(revision: Revision, tally: Option<&RevisionTally>, now: Age) -> Self {
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

    pub(crate) fn tally(&self) -> RevisionTally {
        let Revision { activity, no, .. } = self.revision;
        RevisionTally { activity, revision: no, waiting: self.queue.waiting(), kept: self.kept }
    }

    /// Whether it may be given to workers.
    pub(crate) fn is_approved(&self) -> bool {
        self.revision.status == RevisionStatus::Approved
    }
}

impl ActivityState {
    /// A revision, whatever it does.
    pub(crate) fn revision(&self, no: RevisionNo) -> Option<&RevisionState> {
        self.revisions.get(&no).or_else(|| self.dormant.get(&no))
    }

    pub(crate) fn revision_mut(&mut self, no: RevisionNo) -> Option<&mut RevisionState> {
        self.revisions.get_mut(&no).or_else(|| self.dormant.get_mut(&no))
    }

    /// All of them, oldest first.
    pub(crate) fn all_revisions(&self) -> Vec<&Revision> {
        let mut all: Vec<_> =
            self.dormant.values().chain(self.revisions.values()).map(|state| &state.revision).collect();
        all.sort_unstable_by_key(|revision| revision.no);
        all
    }

    /// A revision that is about to be used.
    pub(crate) fn wake(&mut self, no: RevisionNo) -> Option<&mut RevisionState> {
        if let Some(state) = self.dormant.remove(&no) {
            self.revisions.insert(no, state);
        }
        self.revisions.get_mut(&no)
    }

    /// The number of the next revision. The newest one is never forgotten, so no number is used twice.
    pub(crate) fn next_revision(&self) -> RevisionNo {
        let newest = [&self.revisions, &self.dormant].into_iter().filter_map(|all| all.keys().next_back()).max();
        RevisionNo(newest.map_or(1, |newest| newest.0 + 1))
    }

    /// How many executions of all revisions wait.
    pub(crate) fn waiting(&self) -> u64 {
        self.revisions.values().map(|state| state.queue.waiting()).sum()
    }

    /// Whether that revision stays whether or not anything of it runs.
    pub(crate) fn serves(&self, no: RevisionNo) -> bool {
        no == self.activity.revision || no == self.activity.latest
    }

    /// The last execution of a revision is done: it lingers, among a few others.
    pub(crate) fn linger(&mut self, no: RevisionNo, now: Age) {
        if let Some(state) = self.revisions.get_mut(&no) {
            state.hold_until = now + LINGER;
        }
        let mut lingering: Vec<(Age, RevisionNo)> = (self.revisions.iter())
            .filter(|(no, state)| !self.serves(**no) && !state.has_work() && state.is_approved())
            .filter(|(_, state)| state.hold_until > now)
            .map(|(no, state)| (state.hold_until, *no))
            .collect();
        lingering.sort_unstable();
        let too_many = lingering.len().saturating_sub(LINGERING);
        for (_, no) in lingering.into_iter().take(too_many) {
            if let Some(state) = self.revisions.get_mut(&no) {
                state.hold_until = now;
            }
        }
    }

    /// A revision that is on no worker and has nothing to do costs nothing more until it is asked for.
    pub(crate) fn lay_to_rest(&mut self, no: RevisionNo) {
        if let Some(state) = self.revisions.remove(&no) {
            self.dormant.insert(no, state);
        }
    }

    /// Forgets the dormant revisions that nobody can ask for, and tells which: what no kept execution names, but for the
    /// last ones that once were current or could not be, which people look at.
    pub(crate) fn forget(&mut self) -> Vec<RevisionNo> {
        let newest = RevisionNo(self.next_revision().0 - 1);
        let unnamed = |(no, state): (&RevisionNo, &RevisionState)| (state.kept == 0 && *no != newest).then_some(*no);
        let (mut gone, mut shown) = (Vec::new(), Vec::new());
        for no in self.dormant.iter().filter_map(unnamed) {
            let Revision { status, purpose, .. } = self.dormant[&no].revision;
            // Another one came before it was tried; or it was for certain executions, and they are gone.
            let untried = matches!(status, RevisionStatus::Verifying | RevisionStatus::Uninstalling);
            if untried || !purpose.may_be_current() { gone.push(no) } else { shown.push(no) }
        }
        let too_many = shown.len().saturating_sub(KEPT_REVISIONS);
        gone.extend(shown.into_iter().take(too_many));
        gone.iter().for_each(|no| drop(self.dormant.remove(no)));
        gone
    }
}
