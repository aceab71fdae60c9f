//! The task that a worker is: how it stands, and why it ended.

use std::{collections::HashMap, time::Duration};

use bollard::{
    models::{NodeState, Task, TaskState},
    query_parameters::{ListNodesOptions, ListTasksOptionsBuilder, LogsOptionsBuilder},
};
use futures::StreamExt;
use pod_core::{
    domain::{StoreId, WorkerId},
    provisioner::ProvisionError,
};

use super::nodes;
use crate::docker::client::{
    container::{STORE_LABEL, WORKER_LABEL},
    engine::Engine,
};

/// So many lines of a task's log tell why it ended.
const LAST_LINES: &str = "3";
/// How a swarm tells of nothing but an exit code.
const NON_ZERO: &str = "task: non-zero exit";
/// A node that does not answer has no words.
const WORDS_WITHIN: Duration = Duration::from_secs(3);

/// How a task stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is on its way; the swarm says how far.
    Waits(String),
    Runs,
    Ended,
}

/// The tasks of all workers of a store.
pub(super) async fn of_store(engine: &Engine, store: StoreId) -> Result<HashMap<WorkerId, Task>, ProvisionError> {
    let tasks = list(engine, vec![format!("{STORE_LABEL}={store}")]).await?;
    let mut newest: HashMap<WorkerId, Task> = HashMap::new();
    for task in tasks {
        let labels = task.spec.as_ref().and_then(|spec| spec.container_spec.as_ref()?.labels.as_ref());
        let worker = labels.and_then(|labels| labels.get(WORKER_LABEL)?.parse().ok());
        let Some(worker) = worker else { continue };
        match newest.get(&worker) {
            Some(other) if other.created_at >= task.created_at => {}
            _ => drop(newest.insert(worker, task)),
        }
    }
    Ok(newest)
}

/// Those of one worker.
pub(super) async fn of_worker(engine: &Engine, store: StoreId, worker: WorkerId) -> Result<Vec<Task>, ProvisionError> {
    list(engine, vec![format!("{STORE_LABEL}={store}"), format!("{WORKER_LABEL}={worker}")]).await
}

async fn list(engine: &Engine, labels: Vec<String>) -> Result<Vec<Task>, ProvisionError> {
    let filters = HashMap::from([("label", labels)]);
    let options = ListTasksOptionsBuilder::default().filters(&filters).build();
    let found = engine.docker.list_tasks(Some(options)).await;
    found.map_err(|error| engine.failed("the tasks of the swarm cannot be listed", &error))
}

/// How a task stands.
pub(super) fn standing(task: &Task) -> Standing {
    use TaskState::{ACCEPTED, ALLOCATED, ASSIGNED, NEW, PENDING, PREPARING, READY, RUNNING, STARTING};
    let status = task.status.clone().unwrap_or_default();
    let problem = status.err.filter(|problem| !problem.is_empty());
    let problem = problem.map(|problem| format!(": {problem}")).unwrap_or_default();
    match status.state {
        Some(RUNNING) => Standing::Runs,
        // Nothing more will be heard of it: not even that it has ended.
        _ if is_given_up(task) => Standing::Ended,
        None | Some(NEW | ALLOCATED | PENDING) => Standing::Waits(format!("its task waits for a node{problem}")),
        Some(ASSIGNED | ACCEPTED | PREPARING) => {
            Standing::Waits(format!("its task is prepared on its node, which pulls the image where it must{problem}"))
        }
        Some(READY | STARTING) => Standing::Waits(format!("its task is started{problem}")),
        Some(_) => Standing::Ended,
    }
}

/// Whether the swarm wants its end, by itself or because its node does not answer. It may run on there.
pub(super) fn is_given_up(task: &Task) -> bool {
    matches!(task.desired_state, Some(TaskState::SHUTDOWN | TaskState::REMOVE | TaskState::ORPHANED))
}

