//! A data directory that changes its backend.

use std::fs;

use pod_tests::{OwnEngine, Pod};
use serde_json::json;

use crate::{
    client,
    engine::{Contained, Left, image},
};

fn is_refused(pod: &Pod, environment: &[(&str, &str)], settings: &[&str], why: &str) {
    let refused = pod.spawn(&[&["serve", "--listen", "127.0.0.1:0"], settings].concat(), environment).finish();
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains(why) && refused.stderr.lines().count() == 1, "{}", refused.stderr);
}

/// A manager of the first backend is busy and ends; then one of the second backend is started on its data directory.
fn change(first: &[&str], second: &[&str]) {
    let name = first[1];
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

    let what_to_do = format!(
        "start the manager as before (pod serve --backend {name}), let them end (pod drain {worker} --wait), and then"
    );
    is_refused(&pod, &[], &second, &what_to_do);

    // Nothing happened to what runs.
    let server = pod.serve(&first);
    fs::write(&go, "").expect("a file");
    let ended = client::ended(server.url(), id);
    assert_eq!((&ended["status"], &ended["attempt"]), (&json!("finished"), &json!(1)), "{ended}");
    assert_eq!(output(server.url()), b"begun\ndone\n");
    assert!(server.stop().success());

    // The worker is there still, with nothing to do.
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
    change(&["--backend", "local"], &["--backend", "docker"]);
}

#[test]
fn processes_do_not_take_over_from_containers_that_are_at_work() {
    change(&["--backend", "docker"], &["--backend", "local"]);
    change(&["--backend", "docker", "--docker-isolation", "execution"], &["--backend", "local"]);
}

#[test]
fn containers_of_another_engine_are_looked_for_there() {
    let Some(mut engine) = OwnEngine::start(false, None) else { return };
    engine.load(&image());
    let pod = Contained::new();
    let (image, host) = (image(), engine.host());
    let (there, local) = ([("DOCKER_HOST", &*host)], ["--backend", "local"]);
    let docker = ["--backend", "docker", "--docker-image", &image, "--docker-network", "none"];
    let server = pod.serve_in(&there, &docker);
    client::register(server.url(), "second", "echo $POD_ATTEMPT; [ $POD_ATTEMPT = 2 ] || sleep 1000", json!({}));
    let id = client::start(server.url(), "second", "");
    client::until("it runs", || client::stdout(server.url(), id).body == b"1\n");
    assert!(server.stop().success());

    let why = format!("workers that --backend docker (DOCKER_HOST={host}) has launched are at work still");
    is_refused(&pod, &[], &local, &why);
    is_refused(&pod, &[], &docker, &why);
    engine.stop();
    is_refused(&pod, &[], &local, "where they are gone for good, delete ");
    // Containers end with this engine: nothing holds up what they ran.
    engine.go_on();
    let server = pod.serve(&local);
    let ended = client::ended(server.url(), id);
    assert_eq!((&ended["status"], &ended["attempt"]), (&json!("finished"), &json!(2)), "{ended}");
    assert!(server.stop().success());
    assert_eq!(engine.count(&["ps", "-aq"]) + engine.count(&["volume", "ls", "-q"]), 0);

    let server = pod.serve_in(&there, &docker);
    client::register(server.url(), "hello", "echo hello", json!({}));
    client::ended(server.url(), client::start(server.url(), "hello", ""));
    assert!(server.stop().success());
    engine.stop();
    // With nothing at work, an engine that is away is no reason not to start.
    let server = pod.serve(&local);
    assert_eq!(client::ended(server.url(), client::start(server.url(), "hello", ""))["status"], "finished");
}
