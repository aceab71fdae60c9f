//! An engine on another machine: reached over TCP, its containers dial back over HTTP.

use std::net::TcpListener;

use serde_json::json;

use crate::{
    client,
    engine::{Contained, docker, image},
    proxy::engine_port,
};

#[test]
fn containers_of_a_remote_engine_dial_the_manager_by_its_address() {
    let pod = Contained::new();
    let host = format!("tcp://127.0.0.1:{}", engine_port(|_| {}));
    let refused = pod.spawn(&["serve", "--backend", "docker"], &[("DOCKER_HOST", &host)]).finish();
    assert!(
        refused.stderr.contains("is not on this machine") && refused.stderr.contains("--docker-manager"),
        "{}",
        refused.stderr
    );

    // The address of this machine as its containers see it, and a port that is free at the moment.
    let subnet = docker(&["network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Subnet}}"]);
    let subnet = subnet.expect("the engine's usual network");
    // 172.17.0.0/16, of which this machine has the first.
    let (prefix, _) = subnet.rsplit_once('.').expect("a network of four numbers");
    let gateway = format!("{prefix}.1");
    let port =
        TcpListener::bind((gateway.as_str(), 0)).and_then(|listener| listener.local_addr()).expect("a port").port();
    let (listen, image) = (format!("{gateway}:{port}"), image());
    let manager = format!("http://{listen}");
    let arguments =
        ["serve", "--backend", "docker", "--docker-image", &image, "--listen", &listen, "--docker-manager", &manager];
    let token = [("DOCKER_HOST", host.as_str()), ("POD_TOKEN", "s3cret")];
    let server = pod.spawn(&arguments, &token);
    let bearer = "Authorization: Bearer s3cret\r\n";
    let ask = |method: &str, path: &str, body: &str| client::ask(&manager, method, path, bearer, body);
    client::until("the manager listens", || ask("GET", "/readyz", "").is_ok_and(|answer| answer.status == 200));
    let script =
        "printf '#!/bin/sh\\nls /.pod/work /.pod; tr \"\\\\0\" \"\\\\n\" </proc/1/environ; echo hello $1' > main.sh";
    let register = |name: &str, script: &str| {
        let made = ask("POST", "/api/v1/activities", &json!({ "name": name, "script": script }).to_string());
        assert_eq!(made.expect("an answer").status, 201);
    };
    let start = |activity: &str| {
        let started = ask("POST", "/api/v1/executions", &json!({ "activity": activity, "input": "Ada" }).to_string());
        started.expect("an answer").json()["id"].as_u64().expect("an id")
    };
    let finish = |id: u64| {
        let ended = ask("GET", &format!("/api/v1/executions/{id}?wait=50"), "").expect("an answer").json();
        assert_eq!((&ended["status"], &ended["attempt"]), (&json!("finished"), &json!(1)), "{ended}");
    };
    register("hello", script);
    let id = start("hello");
    finish(id);
    let printed = ask("GET", &format!("/api/v1/executions/{id}/output?stream=stdout"), "").expect("an answer").body;
    let printed = String::from_utf8(printed).expect("text");
    assert!(printed.ends_with("hello Ada\n"), "{printed}");
    assert!(!printed.contains("manager.json") && !printed.contains("s3cret"), "the token is out of sight: {printed}");

    // What it dials with is its own, and opens nothing else.
    let own = std::fs::read_to_string(pod.data().join("docker/1/join-token")).expect("the worker's own token");
    let with_own = |path: &str| client::ask(&manager, "GET", path, &format!("Authorization: Bearer {own}\r\n"), "");
    assert_eq!(with_own("/api/v1/executions").expect("an answer").status, 401);

    // The next manager knows it.
    register("waits", "printf 'until [ -e /tmp/go ]; do sleep 0.05; done' > main.sh");
    register("go", "printf 'touch /tmp/go' > main.sh");
    finish(start("hello"));
    let waits = start("waits");
    client::until("it runs", || {
        ask("GET", &format!("/api/v1/executions/{waits}"), "").is_ok_and(|answer| answer.json()["status"] == "running")
    });
    drop(server);
    let _server = pod.spawn(&arguments, &token);
    client::until("the manager listens", || ask("GET", "/readyz", "").is_ok_and(|answer| answer.status == 200));
    finish(start("go"));
    finish(waits);
}

#[test]
fn without_an_address_to_dial_each_execution_has_a_container_and_other_activities_are_refused() {
    let pod = Contained::new();
    let (host, image) = (format!("tcp://127.0.0.1:{}", engine_port(|_| {})), image());
    let program = pod.program("hello", "cat /proc/1/cmdline | tr '\\0' ' '\n");
    let run = |isolation: &'static [&str]| {
        let docker = ["run", "--backend", "docker", "--docker-image", &image];
        let environment = [("DOCKER_HOST", host.as_str()), ("POD_DOCKER_ISOLATION", "execution")];
        pod.spawn(&[&docker[..], isolation, &[&program]].concat(), &environment).finish()
    };
    let ran = run(&[]);
    assert!(ran.code == Some(0) && ran.stdout.contains("init-program"), "{}{}", ran.stdout, ran.stderr);
    let ran = run(&["--isolation", "worker"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    let expected =
        "isolation worker is not possible with this manager's backend, whose workers run each execution in a";
    assert!(ran.stderr.contains(expected) && ran.stderr.contains("--docker-manager"), "{}", ran.stderr);
}
