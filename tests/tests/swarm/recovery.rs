//! Managers and tasks that are killed.

use std::fs;

use pod_tests::Server;
use serde_json::{Value, json};

use crate::{
    client, counting,
    swarm::{Left, Swarmed, TOKEN, apply, ask, docker, node},
};

#[test]
fn executions_go_on_while_the_manager_is_dead_and_no_byte_is_missing() {
    let pod = Swarmed::new();
    let server = pod.manager(&["--slots", "2"]);
    client::register(server.url(), "counting", counting::COUNTING, json!({}));
    client::register(server.url(), "stop", "touch /tmp/stop", json!({}));
    let id = client::start(server.url(), "counting", "");
    client::until("some output has arrived", || client::stdout(server.url(), id).body.len() > 100);
    server.kill();
    let before = Left::of(&pod.store());
    let server = pod.manager(&["--slots", "2"]);
    let printed = client::stdout(server.url(), id).body.len();
    client::until("it prints on", || client::stdout(server.url(), id).body.len() > printed + 100);
    assert_eq!(Left::of(&pod.store()), before, "nothing was made anew");
    client::ended(server.url(), client::start(server.url(), "stop", ""));
    counting::check(server.url(), id);
}

#[test]
fn a_task_that_is_ended_behind_the_manager_is_recovered() {
    let pod = Swarmed::new();
    let server = pod.manager(&["--slots", "2"]);
    let url = server.url();
    // The first attempt waits for ever, the next one ends.
    client::register(url, "once", "if [ $POD_ATTEMPT = \"$1\" ]; then sleep 1000; fi; echo done", json!({}));
    for how in [&["kill"][..], &["rm", "-f"], &["service", "rm"]] {
        let id = client::start(url, "once", "1");
        client::until("it runs", || {
            let execution = client::get(url, &format!("/api/v1/executions/{id}")).json();
            execution["attempt"] == 1 && execution["status"] == "running"
        });
        client::until("its task is the only one", || Left::of(&pod.store()).count() == [1; 4]);
        let mut left = Left::of(&pod.store());
        let what = if how[0] == "service" { left.services.remove(0) } else { left.containers.remove(0) };
        docker(&[how, &[what.as_str()]].concat()).expect("the engine does it");
        let ended = client::ended(url, id);
        assert_eq!((&ended["status"], &ended["attempt"]), (&json!("finished"), &json!(2)), "{how:?}: {ended}");
    }
}

#[test]
fn a_task_whose_worker_was_destroyed_is_turned_away_for_good() {
    let pod = Swarmed::new();
    let mut server = pod.manager(&["--slots", "1", "--token", TOKEN]);
    apply(&server, 1);
    client::until("its worker is ready, and tells its node", || {
        let worker = ask(&server, "GET", "/api/v1/workers", TOKEN, &Value::Null).json()["items"][0].clone();
        worker["status"] == "ready" && worker["host"] == node().as_str()
    });
    let join_token = fs::read_to_string(pod.data().join("swarm/1/join-token")).expect("the manager remembers it");
    let status = |server: &Server, token: &str| {
        ["", "/starter", "/program"]
            .map(|what| ask(server, "GET", &format!("/api/v1/worker-link{what}"), token, &Value::Null).status)
    };
    assert_eq!(status(&server, &join_token), [422, 200, 200], "the first one is no upgrade");
    assert_eq!(status(&server, "another"), [401; 3], "which may be a mistake, and is no reason to end");
    let store = pod.store();
    apply(&server, 0);
    client::until("nothing is left", || Left::of(&store).count() == [0; 4]);
    for _ in 0..2 {
        assert_eq!(status(&server, &join_token), [409; 3]);
        server.kill();
        server = pod.manager(&["--slots", "1", "--token", TOKEN]);
    }
}
