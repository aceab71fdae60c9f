//! How long an installation that failed waits until it is tried again.

use crate::domain::Millis;

/// 10 s, 1 min, 5 min, then every 15 min.
pub(super) fn retry_after(tries: u32) -> Millis {
    Millis::from_secs(match tries {
        0 | 1 => 10,
        2 => 60,
        3 => 300,
        _ => 900,
    })
}
