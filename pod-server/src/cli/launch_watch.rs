//! Detects that no worker can be launched, for commands that wait for one.

use std::time::Duration;

use pod_server::client::Client;

use super::failure::Failure;

/// Between two queries of the overview.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Who owns the manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ManagerOwner {
    /// This process embeds it for this run.
    ThisRun,
    /// Others use it too, and may repair its configuration.
    Another,
}

/// Watches the manager of this run alone: returns when it has no worker and will never have one.
/// Cancellation safe.
pub(crate) async fn watch(client: &Client, host: ManagerOwner) -> Failure {
    loop {
        tokio::time::sleep(POLL_INTERVAL).await;
        if host == ManagerOwner::Another {
            continue;
        }
        let Ok(overview) = client.overview().await else { continue };
        let fleet = overview.workers;
        let none_is_there = fleet.ready + fleet.working + fleet.unreachable + fleet.draining == 0;
        if let Some(refusal) = overview.launch_refusal.filter(|refusal| refusal.lasting && none_is_there) {
            return Failure::new(format!("no worker can be launched: {}", refusal.reason));
        }
    }
}
