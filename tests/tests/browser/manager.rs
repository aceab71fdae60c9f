//! The manager behind the pages, asked by its API where that is not what a test is about.

use std::time::Duration;

use pod_tests::Server;
use reqwest::Client;
use serde_json::{Value, json};

/// What asks.
pub(crate) fn client() -> Client {
    // That another test of this process has done so is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::new()
}

/// Registers an activity whose `main.sh` is this text, and waits until it is approved.
pub(crate) async fn register(server: &Server, name: &str, main: &str) {
    let script = format!("cat > main.sh <<'END_OF_MAIN'\n#!/bin/bash\n{main}\nEND_OF_MAIN\n");
    post(server, "/api/v1/activities", &json!({ "name": name, "script": script })).await;
    for _ in 0..1200 {
        if get(server, &format!("/api/v1/activities/{name}")).await["status"] == "approved" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("activity {name} is not approved");
}

/// Starts an execution; its id.
pub(crate) async fn start(server: &Server, activity: &str, input: &str) -> u64 {
    let started = post(server, "/api/v1/executions", &json!({ "activity": activity, "input": input })).await;
    started["id"].as_u64().expect("an execution has an id")
}

/// Waits for the end of an execution.
pub(crate) async fn ended(server: &Server, id: u64) -> Value {
    let execution = get(server, &format!("/api/v1/executions/{id}?wait=50")).await;
    assert!(execution["finishedAt"].is_string(), "execution {id} does not end: {execution}");
    execution
}

/// What is at this path.
pub(crate) async fn get(server: &Server, path: &str) -> Value {
    let answer = client().get(format!("{}{path}", server.url())).send().await.expect("the manager answers");
    answer.json().await.expect("the answer is JSON")
}

/// What a request with a body is answered with.
pub(crate) async fn post(server: &Server, path: &str, body: &Value) -> Value {
    let request = client().post(format!("{}{path}", server.url())).json(body);
    let answer = request.send().await.expect("the manager answers");
    assert!(answer.status().is_success(), "POST {path}: {}", answer.status());
    answer.json().await.expect("the answer is JSON")
}
