//! What the planner does as time passes.
//!
//! Everything is decided by the age of POD, which no one can set. The system's clock only dates what is shown, so that
//! all there is to do when it was set is to say so.

use super::{
    clock::{SET_BY, WRITTEN_EVERY},
    decision::Decision,
    state::State,
};
use crate::domain::{ClockChange, EventDetail, EventKind, ExecutionId, Millis, Now, Timestamp};

/// For so long it is shown that the clock was set.
const SHOWN_FOR: Millis = Millis::from_secs(24 * 3600);

impl State {
    /// Both times, as of the last step.
    pub(crate) fn clock(&self) -> Now {
        self.clock.now
    }

    /// What the system's clock said at the last step: for what is shown, and for nothing else.
    pub(crate) fn wall(&self) -> Timestamp {
        self.clock.now.wall
    }

    /// Moves both times on. After a stall of the manager itself, silence is not the workers' fault.
    pub(crate) fn advance(&mut self, now: Now, out: &mut Decision) {
        self.clock.advance(now);
        self.now = self.clock.now.age;
        let stalled = self.now.since(self.due.last_step);
        self.due.last_step = self.now;
        if stalled > self.config.limits.heartbeat_interval {
            for worker in self.workers.values_mut() {
                worker.heard = (worker.heard + stalled).min(self.now);
            }
        }
        if let Some(change) = self.clock.untold.take() {
            let detail = EventDetail::ClockSet { change: change.clone() };
            out.event(self.wall(), EventKind::ClockSet).detail = Some(detail);
            out.clock_changes.push(change);
        }
    }

    /// How the system's clock was set last, if that is not long ago.
    pub(super) fn clock_change(&self) -> Option<ClockChange> {
        let (age, change) = self.clock.changed.as_ref()?;
        (self.now.since(*age) <= SHOWN_FOR).then(|| change.clone())
    }

    /// The moment that an execution which is submitted now bears. Moments are in the order of ids, except where the clock
    /// was set back: from there on it is known that they are not.
    pub(super) fn submitted_at(&mut self, id: ExecutionId) -> Timestamp {
        let (wall, last) = (self.wall(), self.clock.submitted);
        if last.since(wall) > SET_BY {
            self.ids.disordered = id.0 - 1;
            self.clock.submitted = wall;
        } else {
            self.clock.submitted = wall.max(last);
        }
        self.clock.submitted
    }

    /// Whether the age was not written down for long.
    pub(super) fn is_to_be_written(&self) -> bool {
        self.clock.write_at <= self.now
    }

    pub(super) fn was_written(&mut self) {
        self.clock.write_at = self.now + WRITTEN_EVERY;
    }
}
