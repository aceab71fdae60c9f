//! The disk of the engine is full.

use std::{fs, io::Write};

use pod_tests::{OwnEngine, Pod, Server};
use serde_json::json;

use crate::{client, engine::image};

/// Room for the image, a worker and some snapshots.
const MEBIBYTES: u32 = 200;

fn manager(pod: &Pod, engine: &OwnEngine, isolation: &str) -> Server {
    let (image, host) = (image(), engine.host());
    let docker = ["--backend", "docker", "--docker-image", &image, "--docker-network", "none"];
    pod.serve_in(&[("DOCKER_HOST", &host)], &[&docker[..], &["--docker-isolation", isolation]].concat())
}

/// Takes all that is left of the disk.
fn fill(engine: &OwnEngine) {
    let mut ballast = fs::File::options().create(true).append(true).open(ballast(engine)).expect("a file");
    let piece = vec![0; 4096];
    while ballast.write_all(&piece).is_ok() {}
}

fn ballast(engine: &OwnEngine) -> std::path::PathBuf {
    engine.data().join("ballast")
}

fn make_room(engine: &OwnEngine) {
    fs::remove_file(ballast(engine)).expect("it was filled");
}

const HELLO: &str = "printf 'echo hello' > main.sh";

/// Registers an activity whose installation needs more than is there; waits until it is known why it waits.
fn register_and_see(url: &str, name: &str, script: &str, why: &str) {
    client::post(url, "/api/v1/activities", &json!({ "name": name, "script": script }));
    client::until(&format!("it is told that {why}"), || {
        let activity = client::get(url, &format!("/api/v1/activities/{name}")).json();
        assert_eq!(activity["status"], "verifying", "{activity}");
        activity["waitsFor"].to_string().contains(why)
    });
}

fn finishes(url: &str, id: u64) {
    let ended = client::ended(url, id);
    assert_eq!((&ended["status"], &ended["attempt"]), (&json!("finished"), &json!(1)), "{ended}");
}

#[test]
fn workers_wait_for_room_and_what_is_installed_runs_on() {
    let Some(engine) = OwnEngine::start(false, Some(MEBIBYTES)) else { return };
    engine.load(&image());
    let pod = Pod::new();
    let server = manager(&pod, &engine, "worker");
    let url = server.url();
    fill(&engine);
    register_and_see(url, "hello", HELLO, "no space left on device");
    let id = client::start(url, "hello", "");
    let failed = || {
        let mut workers = client::get(url, "/api/v1/workers").json()["items"].as_array().cloned().unwrap_or_default();
        // The second one may be on its way.
        workers.retain(|worker| worker["status"] != "launching");
        for worker in &workers {
            assert_eq!(worker["status"], "failed", "{worker}");
            assert!(worker["reason"].as_str().is_some_and(|reason| reason.contains("no space left")), "{worker}");
        }
        workers.len()
    };
    client::until("the second try has failed, too", || failed() >= 2);
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert!(failed() <= 3, "it is not tried again and again");
    client::until("nothing is left of them", || {
        (engine.count(&["ps", "-aq"]), engine.count(&["volume", "ls", "-q"])) == (0, 0)
    });
    make_room(&engine);
    // The third try comes after ten seconds, and the one after that in a minute.
    client::until("there is a worker", || {
        let workers = client::get(url, "/api/v1/workers").json();
        workers["items"].as_array().is_some_and(|all| all.iter().any(|worker| worker["status"] != "failed"))
    });
    finishes(url, id);

    fill(&engine);
    finishes(url, client::start(url, "hello", ""));
    let big = "head -c 3000000 /dev/zero > data; printf 'echo big' > main.sh";
    register_and_see(url, "big", big, "the disk of the worker is full");
    make_room(&engine);
    finishes(url, client::start(url, "big", ""));
    assert_eq!(engine.count(&["ps", "-aq"]), 1, "all by the same worker");
}

#[test]
fn executions_with_containers_of_their_own_wait_for_room() {
    let Some(engine) = OwnEngine::start(false, Some(MEBIBYTES)) else { return };
    engine.load(&image());
    let pod = Pod::new();
    let server = manager(&pod, &engine, "execution");
    let url = server.url();
    fill(&engine);
    register_and_see(url, "hello", HELLO, "no space left on device");
    let id = client::start(url, "hello", "");
    make_room(&engine);
    finishes(url, id);

    fill(&engine);
    let id = client::start(url, "hello", "");
    std::thread::sleep(std::time::Duration::from_secs(1));
    let waits = client::get(url, &format!("/api/v1/executions/{id}")).json();
    assert!(waits["finishedAt"].is_null(), "{waits}");
    make_room(&engine);
    finishes(url, id);
    client::until("no container is left", || engine.count(&["ps", "-aq"]) == 0);
}
