//! A data directory that changes its backend.

use std::fs;

use serde_json::json;

use crate::{
    client,
    engine::{Contained, Left, image},
};

/// A manager of the first backend is busy and ends; then one of the second backend is started on its data directory.
fn change(first: &[&str], second: &[&str], name: &str) {
    let pod = Contained::new();
    let shared = pod.path("shared");
    fs::create_dir(&shared).expect("a directory");
    let go = shared.join("go");
    let (image, mount) = (image(), format!("{0}:{0}", shared.display()));
    let settings = ["--docker-image", &image, "--docker-mount", &mount];
    let (first, second) = ([first, &settings].concat(), [second, &settings].concat());

    let server = pod.serve(&first);
    let main = format!("echo begun; until [ -e {} ]; do sleep 0.05; done; echo done", go.display());
    client::register(server.url(), "waits", &main, json!({}));
    let id = client::start(server.url(), "waits", "");
    let output = |url: &str| client::get(url, &format!("/api/v1/executions/{id}/output")).body;
    client::until("it runs", || output(server.url()) == b"begun\n");
    let worker = client::get(server.url(), &format!("/api/v1/executions/{id}")).json()["worker"].clone();
    assert!(server.stop().success());

    let serve = [&["serve", "--listen", "127.0.0.1:0"], &second[..]].concat();
    let nowhere = [("DOCKER_HOST", "unix:///nowhere.sock")];
    if name == "docker" {
        let refused = pod.spawn(&serve, &nowhere).finish();
        assert_eq!(refused.code, Some(1), "{}", refused.stderr);
        assert!(refused.stderr.contains("where they are gone for good, delete "), "{}", refused.stderr);
    }
    let refused = pod.run(&serve);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    let what_to_do =
        format!("start the manager with --backend {name}, let them end (pod drain {worker} --wait), and then");
    assert!(refused.stderr.contains(&what_to_do), "{}", refused.stderr);

    // Nothing happened to what runs.
    let server = pod.serve(&first);
    fs::write(&go, "").expect("a file");
    let ended = client::ended(server.url(), id);
    assert_eq!((&ended["status"], &ended["attempt"]), (&json!("finished"), &json!(1)), "{ended}");
    assert_eq!(output(server.url()), b"begun\ndone\n");
    assert!(server.stop().success());

    // The worker is there still, with nothing to do.
    if name == "docker" {
        // With nothing at work, an engine that is away is no reason not to start.
        assert!(pod.serve_in(&nowhere, &second).stop().success());
    }
    let store = pod.store();
    let server = pod.serve(&second);
    let processes = ["workers", "isolated"].map(|kind| pod.data().join(kind).join(worker.to_string()));
    assert!(processes.iter().all(|dir| pod_tests::processes_of(&dir.to_string_lossy()).is_empty()), "it was ended");
    assert!(!Left::of(&store).containers.iter().any(|container| container.ends_with(&format!("-{worker}"))));
    let ended = client::ended(server.url(), client::start(server.url(), "waits", ""));
    assert_eq!(ended["status"], "finished", "{ended}");
}

#[test]
fn containers_do_not_take_over_from_processes_that_are_at_work() {
    change(&["--backend", "local"], &["--backend", "docker"], "local");
}

#[test]
fn processes_do_not_take_over_from_containers_that_are_at_work() {
    change(&["--backend", "docker"], &["--backend", "local"], "docker");
    change(&["--backend", "docker", "--docker-isolation", "execution"], &["--backend", "local"], "docker");
}
