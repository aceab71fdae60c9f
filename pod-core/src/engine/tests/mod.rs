//! The engine as a whole: over the in-memory store, with workers that speak the link.

mod crashes;
mod faults;
mod lease;
mod many;
mod output;
mod provisioning;
mod pulls;
mod requests;
mod revisions;
mod stage;
mod trouble;
mod versions;

use std::time::Duration;

use stage::{Stage, StageWorker};

/// Everything is waited for as an event; this is only so that a test that fails ends.
const DEADLINE: Duration = Duration::from_secs(20);

async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, what).await.expect("nothing happened within the deadline")
}
