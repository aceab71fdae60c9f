//! News of containers that end behind the manager's back: killed, removed, or gone with a restarted engine.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bollard::query_parameters::EventsOptionsBuilder;
use futures::StreamExt;
use pod_core::domain::WorkerId;

use super::shared::Shared;
use crate::docker::client::container::{self, STORE_LABEL, State, WORKER_LABEL};

/// Between two tries to hear from an engine that does not answer.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Watches until the engine of POD shuts down: the next manager takes the containers on.
pub(super) async fn watch(shared: Arc<Shared>) {
    let end = shared.context.shutdown.clone();
    let watching = async {
        loop {
            // Listened for before looking, so that nothing happens between the two.
            let filters = HashMap::from([
                ("type", vec!["container".to_owned()]),
                ("event", vec!["die".to_owned(), "destroy".to_owned()]),
                ("label", vec![format!("{STORE_LABEL}={}", shared.context.store)]),
            ]);
            let options = EventsOptionsBuilder::default().filters(&filters).build();
            let mut events = std::pin::pin!(shared.engine.docker.events(Some(options)));
            let (mut heard, mut looking) = (None, std::pin::pin!(look(&shared)));
            tokio::select! {
                biased;
                event = events.next() => {
                    heard = Some(event);
                    looking.await;
                }
                () = &mut looking => {}
            }
            loop {
                let event = match heard.take() {
                    Some(event) => event,
                    None => events.next().await,
                };
                let Some(Ok(event)) = event else { break };
                let labels = event.actor.and_then(|actor| actor.attributes).unwrap_or_default();
                if let Some(worker) = labels.get(WORKER_LABEL).and_then(|worker| worker.parse().ok()) {
                    check(&shared, worker).await;
                }
            }
            tracing::warn!("the container engine was heard no more; listening again");
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    };
    end.run_until_cancelled(watching).await;
}

/// Looks at every container that is thought to run.
async fn look(shared: &Arc<Shared>) {
    let thought: Vec<WorkerId> = shared.tracked().keys().copied().collect();
    let Ok(found) = container::list_states(&shared.engine, shared.context.store).await else { return };
    for worker in thought.into_iter().filter(|worker| !found.contains(&(*worker, State::Running))) {
        check(shared, worker).await;
    }
}

/// Tells of a worker whose container does not run any more, unless that was wanted.
async fn check(shared: &Arc<Shared>, worker: WorkerId) {
    // Containers of executions have the labels of their worker, too.
    if !shared.tracked().contains_key(&worker) {
        return;
    }
    let store = shared.context.store;
    let Ok(state @ (State::Ended | State::Absent)) = container::state(&shared.engine, store, worker).await else {
        return;
    };
    let reason = container::epitaph(&shared.engine, store, worker, state).await;
    // Looked at last: meanwhile the manager may have removed it itself.
    if shared.tracked().remove(&worker).is_some() {
        tracing::warn!(%worker, reason, "a worker is gone");
        shared.context.links.report_lost(worker, reason).await;
    }
}
