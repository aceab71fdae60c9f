//! Starting and stopping.

use std::time::Duration;

use pod_server::{
    config::{Config, Secret},
    serve::StartError,
};

use crate::server::{Server, start};

#[tokio::test]
async fn followers_are_let_go_and_work_goes_on_at_the_next_start() {
    let server = Server::start().await;
    server.approved("slow", "printf 'echo begun; sleep 1000\\n' > main.sh").await;
    let id = server.submitted("slow", None).await;
    let mut raw = server.get(&format!("/api/v1/executions/{id}/output?follow=true")).await;
    assert_eq!(raw.chunk().await.unwrap().unwrap().as_ref(), b"begun\n");
    let events = server.get("/api/v1/events").await;
    let output =
        server.request("GET", &format!("/api/v1/executions/{id}/output")).header("accept", "text/event-stream");
    let output = output.send().await.unwrap();
    let waiting = tokio::spawn(server.request("GET", &format!("/api/v1/executions/{id}?wait=600")).send());
    tokio::time::timeout(Duration::from_secs(10), server.stop()).await.expect("it stops within 10 s");
    assert!(raw.chunk().await.is_err(), "a cut follower is told that this was not the end");
    assert!(events.text().await.is_ok(), "a stream of events ends");
    assert!(output.text().await.is_ok());
    let _ = waiting.await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_listened_on_gets_a_sentence() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let in_use = taken.local_addr().unwrap().to_string();
    for (listen, token, part) in [
        (in_use.as_str(), None, "another program uses that port"),
        ("192.0.2.1:0", Some("t"), "does not have that address"),
        ("0.0.0.0:0", None, "without a token"),
        ("[::]:0", None, "without a token"),
        ("no-such-host.invalid:80", None, "cannot be found"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config::in_directory(directory.path());
        (config.listen, config.token) = (listen.to_owned(), token.map(Secret::new));
        let error: StartError = start(&config).await.err().unwrap_or_else(|| panic!("{listen} was listened on"));
        assert!(error.to_string().contains(part), "{listen}: {error}");
    }
}
