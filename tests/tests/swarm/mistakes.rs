//! What is wrong is said in a sentence, and nothing storms.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    client,
    swarm::{Left, Swarmed, host, image, node},
};

#[test]
fn what_cannot_work_is_refused_on_the_command_line() {
    let pod = Swarmed::new();
    let program = pod.program("hello", "echo hello\n");
    let swarm = host();
    let manager = ["--docker-manager", "http://10.0.0.7:8080"];
    let network = ["--docker-manager", "http://127.0.0.1:8080", "--docker-network", "host"];
    for (engine, arguments, expected) in [
        (swarm.as_str(), &["serve", "--backend", "swarm"][..], "set it with --docker-manager"),
        (&swarm, &[&["serve", "--backend", "swarm"][..], &network[..2]].concat(), "in a task is the task itself"),
        (&swarm, &["serve", "--backend", "swarm", "--docker-manager", "https://pod.example"], "over plain http://"),
        (
            "unix:///nowhere/docker.sock",
            &[&["serve", "--backend", "swarm"][..], &manager].concat(),
            "no container engine",
        ),
        (
            &swarm,
            &[&["serve", "--backend", "swarm", "--listen", "0.0.0.0:0"][..], &manager].concat(),
            "without a token",
        ),
        (&swarm, &["run", "--backend", "swarm", &program], "pod serve --backend swarm"),
    ] {
        let ran = pod.command(arguments).env("DOCKER_HOST", engine).output().expect("the pod binary runs");
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(!ran.status.success() && said.contains(expected) && said.lines().count() == 1, "{arguments:?}: {said}");
    }
}

#[test]
fn an_engine_that_is_in_no_swarm_says_how_to_make_one() {
    let pod = Swarmed::new();
    // The engine of the other tests; a developer's may be in a swarm.
    let state = std::process::Command::new("docker").args(["info", "--format", "{{.Swarm.LocalNodeState}}"]).output();
    if state.expect("the client of the engine is installed").stdout != b"inactive\n" {
        return;
    }
    let ran = pod.run(&[
        "serve",
        "--backend",
        "swarm",
        "--docker-manager",
        "http://10.0.0.7:8080",
        "--listen",
        "127.0.0.1:0",
    ]);
    assert!(ran.stderr.contains("is in no swarm; make one (docker swarm init)"), "{}", ran.stderr);
}

#[test]
fn an_activity_that_wants_a_container_for_each_execution_is_refused() {
    let pod = Swarmed::new();
    let server = pod.manager(&[]);
    let program = pod.program("apart", "true\n");
    let ran = pod.run(&["run", "--server", server.url(), "--isolation", "execution", &program]);
    let expected = "isolation execution is not possible with this manager's backend, whose workers run executions beside \
                    each other; leave it out, or run the manager with a backend that makes containers (--backend docker)";
    assert!(ran.code == Some(1) && ran.stderr.contains(expected), "{}", ran.stderr);
}

/// The workers, and whether so many have failed.
fn failed(url: &str) -> Vec<Value> {
    let workers = client::get(url, "/api/v1/workers").json()["items"].as_array().cloned().unwrap_or_default();
    workers.into_iter().filter(|worker| worker["status"] == "failed").collect()
}

#[test]
fn a_task_that_cannot_work_is_told_in_the_workers_state_without_a_storm() {
    let absent = format!("{}-absent", image());
    let without = format!("{}-without", image());
    let rejected = format!("its task was rejected by its node {}: No such image", node());
    for (arguments, expected) in
        [(["--docker-image", &absent], rejected.as_str()), (["--docker-image", &without], "has no bash")]
    {
        let pod = Swarmed::new();
        let server = pod.manager(&arguments);
        client::post(server.url(), "/api/v1/activities", &json!({ "name": "a", "script": "echo > main.sh" }));
        client::until("the second try has failed, too", || failed(server.url()).len() == 2);
        for worker in failed(server.url()) {
            assert!(worker["reason"].as_str().unwrap_or_default().contains(expected), "{worker}");
        }
        // The third one waits ten seconds.
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!(failed(server.url()).len(), 2);
    }
}

#[test]
fn a_manager_that_tasks_do_not_reach_is_named() {
    let pod = Swarmed::new();
    // Nobody listens there.
    let server = pod.manager(&["--docker-manager", "http://127.0.0.1:9"]);
    client::post(server.url(), "/api/v1/activities", &json!({ "name": "a", "script": "echo > main.sh" }));
    client::until("its task has given up", || !failed(server.url()).is_empty());
    let worker = failed(server.url()).remove(0);
    let reason = worker["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("http://127.0.0.1:9") && reason.contains("Connection refused"), "{worker}");
    // What has failed has left nothing; another try may be under way.
    client::until("only the next try is there", || Left::of(&pod.store()).services.len() <= 1);
}
