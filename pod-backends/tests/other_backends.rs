//! A backend that starts where another one has left workers, by what their rows say.

#![cfg(all(feature = "docker", target_os = "linux"))]

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use pod_backends::local::InProcessWorkers;
use pod_core::{
    domain::{StoreId, WorkerId},
    link::Transport,
    provisioner::{Admission, Backend, BackendContext, OpenWorker, ProvisionError, WorkerGateway},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

#[derive(Debug, Default)]
struct Lost(Mutex<Vec<(WorkerId, String)>>);

#[async_trait]
impl WorkerGateway for Lost {
    fn accept(&self, _: Transport, _: Admission) {}

    async fn report_progress(&self, _: WorkerId, _: String) {}

    async fn report_lost(&self, worker: WorkerId, reason: String) {
        self.0.lock().expect("the list").push((worker, reason));
    }
}

fn made_by(backend: &str, id: u64, busy: bool) -> OpenWorker {
    let mut worker = OpenWorker::new(WorkerId(id));
    worker.backend = Some(backend.into());
    worker.busy = busy;
    worker
}

/// Starts the local backend on a data directory, with these rows; what it told of dead workers.
async fn start(data: &Path, workers: &[OpenWorker]) -> Result<Vec<(WorkerId, String)>, ProvisionError> {
    let lost = Arc::new(Lost::default());
    let shutdown = CancellationToken::new();
    let context = BackendContext {
        store: StoreId(Uuid::new_v4()),
        workers: workers.into(),
        links: lost.clone(),
        shutdown: shutdown.clone(),
    };
    let _end = shutdown.drop_guard();
    let provisioner = Box::new(InProcessWorkers::new(data)).start(context).await?;
    assert_eq!(provisioner.name(), "local");
    // What is told is told by a task, as the engine hears nothing before its backend has started.
    for _ in 0..500 {
        if !lost.0.lock().expect("the list").is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    Ok(lost.0.lock().expect("the list").clone())
}

#[tokio::test]
async fn a_backend_that_this_program_does_not_have_is_named() {
    let data = tempfile::tempdir().expect("a directory");
    let refused = start(data.path(), &[made_by("balloons", 3, true)]).await.expect_err("it is refused");
    assert!(refused.permanent && refused.message.contains("\"balloons\" has made hold executions"), "{refused}");
    start(data.path(), &[made_by("balloons", 3, false)]).await.expect("one that holds nothing is no reason");
}

/// Nothing of it is in the data directory: its row alone says whose it was.
#[tokio::test]
async fn a_worker_of_an_engine_that_nobody_reaches_is_given_up_where_it_holds_nothing() {
    let data = tempfile::tempdir().expect("a directory");
    let nowhere = data.path().join("no.sock").display().to_string();
    let identity = format!("{{\"host\":\"unix://{nowhere}\",\"id\":\"x\"}}");
    std::fs::write(data.path().join("docker.engine"), identity).expect("a file");
    let refused = start(data.path(), &[made_by("docker", 7, true)]).await.expect_err("it is refused");
    assert!(refused.message.contains("--backend docker (DOCKER_HOST=unix://"), "{refused}");
    assert!(refused.message.contains("may be at work still"), "{refused}");
    let lost = start(data.path(), &[made_by("docker", 7, false)]).await.expect("it starts");
    assert_eq!(lost.len(), 1, "{lost:?}");
    assert!(lost[0].0 == WorkerId(7) && lost[0].1.contains("a worker of --backend docker"), "{lost:?}");
}

/// One of its own that has a row and no directory any more is no reason for anything.
#[tokio::test]
async fn its_own_workers_are_no_others() {
    let data = tempfile::tempdir().expect("a directory");
    assert_eq!(start(data.path(), &[made_by("local", 2, true)]).await.expect("it starts"), []);
}
