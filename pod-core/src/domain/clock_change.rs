//! A change of the system's clock.

use serde::{Deserialize, Serialize};

use super::time::{Millis, Timestamp};

/// Someone, or a service, has set the system's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
