//! When a worker dials again: as `worker::run` does.

use crate::testing::simulator::luck::Luck;

const FIRST_WAIT: i64 = 100;
const LONGEST_WAIT: i64 = 2000;
/// A link that lasted so long was a good one.
const GOOD_LINK: i64 = 5000;

#[derive(Debug)]
pub(super) struct Backoff {
    wait: i64,
}

impl Backoff {
    pub(super) const fn new() -> Self {
        Self { wait: FIRST_WAIT }
    }

    /// How long to wait, after a link that lasted so long or none.
    pub(super) fn next(&mut self, lasted: Option<i64>, luck: &mut Luck) -> i64 {
        if lasted.is_some_and(|time| time >= GOOD_LINK) {
            self.wait = FIRST_WAIT;
        }
        let wait = self.wait;
        self.wait = (wait * 2).min(LONGEST_WAIT);
        wait / 2 + luck.network.between(0, wait.unsigned_abs() / 2 + 1).cast_signed()
    }
}
