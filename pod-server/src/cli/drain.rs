//! `pod drain`: drains workers.

use std::time::Duration;

use clap::Args;

use super::{
    connection::ManagerOptions,
    console,
    failure::{Exit, Failure},
    ids::worker_id,
    reconnect,
};

/// Between two queries of a draining worker.
const POLL_INTERVAL: Duration = Duration::from_millis(300);

/// Lets workers go: they take nothing more, and end when what they run has ended
///
/// Where executions still wait, or the policy says so, others take their place.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  pod drain 3
  pod drain 3 4 --wait    Returns when they are gone")]
pub(crate) struct Drain {
    /// The ids of the workers
    #[arg(value_name = "WORKER", required = true, value_parser = worker_id)]
    ids: Vec<u64>,

    /// Return when they are gone; what they run may take long
    #[arg(long)]
    wait: bool,

    #[command(flatten)]
    manager: ManagerOptions,
}

impl Drain {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let client = self.manager.client().await?;
        for &id in &self.ids {
            match client.drain_worker(id).await {
                Ok(_) => {}
                // It may have ended since its id was read from a list: what was wanted is so.
                Err(error) if error.is_conflict() => console::note(format!("worker {id} has already ended")),
                Err(error) => return Err(error.into()),
            }
        }
        if self.wait {
            let client = reconnect::for_wait(&client);
            for id in self.ids {
                while !client.worker(id).await?.more.contains_key("endedAt") {
                    tokio::time::sleep(POLL_INTERVAL).await;
                }
            }
        }
        Ok(Exit::DONE)
    }
}
