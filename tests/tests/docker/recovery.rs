//! Managers and containers that are killed.

use serde_json::json;

use crate::{
    client, counting,
    engine::{Contained, Left, docker},
};

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
