//! What happens in each minute, counted as it happens. Written every few seconds and when the manager stops: a crash may
//! lose so much of the numbers, and nothing else.

use std::collections::VecDeque;

use crate::{
    domain::{Age, MinuteBucket, Timestamp},
    store::KEPT_MINUTES,
};

/// The last minutes, oldest first. Where nothing happened and nothing waited there is none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Statistics {
    pub(super) minutes: VecDeque<MinuteBucket>,
    /// Since when something is not written, and from which minute on.
    pub(super) unwritten: Option<(Age, i64)>,
}

impl Statistics {
    pub(super) fn load(minutes: Vec<MinuteBucket>) -> Self {
        Self { minutes: minutes.into(), unwritten: None }
    }

    /// The minutes from this one on.
    pub(super) fn since(&self, minute: i64) -> impl Iterator<Item = &MinuteBucket> {
        self.minutes.iter().skip(self.minutes.partition_point(|tally| tally.minute < minute))
    }

    pub(super) fn current(&mut self, now: Age) -> &mut MinuteBucket {
        let minute = minute_of(now);
        self.unwritten.get_or_insert((now, minute));
        if self.minutes.back().is_none_or(|last| last.minute < minute) {
            if self.minutes.len() >= KEPT_MINUTES {
                self.minutes.pop_front();
            }
            self.minutes.push_back(MinuteBucket { minute, ..MinuteBucket::default() });
        }
        let last = self.minutes.len() - 1;
        &mut self.minutes[last]
    }
}

/// The minute of an age. Minutes are counted by it, so that an hour is an hour of work and not one of the clock.
pub(super) fn minute_of(age: Age) -> i64 {
    MinuteBucket::minute_of(Timestamp(age.0))
}
