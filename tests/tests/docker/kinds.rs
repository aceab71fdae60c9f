//! Activities that say themselves what has a container of its own, side by side on one manager.

use pod_tests::Pod;
use serde_json::{Value, json};

use crate::{
    client,
    engine::{Contained, Left, docker, image},
    sizing::size_fleet,
};

fn text(url: &str, id: u64) -> String {
    String::from_utf8(client::stdout(url, id).body).expect("text")
}

fn worker(url: &str, id: &Value) -> Value {
    let workers = client::get(url, "/api/v1/workers").json();
    let found = workers["items"].as_array().and_then(|all| all.iter().find(|worker| worker["id"] == *id));
    found.expect("the worker is listed").clone()
}

/// Leaves a trace, and tells where it is and whether somebody was there before.
const TRACE: &str = "echo $HOSTNAME; cat /tmp/trace 2>/dev/null && echo seen; echo here >/tmp/trace";

fn both_kinds(manager: &str, own: &str, usual_isolates: bool) {
    let pod = Contained::new();
    let server = pod.manager(&["--slots", "1", "--docker-isolation", manager]);
    let url = server.url();
    client::register(url, "usual", TRACE, json!({}));
    client::register(url, "own", TRACE, json!({ "isolation": own }));
    for (name, isolates) in [("usual", usual_isolates), ("own", !usual_isolates)] {
        let runs = [(); 2].map(|()| {
            let id = client::start(url, name, "");
            let ended = client::ended(url, id);
            assert_eq!(ended["status"], "finished", "{ended}");
            let kind = worker(url, &ended["worker"])["isolation"].clone();
            assert_eq!(kind, if isolates { "execution" } else { "worker" });
            text(url, id)
        });
        let host = |text: &str| text.lines().next().map(str::to_owned);
        assert_eq!(host(&runs[0]) != host(&runs[1]), isolates, "{name}: {runs:?}");
        assert_eq!(runs[1].contains("seen"), !isolates, "{name}: {runs:?}");
    }
    assert_eq!(client::get(url, "/api/v1/activities/own").json()["isolation"], own);
    let page = client::get(url, "/activities/own").body;
    let shown = if own == "execution" { "for each execution" } else { "for a worker" };
    assert!(String::from_utf8_lossy(&page).contains(shown));
    let store = pod.stores().first().expect("a store").clone();
    size_fleet(url, 0);
    let images = || docker(&["images", "-q", "--filter", &format!("label=pod.store={store}")]).expect("an answer");
    client::until("nothing is left", || Left::of(&store).count() == (0, 0) && images().is_empty());
}

#[test]
fn an_activity_has_a_container_for_each_execution_beside_others_that_have_not() {
    both_kinds("worker", "execution", false);
}

#[test]
fn an_activity_shares_a_container_where_the_others_do_not() {
    both_kinds("execution", "worker", true);
}

#[test]
fn a_fleet_of_one_serves_both_kinds_in_turn_and_says_what_is_waited_for() {
    let pod = Contained::new();
    let server = pod.manager(&["--slots", "1"]);
    let url = server.url();
    size_fleet(url, 1);
    client::register(url, "shared", "until [ -e /tmp/go ]; do sleep 0.05; done", json!({}));
    let shared = client::start(url, "shared", "");
    client::until("it runs", || {
        client::get(url, &format!("/api/v1/executions/{shared}")).json()["status"] == "running"
    });
    let new = json!({ "name": "apart", "script": "printf 'echo apart' > main.sh", "isolation": "execution" });
    client::post(url, "/api/v1/activities", &new);
    let apart = client::start(url, "apart", "");
    let why = client::get(url, &format!("/api/v1/executions/{apart}/explain")).json();
    assert!(
        why.to_string().contains("in a container of its own is there, and the active policy allows no more than 1")
    );
    let container = Left::of(pod.stores().first().expect("a store")).containers.remove(0);
    docker(&["exec", &container, "touch", "/tmp/go"]).expect("the container runs");
    assert_eq!(client::ended(url, shared)["status"], "finished");
    assert_eq!(client::ended(url, apart)["status"], "finished");
    assert_eq!(text(url, apart), "apart\n");
}

#[test]
fn a_run_says_itself_that_it_wants_a_container_of_its_own() {
    let pod = Contained::new();
    let program = pod.program("apart", "cat /proc/1/cmdline | tr '\\0' ' '\n");
    let image = image();
    let ran = pod.run(&["run", "--backend", "docker", "--docker-image", &image, "--isolation", "execution", &program]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("init-program"), "it is what its container is for: {}", ran.stdout);
    let refused = pod.run(&["run", "--isolation", "execution", "some-activity"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("--isolation is for a directory"), "{}", refused.stderr);
}

#[test]
fn a_backend_without_containers_refuses_it() {
    let pod = Pod::new();
    let program = pod.program("apart", "true\n");
    let ran = pod.run(&["run", "--isolation", "execution", &program]);
    assert_eq!(ran.code, Some(1));
    let expected = "isolation execution is not possible with this manager's backend, whose workers run executions beside \
                    each other; leave it out, or run the manager with a backend that makes containers (--backend docker)";
    assert!(ran.stderr.contains(expected), "{}", ran.stderr);
}
