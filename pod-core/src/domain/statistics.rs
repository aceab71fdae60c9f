//! What happened in each minute, in numbers: kept as it happens, never counted afterwards.

use serde::{Deserialize, Serialize};

use super::{
    execution::ExecutionStatus,
    time::{Millis, Timestamp},
};

/// How many waits each power of two is divided into: a percentile is right to an eighth.
const STEPS: u32 = 4;

/// One minute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct MinuteBucket {
    /// Which one: minutes since the Unix epoch.
    pub minute: i64,
    /// Executions that were accepted.
    pub submitted: u64,
    /// Executions that concluded: finished, failed, terminated, timed out.
    pub ended: [u64; 4],
    /// Executions that waited when it was last looked at.
    pub waiting: u64,
    /// How long executions had waited that began to run.
    pub waits: WaitHistogram,
}

/// How many waited how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct WaitHistogram(Vec<(u16, u64)>);

impl MinuteBucket {
    /// The minute that a moment lies in.
    #[must_use]
    pub fn minute_of(at: Timestamp) -> i64 {
        at.0.div_euclid(60_000)
    }

    /// When it began.
    #[must_use]
    pub const fn begins(&self) -> Timestamp {
        Timestamp(self.minute * 60_000)
    }

    /// Executions that concluded with this status; none for one that is not final.
    #[must_use]
    pub fn ended_as(&self, status: ExecutionStatus) -> u64 {
        (status as usize).checked_sub(2).and_then(|at| self.ended.get(at)).copied().unwrap_or_default()
    }

    /// Counts a conclusion.
    pub fn count_end(&mut self, status: ExecutionStatus) {
        if let Some(count) = (status as usize).checked_sub(2).and_then(|at| self.ended.get_mut(at)) {
            *count += 1;
        }
    }
}

impl WaitHistogram {
    /// Counts a wait.
    pub fn count(&mut self, wait: Millis) {
        self.add(step_of(wait), 1);
    }

    /// Adds those of another minute.
    pub fn merge(&mut self, other: &Self) {
        for (step, count) in &other.0 {
            self.add(*step, *count);
        }
    }

    fn add(&mut self, step: u16, count: u64) {
        match self.0.binary_search_by_key(&step, |(step, _)| *step) {
            Ok(at) => self.0[at].1 += count,
            Err(at) => self.0.insert(at, (step, count)),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// So many percent waited at most about so long; nothing while there are none.
    #[must_use]
    pub fn percentile(&self, percent: u64) -> Option<Millis> {
        let rank = (self.len() * percent).div_ceil(100).max(1);
        let mut seen = 0;
        self.0.iter().find_map(|(step, count)| {
            seen += count;
            (seen >= rank).then(|| longest_of(*step))
        })
    }
}

/// The step that a wait falls into: 0 to 3 ms each, then four steps for each power of two.
fn step_of(wait: Millis) -> u16 {
    if wait.0 < u64::from(STEPS) {
        return u16::try_from(wait.0).unwrap_or_default();
    }
    let power = wait.0.ilog2();
    let within = (wait.0 >> (power - 2)) & 3;
    u16::try_from(u64::from((power - 1) * STEPS) + within).unwrap_or(u16::MAX)
}

/// The longest wait of a step.
fn longest_of(step: u16) -> Millis {
    let step = u32::from(step);
    if step < STEPS {
        return Millis(u64::from(step));
    }
    let (power, within) = (step / STEPS + 1, u64::from(step % STEPS));
    Millis(((5 + within) << (power - 2)) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_falls_into_the_step_that_ends_at_or_after_it() {
        for wait in (0..5000).chain([10_000, 123_456, 86_400_000, u64::from(u32::MAX)]) {
            let step = step_of(Millis(wait));
            let longest = longest_of(step).0;
            assert!(longest >= wait && longest <= wait + wait / 4, "{wait} falls into {step}, up to {longest}");
            assert!(step == 0 || longest_of(step - 1).0 < wait, "{wait} belongs into the step before {step}");
        }
    }

    #[test]
    fn percentiles_are_those_of_all_minutes_together() {
        let (mut first, mut second) = (WaitHistogram::default(), WaitHistogram::default());
        assert_eq!(first.percentile(50), None);
        (0..90).for_each(|_| first.count(Millis(2)));
        (0..10).for_each(|_| second.count(Millis(1000)));
        first.merge(&second);
        assert_eq!(first.len(), 100);
        assert_eq!(first.percentile(50), Some(Millis(2)));
        assert_eq!(first.percentile(90), Some(Millis(2)));
        assert_eq!(first.percentile(95), Some(Millis(1023)));
    }

    #[test]
    fn only_final_states_are_conclusions() {
        let mut minute = MinuteBucket::default();
        ExecutionStatus::ALL.into_iter().for_each(|status| minute.count_end(status));
        assert_eq!(minute.ended, [1; 4]);
        assert_eq!(minute.ended_as(ExecutionStatus::Waiting), 0);
        assert_eq!(minute.ended_as(ExecutionStatus::TimedOut), 1);
    }
}
