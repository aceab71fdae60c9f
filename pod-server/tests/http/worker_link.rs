//! Workers that dial in over HTTP.

use std::sync::Arc;

use pod_backends::process::ProcessExecutor;
use pod_core::worker::{Identity, WorkerConfig, WorkerExit, run};
use pod_server::{config::Secret, worker_link::WebSocketDialer};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::server::Server;

/// A worker with a directory of its own that dials the server.
async fn dialling(server: &Server, token: &str, stop: CancellationToken) -> JoinHandle<WorkerExit> {
    let directory = server.directory().join("dialling");
    let executor = Arc::new(ProcessExecutor::open(&directory, 2).await.unwrap());
    let dial = WebSocketDialer::new(&server.origin(), Some(Secret::new(token))).unwrap();
    let identity = Identity { host: Some("elsewhere".to_owned()), ..Identity::new(7) };
    let config = WorkerConfig::new(identity).spool_in(directory.join("spool"));
    tokio::spawn(async move { run(config, executor, dial, stop).await })
}

/// A server that has no workers of its own.
async fn without_workers() -> Server {
    let server = Server::with(|config| config.worker_token = Some(Secret::new("w0rker"))).await;
    server.action("action=newPolicy&name=none&rules=fixedWorkers=0").await;
    server.action("action=applyPolicy&name=none").await;
    server
        .eventually(async || (server.action("action=getWorkers").await["count"]["totalWorkers"] == 0).then_some(()))
        .await;
    server
}

#[tokio::test]
async fn a_worker_that_shows_the_token_runs_what_there_is() {
    let server = without_workers().await;
    let stop = CancellationToken::new();
    let worker = dialling(&server, "w0rker", stop.clone()).await;
    server.approved("greet", "printf 'cat \"$POD_INPUT_FILE\" 2>/dev/null || echo \"hello $1\"\\n' > main.sh").await;
    let id = server.submitted("greet", Some("you")).await;
    let ended = server.ended(id).await;
    let (_, shown) = server.api("GET", &format!("/workers/{}", ended["worker"]), None).await;
    assert_eq!((&shown["external"], &shown["host"]), (&json!(true), &json!("elsewhere")), "{shown}");
    let output = server.get(&format!("/api/v1/executions/{id}/output")).await;
    assert_eq!(output.text().await.unwrap(), "hello you\n");

    // More than fits into one message of a WebSocket, in both directions.
    let long = "x".repeat(1 << 20);
    let id = server.submitted("greet", Some(&long)).await;
    server.ended(id).await;
    let output = server.get(&format!("/api/v1/executions/{id}/output")).await;
    assert!(output.text().await.unwrap() == long);

    stop.cancel();
    assert_eq!(worker.await.unwrap(), WorkerExit::Cancelled);
    server
        .eventually(async || {
            let (_, shown) = server.api("GET", &format!("/workers/{}", ended["worker"]), None).await;
            ["terminated", "lost"].contains(&shown["status"].as_str().unwrap()).then_some(())
        })
        .await;
}

#[tokio::test]
async fn what_a_leaving_worker_ran_runs_elsewhere_without_a_loss_unless_it_must_not_run_twice() {
    let server = without_workers().await;
    let stop = CancellationToken::new();
    let worker = dialling(&server, "w0rker", stop.clone()).await;
    let go = server.directory().join("go");
    let main = format!("until [ -e {} ]; do sleep 0.02; done", go.display());
    for (name, on_lost) in [("again", "requeue"), ("once", "fail")] {
        let script = format!("cat > main.sh <<'END'\n{main}\nEND\n");
        let body = json!({"name": name, "script": script, "onLost": on_lost});
        let (status, answer) = server.api("POST", "/activities", Some(body)).await;
        assert_eq!(status, 201, "{answer}");
        server.status_becomes(name, "approved").await;
    }
    let [again, once] = [server.submitted("again", None).await, server.submitted("once", None).await];
    let shown = async |id: u64| server.api("GET", &format!("/executions/{id}"), None).await.1;
    for id in [again, once] {
        server.eventually(async || (shown(id).await["status"] == "running").then_some(())).await;
    }
    let first = shown(again).await["worker"].clone();

    stop.cancel();
    assert_eq!(worker.await.unwrap(), WorkerExit::Cancelled);
    let failed = server.ended(once).await;
    assert_eq!((&failed["status"], &failed["reasonCode"]), (&json!("failed"), &json!("workerLeft")), "{failed}");
    assert!(failed["reason"].as_str().unwrap().starts_with("workerLeft: "), "{failed}");
    let waits = shown(again).await;
    assert_eq!((&waits["status"], &waits["losses"]), (&json!("waiting"), &json!(0)), "{waits}");
    let (_, left) = server.api("GET", &format!("/workers/{first}"), None).await;
    assert_eq!(left["status"], "terminated", "{left}");

    let other = dialling(&server, "w0rker", CancellationToken::new()).await;
    server.eventually(async || (shown(again).await["status"] == "running").then_some(())).await;
    std::fs::write(go, "").unwrap();
    let done = server.ended(again).await;
    assert_eq!(
        [&done["status"], &done["attempt"], &done["losses"]],
        [&json!("finished"), &json!(2), &json!(0)],
        "{done}"
    );
    other.abort();
}

#[tokio::test]
async fn a_worker_with_a_wrong_token_is_told_at_once() {
    let server = without_workers().await;
    let worker = dialling(&server, "wrong", CancellationToken::new()).await;
    match worker.await.unwrap() {
        WorkerExit::Abandoned(reason) => assert!(reason.contains("POD_WORKER_TOKEN"), "{reason}"),
        exit => panic!("it ended otherwise: {exit}"),
    }
    assert_eq!(server.action("action=getWorkers").await["count"]["totalWorkers"], 0);
}
