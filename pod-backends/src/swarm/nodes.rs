//! The nodes of a swarm: what they are called, and which of them tasks had better keep away from for a while.
//!
//! A swarm gives a task to the node that has the fewest, and a service of one task knows nothing of those that failed
//! before it. So the one node without the image would get every new worker, and the fleet would not grow.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bollard::{
    models::{Node, NodeSpecAvailabilityEnum, NodeState},
    query_parameters::ListNodesOptions,
};
use tokio::time::Instant;

use crate::docker::client::engine::Engine;

/// For so long a node gets no task after one has failed there.
const KEEP_AWAY: Duration = Duration::from_secs(300);

/// The nodes where a task has ended before its worker could do anything.
#[derive(Debug, Default)]
pub(super) struct FailedNodes(Mutex<HashMap<String, Instant>>);

impl FailedNodes {
    /// A task could not start on that node, or found no way from it to the manager.
    pub(super) fn add(&self, node: Option<&str>) {
        if let Some(node) = node.filter(|node| !node.is_empty()) {
            self.nodes().insert(node.to_owned(), Instant::now());
        }
    }

    /// The constraints of the next task. None at all where no other node would be left: then it is not a node's fault.
    pub(super) async fn constraints(&self, engine: &Engine) -> Vec<String> {
        self.nodes().retain(|_, failed_at| failed_at.elapsed() < KEEP_AWAY);
        if self.nodes().is_empty() {
            return Vec::new();
        }
        let Ok(nodes) = engine.docker.list_nodes(None::<ListNodesOptions>).await else { return Vec::new() };
        let mut failed = self.nodes();
        if nodes.iter().filter(|node| takes_tasks(node)).all(|node| failed.contains_key(id(node))) {
            failed.clear();
        }
        failed.keys().map(|node| format!("node.id!={node}")).collect()
    }

    fn nodes(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn takes_tasks(node: &Node) -> bool {
    let is_active = node.spec.as_ref().is_some_and(|spec| spec.availability == Some(NodeSpecAvailabilityEnum::ACTIVE));
    is_active && node.status.as_ref().is_some_and(|status| status.state == Some(NodeState::READY))
}

fn id(node: &Node) -> &str {
    node.id.as_deref().unwrap_or_default()
}

/// What people call that node, where the swarm still knows it.
pub(super) async fn name(engine: &Engine, node: Option<&str>) -> Option<String> {
    let node = engine.docker.inspect_node(node.filter(|node| !node.is_empty())?).await.ok()?;
    node.description?.hostname.filter(|hostname| !hostname.is_empty())
}
