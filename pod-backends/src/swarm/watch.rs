//! News of tasks that end behind the manager's back. A swarm tells nobody of that: it is asked.

use std::{sync::Arc, time::Duration};

use bollard::models::Task;
use pod_core::domain::WorkerId;

use super::{
    shared::Shared,
    task::{self, Standing},
};
use crate::docker::client::container::name;

/// Between two looks.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Watches until the engine of POD shuts down: the next manager takes the tasks on.
pub(super) async fn watch(shared: Arc<Shared>) {
    let end = shared.context.shutdown.clone();
    let watching = async {
        let mut answers = true;
        loop {
            tokio::time::sleep(POLL_INTERVAL).await;
            let thought: Vec<WorkerId> = shared.tracked().iter().copied().collect();
            if thought.is_empty() {
                continue;
            }
            match task::of_store(&shared.engine, shared.context.store).await {
                Ok(tasks) => {
                    answers = true;
                    for worker in thought {
                        check(&shared, worker, tasks.get(&worker)).await;
                    }
                }
                // What is thought to run may run on: whether it does, its link tells.
                Err(error) if answers => {
                    answers = false;
                    tracing::warn!(%error, "the swarm is asked again");
                }
                Err(_) => {}
            }
        }
    };
    end.run_until_cancelled(watching).await;
}

/// Tells of a worker whose task does not run any more, unless that was wanted.
async fn check(shared: &Shared, worker: WorkerId, task: Option<&Task>) {
    let reason = match task {
        Some(task) if !is_over(shared, worker, task) => return,
        Some(task) => task::epitaph(&shared.engine, &shared.settings.image, task).await,
        None => {
            let name = name(shared.context.store, worker);
            format!("its service {name} was removed by somebody else than its manager")
        }
    };
    if shared.gateway.waits_for(worker) {
        shared.failed_nodes.add(task.and_then(|task| task.node_id.as_deref()));
    }
    // Looked at last: meanwhile the manager may have removed it itself.
    if shared.tracked().remove(&worker) {
        tracing::warn!(%worker, reason, "a worker is gone");
        shared.context.links.report_lost(worker, reason).await;
    }
}

/// A worker that has come once works on, whatever the swarm thinks of its node: how it is, its link tells.
fn is_over(shared: &Shared, worker: WorkerId, task: &Task) -> bool {
    task::standing(task) == Standing::Ended || (task::is_given_up(task) && shared.gateway.waits_for(worker))
}
