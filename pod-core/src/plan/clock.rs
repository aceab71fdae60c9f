//! The two times as the planner has them, and what it makes of a system clock that was set.
//!
//! Everything is decided by the age of POD, which no one can set. The system's clock only dates what is shown, so that
//! all there is to do when it was set is to say so.

use std::sync::Arc;

use crate::{
    domain::{EventKind, ExecutionId, Millis, Now, Timestamp},
    plan::{Decision, State},
    store::ClockMark,
};

/// By so much the system's clock may differ from what it should say after what has passed; more was done by someone.
/// Less is what a service that keeps the clock right does all the time.
const SET_BY: Millis = Millis(2000);
/// For so long it is shown that the clock was set.
const SHOWN_FOR: Millis = Millis::from_secs(24 * 3600);
/// An idle manager writes down how old POD is so often.
const WRITTEN_EVERY: Millis = Millis::from_secs(600);

/// Someone, or a service, has set the system's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockChange {
    /// What it said before, counted on to the moment at which it was noticed.
    pub before: Timestamp,
    /// What it said then.
    pub after: Timestamp,
    /// While no manager was running.
    pub away: bool,
}

impl ClockChange {
    /// How far it was set: forward, or, below zero, back. In milliseconds.
    #[must_use]
    pub const fn by(&self) -> i64 {
        self.after.0.saturating_sub(self.before.0)
    }

    /// What happened, as a sentence without its stop.
    #[must_use]
    pub fn sentence(&self) -> String {
        let direction = if self.by() < 0 { "back" } else { "forward" };
        let Self { before, after, away } = self;
        // The moments before and after are not read at the same instant.
        let by = Millis::from_secs((self.by().unsigned_abs() + 500) / 1000);
        let when = if *away { " while no manager was running" } else { "" };
        format!(
            "the system's clock was set {direction} by {by}{when}, from {before} to {after}; nothing is deleted or \
             delayed by that, but what happened before is shown with the times that the clock told then"
        )
    }
}

/// The times of the state, and what was made of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    now: Now,
    /// The latest moment that a submission may bear.
    submitted: Timestamp,
    /// The last change, with the age at which it was noticed.
    changed: Option<(crate::domain::Age, ClockChange)>,
    /// What is yet to be told.
    untold: Option<ClockChange>,
    /// When the age is to be written down at the latest.
    write_at: crate::domain::Age,
}

impl Clock {
    /// The clock of a store that says when it was written to last.
    pub(super) fn going_on(mark: Option<ClockMark>, submitted: Option<Timestamp>, now: Now) -> Self {
        let submitted = submitted.unwrap_or(Timestamp(i64::MIN));
        let mut clock = Self { now, submitted, write_at: now.age + WRITTEN_EVERY, ..Self::default() };
        if let Some(mark) = mark {
            let before = mark.now.moment_of(now.age);
            // Without a start of the machine to count from, time may have passed that nobody counted.
            let may_be_later = mark.boot.is_none();
            let change = ClockChange { before, after: now.wall, away: true };
            if change.by() < 0 || !may_be_later {
                clock.note(change);
            }
        }
        clock
    }

    /// Both times, as of the last step.
    pub(super) fn now(&self) -> Now {
        self.now
    }

    fn note(&mut self, change: ClockChange) {
        if change.by().unsigned_abs() > SET_BY.0 {
            self.changed = Some((self.now.age, change.clone()));
            self.untold = Some(change);
        }
    }

    fn advance(&mut self, now: Now) {
        let before = self.now.moment_of(now.age);
        self.now = Now { wall: now.wall, age: self.now.age.max(now.age) };
        self.note(ClockChange { before, after: now.wall, away: false });
    }
}

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
        if stalled > self.config.limits.heartbeat {
            for worker in self.workers.values_mut() {
                worker.heard = (worker.heard + stalled).min(self.now);
            }
        }
        if let Some(change) = self.clock.untold.take() {
            out.event(self.wall(), EventKind::ClockSet).message = Some(Arc::from(change.sentence()));
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
