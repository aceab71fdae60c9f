//! Workers that cannot be launched, seen by whoever waits for one.

use std::time::Duration;

use pod_server::client::Client;

use super::failure::Failure;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// Whose manager it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// It is hosted by this process, for this run.
    ThisRun,
    /// It is there for others, too, who may put right what is wrong with it.
    Another,
}

/// Watches a manager that is there for this run alone: returns when it has no worker and will never have one.
/// Cancellation safe.
pub(crate) async fn watch(client: &Client, host: Host) -> Failure {
    loop {
        tokio::time::sleep(LOOK).await;
        if host == Host::Another {
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