/// Whether every task is of a node that is down: nothing is heard of it until that is back.
pub(super) async fn are_all_out_of_reach(engine: &Engine, tasks: &[Task]) -> bool {
    let Ok(nodes) = engine.docker.list_nodes(None::<ListNodesOptions>).await else { return false };
    let is_up = |id: &str| {
        let node = nodes.iter().find(|node| node.id.as_deref() == Some(id));
        node.is_some_and(|node| node.status.as_ref().and_then(|status| status.state) != Some(NodeState::DOWN))
    };
    tasks.iter().all(|task| task.node_id.as_deref().is_some_and(|id| !id.is_empty() && !is_up(id)))
}

/// Why a task has ended, as a sentence.
pub(super) async fn epitaph(engine: &Engine, image: &str, task: &Task) -> String {
    let status = task.status.clone().unwrap_or_default();
    let problem = status.err.unwrap_or_default();
    let container = status.container_status.unwrap_or_default();
    if problem.contains("\"bash\": executable file not found") {
        return format!(
            "the image {image} has no bash, which installation scripts run with; choose one that has, or install it there"
        );
    }
    let node = nodes::name(engine, task.node_id.as_deref()).await;
    let node = node.map(|node| format!(" {node}")).unwrap_or_default();
    let said = match status.state {
        Some(TaskState::REJECTED) => return format!("its task was rejected by its node{node}: {problem}"),
        Some(TaskState::ORPHANED) => return format!("its task's node{node} is lost"),
        Some(TaskState::COMPLETE | TaskState::FAILED | TaskState::SHUTDOWN | TaskState::REMOVE) => {
            last_words(engine, task.id.as_deref().unwrap_or_default()).await
        }
        _ => return format!("its task was given up by the swarm, as its node{node} does not answer or is drained"),
    };
    let said = if said.is_empty() { String::new() } else { format!("; it said last: {said}") };
    let its_task = if node.is_empty() { "its task".to_owned() } else { format!("its task on{node}") };
    let exit_code = container.exit_code.unwrap_or_default();
    match status.state {
        Some(TaskState::FAILED) if !problem.is_empty() && !problem.starts_with(NON_ZERO) => {
            format!("{its_task} failed: {problem}{said}")
        }
        Some(TaskState::FAILED) if exit_code == 137 => format!("{its_task} was killed{said}"),
        Some(TaskState::FAILED | TaskState::COMPLETE) => format!("{its_task} ended with exit code {exit_code}{said}"),
        _ => format!("{its_task} was shut down by the swarm: its service was changed, or its node is drained{said}"),
    }
}

async fn last_words(engine: &Engine, task: &str) -> String {
    let options = LogsOptionsBuilder::default().stdout(true).stderr(true).tail(LAST_LINES).build();
    let mut text = String::new();
    let reading = async {
        let mut logs = std::pin::pin!(engine.docker.task_logs(task, Some(options)));
        while let Some(Ok(line)) = logs.next().await {
            text.push_str(&String::from_utf8_lossy(&line.into_bytes()));
        }
    };
    let _ = tokio::time::timeout(WORDS_WITHIN, reading).await;
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use bollard::models::TaskStatus;

    use super::*;

    fn task(state: TaskState, desired: TaskState) -> Task {
        let status = Some(TaskStatus { state: Some(state), ..TaskStatus::default() });
        Task { status, desired_state: Some(desired), ..Task::default() }
    }

    #[test]
    fn a_task_stands_as_its_node_last_said_unless_the_swarm_gave_it_up_before_it_ran() {
        use TaskState::{COMPLETE, FAILED, ORPHANED, PENDING, PREPARING, REJECTED, REMOVE, RUNNING, SHUTDOWN};
        for (state, desired, ended) in [
            (PENDING, RUNNING, false),
            (PREPARING, RUNNING, false),
            (PREPARING, SHUTDOWN, true),
            (PENDING, REMOVE, true),
            (RUNNING, RUNNING, false),
            // Of a node that is down: it may run, and its worker be linked.
            (RUNNING, SHUTDOWN, false),
            (COMPLETE, SHUTDOWN, true),
            (FAILED, SHUTDOWN, true),
            (REJECTED, SHUTDOWN, true),
            (ORPHANED, SHUTDOWN, true),
        ] {
            assert_eq!(standing(&task(state, desired)) == Standing::Ended, ended, "{state:?} {desired:?}");
        }
        assert_eq!(standing(&task(RUNNING, SHUTDOWN)), Standing::Runs);
    }
}
