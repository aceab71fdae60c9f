//! How far a worker is on its way out.

use std::time::Duration;

use crate::executor::StopMode;

/// A worker that leaves.
#[derive(Debug)]
pub(super) struct Leaving {
    /// The uptime until which what runs may end by itself.
    pub(super) until: Duration,
    /// Nobody waits for anything any more.
    pub(super) at_once: bool,
    /// How what ran was asked to end, once it was.
    pub(super) asked: Option<StopMode>,
    /// The uptime since which nothing runs any more.
    pub(super) over: Option<Duration>,
}
