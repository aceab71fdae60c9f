//! Managers and containers that are killed.

use std::{collections::BTreeMap, fs};

use serde_json::{Value, json};

use crate::{
    client, counting,
    engine::{Contained, Left, docker},
    sizing::size_fleet,
};

/// How many executions a manager is killed in the middle of.
const MANY: usize = 5000;

#[test]
fn executions_go_on_while_the_manager_is_dead_and_no_byte_is_missing() {
    let pod = Contained::new();
    let server = pod.manager(&["--slots", "2"]);
    client::register(server.url(), "counting", counting::COUNTING, json!({}));
    client::register(server.url(), "stop", "touch /tmp/stop", json!({}));
    let id = client::start(server.url(), "counting", "");
    client::until("some output has arrived", || client::stdout(server.url(), id).body.len() > 100);
    server.kill();

    let container = Left::of(pod.stores().first().expect("a store")).containers.remove(0);
    let printed = || docker(&["exec", &container, "sh", "-c", "ls /.pod/work/spool | wc -l"]);
    assert!(printed().is_ok(), "the container runs on");
    let server = pod.manager(&["--slots", "2"]);
    let before = client::stdout(server.url(), id).body.len();
    client::until("it prints on", || client::stdout(server.url(), id).body.len() > before + 100);
    client::ended(server.url(), client::start(server.url(), "stop", ""));
    counting::check(server.url(), id);
}

#[test]
fn a_worker_that_is_killed_or_removed_behind_the_manager_is_recovered() {
    let pod = Contained::new();
    let server = pod.manager(&["--slots", "2"]);
    let url = server.url();
    // The first attempt waits for ever, the next one ends.
    client::register(url, "once", "if [ $POD_ATTEMPT = \"$1\" ]; then sleep 1000; fi; echo done", json!({}));
    for (attempt, how) in [&["kill"][..], &["rm", "-f"]].iter().enumerate() {
        let id = client::start(url, "once", "1");
        client::until("it runs", || client::get(url, &format!("/api/v1/executions/{id}")).json()["attempt"] == 1);
        client::until("its container is the only one", || {
            Left::of(pod.stores().first().expect("a store")).count() == (1, 1)
        });
        let container = Left::of(pod.stores().first().expect("a store")).containers.remove(0);
        docker(&[*how, &[container.as_str()]].concat()).expect("the engine does it");
        let ended = client::ended(url, id);
        assert_eq!((&ended["status"], &ended["attempt"]), (&json!("finished"), &json!(2)), "{how:?}: {ended}");
        let worker = client::get(url, &format!("/api/v1/workers/{}", attempt + 1));
        let worker = worker.json();
        let reason = worker["reason"].as_str().unwrap_or_default();
        assert!(reason.contains("was killed") || reason.contains("was removed"), "{worker}");
    }
}

#[test]
fn slow_a_manager_killed_in_the_middle_of_many_loses_none_and_repeats_none() {
    let pod = Contained::new();
    let shared = pod.path("shared");
    fs::create_dir(&shared).expect("a directory can be made");
    let mount = format!("{}:/shared", shared.display());
    let arguments = ["--slots", "2", "--docker-mount", &mount];
    let mut server = pod.manager(&arguments);
    client::register(server.url(), "a", "echo $POD_EXECUTION_ID >> /shared/ran; echo $1", json!({}));
    size_fleet(server.url(), 2);
    let store = pod.stores().first().expect("a store").clone();
    client::until("there are two containers", || Left::of(&store).count() == (2, 2));
    let before = Left::of(&store);

    let mut ids = Vec::new();
    for first in (0..MANY).step_by(1000) {
        let inputs: Vec<String> = (first..first + 1000).map(|number| number.to_string()).collect();
        let batch = json!({ "activity": "a", "inputs": inputs });
        let answer = client::post(server.url(), "/api/v1/executions/batch", &batch);
        ids.extend(answer["ids"].as_array().into_iter().flatten().filter_map(Value::as_u64));
    }
    assert_eq!(ids.len(), MANY);
    let ran = || fs::read_to_string(shared.join("ran")).unwrap_or_default();
    for part in [1, 2, 3] {
        client::until("a part of them has run", || ran().lines().count() > part * MANY / 5);
        server.kill();
        server = pod.manager(&arguments);
    }
    for (number, id) in ids.iter().enumerate() {
        let ended = client::ended(server.url(), *id);
        assert_eq!((&ended["status"], &ended["attempt"]), (&json!("finished"), &json!(1)), "{ended}");
        assert_eq!(client::stdout(server.url(), *id).body, format!("{number}\n").into_bytes(), "{ended}");
    }
    let mut times = BTreeMap::new();
    for id in ran().lines().filter_map(|line| line.parse::<u64>().ok()) {
        *times.entry(id).or_insert(0) += 1;
    }
    assert_eq!(times, ids.into_iter().map(|id| (id, 1)).collect(), "each ran once");
    for (id, times) in client::conclusions(server.url(), MANY) {
        assert_eq!(times, 1, "execution {id} concluded {times} times");
    }
    assert_eq!(Left::of(&store), before, "the same two containers did it all");
    size_fleet(server.url(), 0);
    client::until("nothing is left", || Left::of(&store).count() == (0, 0));
}
