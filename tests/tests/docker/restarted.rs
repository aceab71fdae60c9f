//! The engine is stopped, or killed, and starts again.

use std::fs;

use pod_tests::{OwnEngine, Pod, Server};
use serde_json::json;

use crate::{client, counting, engine::image, sizing::size_fleet, twice::TWICE};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Down {
    Asked,
    Killed,
}

impl Down {
    fn bring(self, engine: &mut OwnEngine) {
        match self {
            Self::Asked => engine.stop(),
            Self::Killed => engine.kill(),
        }
    }
}

fn manager(pod: &Pod, engine: &OwnEngine, isolation: &str) -> Server {
    let shared = pod.path("shared");
    fs::create_dir_all(&shared).expect("a directory can be made");
    let (image, mount) = (image(), format!("{}:/shared", shared.display()));
    let docker = ["--backend", "docker", "--docker-image", &image, "--docker-mount", &mount];
    let host = engine.host();
    pod.serve_in(
        &[("DOCKER_HOST", &host)],
        &[&docker[..], &["--docker-isolation", isolation, "--docker-network", "none", "--slots", "2"]].concat(),
    )
}

/// Ends the fleet, and sees that nothing is left.
fn end(url: &str, engine: &OwnEngine) {
    size_fleet(url, 0);
    let label = ["--filter", "label=pod.store"];
    let count = |list: &[&str]| engine.count(&[list, &label].concat());
    client::until("no container, volume or snapshot is left", || {
        count(&["ps", "-aq"]) + count(&["volume", "ls", "-q"]) + count(&["images", "-q"]) == 0
    });
}

/// What ran when the engine ended runs again, what was asked for meanwhile runs, and nothing runs twice at a time.
fn runs_again(isolation: &str, live_restore: bool, down: Down) {
    let Some(mut engine) = OwnEngine::start(live_restore, None) else { return };
    engine.load(&image());
    let pod = Pod::new();
    let server = manager(&pod, &engine, isolation);
    let url = server.url();
    client::register(url, "once", TWICE, json!({}));
    client::register(url, "short", "echo $1", json!({}));
    let id = client::start(url, "once", "");
    client::until("it runs", || pod.path("shared/count").exists());
    down.bring(&mut engine);
    let short: Vec<u64> = (0..10).map(|number| client::start(url, "short", &number.to_string())).collect();
    // So long that a worker that lives tries to run them while there is no engine.
    std::thread::sleep(std::time::Duration::from_secs(1));
    engine.go_on();
    for (number, id) in short.into_iter().enumerate() {
        let ended = client::ended(url, id);
        assert_eq!(ended["status"], "finished", "{ended}");
        assert_eq!(client::stdout(url, id).body, format!("{number}\n").into_bytes());
    }
    let ended = client::ended(url, id);
    assert_eq!((&ended["status"], &ended["attempt"]), (&json!("finished"), &json!(2)), "{ended}");
    assert_eq!(client::stdout(url, id).body, b"done\n", "the first attempt was over before the second one began");
    end(url, &engine);
}

#[test]
fn an_engine_that_was_stopped_is_recovered_like_lost_workers() {
    runs_again("worker", false, Down::Asked);
}

#[test]
fn an_engine_that_was_killed_is_recovered_like_lost_workers() {
    runs_again("worker", false, Down::Killed);
}

#[test]
fn containers_of_executions_do_not_outlive_an_engine_that_was_killed() {
    runs_again("execution", false, Down::Killed);
}

#[test]
fn containers_of_executions_that_outlive_their_engine_end_before_they_run_again() {
    runs_again("execution", true, Down::Killed);
}

#[test]
fn workers_that_outlive_their_engine_go_on_and_are_watched_again() {
    for down in [Down::Asked, Down::Killed] {
        let Some(mut engine) = OwnEngine::start(true, None) else { return };
        engine.load(&image());
        let pod = Pod::new();
        let server = manager(&pod, &engine, "worker");
        let url = server.url();
        client::register(url, "counting", counting::COUNTING, json!({}));
        client::register(url, "stop", "touch /tmp/stop", json!({}));
        client::register(url, "once", TWICE, json!({}));
        let id = client::start(url, "counting", "");
        let printed = || client::stdout(url, id).body.len();
        client::until("some output has arrived", || printed() > 100);
        down.bring(&mut engine);
        let before = printed();
        client::until("it prints on without the engine", || printed() > before + 100);
        engine.go_on();
        client::ended(url, client::start(url, "stop", ""));
        counting::check(url, id);
        let once = client::start(url, "once", "");
        client::until("it runs", || pod.path("shared/count").exists());
        let containers = engine.ask(&["ps", "-q", "--filter", "label=pod.store"]).expect("the engine answers");
        engine.ask(&["kill", containers.trim()]).expect("the engine does it");
        let ended = client::ended(url, once);
        assert_eq!((&ended["status"], &ended["attempt"]), (&json!("finished"), &json!(2)), "{down:?}: {ended}");
        end(url, &engine);
    }
}
