//! Reads the clocks: the one of the system, which anybody may set, and the one that only goes on.

use std::{
    fs,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use uuid::Uuid;

use crate::{
    domain::{Age, Boot, Now, Timestamp},
    store::ClockMark,
};

/// A reading of both clocks that took longer says nothing about how they compare.
const AT_ONCE: Duration = Duration::from_millis(100);
/// So often is it tried to read both at once.
const TRIES: usize = 20;

/// The times of a POD whose store is held.
#[derive(Debug)]
pub(super) struct Clock {
    /// Which start of the machine this is, where it tells.
    boot: Option<Uuid>,
    /// How old POD was when the machine was started.
    born: Mutex<Age>,
}

impl Clock {
    /// The clock of a POD of which nothing is known yet.
    pub(super) fn new() -> Self {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
        let boot = boot.and_then(|text| Uuid::parse_str(text.trim()).ok());
        let clock = Self { boot, born: Mutex::new(Age(0)) };
        let (wall, since) = clock.read();
        clock.be_born(Age(wall.0 - since));
        clock
    }

    /// Goes on from where a store was left. Under the same start of the machine what passed since is known, also while
    /// it slept; under another one it is not, and is not counted. Says whether it is known.
    pub(super) fn go_on(&self, mark: ClockMark) -> bool {
        if let Some(Boot { age, .. }) = mark.boot.filter(|boot| Some(boot.id) == self.boot) {
            let (_, since) = self.read();
            // Never behind what was written, should the machine's clock be taken back with it, as a container's may be.
            self.be_born(age.max(Age(mark.now.age.0 - since)));
            return true;
        }
        let (_, since) = self.read();
        self.be_born(Age(mark.now.age.0 - since));
        false
    }

    fn be_born(&self, age: Age) {
        *self.born.lock().unwrap_or_else(PoisonError::into_inner) = age;
    }

    /// The start of the machine that ages are counted from.
    pub(super) fn boot(&self) -> Option<Boot> {
        let age = *self.born.lock().unwrap_or_else(PoisonError::into_inner);
        self.boot.map(|id| Boot { id, age })
    }

    pub(super) fn now(&self) -> Now {
        let (wall, since) = self.read();
        let born = *self.born.lock().unwrap_or_else(PoisonError::into_inner);
        Now { wall, age: Age(born.0.saturating_add(since)) }
    }

    /// The system's clock, and how long the machine has been up, in milliseconds: read at one moment, or who was stopped
    /// in between would take it for a clock that was set.
    fn read(&self) -> (Timestamp, i64) {
        let mut before = up();
        for _ in 0..TRIES {
            let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let after = up();
            if after.saturating_sub(before) < AT_ONCE {
                return (Timestamp(millis(wall)), millis(after));
            }
            before = after;
        }
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        (Timestamp(millis(wall)), millis(up()))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// How long the machine has been up, the time included in which it slept.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn up() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::try_from(time).unwrap_or_default()
}

/// How long the process has run: where nothing tells how long the machine has.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn up() -> Duration {
    static BEGAN: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    BEGAN.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Millis;

    fn mark(now: Now, boot: Option<Boot>) -> ClockMark {
        ClockMark { now, boot }
    }

    #[test]
    fn the_age_goes_on_from_one_manager_to_the_next_by_the_machine_s_own_clock() {
        let first = Clock::new();
        let now = first.now();
        // The system's clock was a year ahead when this was written.
        let wrong = Now { wall: now.wall + Millis::from_secs(365 * 86_400), age: now.age };
        let second = Clock::new();
        let known = second.go_on(mark(wrong, first.boot()));
        assert_eq!(known, first.boot().is_some());
        let passed = second.now().age.since(now.age);
        assert!(passed < Millis::from_secs(60), "{passed}");
        assert!(second.now().age >= now.age);
    }

    #[test]
    fn what_passed_under_another_start_of_the_machine_is_not_counted() {
        let clock = Clock::new();
        let long_ago = Now { wall: Timestamp(5000), age: Age(7000) };
        let other = Boot { id: Uuid::from_u128(1), age: Age(-1_000_000) };
        assert!(!clock.go_on(mark(long_ago, Some(other))));
        let passed = clock.now().age.since(Age(7000));
        assert!(passed < Millis::from_secs(60), "{passed}");
    }
}
