//! The two times as the planner has them, and what it makes of a system clock that was set.

use crate::{
    domain::{Age, ClockChange, Millis, Now, Timestamp},
    store::ClockMark,
};

/// By so much the system's clock may differ from what it should say after what has passed; more was done by someone.
/// Less is what a service that keeps the clock right does all the time.
pub(super) const SET_BY: Millis = Millis(2000);
/// An idle manager writes down how old POD is so often.
pub(super) const WRITTEN_EVERY: Millis = Millis::from_secs(600);

/// The times of the state, and what was made of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    pub(super) now: Now,
    /// The latest moment that a submission may bear.
    pub(super) submitted: Timestamp,
    /// The last change, with the age at which it was noticed.
    pub(super) changed: Option<(Age, ClockChange)>,
    /// What is yet to be told.
    pub(super) untold: Option<ClockChange>,
    /// When the age is to be written down at the latest.
    pub(super) write_at: Age,
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

    fn note(&mut self, change: ClockChange) {
        if change.by().unsigned_abs() > SET_BY.0 {
            self.changed = Some((self.now.age, change.clone()));
            self.untold = Some(change);
        }
    }

    pub(super) fn advance(&mut self, now: Now) {
        let before = self.now.moment_of(now.age);
        self.now = Now { wall: now.wall, age: self.now.age.max(now.age) };
        self.note(ClockChange { before, after: now.wall, away: false });
    }
}
