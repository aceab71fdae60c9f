//! What becomes of executions where a request does not reach the engine, or its answer does not come back.

use std::{
    fs,
    sync::{Arc, atomic::AtomicBool, atomic::Ordering},
};

use pod_tests::Server;
use serde_json::json;

use crate::{
    client,
    engine::{Contained, image},
    proxy::{Lost, losing_engine_port},
};

/// A manager whose executions are containers of that engine, and what makes the next request of that kind a lost one.
fn manager(pod: &Contained, lost: Lost, request: &'static str) -> (Server, Arc<AtomicBool>) {
    let shared = pod.path("shared");
    fs::create_dir(&shared).expect("a directory can be made");
    let (port, lose) = losing_engine_port(lost, request);
    let (host, image, mount) = (format!("tcp://127.0.0.1:{port}"), image(), format!("{}:/shared", shared.display()));
    let arguments = [
        ["--backend", "docker", "--docker-image", &image, "--docker-isolation", "execution"],
        ["--slots", "1", "--docker-network", "none", "--docker-mount", &mount],
    ];
    (pod.serve_in(&[("DOCKER_HOST", &host)], &arguments.concat()), lose)
}

#[test]
fn a_program_whose_start_is_not_told_does_not_start_again() {
    let pod = Contained::new();
    let (server, lose) = manager(&pod, Lost::Answer, "/start HTTP/1.1");
    let url = server.url();
    client::register(url, "pay", "echo $1 >>/shared/paid; sleep 1; echo paid; exit 3", json!({ "onLost": "fail" }));
    let ended = client::ended(url, client::start(url, "pay", "first"));
    assert_eq!(ended["exitCode"], 3, "{ended}");
    lose.store(true, Ordering::SeqCst);
    let id = client::start(url, "pay", "second");
    let ended = client::ended(url, id);
    assert!(!lose.load(Ordering::SeqCst), "an answer was lost");
    assert_eq!(fs::read_to_string(pod.path("shared/paid")).expect("it ran"), "first\nsecond\n");
    assert_eq!((&ended["exitCode"], &ended["attempt"]), (&json!(3), &json!(1)), "{ended}");
    assert_eq!(client::stdout(url, id).body, b"paid\n");
}

#[test]
fn an_end_that_the_init_has_told_is_not_lost_with_what_the_engine_says_of_it() {
    let pod = Contained::new();
    let (server, lose) = manager(&pod, Lost::Answer, "/json HTTP/1.1");
    let url = server.url();
    client::register(url, "three", "echo $POD_ATTEMPT >>/shared/attempts; exit 3", json!({}));
    lose.store(true, Ordering::SeqCst);
    let ended = client::ended(url, client::start(url, "three", ""));
    assert!(!lose.load(Ordering::SeqCst), "an answer was lost");
    assert_eq!((&ended["exitCode"], &ended["attempt"]), (&json!(3), &json!(1)), "{ended}");
    assert_eq!(fs::read_to_string(pod.path("shared/attempts")).expect("it ran"), "1\n");
}

#[test]
fn a_container_whose_killing_does_not_arrive_is_killed_again() {
    let pod = Contained::new();
    let (server, lose) = manager(&pod, Lost::Request, "/kill?signal=SIGKILL HTTP/1.1");
    let url = server.url();
    let main = "trap '' TERM; echo ready; while :; do sleep 0.1; done";
    client::register(url, "stubborn", main, json!({}));
    lose.store(true, Ordering::SeqCst);
    let id = client::start(url, "stubborn", "");
    client::until("it hears nothing", || client::stdout(url, id).body == b"ready\n");
    client::post(url, &format!("/api/v1/executions/{id}/terminate"), &json!({}));
    let ended = client::ended(url, id);
    assert!(!lose.load(Ordering::SeqCst), "a request was lost");
    assert_eq!(ended["status"], "terminated", "{ended}");
}
