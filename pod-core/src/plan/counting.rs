//! Counts what happens, and writes it.

use super::{decision::Decision, state::State, statistics::minute_of};
use crate::{
    domain::{Age, ExecutionStatus, Millis, MinuteBucket},
    store::Change,
};

/// How long a count may stay unwritten.
const UNWRITTEN: Millis = Millis::from_secs(5);

impl State {
    /// The minute under way.
    pub(super) fn minute(&self) -> i64 {
        minute_of(self.now)
    }

    /// A minute as it is shown: when it was by the clock as it is now.
    pub(super) fn dated(&self, tally: &MinuteBucket) -> MinuteBucket {
        let begins = self.clock().moment_of(Age(tally.begins().0));
        MinuteBucket { minute: MinuteBucket::minute_of(begins), ..tally.clone() }
    }

    /// Counts what becomes of an execution.
    pub(super) fn count_step(&mut self, from: Option<ExecutionStatus>, to: Option<ExecutionStatus>) {
        let now = self.now;
        match (from, to) {
            (None, Some(_)) => self.statistics.current(now).submitted += 1,
            (Some(_), Some(to)) if to.is_terminal() => self.statistics.current(now).count_end(to),
            _ => {}
        }
    }

    /// Counts how long an execution had waited when it began to run.
    pub(super) fn count_wait(&mut self, wait: Millis) {
        let now = self.now;
        self.statistics.current(now).waits.count(wait);
    }

    /// Begins a minute while work waits, and writes what is unwritten for long enough.
    pub(super) fn keep_statistics(&mut self, out: &mut Decision) {
        let (now, minute) = (self.now, self.minute());
        let begins = self.statistics.minutes.back().is_none_or(|last| last.minute < minute);
        if self.statistics.unwritten.is_some_and(|(since, _)| now.since(since) >= UNWRITTEN) {
            self.write_statistics(out);
        }
        if begins {
            let waiting = self.count_waiting();
            if waiting > 0 {
                self.statistics.current(now).waiting = waiting;
            }
        }
    }

    /// Writes what is unwritten: also when the manager stops.
    pub(crate) fn write_statistics(&mut self, out: &mut Decision) {
        let Some((_, from)) = self.statistics.unwritten.take() else { return };
        let waiting = self.count_waiting();
        if let Some(last) = self.statistics.minutes.back_mut() {
            last.waiting = waiting;
        }
        for tally in self.statistics.since(from) {
            out.change(Change::PutMinute(tally.clone()));
        }
    }

    pub(super) fn count_waiting(&self) -> u64 {
        self.activities.values().map(|activity| activity.tally.executions[ExecutionStatus::Waiting as usize]).sum()
    }
}
